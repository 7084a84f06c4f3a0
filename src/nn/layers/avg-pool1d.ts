/** Average pooling of series. */

import { checkArguments } from '../../errors.js'
import type { LayerKind } from './kind.js'
import { type Pool1dOptions, pooling1d, windowKind1d } from './window.js'

/** What `avgPool1d` makes. */
export interface AvgPool1d {
  /** Tells this layer from others. */
  readonly kind: 'avgPool1d'
  /** Places of a window. */
  readonly kernelSize: number
  /** Places between two windows. */
  readonly stride: number
  /** Places added at both ends. */
  readonly padding: number
}

/**
 * Mean over windows of a series; padded zeros count, as is PyTorch's default: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function avgPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): AvgPool1d {
  checkArguments('avgPool1d', more)
  return { kind: 'avgPool1d', ...pooling1d('avgPool1d', kernelSize, options) }
}

export const avgPool1dKind: LayerKind<AvgPool1d> = {
  ...windowKind1d,
  again: ({ kernelSize, ...options }) => avgPool1d(kernelSize, options),
}
