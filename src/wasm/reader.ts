/** Reads WebAssembly's binary format byte by byte. */

export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    readonly end = bytes.length,
  ) {}

  get done(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    if (this.at >= this.end) throw new RangeError('the bytes end too early')
    return this.bytes[this.at++]
  }

  take(count: number): Uint8Array {
    if (count > this.end - this.at) throw new RangeError('the bytes end too early')
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  /** An unsigned LEB128 of up to 32 bits. */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (value >= 2 ** 32) break
        return value
      }
    }
    throw new RangeError('a number is too long')
  }

  /** A signed LEB128 of up to 64 bits. */
  s64(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << (shift + 7n)) : value)
    }
    throw new RangeError('a number is too long')
  }

  s32(): number {
    return Number(BigInt.asIntN(32, this.s64()))
  }

  f32(): number {
    const bytes = this.take(4)
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
  }

  f64(): number {
    const bytes = this.take(8)
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true)
  }

  /** A name in UTF-8. */
  name(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.take(this.u32()))
  }
}

/** A section of a module: its number and where its contents are. */
export interface Section {
  readonly id: number
  readonly contents: Reader
}

/** The sections of a module, in their order. @throws RangeError when the bytes are no module. */
export function* sectionsOf(bytes: Uint8Array): Generator<Section> {
  const reader = new Reader(bytes)
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
  if (bytes.length < 8 || !header.every((byte) => reader.byte() === byte))
    throw new RangeError('the bytes do not begin as a WebAssembly module does')
  while (!reader.done) {
    const id = reader.byte()
    const size = reader.u32()
    if (size > reader.end - reader.at) throw new RangeError('a section is longer than the file')
    yield { id, contents: new Reader(bytes, reader.at, reader.at + size) }
    reader.at += size
  }
}
