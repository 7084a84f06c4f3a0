/** Sums over windows. */

import { checkArguments } from '../../errors.js'
import type { LayerKind, Pair, Size } from './kind.js'
import { type PoolOptions, pooling, windowKind } from './window.js'

/** What `sumPool2d` makes. */
export interface SumPool2d {
  /** Tells this layer from others. */
  readonly kind: 'sumPool2d'
  /** Height and width of a window, in pixels. */
  readonly kernelSize: Pair
  /** Pixels between two windows, down and across. */
  readonly stride: Pair
  /** Rows and columns of zeros added on every side. */
  readonly padding: Pair
}

/**
 * Sum over windows: [C, H, W] → [C, H', W'], sizes as for `avgPool2d`. It is what networks for
 * event cameras pool with (NIR's SumPool2d, sinabs' SumPool2d).
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function sumPool2d(kernelSize: Size, options: PoolOptions = {}, ...more: []): SumPool2d {
  checkArguments('sumPool2d', more)
  return { kind: 'sumPool2d', ...pooling('sumPool2d', kernelSize, options) }
}

export const sumPool2dKind: LayerKind<SumPool2d> = {
  ...windowKind,
  again: ({ kernelSize, ...options }) => sumPool2d(kernelSize, options),
}
