/**
 * LZ4, unpacked: frames of blocks, the format of `lz4` files. All checksums are checked.
 *
 * Sources: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md
 */

import { refuse } from './recording.js'

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
/** Of a frame that programs put in for themselves: sixteen numbers from here. */
const SKIPPABLE = 0x184d2a50

/**
 * The content of the frames, one behind the other.
 *
 * @param most bytes; what unpacks to more is refused as soon as it does
 * @param name what error messages call the file
 * @throws SpikewasmError when it is damaged, a checksum is wrong, or it is larger
 */
export function unpackLz4(bytes: Uint8Array, most: number, name: string): Uint8Array {
  return new Unpacker(bytes, most, name).run()
}

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
