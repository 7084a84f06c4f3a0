/**
 * What workers rely on in the built modules, read from their bytes: several instances share one
 * memory, so a module must bring no data of its own, keep no state outside memory, and need nothing
 * but memory.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

interface Module {
  imports: string[]
  /** Flags of the limits of each imported memory: bit 0 a maximum, bit 1 shared. */
  memories: number[]
  /** Whether each global is mutable, imported ones included. */
  globals: boolean[]
  exports: string[]
  start: boolean
  dataSegments: number
  dataCount: number
}

/** Constant expressions of global initialisers: opcode and the bytes behind it, up to `end`. */
const CONST = { i32: 0x41, i64: 0x42, f32: 0x43, f64: 0x44, globalGet: 0x23, simd: 0xfd, end: 0x0b }

function parse(bytes: Uint8Array): Module {
  let at = 0
  const unsigned = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const name = (): string => {
    const length = unsigned()
    at += length
    return new TextDecoder().decode(bytes.subarray(at - length, at))
  }
  const limits = (): number => {
    const flags = bytes[at++]
    unsigned()
    if (flags & 1) unsigned()
    return flags
  }
  const skipConstant = (): void => {
    for (;;) {
      const opcode = bytes[at++]
      if (opcode === CONST.end) return
      if (opcode === CONST.i32 || opcode === CONST.i64 || opcode === CONST.globalGet) unsigned()
      else if (opcode === CONST.f32) at += 4
      else if (opcode === CONST.f64) at += 8
      else if (opcode === CONST.simd && unsigned() === 12) at += 16
      else throw new Error(`opcode ${opcode} at byte ${at - 1} in an initialiser`)
    }
  }
  const module: Module = {
    imports: [],
    memories: [],
    globals: [],
    exports: [],
    start: false,
    dataSegments: 0,
    dataCount: 0,
  }
  const mutable = (): void => {
    at++
    module.globals.push(bytes[at++] === 1)
  }
  const sections: Record<number, () => void> = {
    2: () => {
      for (let left = unsigned(); left > 0; left--) {
        module.imports.push(`${name()}.${name()}`)
        const kind = bytes[at++]
        if (kind === 0) unsigned()
        else if (kind === 1) {
          at++
          limits()
        } else if (kind === 2) module.memories.push(limits())
        else mutable()
      }
    },
    6: () => {
      for (let left = unsigned(); left > 0; left--) {
        mutable()
        skipConstant()
      }
    },
    7: () => {
      for (let left = unsigned(); left > 0; left--) {
        module.exports.push(name())
        at++
        unsigned()
      }
    },
    8: () => {
      module.start = true
      unsigned()
    },
    11: () => {
      module.dataSegments = unsigned()
    },
    12: () => {
      module.dataCount = unsigned()
    },
  }
  assert.equal(
    [...bytes.subarray(0, 8)],
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    'magic number and version 1',
  )
  at = 8
  while (at < bytes.length) {
    const id = bytes[at++]
    const size = unsigned()
    const end = at + size
    sections[id]?.()
    // Segments are counted, not read.
    if (id in sections && id !== 11) assert.is(at, end, `section ${id} ends where its size says`)
    at = end
  }
  return module
}

/** A section by hand. */
const section = (id: number, ...content: number[]): number[] => [id, content.length, ...content]
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

test('the parser sees what must not be there', () => {
  const bytes = Uint8Array.from([
    ...HEADER,
    ...section(1, 1, 0x60, 0, 0),
    ...section(2, 2, 1, 0x61, 1, 0x62, 0, 0, 1, 0x61, 1, 0x6d, 2, 3, 1, 0x80, 0x80, 4),
    ...section(
      6,
      2,
      0x7f,
      1,
      0x41,
      0x80,
      0x01,
      0x0b,
      0x7b,
      0,
      0xfd,
      12,
      ...new Array(16).fill(0x0b),
      0x0b,
    ),
    ...section(7, 1, 1, 0x63, 0, 0),
    ...section(8, 0),
    ...section(12, 1),
    ...section(11, 1, 1, 1, 0x2a),
  ])
  assert.ok(WebAssembly.validate(bytes), 'the example is a module')
  assert.equal(parse(bytes), {
    imports: ['a.b', 'a.m'],
    memories: [3],
    globals: [true, false],
    exports: ['c'],
    start: true,
    dataSegments: 1,
    dataCount: 1,
  })
})

for (const [name, shared] of [
  ['engine', false],
  ['engine-threads', true],
  ['engine-debug', true],
] as const) {
  test(`${name} holds no data, no state and no start function, and needs a ${shared ? 'shared' : 'plain'} memory alone`, () => {
    const module = parse(readFileSync(new URL(`../../wasm/${name}.wasm`, import.meta.url)))
    assert.is(module.dataSegments, 0, 'data segments')
    assert.is(module.dataCount, 0, 'data count')
    assert.is(module.globals.filter((mutable) => mutable).length, 0, 'mutable globals')
    assert.not(module.start, 'start function')
    assert.equal(module.imports, ['env.memory', 'env.table'])
    assert.is((module.memories[0] & 2) !== 0, shared, 'shared memory')
    for (const wanted of ['run', 'execute'])
      assert.ok(module.exports.includes(wanted), `export ${wanted}`)
  })
}

test.run()
