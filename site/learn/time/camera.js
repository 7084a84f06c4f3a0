// A bar that crosses the view of an event camera. Runs in Node when the site is built, and in the
// page.
import { events, fromArrays } from 'spikewasm'

export const SIDE = 8
const PIXELS = SIDE * SIDE
export const ways = ['right', 'left', 'down', 'up']
/** Microseconds of a recording. */
const LENGTH = 80_000

/** Events of one bar: it reaches each pixel once, and a quarter of them does not see it. */
export function record(way, seed = 1) {
  const cells = Array.from({ length: PIXELS }, (_, i) => i)
  const isForward = way === 'right' || way === 'down'
  const along = cells.map((i) => (isForward ? i >> 3 : SIDE - 1 - (i >> 3)))
  const across = cells.map((i) => (5 * i) % SIDE)
  const [x, y] = way === 'right' || way === 'left' ? [along, across] : [across, along]
  const t = cells.map((i) => (LENGTH * i) / PIXELS)
  const whole = events.from({ x, y, t, p: cells.map(() => 1), sensor: [SIDE, SIDE] })
  return events.dropEvent(whole, { p: 0.25, seed })
}

/** Frames of a recording: of each the 64 pixels, 1 where one became brighter. */
export function framesOf(recording, count) {
  const cut = { timeWindow: LENGTH / count, startTime: 0, endTime: LENGTH, includeIncomplete: true }
  const { data } = events.toFrames(recording, { ...cut, binary: true })
  const brighter = (_, t) => Array.from(data.subarray((2 * t + 1) * PIXELS, (2 * t + 2) * PIXELS))
  return Array.from({ length: count }, brighter)
}

/** A data set of bars: their frames, and which way they went. */
export function bars(count, seed, timeSteps) {
  const labels = Array.from({ length: count }, (_, i) => i % ways.length)
  const frames = labels.map((label, i) => framesOf(record(ways[label], seed + i), timeSteps))
  const images = Float32Array.from(frames.flat(2))
  return fromArrays({ images, labels, shape: [1, SIDE, SIDE], classes: ways.length, timeSteps })
}
