/** Vectors as lanes: each instruction, random functions, networks. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { lowerToScalar } from '../../src/edge/scalar/lower.js'
import { encodeModule } from '../../src/kernels/wasm/encode.js'
import {
  type Expression,
  type Func,
  get,
  i32,
  type Label,
  type Operation,
  operation,
  withParts,
} from '../../src/kernels/wasm/ir.js'
import {
  type Instruction,
  instruction,
  instructionOf,
  prefixed,
} from '../../src/kernels/wasm/types.js'
import { testRandom } from '../support/engine.js'
import { Hashes } from '../support/hashes.js'
import { ofLong } from '../support/long.js'
import { MEMORY, OUT, randomFunction } from '../support/random-code.js'
import { bytesOf, call, checkNoVectors, twins } from '../support/scalar.js'

const seed = Number(process.env.SEED ?? 5)
/** What becomes of instructions and functions: code that is longer than it need be shows. */
const hashes = new Hashes('edge/scalar.json')
/** Hashes are of the usual seed. */
const isUsual = process.env.SEED === undefined
type Random = () => number
const integer = (random: Random, below: number): number => Math.floor(random() * below)
const pick = <T>(random: Random, of: readonly T[]): T => of[integer(random, of.length)]

/** The only instructions without a form in lanes. */
const refused = ['i8x16.swizzle']
const all = Array.from({ length: 256 }, (_, code) => instructionOf(prefixed.simd(code))).filter(
  (op): op is Instruction => op !== undefined,
)

const load = (at: number): Expression => operation('v128.load', [i32(at)], { align: 4 })
const store = (at: number, value: Expression): Expression =>
  operation('v128.store', [i32(at), value], { align: 4 })

const func = (name: string, locals: Func['locals'], body: readonly Expression[]): Func => ({
  name,
  params: [],
  result: undefined,
  locals,
  label: { kind: 'block', result: undefined },
  body,
})

const A = MEMORY

function immediate(op: Instruction, random: Random): number[] {
  if (op.immediate === 'lanes16') return Array.from({ length: 16 }, () => integer(random, 32))
  if (op.immediate !== 'lane' && op.immediate !== 'memoryLane') return []
  const bits = Number(/(8|16|32|64)(x\d+\.|_lane)/.exec(op.name)?.[1])
  return [integer(random, 128 / bits)]
}

/** Stores the result of one instruction on values in memory. */
function one(op: Instruction, name: string, lanes: number[]): Func {
  const hasAddress = op.immediate === 'memory' || op.immediate === 'memoryLane'
  const args = op.params.map((type, i) => {
    const at = A + 16 * i
    if (type === 'v128') return load(at)
    if (hasAddress) return i32(op.writes ? OUT : A)
    return operation(`${type}.load`, [i32(at)])
  })
  const e: Operation = { kind: 'op', op, args, offset: hasAddress ? 3 : 0, align: 0, lanes }
  const { result } = op
  if (!result) return func(name, [], [e])
  if (result === 'v128') return func(name, [], [store(OUT, e)])
  return func(name, [], [operation(`${result}.store`, [i32(OUT), e])])
}

const special = [0, 1, -1, 0x80, 0x7f80, 0x8000, 0xffff, 0x7fff7fff, 0x80000000, 0x3f800000]
const floats = [0x7f800000, 0xff800000, 0x7fc00000, 0xcf000000, 0x4f000000, 0x3f000000, 0xbfc00000]

function fill(random: Random, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  for (let at = A - 64; at < A + 128; at += 4)
    view.setInt32(
      at,
      random() < 0.4 ? pick(random, [...special, ...floats]) : random() * 2 ** 32,
      true,
    )
  // Float64 numbers of all sizes, and NaN.
  if (random() < 0.3)
    for (let at = A - 64; at < A + 128; at += 8)
      view.setFloat64(at, pick(random, [Number.NaN, -0, 1.5, 2 ** 40, -(2 ** 31), 1e-3]), true)
}

/** Numbers of a float result: two that are not numbers are equal. */
function sameFloats(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const read = (x: Uint8Array): Float32Array | Float64Array =>
    bits === 32 ? new Float32Array(x.slice().buffer) : new Float64Array(x.slice().buffer)
  const other = read(b)
  return read(a).every((value, i) => Object.is(value, other[i]))
}

test('every instruction on vectors gives the same bits in lanes, or is refused by its name', () => {
  const random = testRandom(seed)
  const known = all.filter(({ name }) => !refused.includes(name))
  assert.ok(known.length > 200)
  const cases = known.flatMap((op) =>
    [0, 1, 2].map((k) => ({ op, name: `${op.name} ${k}`, lanes: immediate(op, random) })),
  )
  const { simd, scalar, scalarBytes } = twins(() =>
    cases.map(({ op, name, lanes }) => one(op, name, lanes)),
  )
  checkNoVectors(scalarBytes)
  const [x, y] = [bytesOf(simd), bytesOf(scalar)]
  for (let i = 0; i < ofLong(24, 60); i++)
    for (const { op, name, lanes } of cases) {
      fill(random, x)
      y.set(x)
      call(simd, name)
      call(scalar, name)
      const [a, b] = [x.subarray(OUT, OUT + 32), y.subarray(OUT, OUT + 32)]
      const [, bits] = /^f(32|64)x\d\.(?!.*\b(?:eq|ne|[lg][te])$)/.exec(op.name) ?? []
      const same = a.every((byte, k) => byte === b[k]) || (bits && sameFloats(a, b, Number(bits)))
      if (!same) {
        const from = [0, 16, 32].map((k) => x.slice(A + k, A + k + 16).join())
        assert.unreachable(`${name} ${lanes} of ${from.join(' | ')}: ${a.join()} but ${b.join()}`)
      }
    }
})

/** The result of an instruction on vectors of equal words; in a loop, where helpers are inlined. */
function variant(op: Instruction, lanes: number[], isLoop: boolean): Func {
  const f = one(op, op.name, lanes)
  const even = (e: Expression): Expression =>
    e.kind === 'op' && e.op.name === 'v128.load'
      ? operation('i32x4.splat', [operation('i32.load', e.args)])
      : withParts(e, even)
  const label: Label = { kind: 'loop', result: undefined }
  return { ...f, body: isLoop ? [{ kind: 'loop', label, body: f.body }] : f.body.map(even) }
}

test('every instruction on vectors has the code in lanes that it had', () => {
  const random = testRandom(1)
  const codes = new Map<string, Uint8Array[]>()
  for (const op of all.filter(({ name }) => !refused.includes(name))) {
    const lanes = immediate(op, random)
    const functions = [one(op, op.name, lanes), variant(op, lanes, true), variant(op, lanes, false)]
    const [shape] = op.name.split(/[._]/)
    codes.set(shape, [
      ...(codes.get(shape) ?? []),
      ...functions.map((f) => twins(() => [{ ...f }]).scalarBytes),
    ])
  }
  for (const [shape, bytes] of codes) hashes.is(`instructions ${shape}`, bytes)
})

test('what has no form in lanes is refused by its name and function', () => {
  const swizzle = instruction(refused[0])
  const made: Instruction = { ...all[0], name: 'i8x16.relaxed_swizzle', immediate: 'none' }
  const [a, b] = [load(0), load(16)]
  const label: Label = { kind: 'block', result: 'v128' }
  const leave: Expression = { kind: 'br_if', label, value: a, condition: i32(1) }
  const drop = (value: Expression): Func => func('f', [], [{ kind: 'drop', value }])
  const plain = { offset: 0, align: 0, lanes: [] }
  const cases: readonly (readonly [Func, string])[] = [
    [drop({ kind: 'op', op: swizzle, args: [a, b], ...plain }), 'the instruction i8x16.swizzle'],
    [drop({ kind: 'op', op: made, args: [], ...plain }), 'the instruction i8x16.relaxed_swizzle'],
    [drop({ kind: 'block', label, body: [leave] }), 'a vector of br_if'],
    [{ ...func('f', [], []), params: ['v128'] }, 'a parameter or result of type v128'],
    [{ ...func('f', [], []), result: 'v128' }, 'a parameter or result of type v128'],
  ]
  for (const [f, what] of cases) {
    let got: unknown
    try {
      lowerToScalar([f], new Set())
    } catch (error) {
      got = error
    }
    assert.instance(got, SpikewasmError)
    const message = `exportWasm: ${what} in the function f has no form without SIMD`
    assert.is((got as Error).message, `${message}; use target 'simd'`)
  }
})

test('random functions leave the same memory in lanes as in vectors', () => {
  for (let first = 0; first < ofLong(150, 400); first += 25) {
    const indices = Array.from({ length: 25 }, (_, i) => first + i)
    const { simd, scalar, scalarBytes } = twins(() =>
      indices.map((i) =>
        randomFunction(`f${i}`, testRandom(seed + i), { params: 0, numbers: 2, vectors: 5 }),
      ),
    )
    checkNoVectors(scalarBytes)
    if (first < 150 && isUsual) hashes.is(`functions from ${first}`, [scalarBytes])
    const random = testRandom(seed + first)
    const [x, y] = [bytesOf(simd), bytesOf(scalar)]
    for (const i of indices)
      for (let round = 0; round < 5; round++) {
        fill(random, x)
        y.set(x)
        assert.is(call(scalar, `f${i}`), call(simd, `f${i}`), `f${i} with seed ${seed + i}`)
        const at = x.findIndex((byte, k) => byte !== y[k])
        assert.is(at, -1, `f${i} with seed ${seed + i} differs at ${at}`)
      }
  }
})

test('words of a vector that change places among themselves, in a loop', () => {
  const [vector, count] = [get(0, 'v128'), get(1, 'i32')]
  const lanes = Array.from({ length: 16 }, (_, k) => (k + 4) % 16)
  const turned = operation('i8x16.shuffle', [vector, vector], { lanes })
  const next: Expression = { kind: 'tee', local: 1, value: operation('i32.add', [count, i32(1)]) }
  const condition = operation('i32.lt_u', [next, i32(2)])
  const label: Label = { kind: 'loop', result: undefined }
  const body: Expression[] = [
    { kind: 'set', local: 0, value: turned },
    { kind: 'br_if', label, value: undefined, condition },
  ]
  const turn = (): Func =>
    func(
      'turn',
      ['v128', 'i32'],
      [
        { kind: 'set', local: 0, value: load(A) },
        { kind: 'loop', label, body },
        store(OUT, vector),
      ],
    )
  const { scalar } = twins(() => [turn()])
  const memory = bytesOf(scalar)
  memory.set([...Array(16).keys()], A)
  call(scalar, 'turn')
  assert.equal([...memory.subarray(OUT, OUT + 16)].join(), '8,9,10,11,12,13,14,15,0,1,2,3,4,5,6,7')
})

test('operands keep their order where a later one becomes statements', () => {
  const sum = {
    ...func(
      'sum',
      [],
      [
        [1, 2].reduce(
          (e, local) =>
            operation('i32.add', [operation('i32.mul', [e, i32(10)]), get(local, 'i32')]),
          get(0, 'i32'),
        ),
      ],
    ),
    params: ['i32', 'i32', 'i32'] as Func['params'],
    result: 'i32' as const,
  }
  // sum(x, tee x (x + 1), lane 0 of a vector that is also assigned)
  const next = operation('i32.add', [get(0, 'i32'), i32(1)])
  const vector = operation('i32x4.splat', [operation('i32.load', [i32(64)], { align: 2 })])
  const lane = operation('i32x4.extract_lane', [{ kind: 'tee', local: 1, value: vector }], {
    lanes: [0],
  })
  const args: Expression[] = [get(0, 'i32'), { kind: 'tee', local: 0, value: next }, lane]
  const main = {
    ...func('main', ['v128'], [{ kind: 'call', callee: sum, args }]),
    params: ['i32'] as Func['params'],
    result: 'i32' as const,
  }
  const lowered = lowerToScalar([main, sum], new Set([main]))
  const bytes = encodeModule({
    functions: lowered,
    exports: new Map([['main', lowered[0]]]),
    start: undefined,
    pages: 1,
    segments: [],
    custom: [],
  })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource))
  assert.is((exports.main as (x: number) => number)(3), 340)
})

test('scalar.json holds these alone', () => {
  if (isUsual) hashes.finish()
})

test.run()
