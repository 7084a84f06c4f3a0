/** Windows that slide over images: what pooling ops share. */

import { describe, expect } from '../errors.js'
import { pair, type Size } from '../nn/kind.js'
import { pooling, windows } from '../nn/window.js'
import { noPool, type Pool, usedWindow } from '../plan/tensors.js'
import { given, needed } from './options.js'
import { type Extent, shapeLike, showShape } from './shapes.js'

/** Options of windows, as `avgPool2d` and `maxPool2d` take them. */
export interface WindowOptions {
  /** Height and width of a window in pixels, or one number for both. */
  readonly kernelSize: Size
  /** Pixels between two windows; default: the kernel's size. */
  readonly stride?: Size
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  readonly padding?: Size
}

export const windowOptions = ['kernelSize', 'stride', 'padding'] as const

/** Options of windows. */
export const windowOf = {
  /** Height and width of a window in pixels, or one number for both. */
  kernelSize: needed<Size>(),
  /** Pixels between two windows; default: the kernel's size. */
  stride: given<Size>(),
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  padding: given<Size>(),
}

/** A window, and what an extent becomes behind it. */
export interface Windowed {
  readonly window: ReturnType<typeof usedWindow>
  readonly pool: Pool
  readonly output: Extent
}

export function windowed(op: string, options: WindowOptions, input: Extent): Windowed {
  const { kernelSize, stride, padding } = options
  pair(`${op}.kernelSize`, kernelSize, 1)
  const { C, H, W } = input
  const shape = [C, H, W] as const
  const window = usedWindow(shape, pooling(op, kernelSize, { stride, padding }, pair))
  const pool = { kernel: window.kernelSize, stride: window.stride, padding: window.padding }
  const image = { shape, flat: false, node: 0 }
  const [h, w] = windows(op, image, window)
  const output = { ...input, shape: shapeLike(input, { H: h, W: w }), H: h, W: w }
  return { window, pool, output }
}

/** Options of a term of a sum: a factor, and windows that it is seen through. */
export interface TermWindow extends Partial<WindowOptions> {
  /** A factor. Default 1. */
  readonly scale?: number
}

/** Checks them. `scale`: the factor of each number of a window. */
export function termWindow(where: string, term: TermWindow, input: Extent) {
  const { scale = 1, kernelSize, stride, padding } = term
  expect(
    Number.isFinite(scale),
    () => `${where}.scale must be a finite number, got ${describe(scale)}`,
  )
  expect(
    kernelSize !== undefined || (stride === undefined && padding === undefined),
    () => `${where}: stride and padding are of windows; give kernelSize too`,
  )
  if (kernelSize === undefined) return { scale, pool: noPool, output: input }
  expect(
    input.shape.length > 3,
    () => `${where}: windows need an image [B, C, H, W], got ${showShape(input.shape)}`,
  )
  const { pool, output } = windowed(where, { kernelSize, stride, padding }, input)
  return { scale: scale * (1 / (pool.kernel[0] * pool.kernel[1])), pool, output }
}

/** [C, H, W], as the planner has it. */
export const imageOf = ({ C, H, W }: Extent): [number, number, number] => [C, H, W]
