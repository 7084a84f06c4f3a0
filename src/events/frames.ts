/** Recordings as frames: for each slice, pixel and polarity how many events there were. */

import { checkArguments, checkBoolean, fail } from '../errors.js'
import { type EventRecording, expectRecording, inOrder } from './recording.js'
import { checkSlices, type SliceOptions, type Slices, slicesOf } from './slices.js'

/** What `events.toFrames` takes: a way to cut, and what a pixel is. */
export interface FramesOptions extends SliceOptions {
  /** Whether a pixel is 1 where there was any event, not their number; default false. */
  readonly binary?: boolean
}

/** Frames of a recording. */
export interface EventFrames {
  /** T, the number of frames. */
  readonly timeSteps: number
  /** [2, H, W]; channel 0 counts the events of polarity 0 (OFF), channel 1 those of 1 (ON). */
  readonly shape: readonly [2, number, number]
  /** [T][2][H][W] */
  readonly data: Float32Array
}

/** Numbers of the frames of one recording, at most. */
const MOST_NUMBERS = 2 ** 28

/**
 * Frames by a convention of SpikingJelly (`framesNumber` with `splitBy`, or `duration`) or of Tonic
 * (`timeWindow`, `eventCount`, `nTimeBins`, `nEventBins`). Both count alike: channel p, row y,
 * column x. A slice without events is a frame of zeros.
 *
 * ```ts
 * const { data } = events.toFrames(recording, { framesNumber: 10, splitBy: 'number' })
 * ```
 *
 * @throws SpikewasmError when not exactly one way is given, a number is out of range, or the frames
 *   would take more than 1 GiB
 */
export function toFrames(
  recording: EventRecording,
  options: FramesOptions,
  ...more: []
): EventFrames {
  checkArguments('events.toFrames', more)
  expectRecording('events.toFrames: the recording', recording)
  const { binary, ...way } = options ?? {}
  checkSlices('events.toFrames', way)
  checkBoolean('events.toFrames.binary', binary, false)
  const ordered = isByTime(way) ? inOrder(recording) : recording
  const slices = slicesOf(ordered, way)
  const { width, height } = recording
  const [pixels, timeSteps] = [width * height, slices.starts.length]
  if (!(timeSteps * 2 * pixels <= MOST_NUMBERS))
    fail(
      `events.toFrames: frames must be at most ${MOST_NUMBERS} numbers, got ${timeSteps} frames ` +
        `of ${width} × ${height} pixels; cut into fewer`,
    )
  const data = new Float32Array(timeSteps * 2 * pixels)
  count(ordered, slices, data, [height, width])
  if (binary) toBinary(data)
  return { timeSteps, shape: [2, height, width], data }
}

/** Whether the order of the events' times matters. */
export const isByTime = ({ framesNumber, splitBy, eventCount, nEventBins }: SliceOptions) =>
  framesNumber !== undefined
    ? splitBy === 'time'
    : eventCount === undefined && nEventBins === undefined

/** out[slice, p, y, x] += 1 for the events of each slice. */
export function count(
  { x, y, p }: EventRecording,
  { starts, ends }: Slices,
  out: Float32Array,
  [height, width]: readonly [number, number],
): void {
  for (let t = 0; t < starts.length; t++)
    for (let i = starts[t]; i < ends[t]; i++) out[((2 * t + p[i]) * height + y[i]) * width + x[i]]++
}

/** 1 for what is not 0. */
export function toBinary(data: Float32Array): void {
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) data[i] = 1
}
