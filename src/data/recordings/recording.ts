/** Recordings of event cameras: lists of (x, y, t, p). */

import { checkArguments, checkInteger, checkOptions, describe, fail } from '../../base/errors.js'

/** A recording in memory. Event i is at pixel (x[i], y[i]) at time t[i]. */
export interface EventRecording {
  /** Pixels of the sensor from left to right. */
  readonly width: number
  /** Pixels of the sensor from top to bottom. */
  readonly height: number
  /** N, the number of events. */
  readonly length: number
  /** [N] columns, 0 … width − 1. */
  readonly x: Uint16Array
  /** [N] rows, 0 … height − 1. */
  readonly y: Uint16Array
  /** [N] times in microseconds, integers below 2⁵³. */
  readonly t: Float64Array
  /** [N] polarities: 1 where it became brighter (ON), 0 where darker (OFF). */
  readonly p: Uint8Array
}

/** Width and height of a sensor in pixels. */
export type Sensor = readonly [width: number, height: number]

/** More pixels than a side of any sensor has; each costs memory in every frame. */
export const MOST_PIXELS = 8192

/** More frames than a recording is cut into. */
export const MOST_FRAMES = 1 << 20

/** Throws what every reader throws: `name: must rule, got got`. */
export function refuse(name: string, rule: string, got: string): never {
  fail(`${name}: must ${rule}, got ${got}`)
}

/** Room for so many events; a reader fills it, then calls `done`. */
export class Events {
  readonly x: Uint16Array
  readonly y: Uint16Array
  readonly t: Float64Array
  readonly p: Uint8Array
  /** Events that were added. */
  length = 0

  constructor(room: number) {
    this.x = new Uint16Array(room)
    this.y = new Uint16Array(room)
    this.t = new Float64Array(room)
    this.p = new Uint8Array(room)
  }

  add(x: number, y: number, t: number, p: number): void {
    const i = this.length++
    this.x[i] = x
    this.y[i] = y
    this.t[i] = t
    this.p[i] = p
  }

  /**
   * @param sensor its size; an event outside is an error that names it
   * @param usual what the format was made for: the size unless an event is outside of it
   */
  done(name: string, sensor: Sensor | undefined, usual: Sensor): EventRecording {
    const { length } = this
    const [x, y] = [this.x.subarray(0, length), this.y.subarray(0, length)]
    const [right, below] = [largest(x), largest(y)]
    const fits = right < usual[0] && below < usual[1]
    const [width, height] = sensor ?? (fits ? usual : [right + 1, below + 1])
    if (right >= width || below >= height) {
      let i = 0
      while (x[i] < width && y[i] < height) i++
      const rule = `have events within the sensor's ${width} × ${height} pixels`
      refuse(name, rule, `one at (${x[i]}, ${y[i]}), event ${i}; give the sensor's size as sensor`)
    }
    if (width > MOST_PIXELS || height > MOST_PIXELS)
      refuse(name, `have at most ${MOST_PIXELS} pixels a side`, `${width} × ${height}`)
    const [t, p] = [this.t.subarray(0, length), this.p.subarray(0, length)]
    return { width, height, length, x, y, t, p }
  }
}

export function largest(values: ArrayLike<number>): number {
  let most = -1
  for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i]
  return most
}

/** What `events.from` makes a recording of. */
export interface EventArrays {
  /** N integers: columns. */
  readonly x: ArrayLike<number>
  /** N integers: rows. */
  readonly y: ArrayLike<number>
  /** N times in microseconds. */
  readonly t: ArrayLike<number>
  /** N polarities, 0 or 1; false and true count as such. */
  readonly p: ArrayLike<number | boolean>
  /** Width and height of the sensor; default: the largest x and y, plus one. */
  readonly sensor?: Sensor
  /** What error messages call the recording; default 'events'. */
  readonly name?: string
}

/**
 * A recording from four arrays of one length; they are copied.
 *
 * @throws SpikewasmError naming the first number that is out of range
 */
export function fromEvents(arrays: EventArrays, ...more: []): EventRecording {
  checkArguments('events.from', more)
  checkOptions('events.from', arrays, ['x', 'y', 't', 'p', 'sensor', 'name'])
  const { x, y, t, p, name = 'events' } = arrays
  if (typeof name !== 'string') fail(`events.from.name must be a text, got ${describe(name)}`)
  const sensor = checkSensor('events.from.sensor', arrays.sensor)
  for (const [key, list] of Object.entries({ x, y, t, p }))
    if (!Array.isArray(list) && !(ArrayBuffer.isView(list) && 'length' in list))
      fail(`${name}: ${key} must be an array of numbers, got ${describe(list)}`)
  for (const [key, { length }] of Object.entries({ y, t, p }))
    if (length !== x.length)
      fail(`${name}: ${key} must have ${x.length} numbers as x has, got ${length}`)
  const polarity = (i: number): number => Number(typeof p[i] === 'bigint' ? NaN : p[i])
  const columns = [x, y, t].map((list) => (i: number) => list[i])
  return gathered(name, sensor, x.length, [...columns, polarity])
}

/**
 * A recording of `count` events, whose x, y, t and p functions give by index.
 *
 * @throws SpikewasmError naming what is wrong of the first event that has a fault
 */
export function gathered(
  name: string,
  sensor: Sensor | undefined,
  count: number,
  [x, y, t, p]: readonly ((index: number) => number)[],
): EventRecording {
  const events = new Events(count)
  for (let i = 0; i < count; i++) {
    const event = { x: x(i), y: y(i), t: t(i), p: p(i) }
    expectEvent(name, event, i)
    events.add(event.x, event.y, event.t, event.p)
  }
  return events.done(name, sensor, [0, 0])
}

function expectEvent(
  name: string,
  { x, y, t, p }: Readonly<Record<'x' | 'y' | 't' | 'p', number>>,
  i: number,
): void {
  const wrong = (key: string, rule: string, value: unknown): never =>
    refuse(name, rule, `${describe(value)} as ${key} of event ${i}`)
  for (const [key, value] of Object.entries({ x, y }))
    if (!(Number.isInteger(value) && value >= 0 && value < MOST_PIXELS))
      wrong(key, `have pixels from 0 to ${MOST_PIXELS - 1}`, value)
  if (!(typeof t === 'number' && Math.abs(t) <= Number.MAX_SAFE_INTEGER))
    wrong('t', 'have finite times in microseconds', t)
  if (p !== 0 && p !== 1) wrong('p', 'have polarities 0 and 1', p)
}

/** @returns a copy; undefined when it was left out */
export function checkSensor(option: string, sensor: unknown): Sensor | undefined {
  if (sensor === undefined) return undefined
  if (!Array.isArray(sensor) || sensor.length !== 2)
    fail(`${option} must be [width, height] in pixels, got ${describe(sensor)}`)
  const [width, height] = sensor as unknown as Sensor
  checkInteger(`${option}: the width`, width, 1, MOST_PIXELS)
  checkInteger(`${option}: the height`, height, 1, MOST_PIXELS)
  return [width, height]
}

/** @throws SpikewasmError unless it is a recording whose arrays belong together */
export function expectRecording(name: string, recording: EventRecording): void {
  const of = recording as Partial<EventRecording> | null | undefined
  const holds =
    typeof of === 'object' &&
    of !== null &&
    of.x instanceof Uint16Array &&
    of.y instanceof Uint16Array &&
    of.t instanceof Float64Array &&
    of.p instanceof Uint8Array
  if (!holds)
    fail(`${name}: must be a recording, from events.read for example, got ${describe(of)}`)
  const { x, y, t, p, length, width, height } = recording
  checkInteger(`${name}: width`, width, 1, MOST_PIXELS)
  checkInteger(`${name}: height`, height, 1, MOST_PIXELS)
  for (const list of [x, y, t, p])
    if (list.length !== length)
      fail(`${name}: must have ${describe(length)} events in each array, got ${list.length}`)
  if (!(largest(x) < width && largest(y) < height))
    fail(`${name}: must have events within its ${width} × ${height} pixels, got one outside`)
}

const indicesOf = ({ length }: EventRecording) => Uint32Array.from({ length }, (_, i) => i)

/** The events of these indices, in their order. */
function taken({ width, height, x, y, t, p }: EventRecording, indices: Uint32Array) {
  const events = new Events(indices.length)
  for (const i of indices) events.add(x[i], y[i], t[i], p[i])
  return events.done('events', [width, height], [width, height])
}

/** The events that `keep` picks by index, in the order they come; it is asked once for each. */
export const picked = (recording: EventRecording, keep: (index: number) => boolean) =>
  taken(recording, indicesOf(recording).filter(keep))

/** The recording in the order of its times; events of one time stay as they are. */
export function inOrder(recording: EventRecording): EventRecording {
  const { t, length } = recording
  let sorted = true
  for (let i = 1; i < length && sorted; i++) sorted = t[i] >= t[i - 1]
  if (sorted) return recording
  const order = indicesOf(recording).sort((a, b) => t[a] - t[b] || a - b)
  return taken(recording, order)
}
