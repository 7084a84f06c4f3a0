/** Max pooling. */

import type { LayerKind, Pair, Size } from './kind.js'
import { type PoolOptions, pooling, windowKind } from './window.js'

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

export const maxPool2dKind: LayerKind<MaxPool2d> = {
  ...windowKind,
  again: ({ kernelSize, ...options }) => maxPool2d(kernelSize, options),
}
