/** Cells, forward and back through time. */

import { expect } from '../../errors.js'
import { isSpiking, parameterNames, recurrentWeight } from '../../nn/layers/cell.js'
import {
  emitCell,
  emitCellBackwardTime,
  emitLearnGradients,
  emitRecurrentGradient,
  inCellUnits,
} from '../../plan/cell-record.js'
import { noPool } from '../../plan/tensors.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type CellOpOptions, cellJob } from '../cells.js'
import { operation } from '../operation.js'
import { type OutputsOf, type Selected, type SomeOutputs, selecting } from '../selecting.js'
import { still } from '../shapes.js'
import { floatTensor, type OpTensor, spikesTensor } from '../tensor.js'
import type { OpTypes } from '../types.js'

/** What `ops.cell` can compute. */
export type CellResults = {
  /** 0 or 1 [B, T, …], of cells that spike. */
  readonly spikes: Uint8Array
  /** Potentials [B, T, …], of those that do not. */
  readonly potentials: Float32Array
  /** The factor of rate-based backpropagation, […]. */
  readonly eligibilities: Float32Array
}
type Name = keyof CellResults

/** `ops.cell`. */
export interface CellTypes extends OpTypes {
  /** There is a result. */
  readonly rules: SomeOutputs<this['options']>
  /** The input, and what the cells learn and send themselves, as their state dict has it. */
  readonly args: [input: Float32Array, ...parameters: Float32Array[]]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** What `outputs` names. */
  readonly result: Selected<CellResults, OutputsOf<this['options'], readonly ['spikes']>>
  /** The plan's own memory by name. */
  readonly memory: {
    /** [B][H][W][T][C]. */
    readonly input: Float32Array
  }
}

function build(o: OpBuilder, options: CellOpOptions, outputs: ReadonlySet<Name>): Planned {
  const { b, op } = o
  const { extent, scope, charge, input, parameters } = cellJob(o, options)
  const { cell } = charge
  const own = isSpiking(cell) ? 'spikes' : 'potentials'
  const other = isSpiking(cell) ? 'potentials' : 'spikes'
  expect(
    !outputs.has(other),
    () => `${op}.outputs: ${cell.type}() gives ${own}, got '${other}'; use outputs: ['${own}']`,
  )
  const spikes = isSpiking(cell) ? spikesTensor(b, op, { name: 'spikes' }, extent) : undefined
  const potentials = spikes ? undefined : floatTensor(b, { name: 'potentials' }, extent)
  const eligibilities = outputs.has('eligibilities')
    ? floatTensor(b, { name: 'eligibilities' }, still(extent))
    : undefined
  const { units } = inCellUnits(scope, charge)
  emitCell(scope, {
    ...charge,
    masks: spikes?.buffer,
    counts: spikes?.counts.buffer,
    countPartials: spikes && b.buffer('spike sums', units * 4, 'statistics'),
    out: potentials?.buffer,
    eligibility: eligibilities?.buffer,
  })
  const made: Readonly<Record<Name, OpTensor | undefined>> = { spikes, potentials, eligibilities }
  return {
    inputs: [input, ...parameters],
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    others: outputs.has(own) ? [] : [made[own] as OpTensor],
  }
}

/**
 * Cells over all time steps, as a layer has them: neurons with constants of each channel or neuron,
 * on synaptic currents, with an adaptive threshold, recurrent ones, and integrators. The option
 * `cell` is the layer; docs/networks.md has the equations.
 *
 * Arguments of `run`: input [B, T, …], and what the layer learns, in the order of its state dict:
 * w, v_threshold, w_syn, beta, w_adaptation, recurrent.weight (or recurrent.V), recurrent.bias.
 * Result: what `outputs` names; `['spikes']` by default, which integrators do not have.
 */
export const cell = selecting<CellOpOptions, CellResults, CellTypes>(
  'cell',
  ['input', 'cell'],
  ['spikes', 'potentials', 'eligibilities'],
  ['spikes'],
  build,
)

/** Gradients by name: `inputGradient`, and that of each parameter, such as `wGradient`. */
export type CellGradients = Readonly<Record<string, Float32Array>>

/** `ops.cellBackward`. */
export interface CellBackwardTypes extends OpTypes {
  /** None. */
  readonly rules: unknown
  /** The output's gradient, and what `ops.cell` reads. */
  readonly args: [delta: Float32Array, input: Float32Array, ...parameters: Float32Array[]]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** The input's gradient; with parameters all gradients by name. */
  readonly result: Float32Array | CellGradients
  /** The plan's own memory by name. */
  readonly memory: {
    /** [B][H][W][T][C]. */
    readonly input: Float32Array
    /** [B][H][W][T][C]. */
    readonly delta: Float32Array
  }
}

function buildBackward(o: OpBuilder, options: CellOpOptions): Planned {
  const { b, op } = o
  const { extent, scope, charge, input, parameters, gradients } = cellJob(o, options)
  const { cell, shape, stored } = charge
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const made = gradients()
  const gradientOf = (name: string) =>
    made.find((tensor) => tensor.name === `${name}Gradient`)?.buffer
  const before = cell.recurrence ? floatTensor(b, { name: 'spikesBefore' }, extent) : undefined
  if (before) {
    const spikes = spikesTensor(b, op, { name: 'spikes' }, extent)
    emitCell(scope, { ...charge, masks: spikes.buffer, presynaptic: before.buffer })
  }
  const floats = shape[1] * shape[2] * extent.B * stored
  const traces =
    cell.learn.length > 0 ? b.buffer('derivatives', floats * cell.learn.length * 4) : undefined
  const all = {
    buffer: delta.buffer,
    steps: extent.T,
    outH: shape[1],
    outW: shape[2],
    pool: noPool,
    scale: 1,
  }
  emitCellBackwardTime(scope, charge, inputGradient.buffer, [all], traces)
  const learned = Object.fromEntries(
    cell.learn.map((key) => [key, gradientOf(parameterNames[key])]),
  )
  if (traces) emitLearnGradients(scope, charge, traces, undefined, learned)
  const out = gradientOf(recurrentWeight(cell))
  if (before && out)
    emitRecurrentGradient(
      scope,
      charge,
      {
        out,
        biasOut: gradientOf('recurrent.bias'),
        in: before.buffer,
        delta: inputGradient.buffer,
      },
      false,
    )
  return { inputs: [delta, input, ...parameters], outputs: [inputGradient, ...made] }
}

/**
 * The gradients of `ops.cell` through time (BPTT) from that of its spikes or potentials.
 *
 * Arguments of `run`: delta [B, T, …], then those of `ops.cell`. Result: the input's gradient
 * [B, T, …]; where there are parameters { inputGradient, … } with `wGradient`,
 * `v_thresholdGradient`, `recurrent.weightGradient`, … as well.
 */
export const cellBackward = operation<CellOpOptions, CellBackwardTypes>(
  'cellBackward',
  ['input', 'cell'],
  buildBackward,
)
