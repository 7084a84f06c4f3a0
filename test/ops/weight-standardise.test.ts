/** Weight standardisation and its gradient against a float64 reference and finite differences. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { expectNear, forShapes, type RandomShapes } from '../support/ops.js'
import { expectKernels, runWith } from '../support/ops-convolution.js'

/** A weight of a convolution, by groups too, or of a linear layer. */
function randomWeight(r: RandomShapes) {
  const kind = r.pick(['conv', 'image', 'grouped', 'depthwise', 'flat', 'linear'] as const)
  const kernel = [r.int(1, 3), r.int(2, 3)]
  const [N, C] = [r.int(1, 20), r.int(1, 9)]
  const groups = r.int(2, 4)
  const pixels = r.int(1, 4)
  const options = {
    conv: { weight: [N, C, ...kernel] },
    image: { weight: [N, C, ...kernel], image: true },
    grouped: { weight: [groups * 4 * r.int(1, 2), r.int(2, 4), ...kernel], groups },
    depthwise: { weight: [C + 1, 1, ...kernel], groups: C + 1 },
    flat: { weight: [N, (C + 1) * pixels], pixels },
    linear: { weight: [N, C + 1] },
  }[kind]
  const gain = r.chance(0.5)
  return { ...options, gain, engine: r.engine } as const
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

function reference(weight: ArrayLike<number>, N: number, gain: ArrayLike<number> | undefined) {
  const F = weight.length / N
  const y = new Float64Array(weight.length)
  for (let n = 0; n < N; n++) {
    let [mean, squares] = [0, 0]
    for (let k = 0; k < F; k++) mean += weight[n * F + k] / F
    for (let k = 0; k < F; k++) squares += (weight[n * F + k] - mean) ** 2
    const scale = (gain?.[n] ?? 1) / Math.sqrt((F * squares) / (F - 1) + 1e-4)
    for (let k = 0; k < F; k++) y[n * F + k] = scale * (weight[n * F + k] - mean)
  }
  return y
}

test('weightStandardise: mean 0 and variance 1 / F for each output, times its gain', () => {
  forShapes(200, (r) => {
    const options = randomWeight(r)
    const [N] = options.weight
    const [w, gain] = [r.floats(sizeOf(options.weight)), options.gain ? r.floats(N) : undefined]
    const plan = ops.weightStandardise.plan(options)
    expectKernels(plan, 'WeightStandardise')
    expectNear('output', runWith(plan, [w, ...(gain ? [gain] : [])]), reference(w, N, gain))
    return { options }
  })
})

test('weightStandardiseGradient: as central differences of the reference', () => {
  forShapes(200, (r) => {
    const options = randomWeight(r)
    const [N] = options.weight
    const size = sizeOf(options.weight)
    const w = r.floats(size)
    const gain = options.gain ? r.floats(N) : undefined
    const d = r.floats(size)
    const plan = ops.weightStandardiseGradient.plan(options)
    expectKernels(plan, 'WeightStandardiseBackward')
    const changed = d.slice()
    const found = runWith<object>(plan, [w, ...(gain ? [gain] : []), changed])
    const { gradient, gainGradient } = (gain ? found : { gradient: found }) as Record<
      'gradient' | 'gainGradient',
      Float32Array
    >
    assert.is(gradient, changed)
    const loss = (weight: ArrayLike<number>, by: ArrayLike<number> | undefined): number =>
      reference(weight, N, by).reduce((sum, y, i) => sum + y * d[i], 0)
    const difference = (of: Float32Array, i: number, at: (values: Float64Array) => number) => {
      const moved = (by: number): Float64Array => {
        const values = Float64Array.from(of)
        values[i] += by
        return values
      }
      return (at(moved(1e-5)) - at(moved(-1e-5))) / 2e-5
    }
    // A few of them: each takes two passes over the weight.
    const some = Array.from({ length: 6 }, () => r.int(0, size - 1))
    const scale = gradient.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    for (const i of some) {
      const dw = difference(w, i, (weight) => loss(weight, gain))
      assert.ok(Math.abs(gradient[i] - dw) < 1e-4 * scale, `[${i}] is ${gradient[i]}, not ${dw}`)
    }
    if (gain && gainGradient) {
      const n = r.int(0, N - 1)
      const dg = difference(gain, n, (by) => loss(w, by))
      const error = Math.abs(gainGradient[n] - dg)
      assert.ok(error < 1e-4 * (1 + Math.abs(dg)), `gain ${n}: ${gainGradient[n]}, not ${dg}`)
    }
    return { options }
  })
})

test.run()
