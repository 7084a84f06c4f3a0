/** Long histories, thinned: a page has as many points as an eye can tell apart. */

import type { EpochFigures } from './run.js'

/** Numbers of all records together. */
const MOST_NUMBERS = 16_000
const MOST_RECORDS = 800

/** How many records of so many layers are kept. */
export const mostRecords = (layers: number): number =>
  Math.max(50, Math.min(MOST_RECORDS, Math.floor(MOST_NUMBERS / (10 + layers))))

/** The best record by a figure; undefined where none has it. */
export function bestOf<R extends EpochFigures>(records: readonly R[]): R | undefined {
  const has = (key: 'testAccuracy' | 'testLoss'): boolean =>
    records.some((record) => record[key] !== undefined)
  const key = has('testAccuracy') ? 'testAccuracy' : has('testLoss') ? 'testLoss' : 'trainLoss'
  const sign = key === 'testAccuracy' ? 1 : -1
  let best: R | undefined
  for (const record of records) {
    const value = record[key]
    if (value === undefined || !Number.isFinite(value)) continue
    if (!best || sign * value > sign * (best[key] as number)) best = record
  }
  return best
}

/** At most so many records at about equal distances; the first, the last and the best are kept. */
export function thinned<R extends EpochFigures>(records: readonly R[], most: number): R[] {
  if (records.length <= most) return [...records]
  const every = Math.ceil(records.length / Math.max(1, most - 2))
  const best = bestOf(records)
  const last = records.length - 1
  return records.filter((record, i) => i % every === 0 || i === last || record === best)
}
