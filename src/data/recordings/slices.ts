/**
 * Recordings cut into slices, by the conventions of SpikingJelly and of Tonic. A slice is a range
 * of events, [start, end).
 *
 * Sources: SpikingJelly 0.0.0.1 `datasets/utils.py`; Tonic 1.6 `slicers.py`
 */

import { checkArguments, checkBoolean, checkInteger, fail } from '../../base/errors.js'
import {
  complete,
  integer,
  oneOf,
  optional,
  type Rule,
  type Rules,
  such,
  truth,
} from '../../base/rules.js'
import { type EventRecording, expectRecording, inOrder, MOST_FRAMES } from './recording.js'

/** SpikingJelly's ways to cut. */
export const splits: readonly SplitBy[] = ['number', 'time']

/** By equal numbers of events, or by equal times. */
export type SplitBy = 'number' | 'time'

/** How a recording is cut. Exactly one of the ways must be given. */
export interface SliceOptions {
  /** SpikingJelly's `frames_number`: M slices, by `splitBy`. */
  readonly framesNumber?: number
  /**
   * SpikingJelly's `split_by`, with `framesNumber`. 'number', the default: ⌊N/M⌋ events each, the
   * last takes the rest. 'time': ⌊(last time − first)/M⌋ µs each, the last takes the rest.
   */
  readonly splitBy?: SplitBy
  /** SpikingJelly's `duration`: µs of a slice, from the first event; the last takes the rest. */
  readonly duration?: number
  /** Tonic's `time_window`: µs of a slice; a last one that is not full is left out. */
  readonly timeWindow?: number
  /** Tonic's `event_count`: events of a slice; a last one that is not full is left out. */
  readonly eventCount?: number
  /** Tonic's `n_time_bins`: so many slices, as long each. */
  readonly nTimeBins?: number
  /** Tonic's `n_event_bins`: so many slices, as many events in each. */
  readonly nEventBins?: number
  /**
   * Tonic's `overlap` of neighbours: µs with `timeWindow`, events with `eventCount`, a share below
   * 1 with the bins; default 0.
   */
  readonly overlap?: number
  /** Tonic's `include_incomplete`, with `timeWindow` and `eventCount`; default false. */
  readonly includeIncomplete?: boolean
  /** Tonic's `start_time`, with `timeWindow`, in µs; default: the time of the first event. */
  readonly startTime?: number
  /** Tonic's `end_time`, with `timeWindow`, in µs; default: the time of the last event. */
  readonly endTime?: number
}

/** Slice i holds the events starts[i] … ends[i] − 1. */
export type Slices = Readonly<Record<'starts' | 'ends', readonly number[]>>

const ways = [
  'framesNumber',
  'duration',
  'timeWindow',
  'eventCount',
  'nTimeBins',
  'nEventBins',
] as const
/** What else there is, and the ways that it belongs to. */
const belongs = {
  splitBy: ['framesNumber'],
  overlap: ['timeWindow', 'eventCount', 'nTimeBins', 'nEventBins'],
  includeIncomplete: ['timeWindow', 'eventCount'],
  startTime: ['timeWindow'],
  endTime: ['timeWindow'],
} as const

const number = (words: string, least: number): Rule<number | undefined> =>
  optional(such(words, (value: number) => Number.isFinite(value) && value >= least))

const frames = optional(integer(1, MOST_FRAMES))
const rules: Rules<SliceOptions> = {
  framesNumber: frames,
  duration: number('microseconds > 0', Number.MIN_VALUE),
  timeWindow: number('microseconds > 0', Number.MIN_VALUE),
  eventCount: optional(integer(1, 2 ** 32)),
  nTimeBins: frames,
  nEventBins: frames,
  splitBy: optional({ ...oneOf(splits), words: `one of ${splits.join(', ')}` }),
  overlap: number('>= 0', 0),
  includeIncomplete: optional(truth()),
  startTime: number('microseconds', -(2 ** 53)),
  endTime: number('microseconds', -(2 ** 53)),
}

/** @throws SpikewasmError unless exactly one way is given, with what belongs to it */
export function checkSlices(name: string, options: SliceOptions): void {
  const of = complete(name, rules, options)
  const given = ways.filter((way) => of[way] !== undefined)
  if (given.length !== 1)
    fail(
      `${name} must have exactly one of ${ways.join(', ')}, got ` +
        `${given.length === 0 ? 'none' : given.join(' and ')}`,
    )
  const [way] = given
  for (const [key, to] of Object.entries(belongs))
    if (of[key as keyof typeof belongs] !== undefined && !to.some((one) => one === way))
      fail(`${name}.${key} belongs to ${to.join(' and ')}, got it with ${way}; leave it out`)
  const most = way.endsWith('Bins') ? 1 : (of[way] as number)
  if (!((of.overlap ?? 0) < most)) fail(`${name}.overlap must be below ${most}, got ${of.overlap}`)
}

/**
 * @param recording in the order of its times where it is cut by time
 * @param most slices; what lies behind them is not looked for
 * @throws SpikewasmError when there are more than a million slices
 */
export function slicesOf(
  { t, length }: EventRecording,
  options: SliceOptions,
  most = MOST_FRAMES,
): Slices {
  const { framesNumber, splitBy = 'number', duration, timeWindow, eventCount } = options
  const { nTimeBins, nEventBins, overlap = 0 } = options
  if (framesNumber !== undefined)
    return splitBy === 'number' ? ofNumber(length, framesNumber) : ofTime(t, length, framesNumber)
  if (duration !== undefined) return ofDuration(t, length, duration, most)
  if (timeWindow !== undefined) return ofWindows(t, length, timeWindow, options, most)
  if (eventCount !== undefined) return ofCounts(length, eventCount, options, most)
  if (nTimeBins !== undefined) {
    const width = Math.floor((t[length - 1] - t[0]) / nTimeBins) * (1 + overlap)
    return windows(t, length, nTimeBins, t[0], width * (1 - overlap), width)
  }
  const bins = nEventBins as number
  const size = Math.trunc(Math.floor(length / bins) * (1 + overlap))
  return ranges(length, bins, Math.trunc(size * (1 - overlap)), size)
}

function ofNumber(length: number, count: number): Slices {
  const slices = ranges(length, count, Math.floor(length / count), Math.floor(length / count))
  return { ...slices, ends: slices.ends.with(-1, length) }
}

function ofTime(t: Float64Array, length: number, count: number): Slices {
  const width = Math.floor((t[length - 1] - t[0]) / count)
  const slices = windows(t, length, count, t[0], width, width)
  return { ...slices, ends: slices.ends.with(-1, length) }
}

function ofDuration(t: Float64Array, length: number, duration: number, most: number): Slices {
  const last = length === 0 ? 0 : t[length - 1] - t[0]
  const all = checkCount(Math.max(1, Math.ceil(last / duration)), most)
  const slices = windows(t, length, Math.min(all, most), t[0] ?? 0, duration, duration)
  return all > most ? slices : { ...slices, ends: slices.ends.with(-1, length) }
}

function ofWindows(
  t: Float64Array,
  length: number,
  width: number,
  { overlap = 0, includeIncomplete = false, startTime, endTime }: SliceOptions,
  most: number,
): Slices {
  if (length === 0) return ranges(0, 1, 0, 0)
  const first = startTime ?? t[0]
  const stride = width - overlap
  const full = ((endTime ?? t[length - 1]) - first - width) / stride
  const count = Math.max(1, (includeIncomplete ? Math.ceil(full) : Math.floor(full)) + 1)
  return windows(t, length, Math.min(checkCount(count, most), most), first, stride, width)
}

function ofCounts(
  length: number,
  wanted: number,
  { overlap = 0, includeIncomplete = false }: SliceOptions,
  most: number,
): Slices {
  const size = Math.min(wanted, length)
  const stride = wanted - overlap
  const full = (length - size) / stride
  const count = (includeIncomplete ? Math.ceil(full) : Math.floor(full)) + 1
  return ranges(length, Math.min(checkCount(count, most), most), stride, size)
}

function checkCount(count: number, most: number): number {
  if (most >= MOST_FRAMES) checkInteger('slices of the recording', count, 1, MOST_FRAMES)
  return count
}

/** Slices of `size` events, each `stride` behind the one before. */
function ranges(length: number, count: number, stride: number, size: number): Slices {
  const starts = Array.from({ length: count }, (_, i) => Math.min(length, Math.trunc(i * stride)))
  return { starts, ends: starts.map((_, i) => Math.min(length, Math.trunc(i * stride) + size)) }
}

/** Slices of `width` µs, each `stride` behind the one before. */
function windows(
  t: Float64Array,
  length: number,
  count: number,
  first: number,
  stride: number,
  width: number,
): Slices {
  const begins = Array.from({ length: count }, (_, i) => i * stride + first)
  const find = (time: number): number => firstAtLeast(t, length, time)
  return { starts: begins.map(find), ends: begins.map((begin) => find(begin + width)) }
}

/** The first event whose time is ≥ `time`; `length` if there is none. */
export function firstAtLeast(t: Float64Array, length: number, time: number): number {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (t[middle] < time) low = middle + 1
    else high = middle
  }
  return low
}

// Recordings as frames: for each slice, pixel and polarity how many events there were.

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
