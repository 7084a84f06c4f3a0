/** Which epoch is the best so far. */

import { type Monitor, modeOf } from '../../optimizer/index.js'
import type { EpochRecord, History } from '../records.js'

/** What chooses the best epoch where nobody says it. */
export function usualOf({ testAccuracy, testLoss }: EpochRecord): Monitor {
  if (testAccuracy !== undefined) return 'testAccuracy'
  return testLoss === undefined ? 'trainLoss' : 'testLoss'
}

/** Whether a figure is better than the best so far, by more than `minDelta`. */
export function isBetter(
  value: number,
  best: number | null,
  mode: 'min' | 'max',
  minDelta = 0,
): boolean {
  if (!Number.isFinite(value)) return false
  if (best === null) return true
  return mode === 'min' ? value < best - minDelta : value > best + minDelta
}

/** Whether a training came to the end of its last epoch. */
export function isFinished(history: History | undefined, epochs: number): boolean {
  const last = history?.epochs.at(-1)
  return last?.epoch === epochs && !last.partial
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
    if (value === undefined || !isBetter(value, best, modeOf(figure))) return false
    best = value
    return true
  }
  for (const record of before) isBest(record)
  return isBest
}
