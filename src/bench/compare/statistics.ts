/**
 * Statistics of a comparison: what a few processes of some rounds each say about an effect, and how
 * sure that is.
 *
 * Rounds of one process share what that process drew: where its memory lies, how V8 compiled, what
 * ran beside it. They are no independent samples of it; processes are. So each process gives one
 * number, the median of its rounds, and the error is that of the mean over processes. A bootstrap
 * that draws processes (Davison and Hinkley, *Bootstrap Methods and their Application*, 1997,
 * section 3.8, strategy 1) has the same error, but for the factor √(n / (n − 1)) of few processes.
 * The medians scatter by what rounds do too; to count the rounds of each process again would count
 * that twice. Student's t stands in place of the normal distribution.
 */

import { mean, median } from '../../base/numbers.js'

/** One list a process; one number a round, for example log(time of this / time of the other). */
export type Processes = readonly (readonly number[])[]

/**
 * What processes say together: the mean over them of the median over the rounds, its standard
 * error, corrected for few processes and infinite for one, and the error's degrees of freedom, ≥ 0.
 */
export type Estimate = Readonly<Record<'effect' | 'error' | 'freedom', number>>

export type Interval = Readonly<Record<'effect' | 'low' | 'high', number>>

/**
 * The effect that processes show, and its error.
 * @param processes at least one, each with at least one round
 */
export function estimate(processes: Processes): Estimate {
  const count = processes.length
  const effects = processes.map(median)
  const effect = mean(effects)
  if (count < 2) return { effect, error: Number.POSITIVE_INFINITY, freedom: 0 }
  const squares = effects.reduce((sum, value) => sum + (value - effect) ** 2, 0)
  return { effect, error: Math.sqrt(squares / count / (count - 1)), freedom: count - 1 }
}

/** a − b of independent estimates; degrees of freedom by Welch and Satterthwaite, rounded down. */
export function difference(a: Estimate, b: Estimate): Estimate {
  const [va, vb] = [a.error ** 2, b.error ** 2]
  const effect = a.effect - b.effect
  if (a.freedom < 1 || b.freedom < 1) return { effect, error: Number.POSITIVE_INFINITY, freedom: 0 }
  const error = Math.sqrt(va + vb)
  if (error === 0) return { effect, error, freedom: Math.min(a.freedom, b.freedom) }
  const freedom = (va + vb) ** 2 / (va ** 2 / a.freedom + vb ** 2 / b.freedom)
  return { effect, error, freedom: Math.max(1, Math.floor(freedom)) }
}

/** The interval whose ends are passed with a probability of `alpha` each. */
export function interval({ effect, error, freedom }: Estimate, alpha: number): Interval {
  if (freedom < 1) return { effect, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const half = studentQuantile(freedom, alpha) * error
  return { effect, low: effect - half, high: effect + half }
}

/** The smallest interval around some. */
export const hull = (intervals: readonly Interval[]): Interval => ({
  effect: mean(intervals.map(({ effect }) => effect)),
  low: Math.min(...intervals.map(({ low }) => low)),
  high: Math.max(...intervals.map(({ high }) => high)),
})

/**
 * The value that Student's t passes with a probability of `alpha`.
 * @param freedom degrees of freedom, an integer >= 1
 * @param alpha 0 < alpha <= 0.5
 */
export function studentQuantile(freedom: number, alpha: number): number {
  let [low, high] = [0, 1]
  while (tail(freedom, high) > alpha) high *= 2
  for (let i = 0; i < 80; i++) {
    const half = (low + high) / 2
    if (tail(freedom, half) > alpha) low = half
    else high = half
  }
  return high
}

/**
 * Probability that Student's t is above `value` >= 0: the finite series in θ = atan(t / √ν) for
 * whole ν (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
 */
function tail(freedom: number, value: number): number {
  const angle = Math.atan(value / Math.sqrt(freedom))
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)]
  const isOdd = freedom % 2 === 1
  let term = isOdd ? cosine : 1
  let sum = freedom > 1 ? term : 0
  for (let k = isOdd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= cosine ** 2 * ((k - 1) / k)
    sum += term
  }
  const inside = isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum
  return (1 - inside) / 2
}

// Verdicts. A *screen* looks at all benchmarks in few processes and names suspects. They are
// *confirmed* on fresh processes, and only the fresh figures decide: whoever looks at a hundred
// benchmarks finds one that was slow by chance, but not twice. The allowed rate of false alarms
// of a whole run is shared: by the waves in which suspects are picked, by the suspects of a wave,
// and by the times that the fresh figures are looked at. A part is for what there was no time to
// confirm: the screen may accuse at a level that all benchmarks share.

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
