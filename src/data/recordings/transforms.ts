/** Recordings changed event by event. Random changes depend on (seed, epoch, index) alone. */

import { checkArguments, checkInteger, describe, fail } from '../../base/errors.js'
import { Purpose, RandomStream } from '../../base/random.js'
import { checkBy, complete, integer, type Rule, type Rules, such, truth } from '../../base/rules.js'
import {
  type EventRecording,
  Events,
  expectRecording,
  inOrder,
  largest,
  picked,
} from './recording.js'

/** Which random numbers a change takes. */
export interface EventDraw {
  /** Integer from 0 to 2³² − 1; default 0. */
  readonly seed?: number
  /** Integer ≥ 0; default 0. */
  readonly epoch?: number
  /** Which sample it is, an integer ≥ 0; default 0. */
  readonly index?: number
}

const drawRules: Rules<Required<EventDraw>> = {
  seed: integer(0, 2 ** 32 - 1, 0),
  epoch: integer(0, undefined, 0),
  index: integer(0, undefined, 0),
}

export function streamOf({ seed, epoch, index }: Required<EventDraw>): RandomStream {
  const random = new RandomStream(Purpose.Augment)
  random.start(seed, epoch, index)
  return random
}

/**
 * A change by random numbers: its options are checked, and the numbers are those of their draw.
 *
 * @param none stands for options where none are given
 */
const changing =
  <O extends EventDraw>(
    name: string,
    own: Omit<Rules<Required<O>>, keyof EventDraw>,
    change: (
      recording: EventRecording,
      options: Required<O>,
      random: RandomStream,
    ) => EventRecording,
    none?: O,
  ) =>
  (recording: EventRecording, options: O = none as O, ...more: []): EventRecording => {
    expectRecording(`events.${name}: the recording`, recording)
    const rules = { ...drawRules, ...own } as unknown as Rules<Required<O>>
    const all = complete(`events.${name}`, rules, options, more)
    return change(recording, all, streamOf(all as Required<EventDraw>))
  }

/** A number from `least` to `most`. */
export const numberFrom = (least: number, most = 2 ** 53, preset?: number): Rule<number> =>
  such(
    most === 2 ** 53 ? `a number >= ${least}` : `a number from ${least} to ${most}`,
    (value) => typeof value === 'number' && value >= least && value <= most,
    preset,
  )

/**
 * Drops events without a neighbour: an event stays when one of the four pixels beside it had an
 * event within `filterTime` before it. As Tonic's `Denoise`, by which all neighbours count as
 * active at time 0.
 *
 * @param filterTime µs, ≥ 0; Tonic's default is 10,000
 * @throws SpikewasmError when it is no recording, or the time is out of range
 */
export function denoise(
  recording: EventRecording,
  filterTime = 10_000,
  ...more: []
): EventRecording {
  checkArguments('events.denoise', more)
  expectRecording('events.denoise: the recording', recording)
  checkBy('events.denoise.filterTime', numberFrom(0), filterTime)
  const { x, y, t } = recording
  const [width, height] = [largest(x) + 1, largest(y) + 1]
  const until = new Float64Array(width * height).fill(filterTime)
  return picked(recording, (i) => {
    const at = y[i] * width + x[i]
    until[at] = t[i] + filterTime
    return (
      (x[i] > 0 && until[at - 1] > t[i]) ||
      (x[i] < width - 1 && until[at + 1] > t[i]) ||
      (y[i] > 0 && until[at - width] > t[i]) ||
      (y[i] < height - 1 && until[at + width] > t[i])
    )
  })
}

/**
 * Fewer pixels: x ← ⌊x · width'/width⌋ and y alike, as Tonic's `Downsample` with a target size. No
 * event is lost, so frames of sums add up.
 *
 * @param size [height, width], at least 1
 */
export function downsample(
  recording: EventRecording,
  size: readonly [height: number, width: number],
  ...more: []
): EventRecording {
  checkArguments('events.downsample', more)
  expectRecording('events.downsample: the recording', recording)
  const [height, width] = checkSize('events.downsample.size', size)
  const { x, y, t, p, length } = recording
  const [right, down] = [width / recording.width, height / recording.height]
  const events = new Events(length)
  for (let i = 0; i < length; i++)
    events.add(Math.trunc(x[i] * right), Math.trunc(y[i] * down), t[i], p[i])
  return events.done('events', [width, height], [width, height])
}

/** @returns [height, width] @throws SpikewasmError unless it is one or two integers */
export function checkSize(name: string, size: unknown): [height: number, width: number] {
  const both = typeof size === 'number' ? [size, size] : size
  if (!Array.isArray(both) || both.length !== 2)
    fail(`${name} must be a number of pixels or [height, width], got ${describe(size)}`)
  const [height, width] = both as [number, number]
  checkInteger(`${name}: the height`, height, 1, 8192)
  checkInteger(`${name}: the width`, width, 1, 8192)
  return [height, width]
}

/** Options of `events.timeJitter`. */
export interface TimeJitterOptions extends EventDraw {
  /** Standard deviation in µs, ≥ 0. */
  readonly std: number
  /** Drops events whose time becomes negative; default false. */
  readonly clipNegative?: boolean
}

/**
 * Adds a number from N(0, std) to the time of each event, cuts it to whole µs, and sorts by time.
 * As Tonic's `TimeJitter` with `sort_timestamps`.
 */
export const timeJitter: (
  recording: EventRecording,
  options: TimeJitterOptions,
  ...more: []
) => EventRecording = changing(
  'timeJitter',
  { std: numberFrom(0), clipNegative: truth(false) },
  (recording, { std, clipNegative }, random) => {
    const moved = jittered(recording, std, random)
    return clipNegative ? picked(moved, (i) => moved.t[i] >= 0) : moved
  },
)

/** A change by so much, and by random numbers. */
type ChangeBy = (recording: EventRecording, by: number, random: RandomStream) => EventRecording

/** Box and Muller's transform of two uniform numbers. */
export const jittered: ChangeBy = (recording, std, random) => {
  const t = recording.t.map((time) => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    return Math.trunc(time + std * radius * Math.cos(2 * Math.PI * random.uniform()))
  })
  return inOrder({ ...recording, t })
}

/** Options of `events.dropEvent`. */
export interface DropEventOptions extends EventDraw {
  /** Share of the events that go, 0 … 1. */
  readonly p: number
}

/** Drops ⌊p · N + ½⌋ random events, as Tonic's `DropEvent`. */
export const dropEvent: (
  recording: EventRecording,
  options: DropEventOptions,
  ...more: []
) => EventRecording = changing('dropEvent', { p: numberFrom(0, 1) }, (recording, { p }, random) =>
  withoutShare(recording, p, random),
)

export const withoutShare: ChangeBy = (recording, p, random) => {
  const { length } = recording
  const order = Uint32Array.from({ length }, (_, i) => i)
  const gone = new Uint8Array(length)
  const drop = Math.trunc(p * length + 0.5)
  for (let i = 0; i < drop; i++) {
    const j = i + random.below(length - i)
    const index = order[j]
    order[j] = order[i]
    gone[index] = 1
  }
  return picked(recording, (i) => gone[i] === 0)
}

/** Options of `events.dropEventByTime` and `events.dropEventByArea`. */
export interface DropPartOptions extends EventDraw {
  /** Share of the duration, or of each side of the sensor, 0 … 1, below 1; default 0.2. */
  readonly ratio?: number
}

const part = {
  ratio: {
    ...numberFrom(0, 1, 0.2),
    check: (name: string, ratio: number) => {
      if (ratio === 1) fail(`${name} must be below 1, got ${ratio}`)
    },
  },
}

/** Drops the events of a random interval, `ratio` of the recording's duration long. */
export const dropEventByTime = changing<DropPartOptions>(
  'dropEventByTime',
  part,
  (recording, { ratio }, random) => withoutInterval(recording, ratio, random),
  {},
)

/** Drops the events of a random box, `ratio` of each side of the sensor long. */
export const dropEventByArea = changing<DropPartOptions>(
  'dropEventByArea',
  part,
  (recording, { ratio }, random) => withoutBox(recording, ratio, random),
  {},
)

/** From the first event on; Tonic counts from time 0, which is the same for N-MNIST. */
const withoutInterval: ChangeBy = (recording, ratio, random) => {
  const { t } = recording
  const first = t.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const last = t.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const long = (last - first) * ratio
  const begin = first + random.uniform() * (last - first - long)
  return picked(recording, (i) => !(t[i] >= begin && t[i] <= begin + long))
}

const withoutBox: ChangeBy = (recording, ratio, random) => {
  const { x, y, width, height } = recording
  const [across, down] = [Math.trunc(width * ratio), Math.trunc(height * ratio)]
  const [left, top] = [random.below(width - across), random.below(height - down)]
  return picked(
    recording,
    (i) => !(x[i] >= left && x[i] < left + across && y[i] >= top && y[i] < top + down),
  )
}

/**
 * EventDrop (Gu et al., IJCAI 2021): with equal chances nothing, or drops an interval of 0.1 … 0.9
 * of the duration, a box of 0.05 … 0.25 of the sides, or 0.1 … 0.9 of the events. As Tonic's
 * `EventDrop`.
 */
export const eventDrop = changing<EventDraw>(
  'eventDrop',
  {},
  (recording, _options, random) => droppedBy(recording, random),
  {},
)

export function droppedBy(recording: EventRecording, random: RandomStream): EventRecording {
  const choice = random.below(4)
  if (choice === 1) return withoutInterval(recording, (1 + random.below(9)) / 10, random)
  if (choice === 2) return withoutBox(recording, (1 + random.below(5)) / 20, random)
  if (choice === 3) return withoutShare(recording, (1 + random.below(9)) / 10, random)
  return recording
}
