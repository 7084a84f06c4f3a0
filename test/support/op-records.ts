/** Records of planned ops, against those of networks. */
import * as assert from 'uvu/assert'
import { ProgramWord, Rec, SectionWord } from '../../assembly/opcodes.js'
import type { Plan } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import type { Words } from '../../src/kernels/records/words.js'
import { OpPlan } from '../../src/ops/plan.js'
import { nameOf } from './operations.js'

/** A record of a network, among those of its section of a program. */
export interface NetworkRecord {
  readonly program: string
  readonly record: PlannedRecord
  readonly records: readonly PlannedRecord[]
}

/** Records of all programs but that of single steps; of records with equal words the first. */
export function* distinctRecords({ programs }: Plan): Generator<NetworkRecord> {
  const done = new Set<string>()
  for (const [program, planned] of Object.entries(programs)) {
    const sections = program === 'single' ? [] : (planned?.sections ?? [])
    for (const { records, record } of sections.flatMap(({ records }) =>
      records.map((record) => ({ records, record })),
    )) {
      const key = JSON.stringify([record.op, record.words], (name, value) =>
        name === 'buffer' ? 'buffer' : value,
      )
      if (done.has(key)) continue
      done.add(key)
      yield { program, record, records }
    }
  }
}

/** A record in the memory of an op. */
export interface OpRecord {
  readonly view: DataView
  readonly at: number
}

/** The record of this operation in an op that has one. */
export function recordOf(plan: object, op: number): OpRecord {
  const { memory, program } = OpPlan.insides(plan as OpPlan)
  const view = new DataView(memory.buffer)
  const word = (at: number, index: number): number => view.getUint32(at + 4 * index, true)
  const section = program + ProgramWord.Bytes
  const first = word(section, SectionWord.Records)
  const places = Array.from(
    { length: word(section, SectionWord.Count) },
    (_, i) => first + i * Rec.Bytes,
  ).filter((at) => (word(at, Rec.Op) & Rec.OpMask) === op)
  assert.is(places.length, 1, `${nameOf(op)} in the op`)
  return { view, at: places[0] }
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Compares a table's entry, or a record's words from the first of an operation's own. */
function compare(what: string, { view, at }: OpRecord, words: Words, from: number, end: number) {
  for (let i = from; i < end; i++) {
    const own = view.getUint32(at + 4 * i, true)
    const value = words[i] ?? 0
    const where = `${what}, word ${i}`
    if (typeof value === 'number') assert.is(own, value >>> 0, where)
    else if ('f32' in value) {
      float[0] = value.f32
      assert.is(own, bits[0], where)
    } else if ('table' in value)
      for (const [n, entry] of value.table.entries()) {
        const place = { view, at: own + n * value.entryBytes }
        compare(`${where}, entry ${n}`, place, entry, 0, value.entryBytes / 4)
      }
    else assert.ok(own > 0, `${where}: no address`)
  }
}

/**
 * Throws unless an op has this record with the same units and words, but for addresses.
 *
 * @param unread words that the kernel does not read in such a record, or that an op has no part in
 */
export function expectSameRecord(
  what: string,
  plan: object,
  record: PlannedRecord,
  unread: readonly number[] = [],
): void {
  const own = recordOf(plan, record.op)
  assert.is(own.view.getUint32(own.at + 4 * Rec.Units, true), record.units, `${what}: units`)
  const given = unread.map((word) => [word, own.view.getUint32(own.at + 4 * word, true)])
  const words = { ...record.words, ...Object.fromEntries(given) }
  compare(what, own, words, Rec.First, Rec.Words)
}
