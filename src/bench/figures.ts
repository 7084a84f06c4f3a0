/**
 * Figures that follow from several measurements, and when there is none: a busy machine must not
 * make a kernel faster than its limit, a share negative, or a cache line need milliseconds.
 */
import { median } from '../median.js'

/** A figure, or why there is none. */
export type Figure = { readonly value: number } | { readonly refused: string }

export const isRefused = (figure: Figure): figure is { readonly refused: string } =>
  'refused' in figure

const refuse = (refused: string): Figure => ({ refused })

/** What a measurement may be off, as a share of itself, before it is called impossible. */
const ERROR = 0.05
/** Rates of a limit that differ by more from one end of a measurement to its other say nothing. */
const LIMIT_RANGE = 2

/** Rounds that are further from each other say nothing together: median absolute deviation. */
const SCATTER = 0.1

const scatterOf = (values: readonly number[], middle: number): number =>
  median(values.map((value) => Math.abs(value - middle)))

const usable = (values: readonly number[]): boolean =>
  values.length > 0 && values.every((value) => Number.isFinite(value) && value > 0)

/**
 * Share of a limit, 0…1.
 *
 * @param rates of the kernel, one for each slice of the measurement
 * @param looks at the limit, before each slice and behind the last one, in the same unit
 */
export function shareOf(rates: readonly number[], looks: readonly number[]): Figure {
  if (!usable(rates) || !usable(looks) || looks.length !== rates.length + 1)
    return refuse('nothing was measured')
  const range = Math.max(...looks) / Math.min(...looks)
  if (range > LIMIT_RANGE)
    return refuse(`the limit itself changed by a factor of ${range.toFixed(1)}`)
  const share = median(rates.map((rate, i) => (2 * rate) / (looks[i] + looks[i + 1])))
  if (share > 1 + ERROR) return refuse('faster than the limit beside it: the machine was disturbed')
  return { value: Math.min(1, share) }
}

/** One training step, and the kernels that it runs, timed next to each other. */
export interface StepPair {
  readonly stepMs: number
  /** Sum of the kernels on one thread. */
  readonly kernelMs: number
}

/**
 * Share of a step that is not kernels, 0…1. With several threads kernels need at least their sum
 * divided by the threads; so it is an upper bound then.
 */
export function outsideOf(pairs: readonly StepPair[], threads: number): Figure {
  if (!usable(pairs.flatMap(({ stepMs, kernelMs }) => [stepMs, kernelMs])))
    return refuse('nothing was measured')
  const shares = pairs.map(({ stepMs, kernelMs }) => 1 - kernelMs / threads / stepMs)
  const outside = median(shares)
  const scatter = scatterOf(shares, outside)
  if (scatter > SCATTER)
    return refuse(`rounds differ by ± ${(100 * scatter).toFixed(0)} % of a step`)
  if (outside >= 0) return { value: outside }
  // Timing each record costs a little, so that nothing outside may look like less than nothing.
  if (outside >= -ERROR) return { value: 0 }
  return refuse('kernels took longer than the step that holds them: the machine was disturbed')
}

/** How many times as fast several threads are as one, from steps that took turns. */
export function gainOf(
  single: readonly number[],
  several: readonly number[],
  threads: number,
): Figure {
  if (!usable(single) || !usable(several)) return refuse('nothing was measured')
  const gains = single.map((ms, i) => ms / several[i])
  const gain = median(gains)
  const scatter = scatterOf(gains, gain) / gain
  if (scatter > SCATTER) return refuse(`rounds differ by ± ${(100 * scatter).toFixed(0)} %`)
  if (gain > threads * (1 + ERROR))
    return refuse(`more than ${threads} threads can gain: the machine was disturbed`)
  return { value: Math.min(gain, threads) }
}

/** No cache line needs longer, across sockets either; a thread that waits for a processor does. */
const SLOWEST_HAND_OVER_NS = 5000
/** Nothing that leaves a core comes back sooner. */
const FASTEST_HAND_OVER_NS = 5

/**
 * Nanoseconds for a cache line to go to another thread and back.
 *
 * @param bursts nanoseconds of a round trip, each the mean of a short burst
 */
export function handOverOf(bursts: readonly number[]): Figure {
  const sorted = bursts.filter((ns) => Number.isFinite(ns) && ns > 0).sort((a, b) => a - b)
  if (sorted.length === 0) return refuse('the second thread did not run in time')
  // In most bursts both threads run. Those in which one of them had to wait are left out.
  const undisturbed = sorted.filter((ns) => ns <= SLOWEST_HAND_OVER_NS)
  if (undisturbed.length === 0) return refuse('the threads had to share a processor')
  const ns = median(undisturbed)
  if (ns < FASTEST_HAND_OVER_NS) return refuse('the clock is too coarse')
  return { value: ns }
}

/** What the machine was like while something was measured. */
export interface Conditions {
  /** Share of the processors that others took, 0…1. */
  readonly others: number
  /** Speed of the multiply-add loop beside it, of the highest in this process, 0…1. */
  readonly speed: number
  /** Median absolute deviation in percent of the median. */
  readonly spread: number
  /** Share of the time in which the thread was on no processor, where it never waits. */
  readonly away?: number
  /** Share of the time in which a control group was stopped, since it had used up its share. */
  readonly quota?: number
  /** More threads than processors that they may run on. */
  readonly crowded?: boolean
}

/** Above such a share others count; below such a share of its best speed a processor is slow. */
export const [BUSY, SLOWED] = [0.1, 0.85]
const NOISY = 10
const percentOf = (share: number): string =>
  `${(100 * Math.min(1, Math.max(0, share))).toFixed(0)} %`

/** What is wrong with the conditions, for the last column of a table: '' when nothing is. */
export function marksOf(conditions: Conditions): string {
  const { others, speed, spread, away = 0, quota = 0, crowded = false } = conditions
  const marks: string[] = []
  if (others > BUSY) marks.push(`busy ${percentOf(others)}`)
  // Who shares the processor slows it down too.
  else if (speed < SLOWED) marks.push(`throttled to ${percentOf(speed)}`)
  if (quota > BUSY) marks.push(`stopped ${percentOf(quota)}`)
  else if (away > BUSY) marks.push(`waited ${percentOf(away)}`)
  if (crowded) marks.push('more threads than processors')
  if (spread > NOISY) marks.push('noisy')
  return marks.join(', ')
}
