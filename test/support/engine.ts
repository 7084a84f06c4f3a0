/**
 * Runs single records of the engine for kernel tests: an arena with guard bytes around every
 * buffer, and a record writer.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Rec } from '../../assembly/opcodes.js'
import type { Entry, RecordKind, Schema } from '../../src/kernels/records/schema.js'
import { isLong } from './long.js'

export type Variant = 'engine' | 'engine-threads' | 'engine-debug' | 'engine-wide'
export const variants: readonly Variant[] = ['engine', 'engine-debug']

/** Whether a case of many runs in this build: in both with `--long`, else in one of them, in turns. */
export const isFor = (variant: Variant, seed: number): boolean =>
  isLong || variants.indexOf(variant) === seed % 2

/** A float32 field of a record. */
export const f32 = (value: number): { f32: number } => ({ f32: value })
type Value = number | { f32: number }
export type Words = { [word: number]: Value }
/** Fields of a record by the schema's names; addresses and flags are numbers. */
export type Fields = { [field: string]: Value }

const GUARD = 64
const GUARD_BYTE = 0xa5

interface Exports {
  /** Runs one unit of a record at step t with a worker's scratch. */
  execute(record: number, unit: number, t: number, scratch: number): void
}

const modules = new Map<string, WebAssembly.Module>()
/** Compiled once in a process: tests make engines by the hundred. */
function moduleOf(path: string): WebAssembly.Module {
  const module = modules.get(path) ?? new WebAssembly.Module(readFileSync(path))
  modules.set(path, module)
  return module
}

/** One engine over one memory of its own. Addresses are 64-byte aligned. */
export class TestEngine {
  readonly memory: WebAssembly.Memory
  readonly exports: Exports & Record<string, (...args: number[]) => number>
  private next = 1024
  private readonly guards: number[] = []

  constructor(variant: Variant = 'engine', pages = 1024) {
    const shared = variant !== 'engine'
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared })
    // The module for exports has the names of all functions.
    const file = variant === 'engine' ? 'engine-named' : variant
    const path =
      process.env.SPIKEWASM_TEST_MODULE ??
      fileURLToPath(new URL(`../../wasm/${file}.wasm`, import.meta.url))
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 })
    const env = { memory: this.memory, table }
    const instance = new WebAssembly.Instance(moduleOf(path), { env })
    this.exports = instance.exports as unknown as TestEngine['exports']
  }

  /**
   * Reserves bytes with guards on both sides and returns their address; the bytes start as 0xCC
   * garbage, so that a kernel that relies on zeros fails.
   */
  alloc(bytes: number, fill = 0xcc): number {
    const guard = this.next
    const address = guard + GUARD
    const end = address + bytes
    const u8 = new Uint8Array(this.memory.buffer)
    u8.fill(GUARD_BYTE, guard, address)
    u8.fill(fill, address, end)
    u8.fill(GUARD_BYTE, end, end + GUARD)
    this.guards.push(guard, end)
    this.next = Math.ceil((end + GUARD) / 64) * 64
    if (this.next > u8.length)
      throw new Error(`the test needs ${this.next} bytes, it has ${u8.length}`)
    return address
  }

  /** Forgets every buffer. */
  reset(): void {
    this.next = 1024
    this.guards.length = 0
  }

  /** Throws when a byte beside any buffer was written. */
  checkGuards(message = ''): void {
    const u8 = new Uint8Array(this.memory.buffer)
    for (const guard of this.guards)
      for (let i = 0; i < GUARD; i++)
        if (u8[guard + i] !== GUARD_BYTE)
          throw new Error(`a guard byte at ${guard + i} was overwritten ${message}`)
  }

  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count)
  }
  bytes(address: number, count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, count)
  }
  ints(address: number, count: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, count)
  }

  putFloats(values: ArrayLike<number>): number {
    const address = this.alloc(values.length * 4)
    this.floats(address, values.length).set(values)
    return address
  }
  putBytes(values: ArrayLike<number>): number {
    const address = this.alloc(values.length)
    this.bytes(address, values.length).set(values)
    return address
  }
  putInts(values: ArrayLike<number>): number {
    const address = this.alloc(values.length * 4)
    this.ints(address, values.length).set(values)
    return address
  }

  record({ op, schema }: RecordKind, units: number, fields: Fields): number {
    const address = this.alloc(Rec.Bytes, 0)
    this.writeWords(address, { [Rec.Op]: op, [Rec.Units]: units })
    this.writeFields(address, schema, fields)
    return address
  }

  /** A record of those fields that its kind has: several kinds share sizes. */
  recordOf(kind: RecordKind, units: number, fields: Fields): number {
    const own = Object.entries(fields).filter(([name]) => name in kind.schema)
    return this.record(kind, units, Object.fromEntries(own))
  }

  /** A table of entries; returns its address. */
  table({ bytes, schema }: Entry, entries: readonly Fields[]): number {
    const address = this.alloc(entries.length * bytes, 0)
    for (const [i, fields] of entries.entries())
      this.writeFields(address + i * bytes, schema, fields)
    return address
  }

  writeFields(address: number, schema: Schema, fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      if (!schema[name]) throw new Error(`no field ${name}; there are ${Object.keys(schema)}`)
      this.writeWords(address, { [schema[name].word]: value })
    }
  }

  writeWords(address: number, words: Words): void {
    const view = new DataView(this.memory.buffer)
    for (const [word, value] of Object.entries(words)) {
      if (typeof value === 'number') view.setUint32(address + Number(word) * 4, value >>> 0, true)
      else view.setFloat32(address + Number(word) * 4, value.f32, true)
    }
  }

  /** Runs every unit of a record. */
  run(record: number, scratch: number, t = 0): void {
    const units = new DataView(this.memory.buffer).getUint32(record + Rec.Units * 4, true)
    for (let unit = 0; unit < units; unit++) this.exports.execute(record, unit, t, scratch)
  }
}

/** Repeatable random numbers for tests (mulberry32). */
export function testRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296
  }
}
