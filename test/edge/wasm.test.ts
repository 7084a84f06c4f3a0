/** WebAssembly's binary format, read and written: numbers, sections, each instruction, refusals. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fold, loads, type Value } from '../../src/edge/specialise/fold.js'
import { dropDeadStores } from '../../src/edge/specialise/locals.js'
import { tidy } from '../../src/edge/specialise/tidy.js'
import { decodeModule } from '../../src/kernels/wasm/decode.js'
import { encodeModule, type ModuleParts, Writer } from '../../src/kernels/wasm/encode.js'
import {
  type Expression,
  ends,
  type Func,
  get,
  i32,
  isPure,
  isSameList,
  type Label,
  map,
  operation,
  parts,
  typeOf,
  visit,
  withParts,
} from '../../src/kernels/wasm/ir.js'
import { Reader } from '../../src/kernels/wasm/reader.js'
import {
  type Instruction,
  instruction,
  instructionOf,
  prefixed,
  typeCodes,
  type ValueType,
} from '../../src/kernels/wasm/types.js'
import { Hashes } from '../support/hashes.js'
import { textOf } from '../support/wasm-text.js'

const hashes = new Hashes('edge/wasm.json')

const written = (write: (w: Writer) => void): number[] => {
  const w = new Writer()
  write(w)
  return [...w.done()]
}

const unsigned: readonly (readonly [number, number[]])[] = [
  [0, [0]],
  [127, [0x7f]],
  [128, [0x80, 1]],
  [16383, [0xff, 0x7f]],
  [16384, [0x80, 0x80, 1]],
  [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
]
const signed: readonly (readonly [bigint, number[]])[] = [
  [0n, [0]],
  [63n, [0x3f]],
  [64n, [0xc0, 0]],
  [127n, [0xff, 0]],
  [-1n, [0x7f]],
  [-64n, [0x40]],
  [-65n, [0xbf, 0x7f]],
  [2n ** 31n, [0x80, 0x80, 0x80, 0x80, 0x08]],
  [2n ** 63n - 1n, [...Array(9).fill(0xff), 0]],
  [-(2n ** 63n), [...Array(9).fill(0x80), 0x7f]],
]

test('numbers and names are written as the format has them, and read back', () => {
  for (const [value, bytes] of unsigned) {
    assert.equal(
      written((w) => w.u32(value)),
      bytes,
    )
    assert.is(new Reader(Uint8Array.from(bytes)).u32(), value)
  }
  for (const [value, bytes] of signed) {
    assert.equal(
      written((w) => w.s64(value)),
      bytes,
    )
    assert.is(new Reader(Uint8Array.from(bytes)).s64(), value)
    assert.is(new Reader(Uint8Array.from(bytes)).s32(), Number(BigInt.asIntN(32, value)))
  }
  const others = written((w) => {
    w.f32(-1.5)
    w.f64(1e300)
    w.name('ü')
    w.sized((inner) => inner.byte(7, 8))
  })
  const float64 = [...new Uint8Array(Float64Array.of(1e300).buffer)]
  assert.equal(others, [0, 0, 0xc0, 0xbf, ...float64, 2, 0xc3, 0xbc, 2, 7, 8])
  const r = new Reader(Uint8Array.from([9, ...others]), 1, 1 + others.length)
  assert.equal([r.float(32), r.float(64), r.name(), r.done], [-1.5, 1e300, 'ü', false])
  assert.equal([...r.take(3), r.done], [2, 7, 8, true])
})

test('what is written grows by bytes and by lists', () => {
  const bytes = Array.from({ length: 20_000 }, (_, i) => i & 255)
  const ends = [1, 1023, 1024, 1025, 2047, 2048, 2049, 20_000]
  const parts = ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
  const by = (how: (w: Writer, values: number[]) => void): number[] =>
    written((w) => {
      for (const part of parts) how(w, part)
    })
  const byBytes = by((w, values) => w.byte(...values))
  const byLists = by((w, values) => w.append(Uint8Array.from(values)))
  assert.equal([byBytes, byLists], [bytes, bytes])
})

const START = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const section = (id: number, ...items: readonly number[][]): number[] => {
  const bytes = [items.length, ...items.flat()]
  return [id, ...written((w) => w.u32(bytes.length)), ...bytes]
}
const I32 = typeCodes.i32
const code = (...bytes: number[]): number[] => [...written((w) => w.u32(bytes.length)), ...bytes]

/** A module of () → nothing, and () → i32 where `body` gives one, with a constant 300 as global. */
function moduleOf(body: number[], result: number[] = [0]): Uint8Array {
  return Uint8Array.from([
    ...START,
    ...section(1, [0x60, 1, I32, ...result], [0x60, 2, I32, I32, 1, I32]),
    ...section(3, [0], [1]),
    ...section(5, [1, 1, 1]),
    ...section(6, [I32, 0, 0x41, 5, 0x0b], [I32, 0, 0x41, 0xac, 2, 0x0b]),
    ...section(7, [1, 0x66, 0, 0], [1, 0x6d, 2, 0], [1, 0x67, 0, 1]),
    ...section(10, code(1, 1, I32, ...body, 0x0b), code(0, 0x20, 0, 0x0b)),
  ])
}
const decoded = (body: number[], result?: number[]): string =>
  textOf(decodeModule(moduleOf(body, result)).get('f') as Func)

const INT = [1, I32]
const bodies: readonly (readonly [what: string, number[], text: string, number[]?])[] = [
  ['a global, nop', [0x01, 0x23, 1], '(i32 300)', INT],
  [
    'values that wait move into locals, but constants and locals that nothing assigns',
    [0x20, 0, 0x41, 5, 0x41, 6, 0x21, 0, 0x41, 7, 0x21, 1, 0x6a],
    '(set 2 (get 0)) (set 0 (i32 6)) (set 1 (i32 7)) (i32.add (get 2) (i32 5))',
    INT,
  ],
  ['tee, drop', [0x41, 1, 0x22, 1, 0x1a], '(drop (tee 1 (i32 1)))'],
  [
    'calls of what comes later, select with and without its type',
    [0x41, 1, 0x41, 2, 0x20, 0, 0x1b, 0x41, 3, 0x20, 0, 0x20, 1, 0x1c, 1, I32, 0x10, 1],
    '(call g (select i32 (i32 1) (i32 2) (get 0)) (select i32 (i32 3) (get 0) (get 1)))',
    INT,
  ],
  [
    'blocks, loops, branches to each',
    [0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x20, 0, 0x0d, 1, 0x0c, 2, 0x0b, 0x0b],
    '(block $1 (loop $2 (br_if $2 (get 0)) (br_if $1 (get 0)) (br $0)))',
  ],
  [
    'an if with a value, a branch that keeps it',
    [0x20, 0, 0x04, I32, 0x41, 1, 0x20, 0, 0x0d, 0, 0x05, 0x41, 2, 0x0b],
    '(if $1: i32 (get 0) (then (br_if $1 (i32 1) (get 0))) (else (i32 2)))',
    INT,
  ],
  ['an if without else', [0x20, 0, 0x04, 0x40, 0x0b], '(if $1 (get 0) (then) (else))'],
  [
    'a value below an if and a block',
    [0x20, 0, 0x20, 1, 0x04, 0x40, 0x0b, 0x02, 0x40, 0x0b],
    '(set 2 (get 0)) (if $1 (get 1) (then) (else)) (block $2) (get 2)',
    INT,
  ],
  [
    'a table with a value',
    [0x02, I32, 0x02, I32, 0x41, 1, 0x20, 0, 0x0e, 1, 1, 0, 0x0b, 0x0b],
    '(block $1: i32 (block $2: i32 (br_table $1 $2 (i32 1) (get 0))))',
    INT,
  ],
  ['return', [0x41, 1, 0x41, 2, 0x0f], '(return (i32 2))', INT],
  ['a loop that gives a value', [0x03, I32, 0x41, 4, 0x0b, 0x21, 1], '(set 1 (loop $1 (i32 4)))'],
]

test('bodies become trees', () => {
  for (const [what, body, text, result] of bodies) {
    assert.is(decoded(body, result), text, what)
    assert.ok(WebAssembly.validate(moduleOf(body, result) as BufferSource), what)
  }
})

/** An instruction's bytes, with 1 for each number behind it. */
const bytesOf = (op: Instruction): number[] =>
  written((w) => {
    if (op.code > 255) w.byte(op.code >> 16)
    w.u32(op.code & 0xffff)
    if (op.code <= 255 && op.code >= 128) {
      // One byte, no number of several.
      w.length = 0
      w.byte(op.code)
    }
    if (op.immediate.startsWith('memory')) w.byte(0, 0x81, 1)
    if (op.immediate === 'lane' || op.immediate === 'memoryLane') w.byte(1)
    if (op.immediate === 'lanes16') w.byte(...Array(16).fill(0x0b))
    if (op.name === 'memory.copy') w.byte(0, 0)
    if (op.name === 'memory.fill') w.byte(0)
  })

const instructions = [
  ...Array.from({ length: 256 }, (_, k) => instructionOf(k)),
  ...Array.from({ length: 32 }, (_, k) => instructionOf(prefixed.bulk(k))),
  ...Array.from({ length: 512 }, (_, k) => instructionOf(prefixed.simd(k))),
].filter((op): op is Instruction => op !== undefined)

test('what nothing reaches is passed over, whatever it is', () => {
  const dead: number[][] = [
    ...instructions.map(bytesOf),
    [0x01],
    [0x00],
    [0x0c, 0x80, 0],
    [0x0d, 0x80, 0],
    [0x0e, 2, 0x80, 0, 0, 0],
    [0x0f],
    [0x10, 0x80, 0],
    [0x1a],
    [0x1b],
    [0x1c, 1, I32],
    [0x20, 0x8b, 0],
    [0x21, 0x0b],
    [0x22, 0x0b],
    [0x23, 0x8b, 0],
    [0x41, 0x8b, 0x0b],
    [0x42, 0x8b, 0x8b, 0],
    [0x43, 0x0b, 0x0b, 0x0b, 0x0b],
    [0x44, ...Array(8).fill(0x0b)],
    [0xfd, 12, ...Array(16).fill(0x0b)],
    [0x02, 0x40, 0x0b],
    [0x03, I32, 0x02, I32, 0x0b, 0x0b],
    [0x04, 0x40, 0x05, 0x0b],
  ]
  for (const [head, text] of [
    [[0x00], '(unreachable)'],
    [[0x0c, 0], '(br $0)'],
    [[0x0f], '(return)'],
  ] as const) {
    for (const bytes of dead)
      assert.is(decoded([...head, ...bytes, ...bytes]), text, `bytes ${bytes.join()}`)
    // It ends with the else, and with the if.
    const inside = text.replace('$0', '$1')
    assert.is(
      decoded([0x20, 0, 0x04, 0x40, ...head, 0x1a, 0x05, ...head, 0x1a, 0x0b, 0x41, 1, 0x1a]),
      `(if $1 (get 0) (then ${inside}) (else ${inside})) (drop (i32 1))`,
    )
  }
})

const func = (name: string, params: ValueType[], more: Partial<Func> = {}): Func => ({
  name,
  params,
  result: undefined,
  locals: [],
  label: { kind: 'block', result: more.result },
  body: [],
  ...more,
})

const partsOf = (functions: readonly Func[]): ModuleParts => ({
  functions,
  exports: new Map(functions.map((f) => [f.name, f])),
  start: undefined,
  pages: 1,
  segments: [],
  custom: [],
})

test('each instruction: its code and signature are those of WebAssembly; written and read', () => {
  const rows = instructions.map(
    ({ name, code, params, result, immediate, reads, writes, traps }) =>
      `${code.toString(16)} ${name} ${params} ${result} ${immediate} ${reads} ${writes} ${traps}`,
  )
  hashes.is('instructions', rows)
  assert.is(rows.length, 380)
  for (const op of instructions) {
    assert.is(instruction(op.name), op)
    const lanes = { none: 0, memory: 0, lane: 1, memoryLane: 1, lanes16: 16 }[op.immediate]
    const isMemory = op.immediate.startsWith('memory')
    const operands = op.params.map((type, local) => get(local, type))
    const offset = isMemory ? 129 : 0
    const e = operation(op.name, operands, { offset, lanes: Array(lanes).fill(1) })
    const f = func('f', [...op.params], { result: op.result, body: [e] })
    const bytes = encodeModule(partsOf([f]))
    assert.ok(WebAssembly.validate(bytes as BufferSource), op.name)
    const again = decodeModule(bytes).get('f') as Func
    assert.equal(again.body, f.body, op.name)
    assert.equal([again.params, again.result], [f.params, f.result])
  }
})

test('a module, byte by byte', () => {
  const v128: Expression = { kind: 'const', type: 'v128', value: Uint8Array.from(Array(16).keys()) }
  const same = func('same', ['i32'], { result: 'i32', body: [get(0, 'i32')] })
  const twice = func('twice', ['i32'], {
    result: 'i32',
    locals: ['f32', 'f32', 'i64', 'f32'],
    body: [{ kind: 'call', callee: same, args: [{ kind: 'tee', local: 0, value: i32(200) }] }],
  })
  const values: readonly Expression[] = [
    { kind: 'select', type: 'v128', args: [v128, v128, i32(-65)] },
    { kind: 'const', type: 'i64', value: -(2n ** 40n) },
    { kind: 'const', type: 'f64', value: -0 },
  ]
  const constants = func('constants', [], {
    body: values.map((value) => ({ kind: 'drop', value })),
  })
  const bytes = encodeModule({
    functions: [twice, constants, same],
    exports: new Map(Object.entries({ a: twice, ü: same })),
    start: constants,
    pages: 300,
    segments: [
      { address: 64, bytes: Uint8Array.of(1, 2) },
      { address: 2 ** 31 + 5, bytes: Uint8Array.of(3) },
    ],
    custom: [Uint8Array.of(1, 0x78, 9), Uint8Array.of(1, 0x79)],
  })
  const vector = [0xfd, 12, ...Array(16).keys()]
  const numbers = [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x60, 0x1a, 0x44, 0, 0, 0, 0, 0, 0, 0, 0x80]
  const codes = [
    code(3, 2, 0x7d, 1, 0x7e, 1, 0x7d, 0x41, 0xc8, 1, 0x22, 0, 0x10, 2, 0x0b),
    code(0, ...vector, ...vector, 0x41, 0xbf, 0x7f, 0x1c, 1, 0x7b, 0x1a, ...numbers, 0x1a, 0x0b),
    code(0, 0x20, 0, 0x0b),
  ]
  const memory = [6, ...Buffer.from('memory'), 2, 0]
  const far = [0, 0x41, 0x85, 0x80, 0x80, 0x80, 0x78, 0x0b, 1, 3]
  const sections = [
    section(1, [0x60, 1, 0x7f, 1, 0x7f], [0x60, 0, 0]),
    section(3, [0], [1], [0]),
    section(5, [1, 0xac, 2, 0xac, 2]),
    section(7, memory, [1, 0x61, 0, 0], [2, 0xc3, 0xbc, 0, 2]),
    [8, 1, 1],
    section(10, ...codes),
    section(11, [0, 0x41, 0xc0, 0, 0x0b, 2, 1, 2], far),
    [0, 3, 1, 0x78, 9, 0, 2, 1, 0x79],
  ]
  assert.equal([...bytes], [...START, ...sections.flat()])
  assert.ok(WebAssembly.validate(encodeModule(partsOf([func('f', [])])) as BufferSource))
})

const reads = (id: number, item: number[]) => () =>
  decodeModule(Uint8Array.from([...START, ...section(id, item)]))
const writes = (e: Expression) => () => encodeModule(partsOf([func('f', [], { body: [e] })]))
const elsewhere: Label = { kind: 'block', result: undefined }
const refusals: readonly (readonly [run: () => unknown, message: string])[] = [
  [() => new Reader(Uint8Array.of()).byte(), 'the bytes end too early'],
  [reads(1, [0x5f, 0]), 'a type is no function'],
  [reads(1, [0x60, 1, 0x70, 0]), 'value type 0x70 is unknown'],
  [reads(1, [0x60, 0, 2, I32, I32]), 'a function gives several values'],
  [reads(6, [0x7e, 0, 0x41, 1, 0x0b]), 'a global is no constant'],
  [reads(6, [I32, 1, 0x41, 1, 0x0b]), 'a global is no constant'],
  [reads(6, [I32, 0, 0x23, 1, 0x0b]), 'a global is no constant'],
  [() => decoded([0xff]), 'f: instruction 0xff is unknown'],
  [() => decoded([0xfd, 0x9a, 1]), 'f: instruction 0xfd009a is unknown'],
  [() => decoded([0x00, 0x25]), 'f: instruction 0x25 is unknown'],
  [() => instruction('i32.plus'), 'no instruction i32.plus'],
  [
    writes({ kind: 'call', callee: func('g', []), args: [] }),
    'function g is not part of the module',
  ],
  [writes({ kind: 'br', label: elsewhere, value: undefined }), 'a branch leaves its function'],
]

test('an expression with the same parts is itself; with others it is another of its kind', () => {
  const label: Label = { kind: 'block', result: 'i32' }
  const [x, y, z] = [i32(1), i32(2), i32(3)]
  const all: readonly Expression[] = [
    x,
    get(0, 'i32'),
    operation('i32.load', [x], { offset: 4, align: 2 }),
    operation('i32.add', [x, y]),
    { kind: 'call', callee: func('f', []), args: [x, y] },
    { kind: 'set', local: 3, value: x },
    { kind: 'tee', local: 3, value: x },
    { kind: 'drop', value: x },
    { kind: 'select', type: 'i32', args: [x, y, z] },
    { kind: 'block', label, body: [x, y] },
    { kind: 'loop', label, body: [x, y] },
    { kind: 'if', label, condition: x, yes: [y], no: [z] },
    { kind: 'br', label, value: x },
    { kind: 'br', label, value: undefined },
    { kind: 'br_if', label, value: x, condition: y },
    { kind: 'return', value: x },
    { kind: 'br_if', label, value: undefined, condition: y },
    { kind: 'br_table', labels: [label, label], index: x, value: y },
    { kind: 'br_table', labels: [label], index: x, value: undefined },
    { kind: 'return', value: undefined },
    { kind: 'unreachable' },
  ]
  const rows = all.map((e) => {
    assert.is(
      withParts(e, (part) => part),
      e,
    )
    assert.is(map([e, e], (part) => part, true).length, 2)
    const changed = parts(e).map((other) => {
      const next = withParts(e, (part) => (part === other ? i32(9) : part))
      const body = withParts(
        e,
        (part) => (part === other ? i32(9) : part),
        (list) => list.filter((part) => part !== other),
      )
      return textOf(func('f', [], { body: [next, body] }))
    })
    const seen: string[] = []
    visit([e], ({ kind }) => seen.push(kind))
    return `${textOf(func('f', [], { body: [e] }))}: ${typeOf(e)} ${isPure(e)} ${ends(e)} ${seen} ${changed}`
  })
  hashes.is('parts', rows)
  const list = [x, y, z]
  assert.is(
    map(list, (e) => e),
    list,
  )
  assert.equal(
    map(list, (e) => (e === y ? i32(8) : e)),
    [x, i32(8), z],
  )
  const order: Expression[] = []
  map(list, (e) => order[order.push(e) - 1], true)
  assert.equal(order, [z, y, x])
  assert.ok(isSameList(list, [x, y, z]))
  assert.not(isSameList(list, [x, y]))
  assert.not(isSameList(list, [x, y, i32(3)]))
})

test('passes leave what they cannot make shorter as it is', () => {
  const label: Label = { kind: 'loop', result: undefined }
  const store = operation('i32.store', [get(0, 'i32'), { kind: 'tee', local: 1, value: i32(1) }])
  const body: readonly Expression[] = [
    {
      kind: 'loop',
      label,
      body: [store, { kind: 'br_if', label, value: undefined, condition: get(1, 'i32') }],
    },
    {
      kind: 'if',
      label: elsewhere,
      condition: get(0, 'i32'),
      yes: [operation('i32.store', [get(0, 'i32'), get(1, 'i32')])],
      no: [],
    },
    { kind: 'return', value: get(0, 'i32') },
  ]
  const f = func('f', ['i32'], { result: 'i32', locals: ['i32'], body })
  dropDeadStores(f)
  assert.is(f.body, body)
  tidy([f], new Set([f]))
  assert.is(f.body, body)
})

test('what is wrong is said', () => {
  for (const [run, message] of refusals)
    assert.throws(run, (error: Error) => error.message === message, message)
})

const integers = [0, 1, -1, 2, 7, 31, 32, 33, 127, 128, 255, -128, 32768, 65536, 2 ** 31 - 1]
const words = [...integers, -(2 ** 31), -(2 ** 31) + 1, 0x12345678, -2]
const numbersOf: Readonly<Record<string, readonly (number | bigint)[]>> = {
  i32: words,
  i64: [...words.map(BigInt), 63n, 64n, 2n ** 63n - 1n, -(2n ** 63n), 0x123456789abcdefn],
  f32: [0, -0, 1, -1, 0.5, 3.25, 2 ** -140, 2 ** 127, -7.75, 2 ** 31, 1 / 3, Infinity, NaN].map(
    Math.fround,
  ),
  f64: [0, -0, 1, -1, 0.5, 3.25, 1e-310, 1e300, -7.75, 2 ** 31, 1 / 3, 0.1, Infinity, NaN],
}

test('known arithmetic: WebAssembly’s result of each pair of numbers, unknown where it traps', () => {
  const folded: string[] = []
  const arithmetic = instructions.filter(({ code }) => code >= 0x45 && code <= 0xc4)
  for (const { name, params, result } of arithmetic) {
    const operands = params.map((type, local) => get(local, type))
    const body = [operation(name, operands)]
    const bytes = encodeModule(partsOf([func('f', [...params], { result, body })]))
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource))
    const run = exports.f as (...args: unknown[]) => number | bigint
    const [first, second = [undefined]] = params.map((type) => numbersOf[type])
    const cases = first.flatMap((a) => second.map((b) => (b === undefined ? [a] : [a, b])))
    const known = cases.map((args) => fold(name, args))
    if (known.every((value) => value === undefined)) continue
    folded.push(name)
    for (const [i, args] of cases.entries()) {
      let expected: Value
      try {
        expected = run(...args)
      } catch {
        // It traps: that is left to the program.
      }
      if (Number.isNaN(expected)) expected = undefined
      assert.ok(Object.is(known[i], expected), `${name}(${args}): ${known[i]}, not ${expected}`)
      if (args.length > 1) assert.is(fold(name, [args[0], undefined]), undefined)
    }
    assert.is(fold(name, [undefined, cases[0][1]].slice(0, params.length)), undefined)
  }
  hashes.is('folded', folded)
  assert.is(fold('select', [1, 2, 3]), undefined)
  assert.is(fold('i8x16.add', [1, 2]), undefined)
})

test('reads of constant memory are those of WebAssembly', () => {
  const bytes = Uint8Array.from([0x81, 0x92, 0xa3, 0x3f, 0x15, 0x76, 0x87, 0xf8, 0x80])
  for (const [name, [count, read]] of Object.entries(loads)) {
    const op = instruction(name)
    assert.is(count, Number(/(8|16|32)(_|$)/.exec(name.slice(3))?.[1] ?? 32) / 8, name)
    const body = [operation(name, [get(0, 'i32')], { offset: 64 })]
    const module = encodeModule({
      ...partsOf([func('f', ['i32'], { result: op.result, body })]),
      segments: [{ address: 64, bytes }],
    })
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module as BufferSource))
    for (let at = 0; at + count <= bytes.length; at++)
      assert.is(
        read(new DataView(bytes.buffer), at),
        (exports.f as (at: number) => number | bigint)(at),
        name,
      )
  }
  assert.is(Object.keys(loads).length, 7)
})

test('wasm.json holds these alone', () => hashes.finish())

test.run()
