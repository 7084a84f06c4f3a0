/** Which values an axis shows: all, but a few so far away that the others would be a flat line. */

import { type Chart, figureText } from './chart.js'

/** What an axis of y shows. */
export type Shown = NonNullable<ReturnType<typeof shownOf>>

/** Interquartile ranges beyond the quartiles within which values are shown. */
const RANGES = 3
/** So much is shown in any case: decades of a log axis. */
const DECADES = 2
/** With fewer values nobody knows which one is odd. */
const LEAST = 3
/** A log axis shows nothing that is not positive; a few such values are told of as outside. */
const MOST_NOT_POSITIVE = 0.1

/**
 * The least and the largest value that is not outside, and in words how many others lie where.
 *
 * @returns undefined where there is no value
 */
export function shownOf({ y: axis, series }: Pick<Chart, 'y' | 'series'>) {
  const all = series.flatMap(({ y }) => y.filter((value) => value !== null)) as number[]
  if (all.length === 0) return undefined
  const positive = all.filter((value) => value > 0)
  const isLog = axis.log === true && all.length - positive.length <= MOST_NOT_POSITIVE * all.length
  const known = Float64Array.from(isLog ? positive : all).sort()
  const [from, to] = axis.robust && known.length >= LEAST ? fence(known, isLog) : ends(known)
  const inside = known.filter((value) => value >= from && value <= to)
  const [low, high] = ends(inside)
  /** Whether a value lies above (1) or below (-1) what is shown; 0: it is shown. */
  const side = (value: number): -1 | 0 | 1 => (value < low ? -1 : value > high ? 1 : 0)
  return { low, high, isLog, side, outside: outsideText(all.filter(side), side, axis.percent) }
}

const ends = (sorted: Float64Array): [number, number] => [sorted[0], sorted[sorted.length - 1]]

/** By quartiles: what a few values are does not move them. */
function fence(sorted: Float64Array, isLog: boolean): [number, number] {
  const last = sorted.length - 1
  const scale = isLog ? Math.log10 : (value: number): number => value
  // Towards the middle: of four values one is no quartile.
  const lower = scale(sorted[Math.ceil(last / 4)])
  const upper = scale(sorted[Math.floor((3 * last) / 4)])
  const least = isLog ? DECADES : Math.abs(upper)
  const room = Math.max(RANGES * (upper - lower), least)
  const [from, to] = [lower - room, upper + room]
  return isLog ? [10 ** from, 10 ** to] : [from, to]
}

function outsideText(
  values: readonly number[],
  sideOf: (value: number) => number,
  percent = false,
): string {
  const parts = ([1, -1] as const).flatMap((which) => {
    const beyond = values.filter((value) => sideOf(value) === which)
    if (beyond.length === 0) return []
    const far = beyond.reduce((a, b) => (which * b > which * a ? b : a))
    const side = which > 0 ? 'above' : 'below'
    const end = figureText(far, percent)
    return beyond.length === 1
      ? [`1 value lies ${side}, at ${end}`]
      : [`${beyond.length} values lie ${side}, ${which > 0 ? 'up' : 'down'} to ${end}`]
  })
  return parts.length === 0 ? '' : `Outside the chart: ${parts.join('; ')}.`
}
