/** Which epoch is the best so far. */

import { type Monitor, modeOf } from '../../optimizer/index.js'
import type { EpochRecord } from '../records.js'

/** What chooses the best epoch where nobody says it. */
export function usualOf({ testAccuracy, testLoss }: EpochRecord): Monitor {
  if (testAccuracy !== undefined) return 'testAccuracy'
  return testLoss === undefined ? 'trainLoss' : 'testLoss'
}

export function isBetter(value: number, best: number | null, monitor: Monitor): boolean {
  if (!Number.isFinite(value)) return false
  if (best === null) return true
  return modeOf(monitor) === 'min' ? value < best : value > best
}

/**
 * Tells of each record whether it is the best so far.
 *
 * @param before records of epochs before
 */
export function bestSoFar(
  monitor: Monitor | undefined,
  before: readonly EpochRecord[] = [],
): (record: EpochRecord) => boolean {
  let best: number | null = null
  const isBest = (record: EpochRecord): boolean => {
    if (record.partial) return false
    const figure = monitor ?? usualOf(record)
    const value = record[figure]
    if (value === undefined || !isBetter(value, best, figure)) return false
    best = value
    return true
  }
  for (const record of before) isBest(record)
  return isBest
}
