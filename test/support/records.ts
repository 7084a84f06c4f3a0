/** Records by name for tests of kernels: filled one by one, or as a strategy emits them. */

import { test } from 'uvu'
import { type PlannedRecord, ProgramBuilder } from '../../src/compile/program.js'
import type { AnyFields, Fields, RecordKind, Schema } from '../../src/kernels/records/schema.js'
import type { Buffer, Table, WordValue } from '../../src/kernels/records/words.js'
import {
  type Fields as EngineFields,
  f32,
  isFor,
  TestEngine,
  variants,
  type Words,
} from './engine.js'
import { type RandomShapes, randomShapes } from './ops.js'

export const list = <V>(count: number, make: (i: number) => V): V[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** Masks [plane][size] of so many steps, one bit of a neuron's byte for each. */
export function masksOf(T: number, size: number, spikes: (t: number, i: number) => boolean) {
  const masks = new Uint8Array(Math.ceil(T / 8) * size)
  for (let t = 0; t < T; t++)
    for (let i = 0; i < size; i++) if (spikes(t, i)) masks[(t >> 3) * size + i] |= 1 << (t & 7)
  return masks
}

/** A record's fields; addresses are numbers, or `undefined` for none. */
export type Addressed<S extends Schema> = {
  readonly [K in keyof Fields<S>]: Fields<S>[K] | number
}

const firstSeed = Number(process.env.SPIKEWASM_TEST_SEED ?? 0) * 7919 + 1

/** Random cases of kernels, in both builds of the engine; the guards behind each are whole. */
export function testCases(
  name: string,
  count: number,
  check: (r: RandomShapes, engine: TestEngine) => void,
): void {
  for (const variant of variants)
    test(`${name} (${variant})`, () => {
      const engine = new TestEngine(variant, 64)
      for (let seed = firstSeed; seed < firstSeed + count; seed++) {
        if (!isFor(variant, seed)) continue
        engine.reset()
        try {
          check(randomShapes(seed), engine)
          engine.checkGuards('all buffers')
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
        }
      }
    })
}

/** The fields of a record, as the engine writes them. */
function valuesOf<S extends Schema>({ schema }: RecordKind<S>, fields: Addressed<S>): EngineFields {
  const values: EngineFields = {}
  for (const [name, value] of Object.entries(fields as AnyFields))
    if (value !== undefined)
      values[name] = schema[name]?.use === 'float' ? f32(Number(value)) : Number(value)
  return values
}

/** Writes a record. */
export const putRecord = <S extends Schema>(
  engine: TestEngine,
  kind: RecordKind<S>,
  units: number,
  fields: Addressed<S>,
): number => engine.record(kind, units, valuesOf(kind, fields))

/** Bytes of scratch that a record needs. */
export const scratchOf = <S extends Schema>(
  kind: RecordKind<S>,
  fields: Partial<Addressed<S>>,
): number => kind.scratchOf?.(fields as unknown as Fields<S>) ?? 0

export type Order = (units: number) => number[]
export const ascending: Order = (units) => Array.from({ length: units }, (_, i) => i)

/**
 * A program whose buffers lie in a test's engine: each as large as it was asked for, with guards on
 * both sides and garbage in it.
 */
export class EnginePrograms extends ProgramBuilder {
  constructor(private readonly engine: TestEngine) {
    super()
    this.program('test')
  }

  override buffer(name: string, bytes: number): Buffer {
    return Object.assign(super.buffer(name, bytes), { bytes, address: this.engine.alloc(bytes) })
  }

  /** A buffer that holds these values. */
  put(name: string, values: Float32Array | Uint8Array): Buffer {
    const buffer = this.buffer(name, values.byteLength)
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.engine.bytes(buffer.address, buffer.bytes).set(bytes)
    return buffer
  }

  get records(): readonly PlannedRecord[] {
    return this.programs.flatMap(({ sections }) => sections.flatMap(({ records }) => records))
  }

  /** Runs every record, its units in an order, by two workers in turn. */
  run(order: Order = ascending): void {
    for (const { words, units, scratch, ...kind } of this.records) {
      const record = this.engine.record(kind, units, {})
      this.engine.writeWords(record, this.resolve(words))
      const workers = [this.engine.alloc(scratch), this.engine.alloc(scratch)]
      for (const [i, unit] of order(units).entries())
        this.engine.exports.execute(record, unit, 0, workers[i % 2])
    }
  }

  private resolve(words: Readonly<Record<number, WordValue | undefined>>): Words {
    const resolved: Words = {}
    for (const [word, value] of Object.entries(words)) {
      if (value === undefined) continue
      if (typeof value === 'number' || 'f32' in value) resolved[Number(word)] = value
      else if ('buffer' in value) resolved[Number(word)] = value.buffer.address + value.offset
      else if ('table' in value) resolved[Number(word)] = this.putTable(value)
      else resolved[Number(word)] = this.engine.putBytes(value.data)
    }
    return resolved
  }

  private putTable({ table, entryBytes }: Table): number {
    const address = this.engine.alloc(table.length * entryBytes)
    for (const [i, entry] of table.entries())
      this.engine.writeWords(address + i * entryBytes, this.resolve(entry))
    return address
  }
}
