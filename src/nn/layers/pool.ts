/** Pooling. */

import { checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { type LayerKind, type Pair, pair, type Size, windows } from './kind.js'

/** What `avgPool2d` makes. */
export interface AvgPool2d {
  readonly kind: 'avgPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Zeros added on every side. */
  readonly padding: Pair
}

/** What `maxPool2d` makes. */
export interface MaxPool2d {
  readonly kind: 'maxPool2d'
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Places added on every side that are never the largest. */
  readonly padding: Pair
}

/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d {
  readonly kind: 'adaptiveAvgPool2d'
  readonly outputSize: Pair
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  stride?: Size
  /** Added on every side, at most half the kernel; default 0. */
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
 * Mean over windows; padded zeros count (PyTorch's default). Pooled spikes stay event-driven.
 * @throws SpikewasmError when a size is wrong.
 */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}): AvgPool2d {
  return { kind: 'avgPool2d', ...pooling('avgPool2d', kernelSize, options) }
}

/**
 * Max pooling, of a neuron layer's spikes (a window spikes when any of its neurons does) or of
 * currents. In the rate method the gradient goes to the highest rate or mean current, the first on
 * ties. @throws SpikewasmError when a size is wrong.
 */
export function maxPool2d(kernelSize: Size, options: PoolOptions = {}): MaxPool2d {
  return { kind: 'maxPool2d', ...pooling('maxPool2d', kernelSize, options) }
}

/**
 * Mean over equal windows so that the output has `outputSize`, which must divide the input's.
 * @throws SpikewasmError when a size is wrong.
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
