/** What disturbed a figure, in a word. */
import { median } from '../../median.js'
import type { Measured } from './job.js'

/** Figures with these marks come from a machine that was not left alone. */
export type Mark = 'busy' | 'throttled' | 'noisy' | 'unsteady'

/** Share of the processors that others may take before it is said. */
const BUSY = 0.1
/** Multiplications a second below this share of the best ones: the processor was slowed down. */
const THROTTLED = 0.85

/** The highest rate of multiplications and additions that any benchmark had beside it. */
export const bestRate = (measured: Iterable<Measured>): number =>
  Array.from(measured).reduce(
    (best, { calibration }) => Math.max(best, calibration.multiplyAdd),
    Number.NEGATIVE_INFINITY,
  )

/** Share of the processors that others took while benchmarks ran, 0…1. */
export function othersOf(measured: readonly Measured[]): number {
  const watched = measured.reduce((sum, { spentMs }) => sum + spentMs, 0)
  const taken = measured.reduce((sum, { others, spentMs }) => sum + others * spentMs, 0)
  return watched > 0 ? taken / watched : 0
}

/**
 * @param measured of one benchmark, all processes
 * @param best of `bestRate`
 * @param width half of the interval, and what it should not exceed
 */
export function marksOf(
  measured: readonly Measured[],
  best: number,
  width: { readonly half: number; readonly most: number },
): Mark[] {
  if (measured.length === 0) return []
  const rate = median(measured.map(({ calibration }) => calibration.multiplyAdd))
  const unsteady = measured.filter(({ isSteady }) => !isSteady).length
  return [
    ...(othersOf(measured) > BUSY ? ['busy' as const] : []),
    ...(rate < best + Math.log(THROTTLED) ? ['throttled' as const] : []),
    ...(width.half > width.most ? ['noisy' as const] : []),
    ...(2 * unsteady > measured.length ? ['unsteady' as const] : []),
  ]
}
