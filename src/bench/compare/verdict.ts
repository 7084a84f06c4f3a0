/**
 * Verdicts. A *screen* looks at all benchmarks in few processes and names suspects. They are
 * *confirmed* on fresh processes, and only the fresh figures decide: whoever looks at a hundred
 * benchmarks finds one that was slow by chance, but not twice. The allowed rate of false alarms
 * of a whole run is shared: by the waves in which suspects are picked, by the suspects of a wave,
 * and by the times that the fresh figures are looked at. A part is for what there was no time to
 * confirm: the screen may accuse at a level that all benchmarks share.
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

/** So often suspects are picked: behind the screen, and whenever more figures have come. */
export const WAVES = 4
/** Shares of the rate of alarms: of the first wave, each later one, and the screen by itself. */
const [FIRST_SHARE, LATER_SHARE, SCREEN_SHARE] = [0.7, 0.05, 0.15]

/** Level of one look at one of so many suspects of a wave. @param wave from 0 */
export const levelOf = (suspects: number, wave = 0): number =>
  ((wave === 0 ? FIRST_SHARE : LATER_SHARE) * ALARMS) / (Math.max(1, suspects) * looks.length)

/** Level at which the screen's figures may accuse one of so many benchmarks. */
export const screenLevel = (benchmarks: number): number =>
  (SCREEN_SHARE * ALARMS) / (Math.max(1, benchmarks) * WAVES)

/**
 * A verdict, and the interval that shows why. 'slower' and 'faster' take the decisive one; that
 * nothing has changed is no alarm, the usual one will do. Where the usual one lies beyond the
 * threshold and the decisive one does not, the decisive one is the honest one.
 */
export function judge(
  decisive: Interval,
  usual: Interval,
  threshold: number,
): { interval: Interval; verdict: Verdict } {
  const verdict = verdictOf(usual, threshold)
  const isPlain = verdict === 'same' || verdict === 'undecided'
  return isPlain
    ? { interval: usual, verdict }
    : { interval: decisive, verdict: verdictOf(decisive, threshold) }
}

/** What a screen found of a benchmark. */
export interface Screened {
  readonly name: string
  readonly effect: number
}

/** Those that look slower than half the threshold, the slowest first. */
export const suspectsOf = (screened: readonly Screened[], threshold: number): Screened[] =>
  screened.filter(({ effect }) => effect > threshold / 2).sort((a, b) => b.effect - a.effect)

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
