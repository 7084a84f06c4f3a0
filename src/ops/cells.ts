/** What the ops of cells share. */

import { describe, expect } from '../errors.js'
import { type Cell, cellKind, parameterNames, recurrentWeight } from '../nn/layers/cell.js'
import type { ParameterSpec } from '../nn/layers/kind.js'
import { cellLayout } from '../plan/cell.js'
import { type CellCharge, constantBytes, emitCellConstants } from '../plan/cell-record.js'
import { type ParameterLayout, pack, unpack, vectorLayout } from '../plan/layout.js'
import type { NeuronScope } from '../plan/neuron-record.js'
import type { OpBuilder } from './builder.js'
import { type Extent, extentOf, sizeOf } from './shapes.js'
import { floatTensor, type OpTensor, plainTensor } from './tensor.js'
import { asFloat } from './terms.js'
import { imageOf } from './windows.js'

/** What cells are, and the shape of what they read. */
export interface CellOpOptions {
  /** Their input: [B, T, C, H, W] or [B, T, C]. */
  readonly input: readonly number[]
  /** A layer: `cubaLif()`, `alif()`, `leakyIntegrator()`, `recurrent(lif())`, … */
  readonly cell: Cell
}

/** Cells as an op plans them. */
export interface CellJob {
  readonly extent: Extent
  readonly scope: NeuronScope
  readonly charge: CellCharge
  readonly input: OpTensor
  /** What is learned, by the state dict's names, in its order. */
  readonly parameters: readonly OpTensor[]
  /** A tensor like each of them, for gradients. */
  gradients(): OpTensor[]
}

/** A parameter in PyTorch's order, and as the planner lays it out. */
function parameterTensor(o: OpBuilder, name: string, layout: ParameterLayout): OpTensor {
  const shape = layout.shape.length === 0 ? [1] : layout.shape
  const plain = plainTensor(o.b, { name }, [layout.stored])
  return {
    ...plain,
    name,
    shape,
    pack: (values, views) =>
      pack(
        layout,
        values as Float32Array,
        views(plain.buffer, 'float32', layout.stored) as Float32Array,
      ),
    unpack: (views) =>
      unpack(layout, views(plain.buffer, 'float32', layout.stored) as Float32Array),
  }
}

const layoutOf = (spec: ParameterSpec, shape: readonly [number, number, number]): ParameterLayout =>
  cellLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1)

/** Checks what cells are and makes the tensors that they read. */
export function cellJob(o: OpBuilder, options: CellOpOptions): CellJob {
  const { b, op } = o
  const { cell } = options
  expect(
    typeof cell === 'object' && cell !== null && cell.kind === 'cell',
    () =>
      `${op}.cell must be a layer such as cubaLif() or leakyIntegrator(), got ${describe(cell)}`,
  )
  const extent = extentOf(`${op}.input`, options.input, 'always')
  const shape = imageOf(extent)
  cellKind.output(cell, { node: 0, shape, flat: false }, `${op}.cell`)
  const specs = cellKind.parameters?.(cell, shape) ?? []
  const tensors = (suffix: string): OpTensor[] =>
    specs.map((spec) => parameterTensor(o, `${spec.name}${suffix}`, layoutOf(spec, shape)))
  const input = floatTensor(b, { name: 'input' }, extent)
  const parameters = tensors('')
  const placeOf = (name: string) => parameters.find((tensor) => tensor.name === name)?.buffer
  const learned = Object.fromEntries(cell.learn.map((key) => [key, placeOf(parameterNames[key])]))
  const constants =
    cell.learn.length > 0 ? b.buffer('constants', constantBytes(cell, shape)) : undefined
  if (constants) emitCellConstants(b, cell, shape, learned, constants)
  return {
    extent,
    scope: {
      b,
      images: extent.B,
      callSteps: extent.T,
      context: { images: extent.B },
      options: { timeSteps: extent.T },
    },
    charge: {
      cell,
      shape,
      stored: input.stored,
      input: asFloat(input, extent),
      constants,
      weight: placeOf(recurrentWeight(cell)),
      bias: placeOf('recurrent.bias'),
    },
    input,
    parameters,
    gradients: () => tensors('Gradient').filter((tensor) => sizeOf(tensor.shape) > 0),
  }
}
