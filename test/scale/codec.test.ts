/** What replicas send: round trips, what rounding loses, and bytes that no replica has sent. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Compress, compressions, roundsSetting } from '../../src/scale/rounds/options.js'
import { outerStep } from '../../src/scale/rounds/outer.js'
import { addChange, changeBytes, encode, type Sizes } from '../../src/scale/rounds/vectors.js'
import { messageOf } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'

/** A weight of 3 rows of 5 numbers, a bias, and a single number. */
const sizes: Sizes = {
  parameters: 19,
  statistics: 2,
  states: 1,
  rows: [
    { count: 3, size: 5 },
    { count: 1, size: 3 },
    { count: 1, size: 1 },
  ],
}

const random = testRandom(5)
const vector = (scale: number): Float32Array =>
  Float32Array.from({ length: sizes.parameters }, () => scale * (2 * random() - 1))
const decoded = (compress: Compress, start: Float32Array, bytes: Uint8Array): Float64Array => {
  const into = new Float64Array(sizes.parameters)
  addChange(compress, sizes, start, bytes, into)
  return into
}

test('none gives the parameters themselves', () => {
  const [start, end] = [vector(1), vector(100)]
  const { bytes, residual } = encode('none', sizes, start, end)
  assert.is(residual, undefined)
  const change = decoded('none', start, bytes)
  for (const [i, value] of change.entries()) assert.is(Math.fround(start[i] + value), end[i])
})

test('bfloat16 rounds to the nearest, ties to even', () => {
  const start = new Float32Array(sizes.parameters)
  const end = new Float32Array(sizes.parameters)
  // One place of bfloat16 at 1 is 2⁻⁷: halves between two of them go to the even one.
  end.set([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -1 - 2 ** -8, 1e-40, 0])
  const { bytes } = encode('bfloat16', sizes, start, end)
  const change = decoded('bfloat16', start, bytes)
  assert.equal([...change.slice(0, 4)], [1, 1 + 2 ** -6, 1 + 2 ** -7, -1])
  assert.ok(Math.abs(change[4] - 1e-40) < 5e-41)
  for (let i = 0; i < 1000; i++) {
    const to = vector(10 ** ((i % 20) - 10))
    const found = decoded('bfloat16', start, encode('bfloat16', sizes, start, to).bytes)
    for (const [j, value] of found.entries())
      assert.ok(Math.abs(value - to[j]) <= Math.abs(to[j]) / 256)
  }
})

test('int8 has a scale for each row, and the next change makes up for what was lost', () => {
  const start = new Float32Array(sizes.parameters)
  const end = vector(1)
  // A row of small numbers keeps its own scale; one of zeros has none.
  for (let i = 5; i < 10; i++) end[i] /= 1e6
  end.fill(0, 10, 15)
  const { bytes, residual } = encode('int8', sizes, start, end)
  const found = decoded('int8', start, bytes)
  let at = 0
  for (const { count, size } of sizes.rows)
    for (let row = 0; row < count; row++, at += size) {
      const part = end.slice(at, at + size)
      const largest = Math.max(...part.map(Math.abs))
      for (let i = at; i < at + size; i++) {
        assert.ok(Math.abs(found[i] - end[i]) <= (largest / 127) * 0.5001)
        // What is lost for ever is below a 127th of what is lost in this round.
        const gone = found[i] + (residual as Float32Array)[i] - end[i]
        assert.ok(Math.abs(gone) <= largest / 127 / 2 / 127 + 1e-9)
      }
    }
  // The same small change again and again: what is received keeps up with what was sent.
  const small = new Float32Array(sizes.parameters).fill(0.001)
  small[0] = 1
  let kept: Float32Array | undefined
  const sum = new Float64Array(sizes.parameters)
  const without = new Float64Array(sizes.parameters)
  for (let round = 1; round <= 100; round++) {
    const sent = encode('int8', sizes, start, small, kept)
    kept = sent.residual
    addChange('int8', sizes, start, sent.bytes, sum)
    addChange('int8', sizes, start, encode('int8', sizes, start, small).bytes, without)
  }
  assert.ok(Math.abs(sum[1] - 0.1) < 1 / 127, `${sum[1]}`)
  assert.is(without[1], 0)
})

test('bytes of resnet18 and of these', () => {
  assert.equal(
    compressions.map((compress) => changeBytes(compress, sizes)),
    [76, 38, 19 + 4 * 5],
  )
})

test('bytes that no replica has sent are refused', async () => {
  const start = vector(1)
  for (const compress of compressions) {
    const { bytes } = encode(compress, sizes, start, vector(1))
    for (const length of [0, 1, bytes.length - 1, bytes.length + 4]) {
      const cut = new Uint8Array(length)
      cut.set(bytes.subarray(0, length))
      const message = await messageOf(async () => decoded(compress, start, cut))
      assert.match(message, new RegExp(`must have ${bytes.length} bytes, got ${length}`))
    }
    // NaN and infinities, at any place.
    const wrong = bytes.slice().fill(0xff)
    const message = await messageOf(async () => decoded(compress, start, wrong))
    assert.match(message, /must be finite, got NaN/)
    for (let i = 0; i < 300; i++) {
      const noise = Uint8Array.from(bytes, () => Math.floor(256 * random()))
      try {
        assert.ok(decoded(compress, start, noise).every(Number.isFinite))
      } catch (error) {
        assert.match((error as Error).message, /must be finite/)
      }
    }
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

test('with a rate of 1 and no momentum the outer step takes the mean', () => {
  const rounds = roundsSetting({ replicas: 1, syncEvery: 1, outerLr: 1, outerMomentum: 0 })
  const before = { parameters: vector(1), statistics: new Float32Array(2) }
  const end = vector(1)
  const { bytes } = encode('none', sizes, before.parameters, end)
  const sent = [{ change: bytes, statistics: new Float32Array(2) }]
  const { weights, momentum } = outerStep(rounds, sizes, before, undefined, sent)
  assert.equal([...weights.parameters], [...end])
  assert.is(momentum, undefined)
})

test('an outer step that overflows is refused', async () => {
  const rounds = roundsSetting({ replicas: 1, syncEvery: 1, outerLr: 1e30 })
  const before = { parameters: new Float32Array(19), statistics: new Float32Array(2) }
  const end = new Float32Array(19).fill(1e30)
  const { bytes } = encode('none', sizes, before.parameters, end)
  const sent = [{ change: bytes, statistics: new Float32Array(2) }]
  const message = await messageOf(async () => outerStep(rounds, sizes, before, undefined, sent))
  assert.match(message, /not finite; a lower outerLr/)
})

test.run()
