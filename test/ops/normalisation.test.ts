/** Batch normalisation, against float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { storedChannels } from '../../src/compile/layout.js'
import * as ops from '../../src/ops/index.js'
import { sumOverTime } from '../support/frames.js'
import {
  expectNear,
  expectSameBits,
  forShapes,
  type RandomShapes,
  randomShapes,
} from '../support/ops.js'
import { runWith } from '../support/ops-convolution.js'

/** A random extent; its shape is [B, T, C, H, W] without the axes that are not there. */
function randomExtent(r: RandomShapes) {
  const timed = r.chance(0.6)
  const T = timed ? r.pick([1, 2, 3, 4, 9]) : 1
  const B = r.int(1, 3)
  const C = r.pick([1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 40])
  const flat = r.chance(0.3)
  const [H, W] = flat ? [1, 1] : [r.int(1, 4), r.int(1, 4)]
  const shape = [B, ...(timed ? [T] : []), C, ...(flat ? [] : [H, W])]
  const P = H * W
  return { timed, T, B, C, P, shape, count: T * B * C * P }
}
type Extent = ReturnType<typeof randomExtent>

/** Calls back with the channel, the step and the index of each number. */
function each({ T, B, C, P }: Extent, visit: (c: number, t: number, i: number) => void): void {
  for (let b = 0, i = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) for (let p = 0; p < P; p++, i++) visit(c, t, i)
}

/** Sums of f for each group and channel, at index group · C + channel. */
function sums(e: Extent, byStep: boolean, f: (i: number, at: number) => number): Float64Array {
  const all = new Float64Array((byStep ? e.T : 1) * e.C)
  each(e, (c, t, i) => {
    const at = (byStep ? t * e.C : 0) + c
    all[at] += f(i, at)
  })
  return all
}

/** Numbers around a mean of each channel's own. */
function randomInput(r: RandomShapes, e: Extent): Float32Array {
  const means = r.floats(e.C, 3)
  const x = r.floats(e.count, 2)
  each(e, (c, _t, i) => {
    x[i] += means[c]
  })
  return x
}

/** As `expectNear`, but errors may be so large as those of numbers of this size. */
function near(what: string, values: Float32Array, reference: Float64Array, size: number): void {
  expectNear(what, [...values, size], [...reference, size], 1e-5)
}

const everything = ['output', 'mean', 'invStd', 'scale', 'shift'] as const

test('batchNorm in training, m and s, from the input and from partial sums', () => {
  const seen = new Set<string>()
  forShapes(260, (r) => {
    const e = randomExtent(r)
    const byStep = r.chance(0.5)
    const affine = r.chance(0.8)
    const fromSums = !byStep && r.chance(0.3)
    const still = !e.timed && r.chance(0.5) ? r.int(2, 9) : 1
    const [eps, momentum] = [r.pick([1e-5, 0.1]), r.pick([0.1, 0.4, 0, 1])]
    const stored = storedChannels(e.C)
    const rows = e.count / e.C
    const units = r.int(1, Math.min(3, rows))
    const rule = { eps, momentum, affine, stepMode: byStep ? ('s' as const) : ('m' as const) }
    const options = {
      ...rule,
      input: e.shape,
      engine: r.engine,
      ...(!e.timed && { timeSteps: still }),
      ...(fromSums && { moments: [units, 4, stored] }),
    }
    const x = randomInput(r, e)
    const [mean0, var0] = [r.floats(e.C), r.floats(e.C).map((v) => v + 2)]
    const running = [mean0.slice(), var0.slice()]
    const parameters = affine ? [r.floats(e.C, 2), r.floats(e.C)] : []
    const bn = ops.batchNorm.plan({ ...options, outputs: everything })
    const moments = fromSums ? [partialSums(e, x, units, stored)] : []
    const given = [x, ...running, ...parameters, ...moments]
    const y = runWith<Record<string, Float32Array>>(bn, given)
    assert.equal(bn.kernels, [...(fromSums ? [] : ['NormStatistics']), 'NormFinish', 'Materialise'])
    seen.add(`${byStep} ${affine} ${fromSums} ${e.timed} ${still > 1}`)

    const n = rows / (byStep ? e.T : 1)
    const mean = sums(e, byStep, (i) => x[i]).map((s) => s / n)
    const variance = sums(e, byStep, (i, at) => (x[i] - mean[at]) ** 2).map((s) => s / n)
    const invStd = variance.map((v) => 1 / Math.sqrt(v + eps))
    const [weight, bias] = affine ? parameters : [x.slice(0, 0), x.slice(0, 0)]
    const scale = invStd.map((s, at) => s * (affine ? weight[at % e.C] : 1))
    const shift = scale.map((s, at) => (affine ? bias[at % e.C] : 0) - mean[at] * s)
    const output = new Float64Array(e.count)
    each(e, (c, t, i) => {
      const at = (byStep ? t * e.C : 0) + c
      output[i] = scale[at] * x[i] + shift[at]
    })
    const size = scale.reduce((a, s) => Math.max(a, 5 * Math.abs(s)), 0)
    near('output', y.output, output, size)
    near('mean', y.mean, mean, 5)
    near('invStd', y.invStd, invStd, 0)
    near('scale', y.scale, scale, 0)
    near('shift', y.shift, shift, size)

    // Unbiased: over the samples, of which each stands for all steps in mode m.
    const samples = n * (byStep ? 1 : still)
    const unbias = samples > 1 ? samples / (samples - 1) : 1
    const [m1, v1] = [Float64Array.from(mean0), Float64Array.from(var0)]
    for (let g = 0; g < mean.length / e.C; g++)
      for (let again = 0; again < (byStep ? still : 1); again++)
        for (let c = 0; c < e.C; c++) {
          m1[c] = (1 - momentum) * m1[c] + momentum * mean[g * e.C + c]
          v1[c] = (1 - momentum) * v1[c] + momentum * unbias * variance[g * e.C + c]
        }
    near('runningMean', running[0], m1, 5)
    near('runningVar', running[1], v1, 5)
    if (byStep) {
      const all = runWith(ops.batchNorm.plan({ ...options, outputs: ['meanInvStd'] }), given)
      near('meanInvStd', all, sumOverTime(invStd, e.T, e.C, 1 / e.T), 0)
    }
    return { options }
  })
  assert.ok(seen.size >= 12, `${seen.size} kinds`)
})

/** Partial sums as `conv2d` gives them: count, a row x0, Σ d, Σ d² with d = x − x0. */
function partialSums(e: Extent, x: Float32Array, units: number, stored: number): Float32Array {
  const rows = e.count / e.C
  const all = new Float64Array(units * 4 * stored)
  const row = new Uint32Array(e.C)
  each(e, (c, _t, i) => {
    const at = Math.floor((row[c]++ * units) / rows) * 4 * stored + c
    if (all[at]++ === 0) all[at + stored] = x[i]
    const d = x[i] - all[at + stored]
    all[at + 2 * stored] += d
    all[at + 3 * stored] += d * d
  })
  return Float32Array.from(all)
}

test('batchNorm by running statistics, which stay', () => {
  forShapes(200, (r) => {
    const e = randomExtent(r)
    const eps = r.pick([1e-5, 0.01])
    const options = { input: e.shape, eps, training: false, engine: r.engine } as const
    const x = randomInput(r, e)
    const [mean, weight, bias] = [r.floats(e.C), r.floats(e.C), r.floats(e.C)]
    const variance = r.floats(e.C).map((v) => v + 1.01)
    const before = [mean.slice(), variance.slice()]
    const bn = ops.batchNorm.plan({ ...options, outputs: ['output', 'scale', 'shift'] })
    const y = bn.run(x, mean, variance, weight, bias)
    assert.equal(bn.kernels, ['NormEvaluate', 'Materialise'])
    expectSameBits('statistics', [mean, variance], before)
    const scale = Float64Array.from(weight, (w, c) => w / Math.sqrt(variance[c] + eps))
    const shift = Float64Array.from(bias, (b, c) => b - mean[c] * scale[c])
    const output = new Float64Array(e.count)
    each(e, (c, _t, i) => {
      output[i] = x[i] * scale[c] + shift[c]
    })
    const size = scale.reduce((a, s) => Math.max(a, 5 * Math.abs(s)), 1)
    near('output', y.output, output, size)
    near('scale', y.scale, scale, 0)
    near('shift', y.shift, shift, size)
    return { options }
  })
})

test('batchNormBackward from the input and from x̂, m and s, added up or not', () => {
  const seen = new Set<string>()
  forShapes(260, (r) => {
    const e = randomExtent(r)
    const stepMode = r.pick(['m', 's'] as const)
    const byStep = stepMode === 's' && e.timed
    const normalised = r.chance(0.5)
    const affine = r.chance(0.8)
    const accumulate = affine && r.chance(0.4)
    const options = { input: e.shape, stepMode, normalised, affine, accumulate, engine: r.engine }
    const delta = r.floats(e.count)
    const vectors = (byStep ? e.T : 1) * e.C
    const [x, mean] = [r.floats(e.count), r.floats(vectors)]
    const invStd = r.floats(vectors).map((v) => v + 1.5)
    const weight = affine ? [r.floats(e.C, 2)] : []
    const before = [r.floats(e.C), r.floats(e.C)]
    const sum = accumulate ? before.map((v) => v.slice()) : []
    const plan = ops.batchNormBackward.plan(options)
    const given = [delta, x, ...(normalised ? [] : [mean]), invStd, ...weight, ...sum]
    const result = runWith<object>(plan, given)
    const y = (affine ? result : { inputGradient: result }) as Record<string, Float32Array>
    assert.equal(plan.kernels, ['NormBackwardReduce', 'NormBackwardFinish', 'NormBackwardApply'])
    seen.add(`${byStep} ${normalised} ${accumulate}`)

    const hat = new Float64Array(e.count)
    const groupOf = new Uint32Array(e.count)
    each(e, (c, t, i) => {
      const at = (byStep ? t * e.C : 0) + c
      groupOf[i] = at
      hat[i] = normalised ? x[i] : (x[i] - mean[at]) * invStd[at]
    })
    const n = (e.count * (byStep ? 1 / e.T : 1)) / e.C
    const sumOf = sums(e, byStep, (i) => delta[i])
    const products = sums(e, byStep, (i) => delta[i] * hat[i])
    const inputGradient = Float64Array.from(hat, (h, i) => {
      const at = groupOf[i]
      const a = (affine ? weight[0][at % e.C] : 1) * invStd[at]
      return a * (delta[i] - sumOf[at] / n - (h * products[at]) / n)
    })
    near('inputGradient', y.inputGradient, inputGradient, 10)
    for (const [k, name] of (affine ? ['weightGradient', 'biasGradient'] : []).entries()) {
      const total = Float64Array.from(accumulate ? before[k] : new Float32Array(e.C))
      for (const [at, value] of (k === 0 ? products : sumOf).entries()) total[at % e.C] += value
      near(name, y[name], total, n)
      if (accumulate) assert.is(y[name], sum[k])
    }
    return { options }
  })
  assert.ok(seen.size >= 8, `${seen.size} kinds`)
})

test('running statistics stay where a variance is not finite, and that is told', () => {
  const norm = ops.batchNorm.plan({ input: [2, 2], affine: false })
  const running = [new Float32Array([1, 2]), new Float32Array([3, 4])] as const
  norm.run(new Float32Array([1, 1, Number.POSITIVE_INFINITY, 5]), ...running)
  assert.is(norm.nonFinite?.[0], 1)
  assert.equal([running[0][0], running[1][0]], [1, 3])
  assert.ok(running[0][1] !== 2 && running[1][1] !== 4)
})

test('a statistic of one value: variance 0, and the running one moves towards 0', () => {
  const [mean, variance] = [new Float32Array(1), Float32Array.of(1)]
  const norm = ops.batchNorm.plan({ input: [1, 1], outputs: ['output', 'invStd'] })
  const { output, invStd } = norm.run(
    Float32Array.of(3),
    mean,
    variance,
    Float32Array.of(2),
    Float32Array.of(0.5),
  )
  expectNear('invStd', invStd, [1 / Math.sqrt(1e-5)], 1e-6)
  assert.ok(Math.abs(output[0] - 0.5) < 1e-3)
  expectNear('running', [mean[0], variance[0]], [0.3, 0.9], 1e-6)
  assert.is(norm.nonFinite?.[0], 0)
})

test('values far from zero keep their variance', () => {
  const r = randomShapes(6)
  const [rows, C] = [1000, 5]
  const x = Float32Array.from({ length: rows * C }, () => 1e4 + r.int(0, 64) / 64)
  const none = () => new Float32Array(C)
  const options = { input: [rows, C], affine: false, outputs: ['invStd'] } as const
  const invStd = ops.batchNorm.plan(options).run(x, none(), none())
  const wanted = Array.from(none(), (_, c) => {
    const values = Array.from({ length: rows }, (_, i) => x[i * C + c])
    const mean = values.reduce((a, v) => a + v, 0) / rows
    return 1 / Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / rows + 1e-5)
  })
  expectNear('invStd', invStd, wanted, 1e-5)
})

test.run()
