/** Parts of `exportWasm`: known values put into functions, and functions made shorter. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { analyse, rewrite } from '../../src/edge/specialise/analyse.js'
import type { Constants } from '../../src/edge/specialise/fold.js'
import { tidy } from '../../src/edge/specialise/tidy.js'
import { engineBytes } from '../../src/engine/load.js'
import { decodeModule } from '../../src/kernels/wasm/decode.js'
import { encodeModule } from '../../src/kernels/wasm/encode.js'
import {
  type Expression,
  type Func,
  get,
  i32,
  type Label,
  visit,
} from '../../src/kernels/wasm/ir.js'
import type { ValueType } from '../../src/kernels/wasm/types.js'
import { numbers } from '../support/exported.js'
import { Hashes } from '../support/hashes.js'
import { ofLong } from '../support/long.js'
import { MEMORY, randomFunction } from '../support/random-code.js'

const hashes = new Hashes('edge/specialise.json')
/** Compares the code of the programs that every run has: what is no longer made shorter shows. */
function compareCode(what: string, codes: readonly Uint8Array[]): void {
  for (let i = 0; i < 150; i += 25) hashes.is(`${what} ${i} to ${i + 24}`, codes.slice(i, i + 25))
}

const NO_CONSTANTS: Constants = { has: () => false, view: new DataView(new ArrayBuffer(0)) }

function func(
  name: string,
  params: ValueType[],
  result: ValueType | undefined,
  body: Expression[],
): Func {
  return { name, params, result, locals: [], label: { kind: 'block', result }, body }
}

const encode = (functions: readonly Func[], main: Func): Uint8Array =>
  encodeModule({
    functions,
    exports: new Map([['main', main]]),
    start: undefined,
    pages: 1,
    segments: [],
    custom: [],
  })

function run(functions: readonly Func[], main: Func): WebAssembly.Exports {
  const bytes = encode(functions, main)
  return new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource)).exports
}

function program(seed: number): { main: Func; functions: Func[] } {
  const random = numbers(seed)
  const shape = { params: 2, numbers: 4, vectors: 0 }
  const callee = randomFunction('callee', random, shape)
  const main = randomFunction('main', random, { ...shape, callee })
  return { main, functions: [main, callee] }
}

/** What a program returns, and the memory that it leaves. */
function outcome(functions: readonly Func[], main: Func, args: readonly number[]): string {
  const exports = run(functions, main)
  const memory = new Int32Array((exports.memory as WebAssembly.Memory).buffer, MEMORY, 16)
  const result = (exports.main as (...args: number[]) => number)(...args)
  return `${result} ${memory.join()}`
}

test('random programs do the same when they are tidy, and are shorter', () => {
  let [before, after] = [0, 0]
  const codes: Uint8Array[] = []
  const size = (functions: readonly Func[]): number => {
    let n = 0
    for (const f of functions) visit(f.body, () => void n++)
    return n
  }
  for (let seed = 1; seed <= ofLong(150, 400); seed++) {
    const { main, functions } = program(seed)
    const inputs = [
      [0, 0],
      [1, -2],
      [7, 100],
    ]
    const expected = inputs.map((args) => outcome(functions, main, args))
    before += size(functions)
    tidy(functions, new Set([main]))
    after += size(functions)
    codes.push(encode(functions, main))
    inputs.forEach((args, i) => {
      assert.is(outcome(functions, main, args), expected[i], `seed ${seed}, arguments ${args}`)
    })
  }
  assert.ok(after < before * 0.9, `${after} of ${before} expressions are left`)
  compareCode('tidy', codes)
})

test('random programs do the same with arguments that are known, for one entry and for several', () => {
  const codes: Uint8Array[] = []
  for (let seed = 1000; seed <= ofLong(1150, 1400); seed++) {
    const { main, functions } = program(seed)
    const random = numbers(seed)
    const entries = Array.from({ length: 1 + (seed % 3) }, () => [
      Math.floor(random() * 4) - 1,
      Math.floor(random() * 4) - 1,
    ])
    const unknown = seed % 2 === 0
    const expected = entries.map((args) => outcome(functions, main, args))
    const facts = analyse(
      entries.map(([a, b]) => ({ func: main, args: [a, unknown ? undefined : b] })),
      NO_CONSTANTS,
    )
    rewrite(facts)
    const left = functions.filter((f) => facts.functions.has(f))
    tidy(left, new Set([main]))
    const called = withCalled([main])
    codes.push(encode(called, main))
    entries.forEach((args, i) => {
      assert.is(outcome(called, main, args), expected[i], `seed ${seed}, arguments ${args}`)
    })
  }
  compareCode('known arguments', codes)
})

test('what follows a loop or an if that never ends stays valid', () => {
  const none: Label = { kind: 'block', result: undefined }
  const loop: Label = { kind: 'loop', result: undefined }
  const again: Expression = { kind: 'br', label: loop, value: undefined }
  const give = (value: number): Expression => ({ kind: 'return', value: i32(value) })
  const condition = get(0, 'i32')
  const leave: Expression = { kind: 'if', label: none, condition, yes: [give(1)], no: [] }
  const both: Expression = { kind: 'if', label: none, condition, yes: [give(1)], no: [give(2)] }
  const bodies: Expression[][] = [
    [{ kind: 'loop', label: loop, body: [leave, again] }, i32(3)],
    [{ kind: 'loop', label: loop, body: [leave, again] }, { kind: 'unreachable' }],
    [both, i32(3)],
    [both, { kind: 'unreachable' }],
  ]
  for (const body of bodies) {
    const main = func('main', ['i32'], 'i32', body)
    tidy([main], new Set([main]))
    assert.is((run([main], main).main as (x: number) => number)(1), 1)
  }
})

/** Functions and all that they call. */
function withCalled(roots: Iterable<Func>): Func[] {
  const found = new Set(roots)
  for (const f of found)
    visit(f.body, (e) => {
      if (e.kind === 'call') found.add(e.callee)
    })
  return [...found]
}

test('the engine goes through decoding and encoding unharmed', async () => {
  const parts = { start: undefined, pages: 1, segments: [], custom: [] }
  const encodeAll = (exports: ReadonlyMap<string, Func>): Uint8Array =>
    encodeModule({ functions: withCalled(exports.values()), exports, ...parts })
  const engine = decodeModule(await engineBytes())
  const bytes = encodeAll(engine)
  assert.ok(WebAssembly.validate(bytes as BufferSource))
  const again = decodeModule(bytes)
  assert.equal([...again.keys()], [...engine.keys()])
  assert.ok(WebAssembly.validate(encodeAll(again) as BufferSource))
})

test('specialise.json holds these programs alone', () => hashes.finish())

test.run()
