/**
 * Verdicts. A *screen* looks at all benchmarks in few processes and names suspects. They are
 * *confirmed* on fresh processes, and only the fresh figures decide: whoever looks at a hundred
 * benchmarks finds one that was slow by chance, but not twice. The allowed rate of false alarms
 * of a whole run is shared by the suspects and by the times that the fresh figures are looked at.
 */
import type { Interval } from './statistics.js'

/** This build beside the other. */
export type Verdict = 'slower' | 'faster' | 'same' | 'undecided'

/**
 * Rate of runs in which any benchmark may be called slower, if all were slower by just the
 * threshold. Equal builds are a whole threshold away from that.
 */
export const ALARMS = 0.05

/** Level of intervals that raise no alarm: 95 % are between the ends. */
export const SHOWN = 0.025

/** So many fresh processes are there when a suspect is looked at. */
export const looks: readonly number[] = [5, 8, 12, 16]

/** A threshold as a difference of logarithms. @param fraction 0.02 for 2 % */
export const asLog = (fraction: number): number => Math.log1p(fraction)

/**
 * @param threshold difference of logarithms that counts as none
 * @returns 'slower' or 'faster' where the whole interval is beyond it, 'same' where the whole
 *   interval is within it
 */
export function verdictOf({ low, high }: Interval, threshold: number): Verdict {
  if (low > threshold) return 'slower'
  if (high < -threshold) return 'faster'
  return low > -threshold && high < threshold ? 'same' : 'undecided'
}

/** Level of one look at one of so many suspects. */
export const levelOf = (suspects: number): number => ALARMS / (Math.max(1, suspects) * looks.length)

/** What a screen found of a benchmark. */
export interface Screened {
  readonly name: string
  readonly effect: number
  readonly freedom: number
}

/**
 * Those that look slower than half the threshold, the slowest first.
 * @param most others would get too little time
 */
export function suspectsOf<S extends Screened>(
  screened: readonly S[],
  threshold: number,
  most: number,
): { suspects: S[]; left: S[] } {
  const all = screened
    .filter(({ effect }) => effect > threshold / 2)
    .sort((a, b) => b.effect - a.effect)
  return { suspects: all.slice(0, most), left: all.slice(most) }
}

/**
 * Whether a suspect needs more processes after a look.
 * @param decisive at the level of an alarm
 * @param usual at the usual level
 */
export function needsMore(decisive: Interval, usual: Interval, threshold: number): boolean {
  if (decisive.low > threshold) return false
  // Cleared; or nothing that more processes would make an alarm of.
  return usual.high > threshold && decisive.effect > threshold / 2
}
