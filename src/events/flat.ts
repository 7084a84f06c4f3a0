/**
 * FlatBuffers, as much as AEDAT 4 needs: fields of a table, scalars, texts, vectors of structs.
 *
 * Source: https://flatbuffers.dev/internals
 */

import { refuse } from './recording.js'

/** A table in a buffer. Every place is checked against the end of the buffer. */
export class Table {
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

  /** Field `index` of 4 bytes, signed. */
  int(index: number, fallback: number): number {
    const at = this.field(index)
    return at === undefined ? fallback : this.i32(at)
  }

  /** Field `index` of 8 bytes, signed. */
  long(index: number, fallback: number): number {
    const at = this.field(index)
    return at === undefined ? fallback : this.i64(at)
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
    this.expectRoom(at + 4, count * size)
    return { start: at + 4, count }
  }

  private field(index: number): number | undefined {
    const slot = 4 + 2 * index
    if (slot + 2 > this.room) return undefined
    const offset = this.u16(this.fields + slot)
    return offset === 0 ? undefined : this.at + offset
  }

  private u16(at: number): number {
    this.expectRoom(at, 2)
    return this.view.getUint16(at, true)
  }

  private u32(at: number): number {
    this.expectRoom(at, 4)
    return this.view.getUint32(at, true)
  }

  private i32(at: number): number {
    this.expectRoom(at, 4)
    return this.view.getInt32(at, true)
  }

  private i64(at: number): number {
    this.expectRoom(at, 8)
    return Number(this.view.getBigInt64(at, true))
  }

  private expectRoom(at: number, size: number): void {
    if (at < 0 || at + size > this.bytes.length)
      refuse(this.name, 'hold valid FlatBuffers data', 'an offset behind its end')
  }
}
