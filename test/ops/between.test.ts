/** Ops between neurons against loops in float64: 200 random shapes and more of each. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  delay as delayLayer,
  groupNorm as groupNormLayer,
  scale as scaleLayer,
} from '../../src/index.js'
import * as typed from '../../src/ops/index.js'
import { testRandom } from '../support/engine.js'
import { bySample, byStep } from '../support/frames.js'
import { expectClose } from '../support/measure.js'
import {
  adaptiveTaps,
  delayBack,
  delayed,
  factorOf,
  sampleNormBackward,
  sampleNormForward,
} from '../support/reference-layers.js'

/** Shapes of any rank are known to runs alone. */
const ops = typed as unknown as Record<
  string,
  (options: object, ...args: readonly unknown[]) => Float32Array
>

const seed = Number(process.env.SEED ?? 1)
const ROUNDS = 200

interface Shapes {
  readonly input: readonly number[]
  readonly shape: readonly [number, number, number]
  readonly B: number
  readonly T: number
  integer(from: number, to: number): number
  floats(count: number): Float32Array
}

function shapesOf(round: number, timed?: boolean): Shapes {
  const random = testRandom(seed * 7919 + round)
  const integer = (from: number, to: number): number =>
    from + Math.floor(random() * (to - from + 1))
  const [B, C, H, W] = [integer(1, 3), integer(1, 9), integer(1, 6), integer(1, 6)]
  const hasTime = timed ?? random() < 0.5
  const T = hasTime ? integer(1, 11) : 1
  const floats = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => random() * 4 - 2)
  return { input: [B, ...(hasTime ? [T] : []), C, H, W], shape: [C, H, W], B, T, integer, floats }
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
  for (let round = 0; round < ROUNDS; round++) {
    const { input, shape, floats, integer } = shapesOf(round)
    const x = floats(sizeOf(input))
    const factor = [...floats(integer(0, 1) ? shape[0] : sizeOf(shape))]
    const layer = scaleLayer(factor)
    const expected = x.map((v, i) => Math.fround(v * Math.fround(factorOf(layer, shape, i))))
    assert.equal(ops.scale({ input, factor }, x), expected, `round ${round}`)
  }
})

test('adaptiveAvgPool2d and its gradient', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { input, shape, floats, integer } = shapesOf(round)
    const outputSize = [integer(1, 7), integer(1, 7)] as const
    const to = [shape[0], ...outputSize] as const
    const planes = sizeOf(input) / (shape[1] * shape[2])
    const taps = adaptiveTaps(shape, to)
    const [x, delta] = [floats(sizeOf(input)), floats(planes * outputSize[0] * outputSize[1])]
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
    expectClose(`round ${round}`, ops.adaptiveAvgPool2d(options, x), forward, 1e-6)
    expectClose(`round ${round}`, ops.adaptiveAvgPool2dBackward(options, delta), back, 1e-6)
  }
})

test('groupNorm and its gradients', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { input, shape, floats, integer, T, B } = shapesOf(round)
    const [C, H, W] = shape
    const divisors = Array.from({ length: C }, (_, i) => i + 1).filter((n) => C % n === 0)
    const groups = divisors[integer(0, divisors.length - 1)]
    const [eps, x, delta] = [0.25, floats(sizeOf(input)), floats(sizeOf(input))]
    const [weight, bias] = [floats(C), floats(C)]
    const layer = groupNormLayer(groups, C, { eps })
    const affine = { weight: Float64Array.from(weight), bias: Float64Array.from(bias) }
    const options = { input, groups, eps }
    const all = stepsOf(x, T, B).map((step) => sampleNormForward(layer, shape, step, affine))
    const out = joined(
      all.map((step) => step.out),
      B,
    )
    expectClose(`round ${round}`, ops.groupNorm(options, x, weight, bias), out, 1e-5)
    const gradients = stepsOf(delta, T, B).map((step, t) =>
      sampleNormBackward(layer, shape, { ...all[t], delta: step }, affine),
    )
    const got = ops.groupNormBackward(options, delta, x, weight) as unknown as Record<
      `${'input' | 'weight' | 'bias'}Gradient`,
      Float32Array
    >
    const sum = (role: 'weight' | 'bias'): Float64Array =>
      gradients[0][role].map((_, i) => gradients.reduce((all, g) => all + g[role][i], 0))
    // With one number in a group all of it is rounding.
    if ((C / groups) * H * W > 1)
      expectClose(
        `round ${round} input`,
        got.inputGradient,
        joined(
          gradients.map((g) => g.input),
          B,
        ),
        1e-4,
      )
    expectClose(`round ${round} bias`, got.biasGradient, sum('bias'), 1e-5)
    if ((C / groups) * H * W > 1)
      expectClose(`round ${round} weight`, got.weightGradient, sum('weight'), 1e-4)
  }
})

test('delay of floats and spikes, and its gradient', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { input, shape, floats, integer, T, B } = shapesOf(round, true)
    const by = (): number => integer(0, T + 1)
    const steps = integer(0, 1) ? by() : Array.from({ length: shape[0] }, by)
    const layer = delayLayer(steps)
    const x = floats(sizeOf(input))
    const spikes = Uint8Array.from(x, (v) => (v > 0 ? 1 : 0))
    const options = { input, steps }
    const back = T > 1 ? delayBack(layer, shape, stepsOf(x, T, B), T) : undefined
    assert.equal([...ops.delay(options, x)], joined(delayed(layer, shape, stepsOf(x, T, B)), B))
    assert.equal(
      [...ops.delay({ input, steps, spikes: true }, spikes)],
      joined(delayed(layer, shape, stepsOf(spikes, T, B)), B),
    )
    if (back) assert.equal([...ops.delayBackward(options, x)], joined(back, B))
  }
})

test('concat of floats and spikes, and its parts again', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { input, floats, integer, T, B, shape } = shapesOf(round)
    const [, H, W] = shape
    const head = input.slice(0, -3)
    const widths = Array.from({ length: integer(2, 4) }, () => integer(1, 9))
    const inputs = widths.map((C) => [...head, C, H, W])
    const values = inputs.map((of) => floats(sizeOf(of)))
    const rows = T * B
    const row = (of: ArrayLike<number>, i: number): number[] =>
      Array.from(of).slice((i * of.length) / rows, ((i + 1) * of.length) / rows)
    const whole = (of: readonly ArrayLike<number>[]): number[] =>
      Array.from({ length: rows }, (_, i) => of.flatMap((one) => row(one, i))).flat()
    assert.equal([...ops.concat({ inputs }, ...values)], whole(values))
    const spikes = values.map((of) => Uint8Array.from(of, (v) => (v > 0 ? 1 : 0)))
    assert.equal([...ops.concat({ inputs, spikes: true }, ...spikes)], whole(spikes))
    const parts = ops.split({ inputs }, Float32Array.from(whole(values)))
    assert.equal(
      widths.map((_, i) => (parts as unknown as Record<string, Float32Array>)[`output${i}`]),
      values,
    )
  }
})

test.run()
