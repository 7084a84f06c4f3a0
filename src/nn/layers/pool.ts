/** Pooling. */

import { checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { type LayerKind, type Pair, pair, type Size, windows } from './kind.js'

/** What `avgPool2d` makes. */
export interface AvgPool2d {
  /** Tells this layer from others. */
  readonly kind: 'avgPool2d'
  /** Height and width of a window, in pixels. */
  readonly kernelSize: Pair
  /** Pixels between two windows, down and across. */
  readonly stride: Pair
  /** Rows and columns of zeros added on every side. */
  readonly padding: Pair
}

/** What `maxPool2d` makes. */
export interface MaxPool2d {
  /** Tells this layer from others. */
  readonly kind: 'maxPool2d'
  /** Height and width of a window, in pixels. */
  readonly kernelSize: Pair
  /** Pixels between two windows, down and across. */
  readonly stride: Pair
  /** Rows and columns added on every side; they are never the largest. */
  readonly padding: Pair
}

/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d {
  /** Tells this layer from others. */
  readonly kind: 'adaptiveAvgPool2d'
  /** Height and width of the output, in pixels. */
  readonly outputSize: Pair
}

/** Options of `avgPool2d` and `maxPool2d`; each has a default. */
export interface PoolOptions {
  /** Pixels between two windows, ≥ 1; default: the kernel's size. */
  stride?: Size
  /** Rows and columns added on every side, at most half the kernel; default 0. */
  padding?: Size
}

function pooling(
  name: string,
  kernelSize: Size,
  options: PoolOptions,
): { kernelSize: Pair; stride: Pair; padding: Pair } {
  checkOptions(name, options, ['stride', 'padding'])
  const kernel = pair(`${name}.kernelSize`, kernelSize, 1)
  const padding = pair(`${name}.padding`, options.padding ?? 0, 0)
  expect(
    padding[0] * 2 <= kernel[0] && padding[1] * 2 <= kernel[1],
    () => `${name}.padding must be at most half the kernel (${kernel}), got ${padding}`,
  )
  return {
    kernelSize: kernel,
    stride: pair(`${name}.stride`, options.stride ?? kernelSize, 1),
    padding,
  }
}

/**
 * Mean over windows: [C, H, W] → [C, H', W'] with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1, W'
 * alike. Padded zeros count, as is PyTorch's default.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}): AvgPool2d {
  return { kind: 'avgPool2d', ...pooling('avgPool2d', kernelSize, options) }
}

/**
 * Maximum over windows: [C, H, W] → [C, H', W'], sizes as for `avgPool2d`. Of a neuron layer's
 * spikes, a window spikes when any of its neurons does; currents are compared step by step. With
 * method rate the gradient goes to the place with the highest rate or mean current, the first of
 * equal ones.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function maxPool2d(kernelSize: Size, options: PoolOptions = {}): MaxPool2d {
  return { kind: 'maxPool2d', ...pooling('maxPool2d', kernelSize, options) }
}

/**
 * Mean over equal windows: [C, H, W] → [C, H', W'], where `outputSize` gives H' and W'. They must
 * divide H and W; compiling the network checks that.
 * @param outputSize height and width of the output, or one number for both
 * @throws SpikewasmError when a size is not a positive integer
 */
export function adaptiveAvgPool2d(outputSize: Size): AdaptiveAvgPool2d {
  return {
    kind: 'adaptiveAvgPool2d',
    outputSize: pair('adaptiveAvgPool2d.outputSize', outputSize, 1),
  }
}

export const windowKind: LayerKind<AvgPool2d | MaxPool2d> = {
  output(layer, x, where) {
    expect(!x.flat, () => `${where}: expects an image [C, H, W], got the flat ${show(x)}`)
    return [
      [x.shape[0], ...windows(where, x, layer.kernelSize, layer.stride, layer.padding)],
      false,
    ]
  },
}

export const adaptiveAvgPool2dKind: LayerKind<AdaptiveAvgPool2d> = {
  output({ outputSize: [oh, ow] }, x, where) {
    const [c, h, w] = x.shape
    expect(
      !x.flat && h % oh === 0 && w % ow === 0,
      () => `${where}: its output ${oh}×${ow} must divide the input ${show(x)}`,
    )
    return [[c, oh, ow], false]
  },
}
