/** What data sets of recordings take, and how a recording becomes a sample. */

import { checkPath, describe, fail } from '../../errors.js'
import { count, toBinary } from '../../events/frames.js'
import { checkSensor, type EventRecording, inOrder, type Sensor } from '../../events/recording.js'
import { checkSlices, type SliceOptions, slicesOf } from '../../events/slices.js'
import {
  checkSize,
  denoise,
  downsample,
  droppedBy,
  jittered,
  numberFrom,
  withoutShare,
} from '../../events/transforms.js'
import { Purpose, RandomStream } from '../../random.js'
import {
  by,
  checkedElsewhere,
  complete,
  integer,
  oneOf,
  optional,
  type Rules,
  truth,
} from '../../rules.js'
import type { ReadContext } from '../dataset.js'
import { move } from '../move.js'
import type { SampleCache } from '../pictures/cache.js'
import { OfficialResize } from './official.js'
import { eventSplits } from './split-names.js'

/** One of them. */
export type EventSplit = 'number' | 'time' | 'timeBins' | 'eventBins'

/** How frames are made smaller: events moved, so that sums add up, or as the official code does. */
export const eventResizes = ['sum', 'official'] as const

/** What becomes of events behind the last frame. */
export const eventRests = ['drop', 'last'] as const

/** Random changes in training, of the events and then of the frames; each is off by default. */
export interface EventAugmentOptions {
  /** Mirrors left and right with probability 1/2, all frames alike. */
  readonly flip?: boolean
  /** Moves up to so many pixels across and down, those that leave come in on the other side. */
  readonly roll?: number
  /** Moves up to so many pixels across and down, those that leave are lost. */
  readonly shift?: number
  /** Standard deviation in µs of what is added to each event's time. */
  readonly timeJitter?: number
  /** Share of the events that are dropped, 0 … 1. */
  readonly dropEvent?: number
  /** EventDrop (Gu et al., IJCAI 2021). */
  readonly eventDrop?: boolean
}

/** How recordings become samples of a data set. */
export interface EventDatasetOptions {
  /** T, frames of a sample, 1 to 4,096; default 10; needed with `timeWindow` or `eventCount`. */
  readonly timeSteps?: number
  /**
   * 'number', the default, and 'time': SpikingJelly's `split_by`; 'timeBins' and 'eventBins':
   * Tonic's `n_time_bins` and `n_event_bins`. Not with `timeWindow` or `eventCount`.
   */
  readonly splitBy?: EventSplit
  /**
   * µs of a frame (Tonic's `time_window`). `rest` says what becomes of events behind T frames;
   * where a recording is shorter, frames of zeros follow.
   */
  readonly timeWindow?: number
  /** Events of a frame (Tonic's `event_count`), cut and filled up alike. */
  readonly eventCount?: number
  /** Tonic's `overlap`, of all but SpikingJelly's ways; default 0. */
  readonly overlap?: number
  /**
   * With `timeWindow`: where the first frame begins, in µs; default: the first event's time, but 0
   * for N-MNIST, whose clocks begin there.
   */
  readonly startTime?: number
  /**
   * With `timeWindow` or `eventCount`, events behind T frames: 'drop' leaves them out, 'last' adds
   * them to the last frame. Default 'drop', for N-MNIST 'last'.
   */
  readonly rest?: (typeof eventRests)[number]
  /** 1 where there was any event, not their number; default false. */
  readonly binary?: boolean
  /** Pixels of a frame: a side, or [height, width]; default: the sensor's. */
  readonly size?: number | readonly [height: number, width: number]
  /**
   * With `size`: 'sum', the default, moves events (Tonic's `Downsample`); 'official' does what the
   * official code does for CIFAR10-DVS, whose numbers are in 0 … 1.
   */
  readonly resize?: (typeof eventResizes)[number]
  /** Drops events without a neighbour within so many µs (Tonic's `Denoise`); default: none. */
  readonly denoise?: number
  /** [width, height] of the sensor in pixels; default: that of the data set. */
  readonly sensor?: Sensor
  /** Random changes in training. */
  readonly augment?: EventAugmentOptions
  /**
   * Folder for frames that were cut once, so that recordings are read in the first epoch alone;
   * default: none. Training that changes events (`timeJitter`, `dropEvent`, `eventDrop`) reads
   * them each time.
   */
  readonly cache?: string
}

const DEFAULT_STEPS = 10
const MOST_STEPS = 4096

const augmentRules: Rules<EventAugmentOptions> = {
  flip: truth(false),
  roll: integer(0, 8192, 0),
  shift: integer(0, 8192, 0),
  timeJitter: numberFrom(0, 1e9, 0),
  dropEvent: numberFrom(0, 1, 0),
  eventDrop: truth(false),
}

const rules: Rules<EventDatasetOptions> = {
  timeSteps: optional(integer(1, MOST_STEPS)),
  splitBy: optional(oneOf(eventSplits)),
  ...checkedElsewhere<
    Pick<EventDatasetOptions, 'timeWindow' | 'eventCount' | 'overlap' | 'startTime'>
  >([...(['timeWindow', 'eventCount', 'overlap', 'startTime'] as const)]),
  rest: optional(oneOf(eventRests)),
  binary: truth(false),
  size: optional(by<number | readonly [number, number]>(checkSize)),
  resize: oneOf(eventResizes, 'sum'),
  denoise: optional(numberFrom(0)),
  sensor: optional(by<Sensor>(checkSensor)),
  augment: optional(by((name, changes) => complete(name, augmentRules, changes))),
  cache: optional(by((name, path) => checkPath(name, path, 'folder'))),
}

export const eventKeys = Object.keys(rules) as (keyof EventDatasetOptions)[]

/** @throws SpikewasmError that names the option that is wrong */
export function checkEvents(name: string, options: EventDatasetOptions) {
  const all = complete(name, rules, options)
  const { timeWindow, eventCount, splitBy, rest, timeSteps = DEFAULT_STEPS } = all
  const open = timeWindow !== undefined ? 'timeWindow' : 'eventCount'
  const isOpen = timeWindow !== undefined || eventCount !== undefined
  if (isOpen && all.timeSteps === undefined)
    fail(`${name}.${open} needs timeSteps, how many frames a sample has, got none; give both`)
  if (splitBy !== undefined && isOpen)
    fail(`${name}.splitBy must be left out with ${open}, got ${describe(splitBy)}`)
  if (rest !== undefined && !isOpen)
    fail(`${name}.rest belongs to timeWindow and eventCount, got ${describe(rest)} without them`)
  const { resize = 'sum', binary = false, denoise, sensor, cache } = all
  /** [height, width]; undefined: the sensor's. */
  const size = all.size === undefined ? undefined : checkSize(`${name}.size`, all.size)
  if (resize !== 'sum' && size === undefined)
    fail(`${name}.resize: 'official' needs size, got none; the official code has 48`)
  if (resize !== 'sum' && binary)
    fail(`${name}.binary must be false with resize: 'official', which needs sums, got true`)
  const way = wayOf(timeSteps, all)
  checkSlices(name, way)
  const looks = { binary, size, resize, denoise, sensor }
  const augment = complete(`${name}.augment`, augmentRules, all.augment ?? {})
  return { timeSteps, way, rest: rest ?? ('drop' as const), ...looks, augment, cache }
}

/** Checked options, as plain data. */
export type CheckedEvents = Readonly<ReturnType<typeof checkEvents>>

function wayOf(
  timeSteps: number,
  { timeWindow, eventCount, splitBy = 'number', overlap, startTime }: EventDatasetOptions,
): SliceOptions {
  const more = { overlap, startTime }
  if (timeWindow !== undefined) return { timeWindow, includeIncomplete: true, ...more }
  if (eventCount !== undefined) return { eventCount, includeIncomplete: true, ...more }
  if (splitBy === 'timeBins') return { nTimeBins: timeSteps, ...more }
  if (splitBy === 'eventBins') return { nEventBins: timeSteps, ...more }
  return { framesNumber: timeSteps, splitBy, ...more }
}

/** Whether anything changes from epoch to epoch. */
export const changesSamples = ({ augment }: CheckedEvents): boolean =>
  Object.values(augment).some((value) => value !== 0 && value !== false)

/** Where frames are kept, by the indices of samples. */
type FrameCache = Pick<SampleCache, 'read' | 'write'>

/** Makes samples [T][2][H][W] of recordings of one sensor. */
export class FrameMaker {
  /** [2, H, W] of a frame. */
  readonly shape: readonly [2, number, number]
  private readonly official: OfficialResize | undefined
  /** Sums before they are made smaller. */
  private readonly sums: Float32Array | undefined
  private readonly random = new RandomStream(Purpose.Augment)

  constructor(
    private readonly options: CheckedEvents,
    private readonly sensor: Sensor,
  ) {
    const [width, height] = sensor
    const { size = [height, width], resize, timeSteps } = options
    this.shape = [2, size[0], size[1]]
    if (resize === 'sum') return
    this.official = new OfficialResize([height, width], size)
    this.sums = new Float32Array(timeSteps * height * width * 2)
  }

  /** Numbers of a sample. */
  get floats(): number {
    const [, height, width] = this.shape
    return this.options.timeSteps * height * width * 2
  }

  /** Bytes of a sample in a cache: sums take two a number, those of the official way one. */
  get keptBytes(): number {
    return this.floats * (this.official ? 1 : 2)
  }

  /**
   * Writes all of `out`, [T][2][H][W].
   *
   * @param load reads the recording
   * @param cache of frames before they move; samples whose events change do without
   */
  make(
    load: () => EventRecording,
    out: Float32Array,
    index: number,
    context: ReadContext | undefined,
    cache: FrameCache | undefined,
  ): void {
    const { random } = this
    const { augment } = this.options
    if (context) random.start(context.seed, context.epoch, index)
    // The frames' numbers are drawn first: they are the same whatever the events draw.
    const mirrored = context !== undefined && augment.flip === true && random.below(2) === 1
    const draw = (most = 0): number =>
      context === undefined || most === 0 ? 0 : random.below(2 * most + 1) - most
    const [rollY, rollX] = [draw(augment.roll), draw(augment.roll)]
    const [shiftY, shiftX] = [draw(augment.shift), draw(augment.shift)]
    if (context !== undefined && changesEvents(augment)) this.cut(this.changed(load()), out)
    else this.kept(load, out, index, cache)
    const [, height, width] = this.shape
    const size = { height, width }
    // As `torch.flip` and then `torch.roll`, what is mirrored moves.
    const [dx, dy] = [mirrored ? rollX : -rollX, -rollY]
    if (mirrored || rollX !== 0 || rollY !== 0)
      move(out, out.slice(), size, { dx, dy, mirror: mirrored, beyond: 'other side' })
    if (shiftX !== 0 || shiftY !== 0)
      move(out, out.slice(), size, { dx: -shiftX, dy: -shiftY, mirror: false, beyond: 0 })
  }

  /** Frames from the cache, or of the recording. */
  private kept(
    load: () => EventRecording,
    out: Float32Array,
    index: number,
    cache: FrameCache | undefined,
  ): void {
    const isOfficial = this.official !== undefined
    const bytes = cache?.read(index)
    if (bytes) {
      const { buffer, byteOffset, length } = bytes
      const numbers = isOfficial ? bytes : new Uint16Array(buffer, byteOffset, length / 2)
      for (let i = 0; i < out.length; i++) out[i] = isOfficial ? numbers[i] / 255 : numbers[i]
      return
    }
    this.cut(load(), out)
    if (cache === undefined) return
    const numbers = isOfficial
      ? Uint8Array.from(out, (value) => Math.round(255 * value))
      : Uint16Array.from(out)
    // A sum that does not fit is not kept.
    if (isOfficial || out.every((value) => value <= 65_535))
      cache.write(index, new Uint8Array(numbers.buffer))
  }

  /** Cuts the recording, and makes the frames smaller. */
  private cut(original: EventRecording, out: Float32Array): void {
    const { options, sums, official, sensor } = this
    const { timeSteps, way, binary, size } = options
    let recording = options.denoise === undefined ? original : denoise(original, options.denoise)
    if (!official && size) recording = downsample(recording, size)
    recording = inOrder(recording)
    const slices = slicesOf(recording, way, timeSteps)
    const starts = slices.starts.slice(0, timeSteps)
    const ends = slices.ends.slice(0, timeSteps)
    if (options.rest === 'last') ends[ends.length - 1] = recording.length
    const columns = official ? sensor[0] : this.shape[2]
    const rows = official ? sensor[1] : this.shape[1]
    const into = sums ?? out
    into.fill(0)
    count(recording, { starts, ends }, into, [rows, columns])
    if (binary) toBinary(into)
    const [, height, width] = this.shape
    if (sums && official)
      for (let t = 0; t < timeSteps; t++)
        official.run(sums, t * rows * columns * 2, out, t * height * width * 2)
  }

  private changed(recording: EventRecording): EventRecording {
    const { timeJitter = 0, dropEvent = 0, eventDrop } = this.options.augment
    const { random } = this
    let out = recording
    if (timeJitter > 0) out = jittered(out, timeJitter, random)
    if (dropEvent > 0) out = withoutShare(out, dropEvent, random)
    return eventDrop ? droppedBy(out, random) : out
  }
}

const changesEvents = ({ timeJitter, dropEvent, eventDrop }: EventAugmentOptions): boolean =>
  timeJitter !== 0 || dropEvent !== 0 || eventDrop === true
