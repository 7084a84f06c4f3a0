/** Max pooling of series. */

import { checkArguments } from '../../errors.js'
import type { LayerKind } from './kind.js'
import { type Pool1dOptions, pooling1d, windowKind1d } from './window.js'

/** What `maxPool1d` makes. */
export interface MaxPool1d {
  /** Tells this layer from others. */
  readonly kind: 'maxPool1d'
  /** Places of a window. */
  readonly kernelSize: number
  /** Places between two windows. */
  readonly stride: number
  /** Places added at both ends. */
  readonly padding: number
}

/**
 * Maximum over windows of a series, as `maxPool2d`: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function maxPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): MaxPool1d {
  checkArguments('maxPool1d', more)
  return { kind: 'maxPool1d', ...pooling1d('maxPool1d', kernelSize, options) }
}

export const maxPool1dKind: LayerKind<MaxPool1d> = {
  ...windowKind1d,
  again: ({ kernelSize, ...options }) => maxPool1d(kernelSize, options),
}
