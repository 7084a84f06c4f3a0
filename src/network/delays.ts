/** Delays that are learnt: what layers of them share. */

import { integer, oneOf, type Rules, range } from '../base/rules.js'
import type { StatisticSpec } from './kind.js'

/** Time steps, more than any model has. */
export const MOST_DELAY = 4096

/** How learnt delays are given; `maxDelay` has no default. */
export interface LearnDelayOptions {
  /** The longest delay, time steps, 1 … 4096: DCLS's `dilated_kernel_size` is one more. */
  maxDelay: number
  /**
   * What a delay between two steps reads: 'linear', the two nearest (DCLS's `version` 'v1'), or
   * 'gauss', all of them by a Gaussian. Default 'linear'.
   */
  interpolation?: 'linear' | 'gauss'
  /**
   * With 'gauss': where `SIG` begins, time steps, ≥ 0; the Gaussian's deviation is 0.27 more.
   * Default 0.23.
   */
  sigma?: number
}

/** The same, completed. */
export type LearntDelays = Readonly<Required<LearnDelayOptions>>

export const delayRules: Rules<LearntDelays> = {
  maxDelay: integer(1, MOST_DELAY),
  interpolation: oneOf(['linear', 'gauss'] as const, 'linear'),
  sigma: range('≥ 0', 0.23),
}

/** A deviation for each position, which is set and not learnt. */
export const sigmas = (
  { interpolation, sigma }: LearntDelays,
  shape: readonly number[],
): StatisticSpec[] => (interpolation === 'gauss' ? [{ name: 'SIG', shape, initial: sigma }] : [])
