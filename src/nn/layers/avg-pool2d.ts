/** Average pooling. */

import { checkArguments } from '../../errors.js'
import type { LayerKind, Pair, Size } from './kind.js'
import { type PoolOptions, pooling, windowKind } from './window.js'

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

/**
 * Mean over windows: [C, H, W] → [C, H', W'] with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1, W'
 * alike. Padded zeros count, as is PyTorch's default.
 * @param kernelSize height and width of a window in pixels, or one number for both
 * @throws SpikewasmError when a size or an option is wrong
 */
export function avgPool2d(kernelSize: Size, options: PoolOptions = {}, ...more: []): AvgPool2d {
  checkArguments('avgPool2d', more)
  return { kind: 'avgPool2d', ...pooling('avgPool2d', kernelSize, options) }
}

export const avgPool2dKind: LayerKind<AvgPool2d> = {
  ...windowKind,
  again: ({ kernelSize, ...options }) => avgPool2d(kernelSize, options),
}
