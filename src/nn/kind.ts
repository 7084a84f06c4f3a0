/** What a kind of layer is, which kinds there are, and checks that several of them share. */

import { checkArguments, checkInteger, checkOptions, describe, fail } from '../errors.js'
import type { NeuronModel } from './neuron-model.js'
import { type Shape, show, type Value } from './value.js'

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
  /** Tells this layer from others. */
  readonly kind: K
}

/** What the functions of layers make: their list adds it. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by src/layers/index.ts
export interface Layers {}

/**
 * A layer as plain data, told apart by its `kind`. Layers are made by functions such as `conv2d`
 * and `lif`, which check their options; they hold no weights until the network is compiled.
 */
export type Layer = Layers[keyof Layers]

/** What a kind of layer L is: shapes, parameters, statistics. */
export interface LayerKind<L> {
  /**
   * Shape of the output, and whether it is flat.
   * @throws SpikewasmError for inputs that don't fit
   */
  output(layer: L, x: Value, where: string): readonly [Shape, boolean]
  /**
   * The layer made anew by its own function, from fields that may come from a file.
   * @throws SpikewasmError for fields that the function refuses
   */
  again(fields: Omit<L, 'kind'>): L
  readonly parameters?: (layer: L, x: Shape) => readonly ParameterSpec[]
  readonly statistics?: (layer: L) => readonly StatisticSpec[]
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

/** What messages and summaries call a layer, or a node of a graph. */
export const labelOf = ({
  kind,
  layer,
}: {
  readonly kind: string
  readonly layer?: Layer
}): string => (layer && kindOf(layer).label?.(layer)) ?? kind

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
