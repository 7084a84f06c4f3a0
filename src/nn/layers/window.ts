/** What pooling layers share. */

import { checkOptions, expect } from '../../errors.js'
import {
  expectImage,
  expectSeries,
  integer,
  type LayerKind,
  type Pair,
  pair,
  type Size,
  windows,
} from './kind.js'

/** Options of `avgPool2d`, `sumPool2d` and `maxPool2d`; each has a default. */
export interface PoolOptions {
  /** Pixels between two windows, ≥ 1; default: the kernel's size. */
  stride?: Size
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  padding?: Size
}

/** Windows that slide over an image. */
export interface Windows {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
}

/** Places and padding are numbered by 32 bits. */
const MOST = 2 ** 30

/** Checks and completes the windows of a pooling layer. */
export function pooling(name: string, kernelSize: Size, options: PoolOptions): Windows {
  checkOptions(name, options, ['stride', 'padding'])
  const { stride = kernelSize, padding: around = 0 } = options
  const kernel = pair(`${name}.kernelSize`, kernelSize, 1)
  expect(
    kernel.every((n) => n < MOST),
    () => `${name}.kernelSize must be below 2³⁰, got ${kernel}`,
  )
  const padding = pair(`${name}.padding`, around, 0)
  expect(
    padding[0] * 2 <= kernel[0] && padding[1] * 2 <= kernel[1],
    () => `${name}.padding must be at most half the kernel (${kernel}), got ${padding}`,
  )
  return {
    kernelSize: kernel,
    stride: pair(`${name}.stride`, stride, 1),
    padding,
  }
}

export const windowKind: Pick<LayerKind<Windows>, 'output'> = {
  output(layer, x, where) {
    expectImage(where, x)
    return [
      [x.shape[0], ...windows(where, x, layer.kernelSize, layer.stride, layer.padding)],
      false,
    ]
  },
}

/** Options of pooling of series; each has a default. */
export interface Pool1dOptions {
  /** Places between two windows, ≥ 1; default: the kernel's size. */
  stride?: number
  /** Places added at both ends, at most half the kernel; default 0. */
  padding?: number
}

/** Windows that slide over a series. */
export interface Windows1d {
  readonly kernelSize: number
  readonly stride: number
  readonly padding: number
}

/** Checks and completes the windows of a pooling layer of series. */
export function pooling1d(name: string, kernelSize: number, options: Pool1dOptions): Windows1d {
  checkOptions(name, options, ['stride', 'padding'])
  const { stride = kernelSize, padding = 0 } = options
  integer(`${name}.kernelSize`, kernelSize, 1)
  expect(kernelSize < MOST, () => `${name}.kernelSize must be below 2³⁰, got ${kernelSize}`)
  integer(`${name}.padding`, padding, 0)
  expect(
    padding * 2 <= kernelSize,
    () => `${name}.padding must be at most half the kernel (${kernelSize}), got ${padding}`,
  )
  return { kernelSize, stride: integer(`${name}.stride`, stride, 1), padding }
}

/** The same windows over a series as an image of one row. */
export const windowsOfSeries = ({ kernelSize, stride, padding }: Windows1d): Windows => ({
  kernelSize: [1, kernelSize],
  stride: [1, stride],
  padding: [0, padding],
})

export const windowKind1d: Pick<LayerKind<Windows1d>, 'output'> = {
  output(layer, x, where) {
    expectSeries(where, x)
    const { kernelSize, stride, padding } = windowsOfSeries(layer)
    return [[x.shape[0], ...windows(where, x, kernelSize, stride, padding)], false]
  },
}
