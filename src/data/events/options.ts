/** What data sets of recordings take, and how a recording becomes a sample. */

import { checkPath, describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { Purpose, RandomStream } from '../../base/random.js'
import {
  by,
  checkedElsewhere,
  complete,
  integer,
  oneOf,
  optional,
  type Rules,
  truth,
} from '../../base/rules.js'
import { move } from '../autoaugment.js'
import type { ReadContext } from '../datasets/dataset.js'
import type { SampleCache } from '../pictures/cache.js'
import { resizeBy, type Taps, tapsOf } from '../pictures/transforms.js'
import { type EventFormat, eventFormats } from '../recordings/parse.js'
import { checkSensor, type EventRecording, inOrder, type Sensor } from '../recordings/recording.js'
import { checkSlices, count, type SliceOptions, slicesOf, toBinary } from '../recordings/slices.js'
import {
  checkSize,
  denoise,
  downsample,
  droppedBy,
  jittered,
  numberFrom,
  withoutShare,
} from '../recordings/transforms.js'

// Frames of CIFAR10-DVS made smaller exactly as the official code of rate-based backpropagation
// does: `ToPILImage`, `Resize((48, 48))`, `ToTensor` on float frames of counts (Yu et al., NeurIPS
// 2024, `util/data.py`; the code comes from TET, Deng et al. 2022).
// What that does to the numbers, since counts are no shares of one:
// 1. `ToPILImage` multiplies by 255 and keeps the low byte: n events become (255 · n) mod 256,
//    which is 256 − n for 1 ≤ n ≤ 256. One event is nearly white, many are darker.
// 2. Two channels are taken for grey with transparency ("LA"). Pillow then resizes the
//    premultiplied picture: OFF · ON / 255 and ON, bilinear over the whole
//    window, and divides again. Where ON is 0, OFF is lost.
// 3. `ToTensor` divides by 255.
// Source of the arithmetic: Pillow 11 `Resample.c` and `Convert.c`, torchvision 0.18
// `functional.to_pil_image`.

/** Makes frames of one size smaller, one after another. */
export class OfficialResize {
  private readonly across: Taps
  private readonly down: Taps
  /** [H][W] of a channel. */
  private readonly planes: readonly [Uint8Array, Uint8Array]

  constructor(
    from: readonly [height: number, width: number],
    to: readonly [height: number, width: number],
  ) {
    this.across = tapsOf(from[1], 0, from[1], to[1])
    this.down = tapsOf(from[0], 0, from[0], to[0])
    const pixels = from[0] * from[1]
    this.planes = [new Uint8Array(pixels), new Uint8Array(pixels)]
  }

  /**
   * @param counts [2][H][W], from `at`
   * @param out [2][H'][W'], from `to`, in 0 … 1
   */
  run(counts: Float32Array, at: number, out: Float32Array, to: number): void {
    const [off, on] = this.planes
    for (let i = 0; i < off.length; i++) {
      on[i] = 255 * counts[at + off.length + i]
      const product = ((255 * counts[at + i]) & 255) * on[i] + 128
      off[i] = ((product >> 8) + product) >> 8
    }
    const alpha = this.resize(on)
    const grey = this.resize(off)
    for (let i = 0; i < alpha.length; i++) {
      const share = alpha[i]
      const plain =
        share === 0 || share === 255 ? grey[i] : Math.min(255, Math.trunc((255 * grey[i]) / share))
      out[to + i] = plain / 255
      out[to + alpha.length + i] = share / 255
    }
  }

  private resize(data: Uint8Array): Uint8Array {
    const { across, down } = this
    return resizeBy({ data, width: across.input, channels: 1 }, across, down, 1)
  }
}

// Names that the command line needs without reading a data set.

/** How data sets share a recording among frames; the first two as SpikingJelly, then as Tonic. */
export const eventSplits = ['number', 'time', 'timeBins', 'eventBins'] as const

/** By numbers of events or by time: `splitBy` of the options says what each does. */
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

/** What `checkSlices` checks. */
const ofSlices = ['timeWindow', 'eventCount', 'overlap', 'startTime'] as const

const rules: Rules<EventDatasetOptions> = {
  timeSteps: optional(integer(1, MOST_STEPS)),
  splitBy: optional(oneOf(eventSplits)),
  ...checkedElsewhere<Pick<EventDatasetOptions, (typeof ofSlices)[number]>>(ofSlices),
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

// What `events.read` takes.

/** Options of `events.read`; each has a default. */
export interface ReadEventsOptions {
  /** What the file is; default: what its first bytes or its ending say. */
  readonly format?: EventFormat
  /**
   * [width, height] of the sensor in pixels; default: what the file says, else 34 × 34 for N-MNIST,
   * 128 × 128 for AEDAT 2 and 3, or as large as the events need.
   */
  readonly sensor?: Sensor
}

/** @throws SpikewasmError when an option is wrong */
export function checkReading(name: string, options: ReadEventsOptions): ReadEventsOptions {
  const rules = { format: optional(oneOf(eventFormats)), sensor: optional(by(checkSensor)) }
  return complete(name, rules, options) as ReadEventsOptions
}

/** A recording's bytes, and what messages call it. */
export async function bytesOf(
  from: Uint8Array | host.Blob,
): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const name = (from as Partial<host.File>).name ?? 'the recording'
  if (from instanceof Uint8Array) return { name, bytes: from }
  return { name, bytes: new Uint8Array(await from.arrayBuffer()) }
}

// What the official code does with CIFAR10-DVS.

/**
 * The official code's way with CIFAR10-DVS (Yu et al., NeurIPS 2024): 10 frames by number, 48 × 48,
 * flipped and rolled by up to 5 pixels in training.
 */
export const cifar10DvsOfficial: EventDatasetOptions = {
  timeSteps: 10,
  splitBy: 'number',
  size: 48,
  resize: 'official',
  augment: { flip: true, roll: 5 },
}
