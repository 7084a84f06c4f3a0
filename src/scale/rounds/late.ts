/** When a replica has not ended for so long that another worker does it as well. */

/** Seconds for a first round: models are compiled, data are read. */
const FIRST_SECONDS = 600
const LEAST_SECONDS = 30
/** By how much a replica may be slower than all before. */
const SLOWER = 4
/** A replica is given away so often; workers that die are found by their locks, beside that. */
const MOST_COPIES = 8

/** @param longest seconds of the longest round so far; 0 before the first has ended */
export const lateAfter = (longest: number): number =>
  longest > 0 ? Math.max(LEAST_SECONDS, SLOWER * longest) : FIRST_SECONDS

/** Whether one more begins, where so many do it already. */
export const isDue = (seconds: number, bound: number, copies: number): boolean =>
  seconds >= bound * copies && copies <= MOST_COPIES
