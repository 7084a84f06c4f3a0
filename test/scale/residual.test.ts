/** What rounding to int8 loses, as a replica stores it: small, and the same bits for whoever reads. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { roundsSetting } from '../../src/scale/rounds/options.js'
import {
  addChange,
  changeBytes,
  encode,
  residualBytes,
  residualOfBytes,
  residualToBytes,
  type Sizes,
} from '../../src/scale/rounds/vectors.js'
import { stateBytes, stateOfBytes, stateToBytes } from '../../src/scale/rounds/wire.js'
import { messageOf } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'

/** A weight, a bias, a single number, and two rows for what is odd. */
const sizes: Sizes = {
  parameters: 50 * 7 + 3 + 1 + 16,
  statistics: 0,
  states: 1,
  rows: [
    { count: 50, size: 7 },
    { count: 1, size: 3 },
    { count: 1, size: 1 },
    { count: 2, size: 8 },
  ],
}
const rounds = roundsSetting({ replicas: 2, syncEvery: 2, compress: 'int8', innerState: 'reset' })
const random = testRandom(11)
const vector = (scale: number): Float32Array =>
  Float32Array.from({ length: sizes.parameters }, () => scale * (2 * random() - 1))
const bits = (values: Float32Array): number[] => [...new Uint32Array(values.slice().buffer)]

test('bytes give it back to the bit, of any size, and again and again', () => {
  const largest = [1, 127, 126.5, 63.5, 3.4e38, 1e-38, 1e-42, 1.4e-45, 127 * 2 ** -149, 2 ** 100]
  for (const scale of [
    ...largest,
    ...Array.from({ length: 200 }, () => 10 ** (76 * random() - 38)),
  ]) {
    const lost = vector(scale)
    // A row's largest at the limits between two powers, a row of zeros, and one of −0.
    lost.set([127 * 2 ** -5, 1e-9], 0)
    lost.set([Math.fround(127 * 2 ** -5 * (1 + 2 ** -23)), 1e-9], 7)
    lost.fill(0, 354, 362)
    lost.fill(-0, 362)
    const bytes = residualToBytes(sizes, lost)
    const kept = residualOfBytes(sizes, bytes)
    assert.equal(residualToBytes(sizes, kept), bytes)
    assert.equal(bits(residualOfBytes(sizes, residualToBytes(sizes, kept))), bits(kept))
    let at = 0
    for (const { count, size } of sizes.rows)
      for (let row = 0; row < count; row++, at += size) {
        const most = Math.max(...lost.slice(at, at + size).map(Math.abs))
        for (let i = at; i < at + size; i++)
          assert.ok(Math.abs(kept[i] - lost[i]) <= Math.max(most / 127, 2 ** -150), `${scale} ${i}`)
      }
    assert.equal(bits(kept.slice(354)), new Array(16).fill(0))
  }
})

test('what a round keeps is what its bytes say, so a death changes no bit', () => {
  let [here, there]: (Float32Array | undefined)[] = []
  const start = vector(1)
  for (let round = 0; round < 20; round++) {
    const end = start.map((value, i) => value + (0.1 * random() - 0.05) / (1 + (i % 9)))
    const one = encode('int8', sizes, start, end, here)
    const two = encode('int8', sizes, start, end, there)
    assert.equal(one.bytes, two.bytes)
    here = one.residual as Float32Array
    // Another worker has it from the store.
    const state = stateToBytes({ residual: two.residual as Float32Array }, sizes)
    assert.is(state.length, stateBytes(rounds, sizes))
    there = stateOfBytes(state, sizes, rounds).residual
    assert.equal(bits(there as Float32Array), bits(here))
  }
})

test('it has a byte for each number, and hardly anything is lost with it', () => {
  assert.is(residualBytes(sizes), changeBytes('int8', sizes))
  const start = new Float32Array(sizes.parameters)
  // One number of each row is large, and the others are far below a step of int8.
  const end = Float32Array.from({ length: sizes.parameters }, (_, i) => (i % 7 === 0 ? 1 : 1e-3))
  const sum = new Float64Array(sizes.parameters)
  let lost: Float32Array | undefined
  for (let round = 0; round < 400; round++) {
    const sent = encode('int8', sizes, start, end, lost)
    lost = sent.residual
    addChange('int8', sizes, start, sent.bytes, sum)
  }
  // Without error feedback nothing of these would ever be sent.
  for (const i of [1, 8, 346]) assert.ok(Math.abs(sum[i] - 0.4) < 0.4 * 0.03, `${i}: ${sum[i]}`)
})

test('bytes that nobody has written are refused', async () => {
  const length = stateBytes(rounds, sizes)
  for (const wrong of [0, length - 1, length + 1, 4 * sizes.parameters])
    assert.match(
      await messageOf(async () => stateOfBytes(new Uint8Array(wrong), sizes, rounds)),
      /a replica's state must have \d+ bytes, got/,
    )
  const bytes = new Uint8Array(length).fill(0xff)
  assert.match(await messageOf(async () => stateOfBytes(bytes, sizes, rounds)), /must be finite/)
})

test.run()
