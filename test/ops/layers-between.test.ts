/** Ops between neurons against loops in float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  delay as delayLayer,
  groupNorm as groupNormLayer,
  scale as scaleLayer,
  upsample as upsampleLayer,
} from '../../src/index.js'
import * as typed from '../../src/ops/index.js'
import { bySample, byStep } from '../support/frames.js'
import { expectClose } from '../support/measure.js'
import { forShapes, type RandomShapes } from '../support/ops.js'
import {
  adaptiveTaps,
  delayBack,
  delayed,
  factorOf,
  sampleNormBackward,
  sampleNormForward,
  upsampleTaps,
} from '../support/reference-layers.js'

/** Shapes of any rank are known to runs alone. */
const ops = typed as unknown as Record<
  string,
  (options: object, ...args: readonly unknown[]) => Float32Array
>

function shapesOf(r: RandomShapes, timed = r.chance(0.5)) {
  const shape = [r.int(1, 9), r.int(1, 6), r.int(1, 6)] as const
  const [B, T] = [r.int(1, 3), timed ? r.int(1, 11) : 1]
  return { input: [B, ...(timed ? [T] : []), ...shape], shape, B, T }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
/** [B][T][…], step by step. */
const stepsOf = (values: ArrayLike<number>, T: number, B: number): Float64Array[] => {
  const all = byStep(Float64Array.from(values), T, B)
  const size = all.length / T
  return Array.from({ length: T }, (_, t) => all.subarray(t * size, (t + 1) * size))
}
const joined = (steps: readonly Float64Array[], B: number): number[] => [
  ...bySample(Float64Array.from(steps.flatMap((x) => [...x])), steps.length, B),
]

test('scale: constants of channels and of neurons', () => {
  forShapes(200, (r) => {
    const { input, shape } = shapesOf(r)
    const x = r.floats(sizeOf(input))
    const factor = [...r.floats(r.chance(0.5) ? shape[0] : sizeOf(shape))]
    const layer = scaleLayer(factor)
    const expected = x.map((v, i) => Math.fround(v * Math.fround(factorOf(layer, shape, i))))
    const options = { input, factor }
    assert.equal(ops.scale(options, x), expected)
    return { options }
  })
})

test('adaptiveAvgPool2d and its gradient', () => {
  forShapes(200, (r) => {
    const { input, shape } = shapesOf(r)
    const outputSize = [r.int(1, 7), r.int(1, 7)] as const
    const to = [shape[0], ...outputSize] as const
    const planes = sizeOf(input) / (shape[1] * shape[2])
    const taps = adaptiveTaps(shape, to)
    const [x, delta] = [r.floats(sizeOf(input)), r.floats(planes * outputSize[0] * outputSize[1])]
    const forward = new Float64Array(delta.length)
    const back = new Float64Array(x.length)
    for (let plane = 0; plane < planes; plane++)
      for (const { out, input: from, share } of taps) {
        const o = plane * to[1] * to[2] + out
        const i = plane * shape[1] * shape[2] + from
        forward[o] += x[i] * share
        back[i] += delta[o] * share
      }
    const options = { input, outputSize }
    expectClose('output', ops.adaptiveAvgPool2d(options, x), forward, 1e-6)
    expectClose('gradient', ops.adaptiveAvgPool2dBackward(options, delta), back, 1e-6)
    return { options }
  })
})

test('upsample and its gradient', () => {
  forShapes(200, (r) => {
    const { input, shape } = shapesOf(r)
    const mode = r.pick(['nearest', 'bilinear'] as const)
    const alignCorners = mode === 'bilinear' && r.chance(0.5)
    const [h, w] = [r.int(1, 13), r.int(1, 13)]
    const scale = r.pick([undefined, 1, 1.5, 2, 3, 0.75])
    const by = scale === undefined ? { size: [h, w] as const } : { scale }
    const scaled = [shape[1], shape[2]].map((n) => Math.floor(n * (scale ?? 1)))
    const sizes = scale === undefined ? [h, w] : scaled
    if (Math.min(...sizes) < 1) return undefined
    const to = [shape[0], sizes[0], sizes[1]] as const
    const planes = sizeOf(input) / (shape[1] * shape[2])
    const layer = upsampleLayer({ ...by, mode, alignCorners })
    const [x, delta] = [r.floats(sizeOf(input)), r.floats(planes * to[1] * to[2])]
    const forward = new Float64Array(delta.length)
    const back = new Float64Array(x.length)
    for (let plane = 0; plane < planes; plane++)
      for (const { out, input: from, share } of upsampleTaps(layer, shape, to)) {
        const o = plane * to[1] * to[2] + out
        const i = plane * shape[1] * shape[2] + from
        forward[o] += x[i] * share
        back[i] += delta[o] * share
      }
    const options = { input, ...by, mode, alignCorners }
    expectClose('output', ops.upsample(options, x), forward, 2e-6)
    expectClose('gradient', ops.upsampleBackward(options, delta), back, 2e-6)
    return { options }
  })
})

/** The examples of PyTorch's page of nn.Upsample. */
test('upsample gives the numbers that PyTorch shows', () => {
  const input = [1, 1, 2, 2]
  const of = (options: object) => [
    ...ops.upsample({ input, ...options }, Float32Array.of(1, 2, 3, 4)),
  ]
  assert.equal(of({ scale: 2 }), [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
  const apart = [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4]
  assert.equal(of({ scale: 2, mode: 'bilinear' }), apart)
  const corners = of({ scale: 2, mode: 'bilinear', alignCorners: true })
  const thirds = [
    1,
    4 / 3,
    5 / 3,
    2,
    5 / 3,
    2,
    7 / 3,
    8 / 3,
    7 / 3,
    8 / 3,
    3,
    10 / 3,
    3,
    10 / 3,
    11 / 3,
    4,
  ]
  expectClose('aligned', corners, thirds, 1e-7)
})

test('groupNorm and its gradients', () => {
  forShapes(200, (r) => {
    const { input, shape, T, B } = shapesOf(r)
    const [C, H, W] = shape
    const divisors = Array.from({ length: C }, (_, i) => i + 1).filter((n) => C % n === 0)
    const groups = divisors[r.int(0, divisors.length - 1)]
    const [eps, x, delta] = [0.25, r.floats(sizeOf(input)), r.floats(sizeOf(input))]
    const [weight, bias] = [r.floats(C), r.floats(C)]
    const layer = groupNormLayer(groups, C, { eps })
    const affine = { weight: Float64Array.from(weight), bias: Float64Array.from(bias) }
    const options = { input, groups, eps }
    const all = stepsOf(x, T, B).map((step) => sampleNormForward(layer, shape, step, affine))
    const out = all.map((step) => step.out)
    expectClose('output', ops.groupNorm(options, x, weight, bias), joined(out, B), 1e-5)
    const gradients = stepsOf(delta, T, B).map((step, t) =>
      sampleNormBackward(layer, shape, { ...all[t], delta: step }, affine),
    )
    const got = ops.groupNormBackward(options, delta, x, weight) as unknown as Record<
      `${'input' | 'weight' | 'bias'}Gradient`,
      Float32Array
    >
    const sum = (role: 'weight' | 'bias'): Float64Array =>
      gradients[0][role].map((_, i) => gradients.reduce((all, g) => all + g[role][i], 0))
    expectClose('bias', got.biasGradient, sum('bias'), 1e-5)
    // With one number in a group all of it is rounding.
    if ((C / groups) * H * W > 1) {
      const back = gradients.map(({ input }) => input)
      expectClose('input', got.inputGradient, joined(back, B), 1e-4)
      expectClose('weight', got.weightGradient, sum('weight'), 1e-4)
    }
    return { options }
  })
})

test('delay of floats and spikes, and its gradient', () => {
  forShapes(200, (r) => {
    const { input, shape, T, B } = shapesOf(r, true)
    const by = (): number => r.int(0, T + 1)
    const steps = r.chance(0.5) ? by() : Array.from({ length: shape[0] }, by)
    const layer = delayLayer(steps)
    const x = r.floats(sizeOf(input))
    const spikes = Uint8Array.from(x, (v) => (v > 0 ? 1 : 0))
    const options = { input, steps }
    assert.equal([...ops.delay(options, x)], joined(delayed(layer, shape, stepsOf(x, T, B)), B))
    assert.equal(
      [...ops.delay({ input, steps, spikes: true }, spikes)],
      joined(delayed(layer, shape, stepsOf(spikes, T, B)), B),
    )
    const back = delayBack(layer, shape, stepsOf(x, T, B), T)
    assert.equal([...ops.delayBackward(options, x)], joined(back, B))
    return { options }
  })
})

/** Shares of taps that a weight at q has. */
function sharesOf(q: number, taps: number, sigma: number | undefined): number[] {
  const held = Math.min(taps - 1, Math.max(0, q))
  const s = Math.abs(sigma ?? 0) + 0.27
  const u = Array.from({ length: taps }, (_, d) =>
    sigma === undefined
      ? Math.max(0, 1 - Math.abs(d - held))
      : Math.exp(-((d - held) ** 2) / (2 * s * s)),
  )
  const sum = u.reduce((a, b) => a + b, 0) + (sigma === undefined ? 0 : 1e-7)
  return u.map((v) => v / sum)
}

test('placeWeights: weights at positions between taps, and its gradients by differences', () => {
  forShapes(200, (r) => {
    const [N, C, count, taps] = [r.int(1, 40), r.int(1, 9), r.int(1, 3), r.int(2, 7)]
    const weight = [N, C, count]
    const gauss = r.chance(0.5)
    const w = r.floats(sizeOf(weight))
    // Off whole taps, where the linear slope jumps; some lie outside.
    const position = r.floats(w.length, 0.4).map((v) => r.int(-1, taps) + 0.5 + v)
    const sigma = r.floats(w.length).map((v) => 3 * v ** 3)
    const kernel = (at: ArrayLike<number>): Float64Array => {
      const out = new Float64Array(N * C * taps)
      for (const [e, v] of w.entries())
        for (const [d, u] of sharesOf(at[e], taps, gauss ? sigma[e] : undefined).entries())
          out[Math.floor(e / count) * taps + d] += v * u
      return out
    }
    const options = { weight, taps, gauss }
    const given = [w, position, ...(gauss ? [sigma] : [])]
    expectClose('kernel', typed.placeWeights(options, ...given), kernel(position), 1e-6)
    const delta = r.floats(N * C * taps)
    const back = typed.placeWeightsBackward(options, ...given, delta)
    const dot = (e: number, q: number): number =>
      sharesOf(q, taps, gauss ? sigma[e] : undefined).reduce(
        (sum, u, d) => sum + u * delta[Math.floor(e / count) * taps + d],
        0,
      )
    const inside = (q: number): boolean => q > 0 && q < taps - 1
    expectClose(
      'weight',
      back.weightGradient,
      Float64Array.from(w, (_, e) => dot(e, position[e])),
      1e-6,
    )
    const slopes = Float64Array.from(w, (v, e) => {
      const q = position[e]
      return inside(q) ? (v * (dot(e, q + 1e-5) - dot(e, q - 1e-5))) / 2e-5 : 0
    })
    const found = back.positionGradient.map((v, e) => (inside(position[e]) ? v : 0))
    expectClose('position', found, slopes, 1e-5)
    return { options }
  })
})

test('concat of floats and spikes, and its parts again', () => {
  forShapes(200, (r) => {
    const { input, T, B, shape } = shapesOf(r)
    const [, H, W] = shape
    const head = input.slice(0, -3)
    const widths = Array.from({ length: r.int(2, 4) }, () => r.int(1, 9))
    const inputs = widths.map((C) => [...head, C, H, W])
    const values = inputs.map((of) => r.floats(sizeOf(of)))
    const rows = T * B
    const row = (of: ArrayLike<number>, i: number): number[] =>
      Array.from(of).slice((i * of.length) / rows, ((i + 1) * of.length) / rows)
    const whole = (of: readonly ArrayLike<number>[]): number[] =>
      Array.from({ length: rows }, (_, i) => of.flatMap((one) => row(one, i))).flat()
    const options = { inputs }
    assert.equal([...ops.concat(options, ...values)], whole(values))
    const spikes = values.map((of) => Uint8Array.from(of, (v) => (v > 0 ? 1 : 0)))
    assert.equal([...ops.concat({ inputs, spikes: true }, ...spikes)], whole(spikes))
    const parts = ops.split(options, Float32Array.from(whole(values)))
    assert.equal(
      widths.map((_, i) => (parts as unknown as Record<string, Float32Array>)[`output${i}`]),
      values,
    )
    return { options }
  })
})

test.run()
