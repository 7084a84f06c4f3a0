/** What tracing needs to know about a kind of layer, and checks that several kinds share. */

import { checkInteger, describe, expect } from '../../errors.js'
import { type Shape, show, type Value } from '../value.js'
import type { NeuronModel } from './neuron-model.js'

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

/** A kind of layer that keeps the shape of its input. */
export const sameShape: Pick<LayerKind<unknown>, 'output'> = {
  output: (_layer, x) => [x.shape, x.flat],
}

/** @throws SpikewasmError unless `value` is an integer ≥ minimum, or two of them */
export function pair(name: string, value: Size, minimum: number): Pair {
  const both: readonly number[] = typeof value === 'number' ? [value, value] : value
  expect(
    Array.isArray(both) &&
      both.length === 2 &&
      // A copy, because every() skips holes.
      [...both].every((n) => Number.isInteger(n) && n >= minimum),
    () => `${name} must be an integer ≥ ${minimum} or a pair of them, got ${describe(value)}`,
  )
  return [both[0], both[1]]
}

/** @throws SpikewasmError unless `value` is an integer ≥ 1 */
export function count(name: string, value: number): number {
  return integer(name, value, 1)
}

/**
 * Height and width of the output of a sliding window.
 * @throws SpikewasmError when the window is larger than the padded input
 */
export function windows(where: string, x: Value, kernel: Pair, stride: Pair, padding: Pair): Pair {
  const [, h, w] = x.shape
  const out: Pair = [
    Math.floor((h + 2 * padding[0] - kernel[0]) / stride[0]) + 1,
    Math.floor((w + 2 * padding[1] - kernel[1]) / stride[1]) + 1,
  ]
  expect(
    out[0] >= 1 && out[1] >= 1,
    () => `${where}: its kernel ${kernel.join('×')} is larger than the padded input of ${show(x)}`,
  )
  return out
}

/** @throws SpikewasmError unless `x` is a series [C, L], which has one row */
export function expectSeries(where: string, x: Value): void {
  expect(
    !x.flat && x.shape[1] === 1,
    () =>
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
  expect(
    !x.flat,
    () =>
      `${where}: expects an image [C, H, W], got the flat ${show(x)}; ` +
      (x.node === 0 ? 'give compile an input [C, H, W]' : 'put it before flatten() and linear()'),
  )
}
