/** Ops of values that are made of others, against their definitions in float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as typed from '../../src/ops/index.js'
import { bySample, byStep } from '../support/frames.js'
import { expectNear, forShapes, type RandomShapes } from '../support/ops.js'
import { runStrictly } from '../support/strict.js'
import { type Numbers, numericOps } from '../support/values.js'

/** Shapes of any rank are known to runs alone. */
const ops = typed as unknown as Record<string, { plan(options: object): typed.PlanInfo }>

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

interface Given {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** A shape as ops have it, and numbers. */
function given(r: RandomShapes, B: number, T: number, timed: boolean, image: readonly number[]) {
  const shape = [B, ...(timed ? [T] : []), ...image]
  return { shape, values: r.floats(sizeOf(shape), 2) }
}

/** The same as a value of T steps. */
function numbersOf({ shape, values }: Given, B: number, T: number, series = false): Numbers {
  const image = shape.length % 2 === 1 ? shape.slice(2) : shape.slice(1)
  const own = shape.length % 2 === 1 ? T : 1
  const all = byStep(Float64Array.from(values), own, B)
  const size = all.length / own
  const steps = Array.from({ length: T }, (_, t) => {
    const at = own === 1 ? 0 : t
    return all.subarray(at * size, (at + 1) * size)
  })
  const [c, h = 1, w = 1] = image
  return { shape: [c, h, w], flat: image.length === 1, series, node: 1, steps }
}

const arrayOf = ({ steps }: Numbers, B: number): Float64Array =>
  bySample(Float64Array.from(steps.flatMap((x) => [...x])), steps.length, B)

test('mul: factors with sizes of 1 or without T, and sums', () => {
  forShapes(200, (r) => {
    const [B, T] = [r.int(1, 3), r.int(2, 9)]
    const isImage = r.chance(0.7)
    const whole = isImage ? [r.int(1, 9), r.int(1, 6), r.int(1, 7)] : [r.int(1, 40)]
    const timed = r.chance(0.6)
    const others = whole.map((n) => (r.chance(0.4) ? 1 : n))
    const a = given(r, B, T, timed, whole)
    const b = given(r, B, T, timed && r.chance(0.5), others)
    const sums = whole.map((n, i) => (r.chance(0.4) && (i > 0 || others[0] === n) ? 1 : n))
    const output = r.chance(0.5) ? [B, ...(timed && r.chance(0.5) ? [T] : []), ...sums] : undefined
    const [first, second] = r.chance(0.5) ? [a, b] : [b, a]
    const options = { a: first.shape, b: second.shape, ...(output ? { output } : {}) }
    const steps = timed ? T : 1
    const product = numericOps(B).mul(
      numbersOf(first, B, steps),
      numbersOf(second, B, steps),
    ) as Numbers
    const result = runStrictly(r, () => ops.mul.plan(options), [first.values, second.values])
    if (!output) expectNear('product', result, arrayOf(product, B))
    else {
      const sum = new Float64Array(sizeOf(output))
      const [c, h = 1, w = 1] = sums
      const hasSteps = output.length > 1 + whole.length
      product.steps.forEach((step, t) => {
        step.forEach((v, i) => {
          const [C, H, W] = product.shape
          const [x, y, n] = [i % W, Math.floor(i / W) % H, Math.floor(i / (H * W)) % C]
          const image = Math.floor(i / (C * H * W)) * (hasSteps ? steps : 1) + (hasSteps ? t : 0)
          const at = ((image * c + (n % c)) * h + (y % h)) * w + (x % w)
          sum[at] += v
        })
      })
      expectNear('sum', result, sum)
    }
    return { options }
  })
})

test('bmm: heads, transposed matrices, factors without T, sums over steps', () => {
  forShapes(200, (r) => {
    const [B, T, heads] = [r.int(1, 3), r.int(2, 5), r.int(1, 3)]
    const [M, K, N] = [r.int(1, 12), r.pick([1, 3, 8, 20, 300]), r.pick([1, 2, 9, 70, 130])]
    const [transposeA, transposeB] = [r.chance(0.5), r.chance(0.5)]
    const [left, right] = [transposeA ? [K, M] : [M, K], transposeB ? [N, K] : [K, N]]
    const timed = r.chance(0.6)
    const a = given(r, B, T, timed, [heads * left[0], 1, left[1]])
    const b = given(r, B, T, timed && r.chance(0.5), [heads * right[0], 1, right[1]])
    const sum = timed && r.chance(0.5)
    const own = { transposeA, transposeB, heads }
    const options = { a: a.shape, b: b.shape, ...own, sum }
    const steps = timed ? T : 1
    const [x, y] = [numbersOf(a, B, steps, true), numbersOf(b, B, steps, true)]
    const product = numericOps(B).matmul(x, y, own) as Numbers
    const all = product.steps[0].map((_, i) => product.steps.reduce((s, v) => s + v[i], 0))
    const expected = sum ? { ...product, steps: [all] } : product
    expectNear(
      'product',
      runStrictly(r, () => ops.bmm.plan(options), [a.values, b.values]),
      arrayOf(expected, B),
    )
    return { options }
  })
})

test('softmax along each size', () => {
  forShapes(200, (r) => {
    const [B, T] = [r.int(1, 3), r.int(2, 9)]
    const image = r.chance(0.7) ? [r.int(1, 9), r.int(1, 6), r.int(1, 7)] : [r.int(1, 40)]
    const timed = r.chance(0.6)
    const x = given(r, B, T, timed, image)
    // Large numbers overflow without their maximum taken away.
    if (r.chance(0.3)) x.values.set(x.values.map((v) => v + 600))
    const dim = r.chance(0.3) ? -1 : r.int(1, image.length)
    const options = { input: x.shape, dim }
    const shifted = { ...x, values: x.values.map((v) => (v > 300 ? v - 600 : v)) }
    const expected = numericOps(B).softmax(numbersOf(shifted, B, timed ? T : 1), dim) as Numbers
    expectNear(
      'softmax',
      runStrictly(r, () => ops.softmax.plan(options), [x.values]),
      arrayOf(expected, B),
    )
    return { options }
  })
})

test('slice of floats and spikes, and its gradient', () => {
  forShapes(200, (r) => {
    const [B, T] = [r.int(1, 3), r.int(2, 19)]
    const image = r.chance(0.7) ? [r.int(1, 40), r.int(1, 6), r.int(1, 7)] : [r.int(1, 40)]
    const timed = r.chance(0.6)
    const dim = r.int(1, image.length)
    const from = r.int(0, image[dim - 1] - 1)
    const to = r.pick([undefined, r.int(from + 1, image[dim - 1])])
    const x = given(r, B, T, timed, image)
    const options = { input: x.shape, from, dim, ...(to === undefined ? {} : { to }) }
    const steps = timed ? T : 1
    const part = (values: Float32Array): Float64Array =>
      arrayOf(
        numericOps(B).slice(numbersOf({ ...x, values }, B, steps), from, to, dim) as Numbers,
        B,
      )
    assert.equal(
      [...runStrictly(r, () => ops.slice.plan(options), [x.values])],
      [...part(x.values)],
    )
    const spikes = r.spikes(x.values.length)
    const of = runStrictly(r, () => ops.slice.plan({ ...options, spikes: true }), [spikes])
    assert.equal([...of], [...part(Float32Array.from(spikes))])
    // Where a number comes from.
    const places = part(Float32Array.from(x.values, (_, i) => i + 1))
    const delta = r.floats(places.length)
    const expected = new Float64Array(x.values.length)
    for (const [i, v] of delta.entries()) expected[places[i] - 1] = v
    assert.equal([...runStrictly(r, () => ops.sliceBackward.plan(options), [delta])], [...expected])
    return { options }
  })
})

test.run()
