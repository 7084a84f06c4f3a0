/** Weights as whole numbers: what they are, that they are exact, and that they stay the same. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { ofLong } from '../support/long.js'
import { expectSameBits, forShapes, type RandomShapes, randomShapes } from '../support/ops.js'
import { expectKernels, runWith } from '../support/ops-convolution.js'
import { runStrictly } from '../support/strict.js'

const types = [
  ['int8', 127],
  ['int6', 31],
] as const

interface Whole {
  readonly values: Int8Array
  readonly scales: Float32Array
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** To the nearest integer, halves to even. */
function nearest(x: number): number {
  const floor = Math.floor(x)
  const isUp = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0)
  return isUp ? floor + 1 : floor
}

/** The least number of 17 significant bits that is not below. */
function up17(x: number): number {
  if (x === 0) return 0
  const unit = 2 ** (Math.floor(Math.log2(x)) - 16)
  // A logarithm may round up to the next power of two.
  const fine = x / unit < 2 ** 16 ? unit / 2 : unit
  return Math.ceil(x / fine) * fine
}

function reference(weight: Float32Array, N: number, most: number): Whole {
  const each = weight.length / N
  const scales = Float32Array.from({ length: N }, (_, n) => {
    const channel = weight.subarray(n * each, (n + 1) * each)
    return up17(channel.reduce((max, w) => Math.max(max, Math.abs(w)), 0) / most)
  })
  const values = Int8Array.from(weight, (w, i) => {
    const scale = scales[Math.floor(i / each)]
    return scale === 0 ? 0 : nearest(Math.fround(w / scale))
  })
  return { values, scales }
}

/** A shape of a convolution or of a linear layer; blocks of all widths. */
const randomWeight = (r: RandomShapes): number[] =>
  r.chance(0.5)
    ? [r.int(1, 70), r.int(1, 9), r.int(1, 3), r.int(1, 3)]
    : [r.int(1, 70), r.int(1, 20)]

for (const [weightType, most] of types)
  test(`quantiseWeight: ${weightType} of random shapes, as a reference, and back`, () => {
    forShapes(200, (r) => {
      const shape = randomWeight(r)
      const [N] = shape
      const each = sizeOf(shape) / N
      const weight = r
        .floats(sizeOf(shape))
        .map((w, i) => (Math.floor(i / each) % 5 === 4 ? 0 : w * 10 ** (Math.floor(i / each) % 9)))
      const options = { weight: shape, weightType, engine: r.engine }
      const plan = () => ops.quantiseWeight.plan(options)
      expectKernels(plan(), 'Quantise')
      const found = runStrictly<Whole>(r, plan, [weight])
      expectSameBits('whole numbers', found, reference(weight, N, most))
      const { values, scales } = found
      const back = runStrictly(r, () => ops.dequantiseWeight.plan(options), [values, scales])
      for (const [i, w] of back.entries()) {
        const scale = scales[Math.floor(i / each)]
        // Products of float64 are exact.
        assert.is(w, values[i] * scale + 0, `${i}`)
        assert.ok(Math.abs(weight[i] - w) <= 0.500001 * scale, `${weight[i]} became ${w}`)
      }
      expectSameBits('again', plan().run(back), found)
      return { options }
    })
  })

for (const [weightType, most] of types)
  test(`quantiseWeight: ${weightType} of what ${weightType} are stays, in all channels`, () => {
    const N = 800
    const each = 25
    const shape = [N, each]
    const quantise = ops.quantiseWeight.plan({ weight: shape, weightType })
    const dequantise = ops.dequantiseWeight.plan({ weight: shape, weightType })
    for (let round = 0; round < ofLong(5, 100); round++) {
      const r = randomShapes(round)
      const size = Float32Array.from({ length: N }, () => 2 ** r.int(-126, 120))
      const weight = r.floats(N * each).map((w, i) => w * size[Math.floor(i / each)])
      const first = quantise.run(weight)
      const [values, scales] = [first.values.slice(), first.scales.slice()]
      const back = dequantise.run(values, scales).slice()
      for (let n = 0; n < N; n++) {
        const own = values.subarray(n * each, (n + 1) * each)
        assert.is(
          own.reduce((max, q) => Math.max(max, Math.abs(q)), 0),
          most,
        )
      }
      expectSameBits(`round ${round}`, quantise.run(back), { values, scales })
    }
  })

test('quantiseWeight: halves to even, zeros, and numbers that are none', () => {
  const rows = [
    [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 63.5],
    [0, -0, 0, 0, 0, 0, 0, 0],
    [Number.NaN, 1, 2, -3, 4, 5, 6, 7],
    [Number.POSITIVE_INFINITY, 1, 2, -3, 4, 5, 6, -7],
    [1, Number.NEGATIVE_INFINITY, 0, 0, 0, 0, 0, 0],
  ]
  const given = { weight: [5, 8] }
  const { values, scales } = ops.quantiseWeight(given, Float32Array.from(rows.flat()))
  assert.equal([...values.subarray(0, 8)], [127, 0, 2, 2, 0, -2, -2, 64])
  assert.ok(values.subarray(8).every((q) => q === 0))
  assert.is(scales[0], 1)
  assert.is(scales[1], 0)
  assert.equal([...scales.subarray(2)].map(Number.isFinite), [false, false, false])
  const back = ops.dequantiseWeight(given, values, scales)
  assert.ok(back.subarray(8, 16).every((w) => w === 0))
  assert.ok(back.subarray(16).every((w) => !Number.isFinite(w)))
})

test('quantiseWeight: the largest weights, and scales of fewer than 17 bits', () => {
  const least = 2 ** -149
  for (const [weightType, most] of types)
    for (const size of [1, 2, 126, 127, 128, 178, 1000, 16130, 2 ** 20, 2 ** 23 + 1]) {
      const weight = [size, -size, Math.floor(size / 2), 1].map((w) => w * least)
      const options = { weight: [1, 4], weightType }
      const { values, scales } = ops.quantiseWeight(options, Float32Array.from(weight))
      const back = ops.dequantiseWeight(options, values, scales)
      assert.ok(scales[0] >= (size * least) / most && scales[0] > 0, `${size}`)
      for (const [i, w] of weight.entries()) {
        assert.ok(Math.abs(values[i]) <= most, `${size} became ${values[i]}`)
        assert.is(back[i], values[i] * scales[0])
        assert.ok(Math.abs(back[i] - w) <= scales[0] / 2, `${w} became ${back[i]}`)
      }
    }
  const most = 2 ** 128 - 2 ** 104
  for (const [size, third] of [
    [3e38, 1e38],
    [most, most / 3],
  ])
    for (const [weightType, largest] of types) {
      const options = { weight: [1, 4], weightType }
      const weight = Float32Array.of(size, -size, third, 0)
      const made = ops.quantiseWeight(options, weight)
      assert.equal([...made.values], [largest, -largest, Math.round(largest / 3), 0])
      const back = ops.dequantiseWeight(options, made.values, made.scales)
      assert.is(back[0], largest * made.scales[0])
      assert.ok(Number.isFinite(back[0]) && Math.abs(back[0] / size - 1) < 2 ** -15)
      assert.equal(ops.quantiseWeight(options, back), made)
    }
})

test('quantiseWeight: a tensor that is written again is what a new one is', () => {
  const r = randomShapes(4)
  const plan = ops.dequantiseWeight.plan({ weight: [5, 3], weightType: 'int6' })
  const scales = new Float32Array(5).fill(1)
  for (let run = 0; run < 3; run++) {
    const values = Int8Array.from({ length: 15 }, () => r.int(-31, 31))
    assert.equal([...runWith(plan, [values, scales])], [...values])
  }
})

test.run()
