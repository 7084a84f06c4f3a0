/** Max pooling. */

import { checkArguments, checkOptions, describe, expect } from '../../errors.js'
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
  /** In method rate, what a weight behind it multiplies its gradient with; absent: 'pooled'. */
  readonly rate?: MaxPoolRate
}

/**
 * What a weight behind max pooling of spikes multiplies its gradient with in method rate.
 * `'pooled'`: the mean of the pooled spikes, what the weight has read. `'official'`: the highest
 * mean of a window, as in the official code of the paper, which pools the rates once more.
 */
export type MaxPoolRate = 'pooled' | 'official'

/** Options of `maxPool2d`; each has a default. */
export interface MaxPoolOptions extends PoolOptions {
  /** For method rate, on spikes; default 'pooled'. */
  rate?: MaxPoolRate
}

/**
 * Maximum over windows: [C, H, W] → [C, H', W'], sizes as for `avgPool2d`. Of a neuron layer's
 * spikes, a window spikes when any of its neurons does; currents are compared step by step. With
 * method rate the gradient goes to the place with the highest rate or mean current, the first of
 * equal ones.
 *
 * A window's mean of pooled spikes is at least its highest rate, and higher where its neurons spike
 * at different steps. `rate: 'official'` has weights behind it learn from the highest rate, as the
 * official code of the paper does (Yu et al., NeurIPS 2024); the forward pass and the gradient that
 * goes on to the layer before are the same.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function maxPool2d(kernelSize: Size, options: MaxPoolOptions = {}, ...more: []): MaxPool2d {
  checkArguments('maxPool2d', more)
  checkOptions('maxPool2d', options, ['stride', 'padding', 'rate'])
  const { rate = 'pooled', ...windows } = options
  expect(
    rate === 'pooled' || rate === 'official',
    () => `maxPool2d.rate must be 'pooled' or 'official', got ${describe(rate)}`,
  )
  const official = rate === 'official' ? { rate } : {}
  return { kind: 'maxPool2d', ...pooling('maxPool2d', kernelSize, windows), ...official }
}

export const maxPool2dKind: LayerKind<MaxPool2d> = {
  ...windowKind,
  again: ({ kernelSize, ...options }) => maxPool2d(kernelSize, options),
}
