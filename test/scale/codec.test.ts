/**
 * What replicas send and keep: what rounding loses, for any numbers. test/scale/written.txt has the
 * bytes of some, and what is refused.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Compress, roundsSetting } from '../../src/scale/rounds/options.js'
import {
  addChange,
  encode,
  outerStep,
  residualOfBytes,
  residualToBytes,
  type Sizes,
} from '../../src/scale/rounds/vectors.js'
import { stateOfBytes, stateToBytes } from '../../src/scale/rounds/wire.js'
import { testRandom } from '../support/engine.js'

/** A weight, a bias, a single number, and two rows for what is odd. */
const sizes: Sizes = {
  ...{ parameters: 50 * 7 + 3 + 1 + 16, statistics: 2, states: 1 },
  rows: [
    { count: 50, size: 7 },
    { count: 1, size: 3 },
    { count: 1, size: 1 },
    { count: 2, size: 8 },
  ],
}
const random = testRandom(11)
const vector = (scale: number): Float32Array =>
  Float32Array.from({ length: sizes.parameters }, () => scale * (2 * random() - 1))
const zeros = new Float32Array(sizes.parameters)
const bits = (values: Float32Array): number[] => [...new Uint32Array(values.slice().buffer)]

/** What is received of a change from zeros, and what of it is kept. */
function received(compress: Compress, end: Float32Array, before?: Float32Array) {
  const { bytes, residual = zeros } = encode(compress, sizes, zeros, end, before)
  const into = new Float64Array(sizes.parameters)
  addChange(compress, sizes, zeros, bytes, into)
  return { into, residual }
}

/** The largest number of each row, for each of its numbers. */
function largestOf(values: Float32Array): number[] {
  let at = 0
  return sizes.rows.flatMap(({ count, size }) =>
    Array.from({ length: count }, () => {
      const largest = Math.max(...values.subarray(at, at + size).map(Math.abs))
      at += size
      return Array<number>(size).fill(largest)
    }).flat(),
  )
}

test('bfloat16 rounds to the nearest, ties to even', () => {
  // One place of bfloat16 at 1 is 2⁻⁷: halves between two of them go to the even one.
  const end = zeros.slice()
  end.set([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -1 - 2 ** -8, 1e-40, 0])
  const { into } = received('bfloat16', end)
  assert.equal([...into.slice(0, 4)], [1, 1 + 2 ** -6, 1 + 2 ** -7, -1])
  assert.ok(Math.abs(into[4] - 1e-40) < 5e-41)
  for (let i = 0; i < 100; i++) {
    const to = vector(10 ** ((i % 20) - 10))
    for (const [j, value] of received('bfloat16', to).into.entries())
      assert.ok(Math.abs(value - to[j]) <= Math.abs(to[j]) / 256)
  }
})

test('int8 has a scale for each row, and the next change makes up for what was lost', () => {
  const end = vector(1)
  // A row of small numbers keeps its own scale; one of zeros has none.
  for (let i = 7; i < 14; i++) end[i] /= 1e6
  end.fill(0, 14, 21)
  const { into, residual } = received('int8', end)
  for (const [i, largest] of largestOf(end).entries()) {
    assert.ok(Math.abs(into[i] - end[i]) <= (largest / 127) * 0.5001)
    // What is lost for ever is below a 127th of what is lost in this round.
    const gone = into[i] + residual[i] - end[i]
    assert.ok(Math.abs(gone) <= largest / 127 / 2 / 127 + 1e-9)
  }
  // One number of each row is large, and the others are far below a step of int8: without error
  // feedback nothing of these would ever be sent.
  const small = zeros.map((_, i) => (i % 7 === 0 ? 1 : 1e-3))
  assert.is(received('int8', small).into[1], 0)
  let kept: Float32Array | undefined
  const sum = new Float64Array(sizes.parameters)
  for (let round = 0; round < 400; round++) {
    const { bytes, residual } = encode('int8', sizes, zeros, small, kept)
    addChange('int8', sizes, zeros, bytes, sum)
    kept = residual
  }
  for (const i of [1, 8, 346]) assert.ok(Math.abs(sum[i] - 0.4) < 0.4 * 0.03, `${i}: ${sum[i]}`)
})

test('what rounding lost: bytes give it back to the bit, of any size, and again and again', () => {
  const scales = [1, 127, 126.5, 63.5, 3.4e38, 1e-38, 1e-42, 1.4e-45, 127 * 2 ** -149, 2 ** 100]
  for (let i = 0; i < 200; i++) scales.push(10 ** (76 * random() - 38))
  for (const scale of scales) {
    const lost = vector(scale)
    // A row's largest at the limits between two powers, a row of zeros, and one of −0.
    lost.set([127 * 2 ** -5, 1e-9], 0)
    lost.set([Math.fround(127 * 2 ** -5 * (1 + 2 ** -23)), 1e-9], 7)
    lost.fill(0, 354, 362)
    lost.fill(-0, 362)
    const bytes = residualToBytes(sizes, lost)
    const kept = residualOfBytes(sizes, bytes)
    assert.equal(residualToBytes(sizes, kept), bytes)
    for (const [i, most] of largestOf(lost).entries())
      assert.ok(Math.abs(kept[i] - lost[i]) <= Math.max(most / 127, 2 ** -150), `${scale} ${i}`)
    assert.equal(bits(kept.slice(354)), new Array(16).fill(0))
  }
})

test('what a round keeps is what its bytes say, so a death changes no bit', () => {
  const how = { replicas: 2, syncEvery: 2, compress: 'int8', innerState: 'reset' } as const
  const rounds = roundsSetting(how)
  let [here, there]: (Float32Array | undefined)[] = []
  const start = vector(1)
  for (let round = 0; round < 20; round++) {
    const end = start.map((value, i) => value + (0.1 * random() - 0.05) / (1 + (i % 9)))
    const one = encode('int8', sizes, start, end, here)
    const two = encode('int8', sizes, start, end, there)
    assert.equal(one.bytes, two.bytes)
    here = one.residual as Float32Array
    // Another worker has it from the store.
    there = stateOfBytes(stateToBytes({ residual: two.residual }, sizes), sizes, rounds).residual
    assert.equal(bits(there as Float32Array), bits(here))
  }
})

test('the outer step is SGD with Nesterov momentum on the mean change', () => {
  const rounds = roundsSetting({ replicas: 2, syncEvery: 1 })
  const before = { parameters: vector(1), statistics: Float32Array.of(0, 0) }
  const ends = [vector(1), vector(1)]
  const sent = ends.map((end, k) => ({
    change: encode('none', sizes, before.parameters, end).bytes,
    statistics: Float32Array.of(k, 4 * k),
  }))
  const first = outerStep(rounds, sizes, before, undefined, sent)
  assert.equal([...first.weights.statistics], [0.5, 2])
  const second = outerStep(rounds, sizes, first.weights, first.momentum, sent)
  for (let i = 0; i < sizes.parameters; i++) {
    const mean = (ends[0][i] + ends[1][i]) / 2
    // PyTorch: v = μ·v + g, w −= lr·(g + μ·v), with g = w − mean.
    let [w, v] = [before.parameters[i], 0]
    for (const found of [first, second]) {
      const g = w - mean
      v = 0.9 * v + g
      w -= 0.7 * (g + 0.9 * v)
      assert.ok(Math.abs(found.weights.parameters[i] - w) < 1e-6)
    }
  }
})

test.run()
