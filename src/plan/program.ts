/**
 * A program while it is planned: buffers with a purpose and a lifetime, records that read and write
 * them, sections that repeat.
 */

import { Counter, Op, Rec } from '../../assembly/opcodes.js'
import { roundUp } from '../round-up.js'

/** What memory is for, as `model.summary()` groups it. */
export type MemoryKind =
  | 'parameters'
  | 'gradients'
  | 'optimizer'
  | 'statistics'
  | 'input'
  | 'kept'
  | 'scratch'

export interface Buffer {
  readonly name: string
  readonly bytes: number
  readonly purpose: MemoryKind
  /** Lives from compilation to disposal: read or written by the host, or kept between runs. */
  readonly persistent: boolean
  /** First and last record (over all programs) that touches it. */
  first: number
  last: number
  /** Set by `assignAddresses`. */
  address: number
}

/** An address inside a buffer, read, written or both by the record that holds it. */
export interface Reference {
  readonly buffer: Buffer
  readonly offset: number
}
export interface Float {
  readonly f32: number
}
/** Constant data that a record points to: entries of words. */
export interface Table {
  readonly table: ReadonlyArray<Words>
  readonly entryBytes: number
}
/** Constant bytes that a record points to. */
export interface Data {
  readonly data: Uint8Array
}
export type WordValue = number | Float | Reference | Table | Data
export type Words = { readonly [word: number]: WordValue | undefined }

/** Part of a training step: the forward pass, the backward pass, or the optimizer's update. */
export type Phase = 'forward' | 'backward' | 'update'

export type Condition = 'always' | 'stepMask' | Reference

export interface PlannedRecord {
  readonly op: Op
  readonly units: number
  /**
   * Equal parts of the units, each of which runs through the images (or whatever the units are):
   * workers have their share of each.
   */
  readonly groups: number
  readonly words: Words
  /** Index into the graph's nodes, for messages. */
  readonly layer: number
  readonly phase: Phase
  /** Always, at the steps of the step mask, or when the u32 referred to is not 0. */
  readonly condition: Condition
  /** Worker scratch of one unit. */
  readonly scratch: number
}

export interface Section {
  readonly records: PlannedRecord[]
  readonly repeats: number
}

/** One program: what the engine runs for one message. */
export interface PlannedProgram {
  readonly name: string
  readonly sections: Section[]
}

export const ref = (buffer: Buffer, offset = 0): Reference => ({ buffer, offset })
export const f32 = (value: number): Float => ({ f32: value })

function isReference(value: WordValue): value is Reference {
  return typeof value === 'object' && 'buffer' in value
}

/** Buffers that a record's words and tables point to. */
export function* buffersOf(words: Words): Generator<Buffer> {
  for (const value of Object.values(words)) {
    if (value === undefined || typeof value === 'number') continue
    if (isReference(value)) yield value.buffer
    else if ('table' in value) for (const entry of value.table) yield* buffersOf(entry)
  }
}

/**
 * Collects buffers and programs; records' lifetimes follow from the order in which they are
 * emitted.
 */
export class ProgramBuilder {
  readonly buffers: Buffer[] = []
  /** In the order in which they were begun. */
  readonly programs: PlannedProgram[] = []
  private clock = 0
  private section!: Section
  private condition: Condition = 'always'
  /** Layer and phase of the records to come. */
  layer = 0
  phase: Phase = 'forward'

  buffer(
    name: string,
    bytes: number,
    purpose: MemoryKind = 'scratch',
    persistent = purpose !== 'scratch' && purpose !== 'kept',
  ): Buffer {
    const buffer: Buffer = {
      name,
      bytes: Math.max(64, roundUp(bytes, 64)),
      purpose,
      persistent,
      first: Number.POSITIVE_INFINITY,
      last: -1,
      address: 0,
    }
    this.buffers.push(buffer)
    return buffer
  }

  program(name: string): PlannedProgram {
    this.phase = 'forward'
    const program = { name, sections: [] }
    this.programs.push(program)
    this.startSection(1)
    return program
  }

  startSection(repeats: number): void {
    this.section = { records: [], repeats }
    this.condition = 'always'
    this.programs[this.programs.length - 1].sections.push(this.section)
  }

  /** From here on records of the section run on this condition. */
  setCondition(condition: Condition): void {
    this.condition = condition
  }

  /** Emits what runs on a condition of its own, and goes back to the section's. */
  when(condition: Reference, emit: () => void): void {
    const before = this.condition
    this.condition = condition
    emit()
    this.condition = before
  }

  /** Position in time, to mark where the forward pass ends. */
  get now(): number {
    return this.clock
  }

  /** @param scratch bytes for each worker */
  emit(op: Op, units: number, words: Words, scratch = 0, groups = 1): void {
    if (units % groups !== 0 || groups > 0xffff)
      throw new Error(`${Op[op]}: ${units} units cannot be ${groups} equal groups`)
    for (const buffer of buffersOf(words)) this.touch(buffer)
    if (typeof this.condition === 'object') this.touch(this.condition.buffer)
    this.clock++
    this.section.records.push({
      op,
      units,
      groups,
      words,
      layer: this.layer,
      phase: this.phase,
      condition: this.condition,
      scratch,
    })
  }

  /** Extends a buffer's life to now. */
  touch(buffer: Buffer): void {
    buffer.first = Math.min(buffer.first, this.clock)
    buffer.last = Math.max(buffer.last, this.clock)
  }
}

/**
 * Programs, the workers' counters, and the constants (tables, data) of all records, each aligned to
 * 64 bytes.
 */
export interface Encoded {
  /** Bytes to write at the base address. */
  readonly bytes: Uint8Array
  /** Address of each program, in the order of the plan. */
  readonly programs: number[]
}

/** Bytes that `encode` needs. */
export function encodedSize(programs: readonly PlannedProgram[], workers: number): number {
  return encode(programs, workers, 0, true).bytes.length
}

/**
 * Writes programs, their counters and constants for a base address. Every buffer must have its
 * address.
 */
export function encode(
  programs: readonly PlannedProgram[],
  workers: number,
  base: number,
  measure = false,
): Encoded {
  let size = 0
  const chunks: { at: number; bytes: Uint8Array }[] = []
  const reserve = (bytes: Uint8Array): number => {
    const at = size
    chunks.push({ at, bytes })
    size += roundUp(bytes.length, 64)
    return base + at
  }
  const writeWords = (view: DataView, at: number, words: Words): void => {
    for (const [key, value] of Object.entries(words)) {
      const offset = at + Number(key) * 4
      if (value === undefined) continue
      if (typeof value === 'number') view.setUint32(offset, value >>> 0, true)
      else if ('f32' in value) view.setFloat32(offset, value.f32, true)
      else if (isReference(value)) {
        if (!measure && value.buffer.address === 0)
          throw new Error(`buffer ${value.buffer.name} has no address`)
        view.setUint32(offset, value.buffer.address + value.offset, true)
      } else if ('data' in value) view.setUint32(offset, reserve(value.data), true)
      else {
        const bytes = new Uint8Array(value.table.length * value.entryBytes)
        const tableView = new DataView(bytes.buffer)
        value.table.forEach((entry, i) => void writeWords(tableView, i * value.entryBytes, entry))
        view.setUint32(offset, reserve(bytes), true)
      }
    }
  }
  const addresses: number[] = []
  for (const program of programs) {
    const header = new Uint8Array(16 + 16 * program.sections.length)
    const view = new DataView(header.buffer)
    addresses.push(reserve(header))
    view.setUint32(0, program.sections.length, true)
    view.setUint32(4, reserve(new Uint8Array(workers * Counter.Bytes)), true)
    let index = 0
    program.sections.forEach((section, i) => {
      const records = new Uint8Array(Math.max(1, section.records.length) * Rec.Bytes)
      const recordView = new DataView(records.buffer)
      section.records.forEach((record, j) => {
        const at = j * Rec.Bytes
        writeWords(recordView, at, {
          ...record.words,
          [Rec.Op]: record.op | (record.groups << 16),
          [Rec.Units]: record.units,
          [Rec.Condition]:
            record.condition === 'always'
              ? 0
              : record.condition === 'stepMask'
                ? 1
                : record.condition,
          [Rec.Layer]: record.layer,
        })
      })
      view.setUint32(16 + i * 16, reserve(records), true)
      view.setUint32(20 + i * 16, section.records.length, true)
      view.setUint32(24 + i * 16, section.repeats, true)
      view.setUint32(28 + i * 16, index, true)
      index += section.records.length
    })
  }
  const bytes = new Uint8Array(size)
  for (const chunk of chunks) bytes.set(chunk.bytes, chunk.at)
  return { bytes, programs: addresses }
}
