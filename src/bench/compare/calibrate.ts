/** Rates of the machine beside a benchmark: whether it runs as fast as it did. */
import { eventAdds, type LimitRate, memoryMoves, multiplyAdds } from '../peak.js'
import type { Calibration } from './job.js'

/** More than the caches of a core hold. */
const COPIED_BYTES = 8 * 2 ** 20

const logOf = (limit: LimitRate): number => Math.log(limit.look())

/** @param all all limits, or multiplications and additions alone; 2 ms each */
export function calibrate(all: boolean): Calibration {
  const multiplyAdd = logOf(multiplyAdds())
  if (!all) return { multiplyAdd }
  return { multiplyAdd, eventAdds: logOf(eventAdds()), copy: logOf(memoryMoves(COPIED_BYTES)) }
}

const between = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : (a + b) / 2

/** The mean of what was found before and behind a benchmark. */
export function meanOf(before: Calibration, behind: Calibration): Calibration {
  return {
    multiplyAdd: (before.multiplyAdd + behind.multiplyAdd) / 2,
    eventAdds: between(before.eventAdds, behind.eventAdds),
    copy: between(before.copy, behind.copy),
  }
}
