/** What tracing must know of a kind of layer, and what the kinds share. */

import { describe, expect } from '../../errors.js'
import { type Shape, show, type Value } from '../value.js'

/** Height and width, or one number for both. */
export type Size = number | readonly [number, number]

/** Height and width. */
export type Pair = readonly [number, number]

/**
 * Where a parameter starts: a constant, normal with mean 0 and this deviation, or uniform in ± this
 * bound.
 */
export type Initial = number | { readonly normal: number } | { readonly uniform: number }

export interface ParameterSpec {
  /** Behind the layer's name. */
  readonly name: string
  /** PyTorch's. */
  readonly shape: readonly number[]
  /** Whether it decays where only weights do. */
  readonly decays: boolean
  readonly initial: Initial
}

export interface StatisticSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly initial: number
}

export interface LayerKind<L> {
  /**
   * Shape of the output, and whether it is flat.
   * @throws SpikewasmError for inputs that don't fit
   */
  output(layer: L, x: Value, where: string): readonly [Shape, boolean]
  readonly parameters?: (layer: L, x: Shape) => readonly ParameterSpec[]
  readonly statistics?: (layer: L) => readonly StatisticSpec[]
  /** Whether it draws random numbers in training, so that two runs differ. */
  readonly random?: boolean
  /** What reports call such layers; the kind itself where this is absent. */
  readonly title?: string
}

export const sameShape: LayerKind<unknown> = { output: (_layer, x) => [x.shape, x.flat] }

export function pair(name: string, value: Size, minimum: number): Pair {
  const both: readonly number[] = typeof value === 'number' ? [value, value] : value
  expect(
    Array.isArray(both) &&
      both.length === 2 &&
      both.every((n) => Number.isInteger(n) && n >= minimum),
    () => `${name} must be an integer ≥ ${minimum} or a pair of them, got ${describe(value)}`,
  )
  return [both[0], both[1]]
}

export function count(name: string, value: number): number {
  expect(
    Number.isInteger(value) && value >= 1,
    () => `${name} must be an integer ≥ 1, got ${describe(value)}`,
  )
  return value
}

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

export function expectImage(where: string, x: Value): void {
  expect(
    !x.flat,
    () =>
      `${where}: expects an image [C, H, W], got the flat ${show(x)}; remove the ` +
      'flatten() before it',
  )
}
