/**
 * What the exporter's passes make of kernels: the bytes of their code. An optimisation that is no
 * longer applied changes no result, but shows here.
 *
 * kernels.wasm holds some kernels of the engine as it was once; it does not change with the engine.
 */

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lowerToScalar } from '../../src/edge/scalar/lower.js'
import { analyse, rewrite } from '../../src/edge/specialise/analyse.js'
import type { Constants, Entry, Facts } from '../../src/edge/specialise/fold.js'
import { tidy } from '../../src/edge/specialise/tidy.js'
import { decodeModule } from '../../src/kernels/wasm/decode.js'
import { encodeModule } from '../../src/kernels/wasm/encode.js'
import {
  type Expression,
  type Func,
  get,
  i32,
  type Label,
  operation,
  visit,
} from '../../src/kernels/wasm/ir.js'
import { testRandom } from '../support/engine.js'
import { Hashes } from '../support/hashes.js'

const file = readFileSync(new URL('../../../test/edge/kernels.wasm', import.meta.url))
const hashes = new Hashes('edge/passes.json')

/** A kernel, read anew since passes change it, with all that it calls. */
function read(name: string): { root: Func; functions: () => Func[] } {
  const root = decodeModule(file).get(name) as Func
  const functions = (): Func[] => {
    const found = new Set([root])
    for (const f of found)
      visit(f.body, (e) => {
        if (e.kind === 'call') found.add(e.callee)
      })
    return [...found]
  }
  return { root, functions }
}

const encode = (functions: readonly Func[], root: Func): Uint8Array =>
  encodeModule({
    functions,
    exports: new Map([['main', root]]),
    start: undefined,
    pages: 1,
    segments: [],
    custom: [],
  })

/** Records at these addresses; only what lies there is constant. */
const RECORDS = [1024, 1280]
const END = 1536
const BYTES = 2048

/** Memory with small numbers, addresses and floats in its records, as programs have them. */
function constants(random: () => number): Constants {
  const view = new DataView(new ArrayBuffer(BYTES))
  for (let at = RECORDS[0]; at < END; at += 4) {
    const kind = random()
    if (kind < 0.5) view.setInt32(at, Math.floor(random() * 9), true)
    else if (kind < 0.8) view.setInt32(at, 16 * Math.floor(random() * 200), true)
    else view.setFloat32(at, random(), true)
  }
  return { view, has: (at, bytes) => at >= RECORDS[0] && at + bytes <= END }
}

/** One entry, or two of which the second has other numbers; the last arguments are not known. */
function entriesOf(func: Func, random: () => number): Entry[] {
  const known = 1 + Math.floor(random() * func.params.length)
  return RECORDS.slice(0, 1 + Math.floor(2 * random())).map((record, i) => ({
    func,
    args: func.params.map((type, k) => {
      if (k === 0) return record
      if (k >= known) return undefined
      const value = Math.floor(random() * 5) * (i + 1)
      return type === 'i64' ? BigInt(value) : type.startsWith('f') ? value / 4 : value
    }),
    interprets: random() < 0.3,
  }))
}

/** What was found, in the order in which the code has it. */
function* textOf(facts: Facts): Generator<string> {
  for (const { value, ways } of facts.of.values())
    yield `${typeof value} ${value} ${Object.is(value, -0)} ${[...(ways ?? [])]}`
  for (const [{ op, offset }, addresses] of facts.read)
    yield `${op.name} ${offset} reads ${[...addresses]}`
  yield `escaped ${[...facts.escaped]}`
  for (const { name } of facts.functions) yield name
}

for (const name of decodeModule(file).keys())
  test(`${name}: the bytes of each pass`, () => {
    const plain = read(name)
    const decoded = encode(plain.functions(), plain.root)
    tidy(plain.functions(), new Set([plain.root]))
    hashes.is(`${name}, decoded and tidy`, [decoded, encode(plain.functions(), plain.root)])

    const { root, functions } = read(name)
    const lowered = lowerToScalar(functions(), new Set([root]))
    hashes.is(`${name}, in lanes`, [encode(lowered, root)])

    const random = testRandom(name.length)
    const found: string[] = []
    const codes: Uint8Array[] = []
    for (let round = 0; round < 4; round++) {
      const { root, functions } = read(name)
      const entries = entriesOf(root, random)
      const opaque = new Set(functions().slice(round === 3 ? 1 : functions().length))
      const facts = analyse(entries, constants(random), opaque)
      found.push(...textOf(facts))
      rewrite(facts)
      const rewritten = encode(functions(), root)
      tidy(functions(), new Set([root]))
      const bytes = encode(functions(), root)
      const all = lowerToScalar(functions(), new Set([root]))
      codes.push(rewritten, bytes, encode(all, root))
    }
    hashes.is(`${name}, facts`, found)
    hashes.is(`${name}, known values put in`, codes)
  })

test('addresses of records from which unknown values follow', () => {
  const either: Expression = {
    ...{ kind: 'select', type: 'i32' },
    args: [i32(RECORDS[0]), i32(RECORDS[1]), get(0, 'i32')],
  }
  const outside = operation('i32.load', [i32(END - 2)])
  const label: Label = { kind: 'block', result: undefined }
  const func: Func = {
    ...{ name: 'f', params: ['i32'], result: undefined, locals: [], label },
    body: [either, outside, i32(END)].map((value) => ({ kind: 'drop', value })),
  }
  for (const interprets of [false, true]) {
    const { escaped } = analyse([{ func, args: [undefined], interprets }], constants(Math.random))
    assert.equal([...escaped], interprets ? [] : [...RECORDS, END - 2])
  }
})

test('passes.json holds these kernels alone', () => hashes.finish())

test.run()
