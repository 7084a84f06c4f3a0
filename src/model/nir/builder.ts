/** Layers with weights, joined while a graph is walked through; in the end a network. */

import { fail, quote, SpikewasmError } from '../../base/errors.js'
import type { NamedTensor, StateDict } from '../../engine/memory/state.js'
import { Fields } from '../../files/nir/graph.js'
import type { TraceOps } from '../../network/joins.js'
import { kindOf } from '../../network/kind.js'
import type { Composite, NamedValues } from '../../network/module.js'
import {
  type InputShape,
  type InputShapes,
  imageShape,
  isShapes,
  type Shape,
  show,
  sizeOf,
  type Value,
} from '../../network/value.js'
import type { Layer } from '../../nn/layers/index.js'
import type { Named } from './flatten.js'

type Made =
  | { readonly layer: Layer; readonly name: string; readonly from: number }
  | { readonly name: string; readonly sum: readonly number[] }

/** Tensors of a layer by their names in it. */
export type Weights = Readonly<Record<string, NamedTensor | undefined>>

/** Fields of a node, with what messages call it. */
export const fieldsOf = ({ name, type, fields }: Named, file: string): Fields =>
  new Fields(fields, `${file}: node ${quote(name)} (${quote(type).slice(1, -1)})`)

export class Builder {
  private readonly made: Made[] = []
  private readonly names = new Set<string>()
  readonly state: StateDict = Object.create(null)
  /** The inputs of the network, which come before its layers. */
  readonly inputs: readonly Value[]

  /** @param file what messages call the file */
  constructor(
    private readonly input: InputShape | InputShapes,
    private readonly file: string,
  ) {
    const shapes = isShapes(input) ? Object.values(input) : [input]
    this.inputs = shapes.map((sizes, node) => {
      const [flat, series] = [sizes.length === 1, sizes.length === 2]
      return { shape: imageShape(sizes), flat, series, node }
    })
  }

  /** Index of what was made last. */
  private get last(): number {
    return this.inputs.length + this.made.length - 1
  }

  /**
   * A layer behind a value.
   * @param make makes the layer; what it refuses is told with the node's name
   * @throws SpikewasmError for a layer that does not take the value
   */
  layer(name: string, where: string, x: Value, make: () => Layer, weights: Weights = {}): Value {
    try {
      const layer = make()
      const own = this.named(name)
      const [shape, flat] = kindOf(layer).output(layer, x, layer.kind)
      this.made.push({ layer, name: own, from: x.node })
      for (const [key, tensor] of Object.entries(weights))
        if (tensor) this.state[`${own}.${key}`] = { shape: [...tensor.shape], data: tensor.data }
      return { shape, flat, series: x.series, node: this.last }
    } catch (error) {
      if (!(error instanceof SpikewasmError)) throw error
      fail(`${where}: ${error.message}`, error)
    }
  }

  /** The sum of values; one alone is itself. */
  sum(name: string, where: string, values: readonly Value[]): Value {
    if (values.length === 1) return values[0]
    const [{ shape, flat, series }] = values
    const same = values.every((v) => v.flat === flat && v.shape.every((n, i) => n === shape[i]))
    if (!same)
      fail(
        `${where} must get values of one shape, which are added up, got ` +
          values.map(show).join(' and '),
      )
    this.made.push({ name: `${name}.sum`, sum: values.map(({ node }) => node) })
    return { shape, flat, series, node: this.last }
  }

  network(output: Value): Composite {
    const made = [...this.made]
    const { input } = this
    const children = made.flatMap((of) => ('layer' in of ? [[of.name, of.layer] as const] : []))
    return {
      kind: 'block',
      children: Object.fromEntries(children),
      forward(layers, x, ops) {
        const given = x as Value & NamedValues
        const values = isShapes(input) ? Object.keys(input).map((name) => given[name]) : [x]
        for (const of of made)
          values.push(
            'layer' in of
              ? layers[of.name](values[of.from])
              : (ops as TraceOps).joinAs('add', of.name, ...of.sum.map((node) => values[node])),
          )
        return values[output.node]
      },
    }
  }

  private named(name: string): string {
    if (this.names.has(name) || name === '__proto__')
      fail(`${this.file}: two layers would be named ${name}; rename a node`)
    this.names.add(name)
    return name
  }
}

// Parameters of neurons: one number for each, in PyTorch's order [C][H][W].

/** One number for each neuron. */
export type Values = Float64Array

/** What layers take: one number for all, one for each channel, or one for each neuron. */
export type Shared = number | readonly number[]

/**
 * A field of a node for each of its neurons. It may be one number, one for each channel ([C], and
 * [1, C] too), one for each neuron, or a shape of as many sizes as the neurons' own that stretches
 * to it as in NumPy ([C, 1, 1], [1, H, W]).
 * @throws SpikewasmError for another shape
 */
export function valuesOf(fields: Fields, field: string, shape: Shape): Values {
  const { shape: given, data } = fields.tensor(field)
  const neurons = sizeOf(shape)
  const [channels, height, width] = shape
  if (data.length === 1) return new Float64Array(neurons).fill(data[0])
  const isVector = given.slice(0, -1).every((n) => n === 1)
  if (isVector && data.length === neurons) return Float64Array.from(data)
  // The neurons of a series have two sizes in a file, [C, L].
  const own = height === 1 && given.length === 2 ? [channels, width] : shape
  // A vector is of the channels, however wide the neurons are, unless all their sizes are given.
  const isWhole = given.length >= own.length || !isVector
  const stretched = given.length > 1 && isWhole ? stretch(data, given, own) : undefined
  if (stretched) return stretched
  const each = neurons / channels
  if (data.length !== channels || !isVector)
    fail(
      `${fields.where}: ${field} must have one number, one for each channel (${channels}) or one ` +
        `for each neuron (${neurons}), got shape [${given.join(', ')}]`,
    )
  return Float64Array.from({ length: neurons }, (_, i) => data[Math.floor(i / each)])
}

/** Numbers repeated along sizes of 1, as NumPy does; undefined where that does not fit. */
function stretch(
  data: ArrayLike<number>,
  given: readonly number[],
  shape: readonly number[],
): Values | undefined {
  const more = given.length - shape.length
  const sizes = shape.map((_, k) => given[k + more] ?? 1)
  if (given.slice(0, Math.max(more, 0)).some((n) => n !== 1)) return undefined
  if (sizes.some((n, k) => n !== 1 && n !== shape[k])) return undefined
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    let [at, rest, step] = [0, i, 1]
    for (let k = shape.length - 1; k >= 0; k--) {
      if (sizes[k] > 1) at += (rest % shape[k]) * step
      rest = Math.floor(rest / shape[k])
      step *= sizes[k]
    }
    return data[at]
  })
}

/** The same with as few numbers as say it. */
export function shared(values: Values, [channels]: Shape): Shared {
  if (values.every((value) => value === values[0])) return values[0]
  const each = values.length / channels
  const first = Array.from({ length: channels }, (_, c) => values[c * each])
  if (values.every((value, i) => value === first[Math.floor(i / each)])) return first
  return [...values]
}

/** @throws SpikewasmError that says which neuron has a value that no neuron can have */
export function expectEach(
  fields: Fields,
  field: string,
  values: Values,
  rule: string,
  holds: (value: number, i: number) => boolean,
): void {
  const wrong = values.findIndex((value, i) => !holds(value, i))
  if (wrong < 0) return
  const of = values.length > 1 ? ` for neuron ${wrong}` : ''
  fail(`${fields.where}: ${field} must ${rule}, got ${values[wrong]}${of}`)
}

/**
 * Numbers of a file as the engine has them.
 * @throws SpikewasmError for one that is too large
 */
export function float32(fields: Fields, field: string): { shape: number[]; data: Float32Array } {
  const { shape, data } = fields.tensor(field)
  const rounded = Float32Array.from(data)
  const wrong = rounded.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) fail(`${fields.where}: ${field} must hold float32 numbers, got ${data[wrong]}`)
  return { shape: [...shape], data: rounded }
}
