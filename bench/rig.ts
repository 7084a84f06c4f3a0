/**
 * A few records in a memory of their own: what the planner emits for one layer, run as the engine
 * runs it on one thread, by an instance that V8 has not optimised yet.
 */
import { readFileSync } from 'node:fs'
import { Control } from '../assembly/opcodes.js'
import { encode, encodedSize } from '../src/plan/encode.js'
import { assignAddresses } from '../src/plan/memory.js'
import { ProgramBuilder } from '../src/plan/program.js'
import type { Buffer } from '../src/plan/words.js'
import type { EngineExports } from '../src/runtime/load.js'

const PAGE = 65536
/** Grows to what the largest case needs; each case overwrites it. */
const memory = new WebAssembly.Memory({ initial: 1 })
const engine = readFileSync(new URL('../wasm/engine.wasm', import.meta.url))
let copies = 0

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/**
 * The engine as if it were loaded for the first time: V8 shares optimised code between modules of
 * equal bytes, and a custom section makes them differ.
 */
export function freshEngine(): WebAssembly.Instance {
  const name = utf8('case')
  const number = utf8(String(copies++).padStart(8, '0'))
  const section = [0, 1 + name.length + number.length, name.length, ...name, ...number]
  return new WebAssembly.Instance(
    new WebAssembly.Module(Uint8Array.from([...engine, ...section])),
    { env: { memory } },
  )
}

function reserve(bytes: number): void {
  const missing = Math.ceil(bytes / PAGE) - memory.buffer.byteLength / PAGE
  if (missing > 0) memory.grow(missing)
}

export interface Rig<V> {
  /** What `build` returned: buffers, to be filled. */
  readonly made: V
  /** Runs all records once. */
  run(): void
  floats(buffer: Buffer): Float32Array
  bytes(buffer: Buffer): Uint8Array
}

/** Lays out and writes a program of what `build` emits. Buffers start as zeros. */
export function makeRig<V>(build: (b: ProgramBuilder) => V): Rig<V> {
  const b = new ProgramBuilder()
  b.program('case')
  const made = build(b)
  const scratchBytes = Math.max(
    64,
    ...b.programs[0].sections.flatMap((section) => section.records.map((record) => record.scratch)),
  )
  const base = Control.Bytes + 64
  const programAt = Math.ceil(assignAddresses(b.buffers, base) / 64) * 64
  const scratch = programAt + encodedSize(b.programs, 1) + 64
  const { bytes, programs } = encode(b.programs, 1, programAt)
  reserve(scratch + scratchBytes + 64)
  new Uint8Array(memory.buffer, 0, scratch + scratchBytes).fill(0)
  new Uint8Array(memory.buffer).set(bytes, programAt)
  const { run } = freshEngine().exports as unknown as EngineExports
  return {
    made,
    run: () => void run(programs[0], 0, 1, scratch, 0, 0),
    floats: (buffer) => new Float32Array(memory.buffer, buffer.address, buffer.bytes / 4),
    bytes: (buffer) => new Uint8Array(memory.buffer, buffer.address, buffer.bytes),
  }
}

/**
 * A function of the engine on plain memory: addresses of ranges of so many bytes, 64-byte aligned,
 * and its exports.
 */
export function makeCalls(sizes: readonly number[]): {
  addresses: number[]
  exports: Record<string, (...args: number[]) => number>
  floats(index: number): Float32Array
} {
  let next = Control.Bytes + 64
  const addresses = sizes.map((bytes) => {
    const address = next
    next = Math.ceil((next + bytes + 64) / 64) * 64
    return address
  })
  reserve(next)
  const exports = freshEngine().exports as unknown as Record<string, (...args: number[]) => number>
  return {
    addresses,
    exports,
    floats: (index) => new Float32Array(memory.buffer, addresses[index], sizes[index] / 4),
  }
}
