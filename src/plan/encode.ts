/** Programs as the engine reads them: bytes in memory. */

import { Counter, ProgramWord, Rec, SectionWord, When } from '../../assembly/opcodes.js'
import { roundUp } from '../round-up.js'
import type { PlannedProgram } from './program.js'
import { isReference, type Reference, type Words, type WordValue } from './words.js'

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

const whenWord = { always: When.Always, stepMask: When.StepMask, later: When.Later }

/**
 * Lays out programs, their counters and constants for a base address.
 *
 * @returns how many bytes they take, and what gives these once every buffer has its address
 */
export function layOut(programs: readonly PlannedProgram[], workers: number, base: number) {
  let size = 0
  const chunks: { at: number; bytes: Uint8Array }[] = []
  const reserve = (bytes: Uint8Array): number => {
    const at = size
    chunks.push({ at, bytes })
    size += roundUp(bytes.length, 64)
    return base + at
  }
  // Constants that several records read are there once.
  const constants = new Map<Uint8Array, number>()
  const constant = (bytes: Uint8Array): number => {
    const at = constants.get(bytes) ?? reserve(bytes)
    constants.set(bytes, at)
    return at
  }
  /** Addresses that words are to hold. */
  const pending: { view: DataView; offset: number; to: Reference }[] = []
  const writeWord = (view: DataView, offset: number, value: WordValue): void => {
    if (typeof value === 'number') view.setUint32(offset, value >>> 0, true)
    else if ('f32' in value) view.setFloat32(offset, value.f32, true)
    else if (isReference(value)) pending.push({ view, offset, to: value })
    else if ('data' in value) view.setUint32(offset, constant(value.data), true)
    else {
      const { table, entryBytes } = value
      const bytes = new Uint8Array(table.length * entryBytes)
      const tableView = new DataView(bytes.buffer)
      table.forEach((entry, i) => void writeWords(tableView, i * entryBytes, entryBytes, entry))
      view.setUint32(offset, reserve(bytes), true)
    }
  }
  // By index: what gives keys gives them as texts.
  const writeWords = (view: DataView, at: number, bytes: number, words: Words): void => {
    for (let word = 0; word < bytes / 4; word++) {
      const value = words[word]
      if (value !== undefined) writeWord(view, at + word * 4, value)
    }
  }
  const addresses: number[] = []
  for (const program of programs) {
    const header = new Uint8Array(ProgramWord.Bytes + SectionWord.Bytes * program.sections.length)
    const view = new DataView(header.buffer)
    addresses.push(reserve(header))
    writeWords(view, 0, ProgramWord.Bytes, {
      [ProgramWord.Sections]: program.sections.length,
      [ProgramWord.Counters]: reserve(new Uint8Array(workers * Counter.Bytes)),
    })
    let index = 0
    program.sections.forEach((section, i) => {
      const records = new Uint8Array(Math.max(1, section.records.length) * Rec.Bytes)
      const recordView = new DataView(records.buffer)
      section.records.forEach((record, j) => {
        const at = j * Rec.Bytes
        writeWords(recordView, at, Rec.Bytes, record.words)
        const head = (word: Rec, value: WordValue): void =>
          writeWord(recordView, at + word * 4, value)
        const { op, groups, units, condition, layer } = record
        head(Rec.Op, op | (groups << Rec.GroupShift))
        head(Rec.Units, units)
        head(Rec.Condition, typeof condition === 'object' ? condition : whenWord[condition])
        head(Rec.Layer, layer)
      })
      writeWords(view, ProgramWord.Bytes + i * SectionWord.Bytes, SectionWord.Bytes, {
        [SectionWord.Records]: reserve(records),
        [SectionWord.Count]: section.records.length,
        [SectionWord.Repeats]: section.repeats,
        [SectionWord.Index]: index,
        [SectionWord.From]: section.from,
        [SectionWord.Steps]: section.steps,
      })
      index += section.records.length
    })
  }
  const encode = (): Encoded => {
    for (const { view, offset, to } of pending) {
      if (to.buffer.address === 0) throw new Error(`buffer ${to.buffer.name} has no address`)
      view.setUint32(offset, to.buffer.address + to.offset, true)
    }
    const bytes = new Uint8Array(size)
    for (const chunk of chunks) bytes.set(chunk.bytes, chunk.at)
    return { bytes, programs: addresses }
  }
  return { size, encode }
}
