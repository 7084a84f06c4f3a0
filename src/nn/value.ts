/** What a network is traced with. */

import { describe, fail } from '../errors.js'

/** Channels, height and width of one sample at one time step, [C, H, W]. */
export type Shape = readonly [number, number, number]

/** Sizes of one sample: a vector's, a series' or an image's. */
export type InputShape =
  | readonly [features: number]
  | readonly [channels: number, length: number]
  | readonly [channels: number, height: number, width: number]

/** The same as [C, H, W]: a vector of F numbers is [F, 1, 1], a series [C, L] is [C, 1, L]. */
export function imageShape(shape: InputShape): Shape {
  if (shape.length === 1) return [shape[0], 1, 1]
  return shape.length === 2 ? [shape[0], 1, shape[1]] : [shape[0], shape[1], shape[2]]
}

/** Numbers of a sample. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/**
 * @returns a copy, which cannot be changed
 * @throws SpikewasmError unless it is one to three integers ≥ 1
 */
export function checkInputShape(name: string, shape: unknown): InputShape {
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 1
  const isList = Array.isArray(shape) && shape.length >= 1 && shape.length <= 3
  if (!(isList && shape.every(isSize) && Number.isSafeInteger(sizeOf(shape))))
    fail(
      `${name} must be [features], [channels, length] or [channels, height, width], got ` +
        describe(shape),
    )
  return Object.freeze([...shape]) as unknown as InputShape
}

/** A tensor while a network is traced. Only its shape is known. */
export interface Value {
  /** [C, H, W] per sample and step. */
  readonly shape: Shape
  /** Whether it is a vector of C·H·W features: what `flatten` gave, or such an input. */
  readonly flat: boolean
  /** Whether the network's input is a series, [C, L]: then values of height 1 are shown as such. */
  readonly series?: boolean
  /** Index of the layer that makes it, in the traced graph. */
  readonly node: number
}

/** The sizes of a value as its user writes them. */
export function show({ shape, flat, series }: Pick<Value, 'shape' | 'flat' | 'series'>): string {
  const sizes = series && shape[1] === 1 ? [shape[0], shape[2]] : shape
  return `[${flat ? sizeOf(shape) : sizes.join(', ')}]`
}
