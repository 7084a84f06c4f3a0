/** Reads WebAssembly's binary format byte by byte: of modules that an engine has compiled. */

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
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  /** An unsigned LEB128 of up to 32 bits. */
  u32(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  /** A signed LEB128 of up to 64 bits. */
  s64(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << (shift + 7n)) : value)
    }
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

/** The sections of a module, in their order: their numbers, and what is in them. */
export function* sectionsOf(bytes: Uint8Array) {
  const reader = new Reader(bytes, HEADER_BYTES)
  while (!reader.done) {
    const id = reader.byte()
    const size = reader.u32()
    yield { id, contents: new Reader(bytes, reader.at, reader.at + size) }
    reader.at += size
  }
}

const HEADER_BYTES = 8
