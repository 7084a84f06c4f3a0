/** Sums over windows of a series. */

import { checkArguments } from '../../errors.js'
import type { LayerKind } from './kind.js'
import { type Pool1dOptions, pooling1d, windowKind1d } from './window.js'

/** What `sumPool1d` makes. */
export interface SumPool1d {
  /** Tells this layer from others. */
  readonly kind: 'sumPool1d'
  /** Places of a window. */
  readonly kernelSize: number
  /** Places between two windows. */
  readonly stride: number
  /** Places added at both ends. */
  readonly padding: number
}

/**
 * Sum over windows of a series: [C, L] → [C, L'] with
 * L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1.
 * @param kernelSize places of a window
 * @throws SpikewasmError when a size or an option is wrong
 */
export function sumPool1d(kernelSize: number, options: Pool1dOptions = {}, ...more: []): SumPool1d {
  checkArguments('sumPool1d', more)
  return { kind: 'sumPool1d', ...pooling1d('sumPool1d', kernelSize, options) }
}

export const sumPool1dKind: LayerKind<SumPool1d> = {
  ...windowKind1d,
  again: ({ kernelSize, ...options }) => sumPool1d(kernelSize, options),
}
