/**
 * AEDAT 2 of the DVS128, as CIFAR10-DVS has it: lines that begin with `#`, then for each event a
 * big-endian u32 address and a big-endian u32 time in µs (SpikingJelly's `cifar10_dvs.py`).
 *
 * AEDAT 3.1, as DVS128 Gesture has it: lines that begin with `#` up to `#!END-HEADER`, then packets
 * of one type of event.
 *
 * ```
 * type u16 | source u16 | event size u32 | time at u32 | overflow u32 | capacity u32 | number u32
 * | valid u32 | events: u32 data, u32 time in µs
 * ```
 *
 * Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html;
 * SpikingJelly's `load_aedat_v3`
 */

import { type EventRecording, Events, refuse, type Sensor } from './recording.js'

const HASH = 0x23
const NEWLINE = 0x0a
const BYTES = 8
const SIDE = 128

/** Where the lines that begin with `#` end. */
export function endOfHeader(bytes: Uint8Array): number {
  let at = 0
  while (bytes[at] === HASH) {
    const end = bytes.indexOf(NEWLINE, at)
    if (end < 0) return bytes.length
    at = end + 1
  }
  return at
}

/**
 * As SpikingJelly reads them: x = 127 − ((a ≫ 8) & 127), y = 127 − ((a ≫ 1) & 127),
 * p = 1 − (a & 1).
 *
 * @param name what error messages call the file
 * @throws SpikewasmError for addresses of another camera, and when bytes are left over
 */
export function parseAedat2(bytes: Uint8Array, name: string, sensor?: Sensor): EventRecording {
  const begin = endOfHeader(bytes)
  const header = new TextDecoder('latin1').decode(bytes.subarray(0, Math.min(begin, 1 << 16)))
  const chip = /^#\s*AEChip:\s*(.{1,100})$/im.exec(header)?.[1] ?? ''
  if (/davis/i.test(chip))
    refuse(name, 'be of a DVS128, whose addresses have 15 bits', 'a recording of a DAVIS')
  const size = bytes.length - begin
  if (size % BYTES !== 0)
    refuse(
      name,
      `have ${BYTES} bytes for each event behind its header`,
      `${size} bytes; is it truncated?`,
    )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const events = new Events(size / BYTES)
  for (let at = begin; at < bytes.length; at += BYTES) {
    const address = view.getUint32(at)
    const [x, y] = [(address >>> 8) & 127, (address >>> 1) & 127]
    events.add(127 - x, 127 - y, view.getUint32(at + 4), 1 - (address & 1))
  }
  return events.done(name, sensor, [SIDE, SIDE])
}

const HEADER = 28
const POLARITY = 1
const END = '#!END-HEADER'

/** Events of times from the first to below the second, in µs. */
export type Interval = readonly [from: number, to: number]

/** Where packets begin: behind the line that ends the header. */
function packetsBegin(bytes: Uint8Array): number {
  const end = new TextEncoder().encode(END)
  for (let at = 0; bytes[at] === end[0]; ) {
    const next = bytes.indexOf(0x0a, at)
    if (next < 0) return bytes.length
    if (end.every((byte, i) => bytes[at + i] === byte)) return next + 1
    at = next + 1
  }
  return endOfHeader(bytes)
}

/**
 * As SpikingJelly reads them: x = (d ≫ 17) & 0x7FFF, y = (d ≫ 2) & 0x7FFF, p = (d ≫ 1) & 1,
 * t = time + overflow · 2³¹. Packets of other types are passed over.
 *
 * @param name what error messages call the file
 * @param interval of the events that are wanted; default: all
 * @throws SpikewasmError naming the packet that is damaged or cut off
 */
export function parseAedat3(
  bytes: Uint8Array,
  name: string,
  sensor?: Sensor,
  [from, to]: Interval = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
): EventRecording {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const begin = packetsBegin(bytes)
  const each = (take: (data: number, t: number) => void): void =>
    walk(view, begin, name, (start, count, late) => {
      for (let at = start; at < start + count * BYTES; at += BYTES) {
        const t = view.getUint32(at + 4, true) + late
        if (t >= from && t < to) take(view.getUint32(at, true), t)
      }
    })
  let room = 0
  each(() => room++)
  const events = new Events(room)
  each((data, t) => events.add((data >>> 17) & 0x7fff, (data >>> 2) & 0x7fff, t, (data >>> 1) & 1))
  return events.done(name, sensor, [128, 128])
}

/** Calls `polarity` for each packet of polarity events. */
function walk(
  view: DataView,
  begin: number,
  name: string,
  polarity: (start: number, count: number, late: number) => void,
): void {
  for (let at = begin, packet = 0; at < view.byteLength; packet++) {
    const cut = (what: string): never =>
      refuse(name, `hold packet ${packet} whole`, `${what}; is it truncated?`)
    if (at + HEADER > view.byteLength)
      cut(`${view.byteLength - at} bytes of its ${HEADER}-byte header`)
    const type = view.getUint16(at, true)
    const size = view.getUint32(at + 4, true)
    const overflow = view.getUint32(at + 12, true)
    const capacity = view.getUint32(at + 16, true)
    const count = view.getUint32(at + 20, true)
    const end = at + HEADER + size * capacity
    if (end > view.byteLength) cut(`${view.byteLength - at} of its ${end - at} bytes`)
    if (type === POLARITY) {
      if (size !== BYTES) refuse(name, `have polarity events of ${BYTES} bytes`, `${size} bytes`)
      if (count > capacity)
        refuse(name, `have at most ${capacity} events in packet ${packet}`, `${count}`)
      if (overflow > 2 ** 21) refuse(name, 'have times below 2⁵² µs', `overflow ${overflow}`)
      polarity(at + HEADER, count, overflow * 2 ** 31)
    }
    at = end
  }
}
