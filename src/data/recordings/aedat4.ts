/**
 * AEDAT 4: a line, a FlatBuffers header, then packets of streams, each packed by LZ4 or Zstandard.
 *
 * ```
 * #!AER-DAT4.0\r\n | size u32, IOHeader | stream i32, size i32, packet | … | table of the packets
 * packet, unpacked:  size u32, EventPacket: vector of { t i64, x i16, y i16, on bool } (16 bytes)
 * ```
 *
 * Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html;
 * the streams and sizes are in the header's XML (dv's `infoNode`).
 */

import { fail } from '../../base/errors.js'
import { type EventRecording, Events, refuse, type Sensor } from './recording.js'

// LZ4, unpacked: frames of blocks, the format of `lz4` files. All checksums are checked.
// Sources: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md

// xxHash32, the checksum of LZ4's frames.
// Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md

const [P1, P2, P3, P4, P5] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1]

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))
const round = (sum: number, word: number): number =>
  Math.imul(rotate((sum + Math.imul(word, P2)) | 0, 13), P1)

/** With the seed 0; 0 to 2³² − 1. */
export function xxHash32(bytes: Uint8Array): number {
  const { length } = bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  let at = 0
  let hash = P5
  if (length >= 16) {
    let [a, b, c, d] = [P1 + P2, P2, 0, -P1].map((start) => start | 0)
    for (; at <= length - 16; at += 16) {
      a = round(a, view.getInt32(at, true))
      b = round(b, view.getInt32(at + 4, true))
      c = round(c, view.getInt32(at + 8, true))
      d = round(d, view.getInt32(at + 12, true))
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
  }
  hash = (hash + length) | 0
  for (; at <= length - 4; at += 4)
    hash = Math.imul(rotate((hash + Math.imul(view.getInt32(at, true), P3)) | 0, 17), P4)
  for (; at < length; at++) hash = Math.imul(rotate((hash + Math.imul(bytes[at], P5)) | 0, 11), P1)
  hash = Math.imul(hash ^ (hash >>> 15), P2)
  hash = Math.imul(hash ^ (hash >>> 13), P3)
  return (hash ^ (hash >>> 16)) >>> 0
}

const MAGIC = 0x184d2204
/** Numbers of a frame that programs put in for themselves: sixteen from here. */
const SKIPPABLE = 0x184d2a50

/**
 * The content of the frames, one behind the other.
 *
 * @param most bytes; what unpacks to more is refused as soon as it does
 * @param name what error messages call the file
 * @throws SpikewasmError when it is damaged, a checksum is wrong, or it is larger
 */
export const unpackLz4 = (bytes: Uint8Array, most: number, name: string): Uint8Array =>
  new Unpacker(bytes, most, name).run()

class Unpacker {
  private readonly view: DataView
  private out: Uint8Array
  private length = 0
  private at = 0

  constructor(
    private readonly bytes: Uint8Array,
    private readonly most: number,
    private readonly name: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.out = new Uint8Array(Math.min(most, 4 * bytes.length + 64))
  }

  run(): Uint8Array {
    while (this.at < this.bytes.length) {
      const magic = this.u32()
      if (magic === MAGIC) this.frame()
      else if (magic >>> 4 === SKIPPABLE >>> 4) this.skip(this.u32())
      else this.damaged('no frame begins there')
    }
    return this.out.subarray(0, this.length)
  }

  private frame(): void {
    const begin = this.length
    const header = this.at
    const flags = this.u8()
    if (flags >>> 6 !== 1) this.damaged('its version is not 1')
    this.u8()
    const [independent, blockSum, hasSize, contentSum, hasDictionary] = [5, 4, 3, 2, 0].map(
      (bit) => ((flags >> bit) & 1) === 1,
    )
    if (hasDictionary) this.damaged('it needs a dictionary')
    this.skip(hasSize ? 8 : 0)
    const described = this.bytes.subarray(header, this.at)
    this.expectSum('header', this.u8(), (xxHash32(described) >>> 8) & 255)
    for (;;) {
      const word = this.u32()
      if (word === 0) break
      const size = word & 0x7fffffff
      if (size > this.bytes.length - this.at) this.damaged('a block ends behind its end')
      const packed = this.bytes.subarray(this.at, this.at + size)
      const end = this.at + size
      if (word >>> 31 === 1) this.literals(size)
      else this.block(end, independent ? this.length : begin)
      if (blockSum) this.expectSum('block', this.u32(), xxHash32(packed))
    }
    if (contentSum)
      this.expectSum('content', this.u32(), xxHash32(this.out.subarray(begin, this.length)))
  }

  private expectSum(of: string, stored: number, computed: number): void {
    if (stored !== computed) this.damaged(`the checksum of its ${of} is not that of the bytes`)
  }

  /** Sequences: literals, then a piece of what is there already. */
  private block(end: number, first: number): void {
    while (this.at < end) {
      const token = this.u8()
      this.literals(this.count(token >>> 4))
      if (this.at > end) this.damaged('a block ends within its literals')
      // The last sequence has literals alone.
      if (this.at === end) return
      const distance = this.u8() | (this.u8() << 8)
      const from = this.length - distance
      if (distance === 0 || from < first) this.damaged('it points before its begin')
      this.repeat(from, this.count(token & 15) + 4)
    }
  }

  /** 15 goes on in the next bytes, up to one below 255. */
  private count(nibble: number): number {
    let sum = nibble
    if (nibble < 15) return sum
    for (;;) {
      const byte = this.u8()
      sum += byte
      if (byte < 255) return sum
    }
  }

  private literals(count: number): void {
    if (count > this.bytes.length - this.at) this.damaged('literals end behind its end')
    this.room(count)
    this.out.set(this.bytes.subarray(this.at, this.at + count), this.length)
    this.length += count
    this.at += count
  }

  private repeat(from: number, count: number): void {
    this.room(count)
    const { out } = this
    // The piece may reach into what it writes.
    for (let i = 0; i < count; i++) out[this.length + i] = out[from + i]
    this.length += count
  }

  private room(count: number): void {
    const needed = this.length + count
    if (needed > this.most) refuse(this.name, `unpack to at most ${this.most} bytes`, 'more')
    if (needed <= this.out.length) return
    const larger = new Uint8Array(Math.min(this.most, Math.max(needed, 2 * this.out.length)))
    larger.set(this.out.subarray(0, this.length))
    this.out = larger
  }

  private u8(): number {
    this.skip(1)
    return this.bytes[this.at - 1]
  }

  private u32(): number {
    this.skip(4)
    return this.view.getUint32(this.at - 4, true)
  }

  private skip(count: number): void {
    if (count > this.bytes.length - this.at) this.damaged('it is cut off')
    this.at += count
  }

  private damaged(why: string): never {
    return refuse(this.name, 'hold valid LZ4 data', `an error at byte ${this.at}: ${why}`)
  }
}

// FlatBuffers, as much as AEDAT 4 needs: fields of a table, scalars, texts, vectors of structs.
// Source: https://flatbuffers.dev/internals

/** A table in a buffer. Every place is checked against the end of the buffer. */
class Table {
  private readonly view: DataView
  private readonly at: number
  private readonly fields: number
  private readonly room: number

  /** The table that the buffer begins with, by the offset in its first four bytes. */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = this.u32(0)
    this.fields = this.at - this.i32(this.at)
    this.room = this.u16(this.fields)
  }

  /** The four letters behind the first offset. */
  static identifier(bytes: Uint8Array): string {
    return String.fromCharCode(...bytes.subarray(4, 8))
  }

  /** Field `index`, a signed number of 4 or 8 bytes. */
  number(index: number, bytes: 4 | 8, fallback: number): number {
    const at = this.field(index)
    if (at === undefined) return fallback
    return bytes === 4 ? this.i32(at) : Number(this.view.getBigInt64(this.place(at, 8), true))
  }

  /** Field `index`, a text; '' where there is none. */
  text(index: number): string {
    const found = this.vector(index, 1)
    return found
      ? new TextDecoder().decode(this.bytes.subarray(found.start, found.start + found.count))
      : ''
  }

  /** Where a vector's structs of `size` bytes begin, and how many there are. */
  vector(index: number, size: number): { start: number; count: number } | undefined {
    const field = this.field(index)
    if (field === undefined) return undefined
    const at = field + this.u32(field)
    const count = this.u32(at)
    return { start: this.place(at + 4, count * size), count }
  }

  private field(index: number): number | undefined {
    const slot = 4 + 2 * index
    if (slot + 2 > this.room) return undefined
    const offset = this.u16(this.fields + slot)
    return offset === 0 ? undefined : this.at + offset
  }

  private readonly u16 = (at: number) => this.view.getUint16(this.place(at, 2), true)
  private readonly u32 = (at: number) => this.view.getUint32(this.place(at, 4), true)
  private readonly i32 = (at: number) => this.view.getInt32(this.place(at, 4), true)

  /** A place of so many bytes. */
  private place(at: number, size: number): number {
    if (at < 0 || at + size > this.bytes.length)
      refuse(this.name, 'hold valid FlatBuffers data', 'an offset behind its end')
    return at
  }
}

const LINE = '#!AER-DAT4.0\r\n'.length
const EVENT = 16
/** Streams that a file may name. */
const MOST_STREAMS = 1000
/** Packed events take a half to a tenth. What unpacks to far more may be made to fill memory. */
const FREE = 64_000_000
const RATIO = 20

/** Unpacks Zstandard frames to at most so many bytes; throws when there are more. */
export type Unpack = (bytes: Uint8Array, most: number, name: string) => Uint8Array

/** Whether the packets of the file are packed by Zstandard. */
export const needsZstd = (bytes: Uint8Array, name: string): boolean =>
  [3, 4].includes(headerOf(bytes, name).compression)

/**
 * The events of the first stream of events (as Tonic reads it).
 *
 * @param name what error messages call the file
 * @param zstd unpacks Zstandard; without it such a file is refused
 * @throws SpikewasmError when the file is damaged or unpacks to far more than its size
 */
export function parseAedat4(
  bytes: Uint8Array,
  name: string,
  sensor?: Sensor,
  zstd?: Unpack,
): EventRecording {
  const header = headerOf(bytes, name)
  const packets: NonNullable<ReturnType<typeof packetOf>>[] = []
  let [left, room] = [FREE + RATIO * bytes.length, 0]
  for (const packed of packetsOf(bytes, header, name)) {
    const plain = unpacked(packed, header.compression, left, name, zstd)
    left -= plain.length
    const found = packetOf(plain, name)
    if (found === undefined) continue
    packets.push(found)
    room += found.count
  }
  const events = new Events(room)
  for (const { buffer: at, start, count } of packets) {
    const view = new DataView(at.buffer, at.byteOffset, at.length)
    for (let i = 0; i < count; i++) {
      const from = start + i * EVENT
      const t = view.getUint32(from, true) + view.getInt32(from + 4, true) * 2 ** 32
      const [x, y] = [view.getInt16(from + 8, true), view.getInt16(from + 10, true)]
      if (x < 0 || y < 0) refuse(name, 'have pixels from 0', `(${x}, ${y}) as event ${i}`)
      if (!Number.isSafeInteger(t)) refuse(name, 'have times below 2⁵³ µs', `${t} as event ${i}`)
      events.add(x, y, t, view.getUint8(from + 12) === 0 ? 0 : 1)
    }
  }
  return events.done(name, sensor ?? header.sensor, [0, 0])
}

function unpacked(
  bytes: Uint8Array,
  compression: number,
  most: number,
  name: string,
  zstd: Unpack | undefined,
): Uint8Array {
  if (compression === 0) return bytes
  if (compression <= 2) return unpackLz4(bytes, most, name)
  if (zstd === undefined)
    fail(`${name}: needs a decoder for Zstandard, got none; run npm install fzstd`)
  return zstd(bytes, most, name)
}

/** The vector of events in a packet; undefined where it has none. */
function packetOf(plain: Uint8Array, name: string) {
  if (plain.length < 12) refuse(name, 'hold packets of events', `one of ${plain.length} bytes`)
  const size = new DataView(plain.buffer, plain.byteOffset).getUint32(0, true)
  if (size > plain.length - 4) refuse(name, `hold a packet of ${size} bytes`, `${plain.length - 4}`)
  const buffer = plain.subarray(4, 4 + size)
  const kind = Table.identifier(buffer)
  if (kind !== 'EVTS') refuse(name, 'hold packets of events, EVTS', JSON.stringify(kind))
  const found = new Table(buffer, name).vector(0, EVENT)
  return found && { buffer, ...found }
}

/** The packets of the stream, as they are in the file. */
function* packetsOf(
  bytes: Uint8Array,
  { begin, end, stream }: ReturnType<typeof headerOf>,
  name: string,
) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = begin; at < end; ) {
    if (at + 8 > end) refuse(name, 'end behind a whole packet', `${end - at} bytes more`)
    const [of, size] = [view.getInt32(at, true), view.getInt32(at + 4, true)]
    at += 8
    if (size < 0 || size > end - at)
      refuse(name, `hold a packet of ${size} bytes`, `${end - at}; is it truncated?`)
    if (of === stream) yield bytes.subarray(at, at + size)
    at += size
  }
}

/** The compression, the stream of events with its sensor, and where packets begin and end. */
function headerOf(bytes: Uint8Array, name: string) {
  if (bytes.length < LINE + 12) refuse(name, 'have an AEDAT 4 header', `${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const size = view.getUint32(LINE, true)
  const begin = LINE + 4 + size
  if (begin > bytes.length)
    refuse(name, 'hold its header whole', `${bytes.length} of ${begin} bytes; is it truncated?`)
  const buffer = bytes.subarray(LINE + 4, begin)
  if (Table.identifier(buffer) !== 'IOHE') refuse(name, 'have an AEDAT 4 header', 'other bytes')
  const table = new Table(buffer, name)
  const compression = table.number(0, 4, 0)
  if (compression < 0 || compression > 4)
    refuse(name, 'be packed by LZ4 or Zstandard', `compression ${compression}`)
  // Where the table of packets is; −1 where writing it was cut short.
  const position = table.number(1, 8, -1)
  const end = position < begin || position > bytes.length ? bytes.length : position
  return { compression, begin, end, ...streamOf(table.text(2), name) }
}

/** The stream of events with the smallest number, and its sensor. */
function streamOf(xml: string, name: string): { stream: number; sensor: Sensor | undefined } {
  const streams = new Map<number, Map<string, string>>()
  const open: string[] = []
  for (const part of xml.split('<')) {
    if (part.startsWith('node ')) open.push(/name="([^"]{0,100})"/.exec(part)?.[1] ?? '')
    else if (part.startsWith('/node')) open.pop()
    else if (part.startsWith('attr ')) {
      const [outer, stream, inner] = open
      const isInfo = open.length === 2 || (open.length === 3 && inner === 'info')
      if (outer !== 'outInfo' || !isInfo || !/^\d{1,9}$/.test(stream)) continue
      const found = /key="([^"]{0,100})"[^>]{0,100}>([^<]{0,100})/.exec(part)
      if (!found) continue
      const of = streams.get(Number(stream)) ?? new Map<string, string>()
      streams.set(Number(stream), of.set(found[1], found[2]))
      if (streams.size > MOST_STREAMS) refuse(name, `have at most ${MOST_STREAMS} streams`, 'more')
    }
  }
  const ours = [...streams].filter(([, attributes]) => attributes.get('typeIdentifier') === 'EVTS')
  if (ours.length === 0) refuse(name, 'have a stream of events, EVTS', `${streams.size} others`)
  const [stream, attributes] = ours.reduce((a, b) => (b[0] < a[0] ? b : a))
  const sensor = [attributes.get('sizeX'), attributes.get('sizeY')].map(Number)
  const known = sensor.every((side) => Number.isInteger(side) && side > 0 && side <= 8192)
  return { stream, sensor: known ? [sensor[0], sensor[1]] : undefined }
}
