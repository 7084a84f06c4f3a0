/** What a kind of layer is, which kinds there are, and checks that several of them share. */

import { checkArguments, checkInteger, checkOptions, describe, fail } from '../base/errors.js'
import { Purpose, RandomStream } from '../base/random.js'
import type { Equations, Written } from '../kernels/equations/step.js'
import { type Shape, show, type Value, type Values } from './value.js'

/** Height and width, or one number for both. */
export type Size = number | readonly [number, number]

/** Height and width. */
export type Pair = readonly [number, number]

/**
 * Initial values of a parameter: a constant, a normal distribution with mean 0 and this standard
 * deviation, a uniform one between minus and plus this bound, or a number for each element.
 */
export type Initial =
  | number
  | { readonly normal: number }
  | { readonly uniform: number }
  | { readonly values: readonly number[] }

/** A parameter of a layer. */
export interface ParameterSpec {
  /** Name within the layer. */
  readonly name: string
  /** Sizes as in PyTorch. */
  readonly shape: readonly number[]
  /** Whether it decays when only weights do (`sgd({ decay: 'weights' })`). */
  readonly decays: boolean
  readonly initial: Initial
}

/** A running statistic of a layer. */
export interface StatisticSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly initial: number
}

/** What all layers of a kind have. */
export interface OfKind<K> {
  /** The name of its kind, such as 'conv2d': each kind has another. */
  readonly kind: K
}

/** What the functions of layers make: their list adds it. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by src/nn/layers/index.ts
export interface Layers {}

/**
 * A layer as plain data, told apart by its `kind`. Layers are made by functions such as `conv2d`
 * and `lif`, which check their options; they hold no weights until the network is compiled.
 */
export type Layer = Layers[keyof Layers]

/** What a kind of layer L is: shapes, parameters, statistics. */
export interface LayerKind<L> {
  /**
   * Shape of the output, and whether it is flat; where that changes, whether it is a series.
   * @throws SpikewasmError for inputs that don't fit
   */
  output(
    layer: L,
    x: Value,
    where: string,
    ...others: readonly Value[]
  ): readonly [shape: Shape, flat: boolean, series?: boolean]
  /**
   * How many values it reads; default 1. Two are made by what a forward function may do; none: a
   * parameter, whose `output` and `parameters` get no input.
   */
  readonly inputs?: 0 | 2
  /**
   * The layer made anew by its own function, from fields that may come from a file.
   * @throws SpikewasmError for fields that the function refuses
   */
  again(fields: Omit<L, 'kind'>): L
  readonly parameters?: (layer: L, x: Shape) => readonly ParameterSpec[]
  readonly statistics?: (layer: L, x: Shape) => readonly StatisticSpec[]
  /** Whether it draws random numbers in training, so that two runs differ. */
  readonly random?: boolean
  /** What messages and summaries call a layer; its kind where this is absent. */
  readonly label?: (layer: L) => string
  /** Whether a layer's output is spikes of its own; it is not where this is absent. */
  readonly spikes?: (layer: L) => boolean
  /** What its neurons do; absent: it has none. */
  readonly model?: (layer: L) => NeuronModel
}

const kinds = new Map<string, LayerKind<never>>()
const names: Layer['kind'][] = []

/** Names of all kinds of layers that are known. */
export const layerKinds: readonly Layer['kind'][] = names

/** A kind that is known; it goes into a page's bundle with the functions that make its layers. */
export type KnownKind<L> = LayerKind<L> & { readonly name: string }

/** Makes a kind known. Each is defined once, when its file is loaded. */
export function defineKind<L extends Layer>(name: L['kind'], kind: LayerKind<L>): KnownKind<L> {
  kinds.set(name, kind as LayerKind<never>)
  names.push(name)
  return { ...kind, name }
}

let makers: object | undefined

/** Makes all kinds known: whoever has all functions that make layers has their kinds. */
export function useAll(functions: object): void {
  makers = functions
}

/** What else makes a kind known, for messages. */
export const howElse = (): string =>
  makers ? '' : ", or import 'spikewasm/layers', which has all kinds"

/**
 * A layer from its fields.
 * @param more what came behind the arguments of its function
 */
export function layerOf<L extends Layer>(
  { name }: KnownKind<L>,
  fields: Omit<L, 'kind'>,
  more: readonly unknown[] = [],
): L {
  checkArguments(name, more)
  return { kind: name, ...fields } as L
}

/** The kind of a layer. Its functions take that layer as their first argument. */
export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> =>
  kinds.get(kind) as LayerKind<L>

type Labelled = { readonly kind: string; readonly layer?: Layer }

/** What messages and summaries call a layer, or a node of a graph. */
export const labelOf = ({ kind, layer }: Labelled): string =>
  (layer && kindOf(layer).label?.(layer)) ?? kind

/** Whether a layer fires: its output is spikes of its own. */
export const fires = (layer: Layer | undefined): boolean =>
  layer !== undefined && (kindOf(layer).spikes?.(layer) ?? false)

/** A kind of layer that keeps the shape of its input. */
export const sameShape: Pick<LayerKind<unknown>, 'output'> = {
  output: (_layer, x) => [x.shape, x.flat],
}

/** No argument more; @throws SpikewasmError for fields that a kind's function has no use for */
export function noMore(name: string, rest: object): [] {
  checkOptions(name, rest, [])
  return []
}

/** @throws SpikewasmError unless `value` is an integer ≥ minimum, or two of them */
export function pair(name: string, value: Size, minimum: number): Pair {
  const both: readonly number[] = typeof value === 'number' ? [value, value] : value
  const fits = (n: number): boolean => Number.isInteger(n) && n >= minimum
  // A copy, because every() skips holes.
  if (!(Array.isArray(both) && both.length === 2 && [...both].every(fits)))
    fail(`${name} must be an integer ≥ ${minimum} or a pair of them, got ${describe(value)}`)
  return [both[0], both[1]]
}

/** @throws SpikewasmError unless `value` is an integer ≥ 1 */
export const count = (name: string, value: number): number => integer(name, value, 1)

/** @throws SpikewasmError unless `x` is a series [C, L], which has one row */
export function expectSeries(where: string, x: Value): void {
  if (!(!x.flat && x.shape[1] === 1))
    fail(
      `${where}: expects a series [C, L], got ${x.flat ? 'the flat' : 'the image'} ${show(x)}; ` +
        (x.flat
          ? x.node === 0
            ? 'give compile an input [C, L]'
            : 'put it before flatten() and linear()'
          : 'use the layer for images, whose name ends in 2d'),
    )
}

/** @throws SpikewasmError unless `value` is an integer ≥ minimum */
export function integer(name: string, value: number, minimum: number): number {
  checkInteger(name, value, minimum)
  return value
}

/** @throws SpikewasmError when `x` was flattened */
export function expectImage(where: string, x: Value): void {
  if (x.flat)
    fail(
      `${where}: expects an image [C, H, W], got the flat ${show(x)}; ` +
        (x.node === 0 ? 'give compile an input [C, H, W]' : 'put it before flatten() and linear()'),
    )
}

// Neurons as equations, wherever these come from.

/** Neurons as their equations say, whatever made them. */
export interface NeuronModel {
  readonly equations: Equations
  readonly parameters: Readonly<Record<string, Values>>
  readonly surrogate: Written
  readonly alpha: number
  /** Names of what is learnt, in the order of the state dict, and their names there. */
  readonly learn: ReadonlyMap<string, string>
  /** States before the first step: a number, or a parameter's. */
  readonly init: Readonly<Record<string, number | string>>
  /** Share of the potential that a step leaves, by which traces decay; NaN: no single one. */
  readonly leak: number
  /** The same as an expression of parameters. */
  readonly leakExpression?: Written
  /** Seed of the numbers that the equations draw. */
  readonly seed?: number
  /** A step's current reaches the output of later steps alone. */
  readonly isLate?: boolean
  /** Its own spikes as a current, those of a neuron itself or of the layer, or null. */
  readonly recurrence: { readonly allToAll?: false } | null
}

// Initial values of parameters. Each depends on the seed, the parameter's place in the network and
// its index alone.

type Started = { readonly initial: Initial; readonly layout: { readonly shape: readonly number[] } }

/**
 * Initial values of a parameter in PyTorch's order.
 *
 * @param position its place in the network
 * @param values where they are written, those from `first` on; default: all, to a new array
 */
export function initialValues(
  { initial, layout }: Started,
  seed: number,
  position: number,
  values = new Float32Array(layout.shape.reduce((a, b) => a * b, 1)),
  first = 0,
): Float32Array {
  if (typeof initial === 'number') return values.fill(initial)
  if ('values' in initial) {
    values.set(initial.values.slice(first, first + values.length))
    return values
  }
  const stream = new RandomStream(Purpose.Init)
  for (let i = 0; i < values.length; i++) {
    stream.start(seed, position, first + i)
    if ('normal' in initial) {
      const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform()))
      values[i] = initial.normal * radius * Math.cos(2 * Math.PI * stream.uniform())
    } else values[i] = initial.uniform * (2 * stream.uniform() - 1)
  }
  return values
}
