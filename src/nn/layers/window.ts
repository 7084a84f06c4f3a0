/** What average and max pooling share. */

import { checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { type LayerKind, type Pair, pair, type Size, windows } from './kind.js'

/** Options of `avgPool2d` and `maxPool2d`; each has a default. */
export interface PoolOptions {
  /** Pixels between two windows, ≥ 1; default: the kernel's size. */
  stride?: Size
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  padding?: Size
}

/** Windows that slide over an image. */
interface Windows {
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
    expect(!x.flat, () => `${where}: expects an image [C, H, W], got the flat ${show(x)}`)
    return [
      [x.shape[0], ...windows(where, x, layer.kernelSize, layer.stride, layer.padding)],
      false,
    ]
  },
}
