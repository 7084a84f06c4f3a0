/** Matrix products, outputs, losses, SGD, zeros and sums, against float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rmsprop } from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { stillOf } from '../support/frames.js'
import { expectNear, expectSameBits, forShapes, type RandomShapes } from '../support/ops.js'

const engineOf = (r: RandomShapes): 'debug' | 'release' => (r.seed % 20 === 0 ? 'debug' : 'release')

for (const transpose of ['NN', 'NT', 'TN'] as const)
  test(`matmul ${transpose}`, () => {
    forShapes(200, (r) => {
      // Some deeper than a panel, some with more rows than are packed together.
      const M = r.chance(0.05) ? r.int(120, 140) : r.int(1, 20)
      const K = r.chance(0.05) ? r.int(250, 520) : r.int(1, 30)
      const N = r.int(1, 20)
      const [aShape, bShape] = [transpose === 'TN' ? [K, M] : [M, K], [K, N]]
      if (transpose === 'NT') bShape.reverse()
      const options = { a: aShape, b: bShape, transpose, engine: engineOf(r) }
      const [a, b] = [r.floats(M * K), r.floats(K * N)]
      const product = ops.matmul.plan(options)
      const y = product.run(a, b)
      assert.equal(product.kernels, [`matmul${transpose}`])
      const expected = new Float64Array(M * N)
      for (let m = 0; m < M; m++)
        for (let n = 0; n < N; n++)
          for (let k = 0; k < K; k++)
            expected[m * N + n] +=
              a[transpose === 'TN' ? k * M + m : m * K + k] *
              b[transpose === 'NT' ? n * K + k : k * N + n]
      expectNear('output', [...y, 1], [...expected, 1])
      product.output.fill(0)
      product.bare()
      expectSameBits('again', product.output, y)
      return { options }
    })
  })

/** Logits, or those of all steps, with the mean over time and its greatest class. */
function randomLogits(r: RandomShapes) {
  const timed = r.chance(0.6)
  const T = timed ? r.pick([1, 2, 4, 9, 32]) : 1
  const steps = timed ? T : r.pick([1, 1, 3, 8])
  const [B, C] = [r.int(1, 5), r.pick([1, 2, 3, 4, 5, 10, 17, 33])]
  const x = r.floats(T * B * C, 4)
  const mean = new Float64Array(B * C)
  const still = stillOf(T, C)
  for (const [i, v] of x.entries()) mean[still(i)] += v / T
  const greatest = Array.from({ length: B }, (_, b) => {
    const row = mean.subarray(b * C, (b + 1) * C)
    return row.indexOf(Math.max(...row))
  })
  const input = [B, ...(timed ? [T] : []), C]
  const options = { input, ...(!timed && steps > 1 && { timeSteps: steps }), engine: engineOf(r) }
  return { T, steps, B, C, x, mean, greatest, options }
}

test('timeMean', () => {
  forShapes(200, (r) => {
    const { x, mean, greatest, options } = randomLogits(r)
    const plan = ops.timeMean.plan(options)
    const { output, predictions } = plan.run(x)
    assert.equal(plan.kernels, ['Output'])
    expectNear('output', output, mean)
    assert.equal([...predictions], greatest)
    return { options }
  })
})

/** Loss of some logits, and its gradient. */
function lossOf(y: ArrayLike<number>, target: number, m: number) {
  const values = Array.from(y)
  const highest = Math.max(...values)
  const sum = values.reduce((a, v) => a + Math.exp(v - highest), 0)
  const hot = values.map((_, c) => (c === target ? 1 : 0))
  const entropy = Math.log(sum) + highest - values[target]
  const mse = values.reduce((a, v, c) => a + (v - hot[c]) ** 2, 0) / values.length
  const gradient = values.map(
    (v, c) =>
      (1 - m) * (Math.exp(v - highest) / sum - hot[c]) + ((2 * m) / values.length) * (v - hot[c]),
  )
  return { loss: (1 - m) * entropy + m * mse, gradient }
}

const everything = ['loss', 'gradient', 'predictions', 'correct', 'losses', 'output'] as const

test('crossEntropy of the time mean and of each step, with padding and a squared error', () => {
  const seen = new Set<string>()
  forShapes(300, (r) => {
    const { T, steps, B, C, x, mean, greatest, options: given } = randomLogits(r)
    const instantaneous = r.chance(0.5)
    const over = r.pick(['images', 'imagesAndSteps'] as const)
    const mseWeight = r.pick([0, 0.05, 1])
    const options = { ...given, instantaneous, over, mseWeight }
    const target = Int32Array.from({ length: B }, () => r.int(0, C - 1))
    const valid = r.int(1, B)
    const withMask = instantaneous && r.chance(0.5)
    const masked = Array.from({ length: steps }, (_, t) => t).filter(() => r.chance(0.5))
    const plan = ops.crossEntropy.plan({ ...options, outputs: everything })
    const settings = { valid, ...(withMask && { gradientSteps: masked }) }
    const y = plan.run(x, target, settings)
    assert.equal(plan.kernels, ['Output', 'CrossEntropy'])
    seen.add(`${instantaneous} ${over} ${mseWeight} ${withMask}`)

    const scale = 1 / valid / (over === 'images' ? 1 : steps)
    const losses = new Float64Array(B)
    const gradient = new Float64Array(instantaneous ? x.length : B * C)
    const wanted = (t: number): number => (!withMask || masked.includes(t) ? 1 : 0)
    for (let b = 0; b < valid; b++) {
      if (!instantaneous) {
        const of = lossOf(mean.subarray(b * C, (b + 1) * C), target[b], mseWeight)
        losses[b] = of.loss
        gradient.set(
          of.gradient.map((g) => g * scale),
          b * C,
        )
        continue
      }
      for (let t = 0; t < T; t++) {
        const at = (b * T + t) * C
        const of = lossOf(x.subarray(at, at + C), target[b], mseWeight)
        losses[b] += of.loss / T
        // The same logits at every step have the sum of the steps' gradients.
        const all = Array.from({ length: steps }, (_, step) => wanted(step))
        const times = T > 1 || steps === 1 ? wanted(t) : all.reduce((sum, v) => sum + v, 0)
        gradient.set(
          of.gradient.map((g) => g * scale * times),
          at,
        )
      }
    }
    expectNear('losses', [...y.losses, 1], [...losses, 1])
    const loss = losses.reduce((a, v) => a + v, 0) / valid
    expectNear('loss', y.loss, [loss])
    expectNear('gradient', [...y.gradient, scale], [...gradient, scale])
    expectNear('output', y.output, mean)
    assert.equal([...y.predictions], greatest)
    const correct = greatest.slice(0, valid).filter((c, b) => c === target[b]).length
    assert.equal([...y.correct], [correct])
    const alone = ops.crossEntropy({ ...options, outputs: ['loss'] }, x, target, settings)
    expectSameBits('loss alone', alone, y.loss)
    return { options }
  })
  assert.ok(seen.size >= 16, `${seen.size} kinds`)
})

/** Any loss of some outputs, with its gradient by central differences of float64. */
function differences(of: (y: number[]) => number, y: readonly number[]): number[] {
  const h = 1e-5
  return y.map((v, c) => {
    const at = (moved: number) => of(y.map((other, i) => (i === c ? moved : other)))
    return (at(v + h) - at(v - h)) / (2 * h)
  })
}

/** Cross entropy with label smoothing. */
function entropyOf(y: readonly number[], target: number, smoothing: number): number {
  const highest = Math.max(...y)
  const log = Math.log(y.reduce((a, v) => a + Math.exp(v - highest), 0)) + highest
  const wanted = y.map((_, c) => (c === target ? 1 - smoothing : 0) + smoothing / y.length)
  return wanted.reduce((a, p, c) => a + p * (log - y[c]), 0)
}

const squares = (y: readonly number[], wanted: (c: number) => number): number =>
  y.reduce((a, v, c) => a + (v - wanted(c)) ** 2, 0) / y.length

test('label smoothing, losses of counts, mse of rates and of numbers, tet', () => {
  const seen = new Set<string>()
  forShapes(300, (r) => {
    const { T, steps, B, C, x, mean, options: given } = randomLogits(r)
    const kind = r.pick(['crossEntropy', 'mse', 'mse values', 'tet'] as const)
    const [of, over] = [
      r.pick(['rates', 'counts'] as const),
      r.pick(['images', 'imagesAndSteps'] as const),
    ]
    const labelSmoothing = r.pick([0, 0.1, 0.5])
    const [correctRate, incorrectRate] = [r.pick([1, 0.75]), r.pick([0, 0.25, -1])]
    const [lambda, toMean] = [r.pick([0, 0.05, 1]), r.pick([1, 0.5])]
    const labels = Int32Array.from({ length: B }, () => r.int(0, C - 1))
    const wanted = r.floats(B * C, 2)
    const valid = r.int(1, B)
    const outputs = everything
    const run = { valid }
    seen.add(`${kind} ${of} ${over}`)
    const y =
      kind === 'crossEntropy'
        ? ops.crossEntropy({ ...given, outputs, of, over, labelSmoothing }, x, labels, run)
        : kind === 'mse'
          ? ops.mse({ ...given, outputs, of, over, correctRate, incorrectRate }, x, labels, run)
          : kind === 'mse values'
            ? ops.mse({ ...given, outputs, of, over, targets: 'values' }, x, wanted, run)
            : ops.tet({ ...given, outputs, lambda, mean: toMean }, x, labels, run)
    const factor = of === 'counts' ? steps : 1
    const lossOfRow = (row: readonly number[], b: number): number => {
      const z = row.map((v) => v * (kind === 'tet' ? 1 : factor))
      if (kind === 'crossEntropy') return entropyOf(z, labels[b], labelSmoothing)
      if (kind === 'mse')
        return squares(z, (c) => (c === labels[b] ? correctRate : incorrectRate) * factor)
      if (kind === 'mse values') return squares(z, (c) => wanted[b * C + c])
      return (1 - lambda) * entropyOf(z, labels[b], 0) + lambda * squares(z, () => toMean)
    }
    const losses = new Float64Array(B)
    const gradient = new Float64Array(kind === 'tet' ? x.length : B * C)
    for (let b = 0; b < valid; b++)
      for (let t = 0; t < (kind === 'tet' ? T : 1); t++) {
        const at = (kind === 'tet' ? b * T + t : b) * C
        const row = Array.from(kind === 'tet' ? x.subarray(at, at + C) : mean.subarray(at, at + C))
        losses[b] += lossOfRow(row, b) / (kind === 'tet' ? T : 1)
        const scale = kind === 'tet' ? 1 / T : over === 'images' ? 1 : 1 / steps
        gradient.set(
          differences((moved) => lossOfRow(moved, b), row).map((g) => (g * scale) / valid),
          at,
        )
      }
    const size = Math.max(1, ...losses)
    expectNear('losses', [...y.losses, size], [...losses, size])
    const largest = Math.max(1 / valid, ...gradient.map(Math.abs))
    expectNear('gradient', [...y.gradient, largest], [...gradient, largest], 1e-5)
    const right = y.predictions.slice(0, valid).filter((c, b) => c === labels[b]).length
    assert.is(y.correct[0], kind === 'mse values' ? 0 : right)
    return { options: { ...given, kind, of, over } }
  })
  assert.is(seen.size, 16)
})

test('ratePenalty', () => {
  forShapes(200, (r) => {
    const spatial = r.chance(0.5) ? [r.int(1, 5), r.int(1, 5)] : []
    const [B, C, T] = [r.int(1, 5), r.pick([1, 2, 5, 16, 33]), r.pick([1, 4, 7, 255])]
    const input = [B, C, ...spatial]
    const neurons = input.slice(1).reduce((a, b) => a * b, 1)
    const counts = Uint8Array.from({ length: B * neurons }, () => r.int(0, T))
    const norm = r.pick(['L1', 'L2'] as const)
    const [target, weight] = [r.pick([0, 0.25, 1]), r.pick([1, 0.01, 0])]
    const over = r.pick(['images', 'imagesAndSteps'] as const)
    const valid = r.int(1, B)
    const options = { input, timeSteps: T, norm, target, weight, over, engine: engineOf(r) }
    const gradient = ops.ratePenalty(options, counts, { valid })
    const scale = weight / (valid * neurons) / (over === 'images' ? 1 : T)
    const expected = Array.from(counts, (n, i) => {
      if (i >= valid * neurons) return 0
      const distance = n / T - target
      return scale * (norm === 'L1' ? Math.sign(distance) : 2 * distance)
    })
    expectNear('gradient', [...gradient, scale], [...expected, scale])
    return { options }
  })
})

test('crossEntropy: settings hold until others are given', () => {
  const loss = ops.crossEntropy.plan({ input: [2, 3], outputs: ['loss'] })
  const [x, target] = [new Float32Array([1, 2, 3, 9, 0, 0]), new Int32Array([0, 0])]
  const all = loss.run(x, target)[0]
  const first = loss.run(x, target, { valid: 1 })[0]
  assert.is(loss.run(x, target)[0], first)
  assert.is(loss.run({ valid: 2 })[0], all)
  assert.ok(first > 2 && all < 1.3, `${first}, ${all}`)
})

test('sgd: momentum, decay, Nesterov, one step after the other', () => {
  forShapes(220, (r) => {
    const shape = r.pick([[r.int(1, 40)], [r.int(1, 6), r.int(1, 6)], [2, 3, r.int(1, 5), 3]])
    const count = shape.reduce((a, b) => a * b, 1)
    const nesterov = r.chance(0.5)
    const rule = {
      lr: r.pick([0.1, 1, 0]),
      momentum: nesterov ? 0.9 : r.pick([0, 0.5]),
      weightDecay: r.pick([0, 5e-4, 0.1]),
      nesterov,
    }
    const options = { shape, ...rule, engine: engineOf(r) }
    const step = ops.sgd.plan(options)
    const [p, v] = [r.floats(count), new Float32Array(count)]
    const [p64, v64] = [Float64Array.from(p), new Float64Array(count)]
    for (const lr of [rule.lr, 0.25, 0.25]) {
      const g = r.floats(count)
      const result = step.run(p, g, v, { lr })
      assert.is(result.parameters, p)
      assert.is(result.velocities, v)
      for (let i = 0; i < count; i++) {
        const d = g[i] + rule.weightDecay * p64[i]
        v64[i] = rule.momentum * v64[i] + d
        p64[i] -= lr * (nesterov ? d + rule.momentum * v64[i] : v64[i])
      }
    }
    assert.equal(step.kernels, ['Sgd'])
    expectNear('parameters', [...p, 1], [...p64, 1])
    expectNear('velocities', [...v, 1], [...v64, 1])
    assert.is(step.nonFinite[0], 0)
    return { options }
  })
})

test('adam: both decays, betas, one step after the other', () => {
  forShapes(220, (r) => {
    const shape = r.pick([[r.int(1, 40)], [r.int(1, 6), r.int(1, 6)], [2, 3, r.int(1, 5), 3]])
    const count = shape.reduce((a, b) => a * b, 1)
    const rule = {
      betas: r.pick([[0.9, 0.999] as const, [0, 0.5] as const]),
      eps: r.pick([1e-8, 0.1]),
      weightDecay: r.pick([0, 5e-4, 0.1]),
      decoupled: r.chance(0.5),
    }
    const options = { shape, ...rule, engine: engineOf(r) }
    const plan = ops.adam.plan(options)
    const [p, m, v] = [r.floats(count), new Float32Array(count), new Float32Array(count)]
    const [p64, m64, v64] = [Float64Array.from(p), new Float64Array(m), new Float64Array(v)]
    for (const [i, lr] of [0.1, 0.25, 0].entries()) {
      const g = r.floats(count)
      const result = plan.run(p, g, m, v, { lr, step: i + 1 })
      assert.is(result.parameters, p)
      const { betas, eps, weightDecay, decoupled } = rule
      const rest = betas.map((beta) => 1 - beta ** (i + 1))
      for (let k = 0; k < count; k++) {
        const d = decoupled ? g[k] : g[k] + weightDecay * p64[k]
        if (decoupled) p64[k] -= lr * weightDecay * p64[k]
        m64[k] = betas[0] * m64[k] + (1 - betas[0]) * d
        v64[k] = betas[1] * v64[k] + (1 - betas[1]) * d * d
        p64[k] -= (lr * (m64[k] / rest[0])) / (Math.sqrt(v64[k] / rest[1]) + eps)
      }
    }
    assert.equal(plan.kernels, ['StepStart', 'Adam'])
    expectNear('parameters', [...p, 1], [...p64, 1])
    expectNear('means', [...m, 1], [...m64, 1])
    expectNear('squares', [...v, 1], [...v64, 1])
    return { options }
  })
})

test('adam: what would become infinite stays, and is told', () => {
  const plan = ops.adam.plan({ shape: [3], lr: 1, betas: [0, 0] })
  const [p, m, v] = [Float32Array.of(1, 2, 3), new Float32Array(3), new Float32Array(3)]
  plan.run(p, Float32Array.of(1, Number.POSITIVE_INFINITY, 1e30), m, v)
  assert.equal([...p], [0, 2, 3])
  assert.equal([...m], [1, 0, 0])
  assert.is(plan.nonFinite[0], 1)
})

test('update: rmsprop by its text, one step after the other', () => {
  forShapes(120, (r) => {
    const shape = r.pick([[r.int(1, 40)], [2, 3, r.int(1, 5), 3]])
    const count = shape.reduce((a, b) => a * b, 1)
    const [alpha, momentum] = [r.pick([0.99, 0.5]), r.pick([0, 0.9])]
    const [eps, weightDecay] = [r.pick([1e-3, 0.1]), r.pick([0, 0.1])]
    const optimizer = rmsprop({ lr: 0.5, alpha, momentum, eps, weightDecay })
    const options = { shape, optimizer, engine: engineOf(r) }
    const plan = ops.update.plan(options)
    const [p, s, b] = [r.floats(count), new Float32Array(count), new Float32Array(count)]
    const [p64, s64, b64] = [Float64Array.from(p), new Float64Array(s), new Float64Array(b)]
    for (const lr of [0.1, 0.25, 0]) {
      const g = r.floats(count)
      assert.is(plan.run(p, g, s, b, { lr }).square_avg, s)
      for (let k = 0; k < count; k++) {
        const d = g[k] + weightDecay * p64[k]
        s64[k] = alpha * s64[k] + (1 - alpha) * d * d
        b64[k] = momentum * b64[k] + d / (Math.sqrt(s64[k]) + eps)
        p64[k] -= lr * b64[k]
      }
    }
    assert.equal(plan.kernels, ['StepStart', 'RuleStep'])
    expectNear('parameters', [...p, 1], [...p64, 1])
    expectNear('squares', [...s, 1], [...s64, 1])
    expectNear('steps', [...b, 1], [...b64, 1])
    return { options }
  })
  const plan = ops.update.plan({ shape: [3], optimizer: rmsprop({ lr: 1, alpha: 0 }) })
  const [p, s, b] = [Float32Array.of(1, 2, 3), new Float32Array(3), new Float32Array(3)]
  plan.run(p, Float32Array.of(1, Number.POSITIVE_INFINITY, 1e30), s, b)
  assert.equal([[...p], [...s], [...b]].flat(), [0, 2, 3, 1, 0, 0, 1, 0, 0])
  assert.is(plan.nonFinite[0], 1)
})

test('clipNorm and ema against float64', () => {
  forShapes(220, (r) => {
    const shape = [r.int(1, 9), r.pick([1, 7, 16, 4000])]
    const count = shape[0] * shape[1]
    const engine = engineOf(r)
    const maxNorm = r.pick([0.5, 3, 1e4])
    const g = r.floats(count)
    const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0))
    const wanted = Float64Array.from(g, (x) => x * Math.min(1, maxNorm / (norm + 1e-6)))
    const clipped = ops.clipNorm({ shape, maxNorm, engine }, g)
    expectNear('gradients', [...clipped.gradients, 1], [...wanted, 1])
    expectNear('norm', clipped.norm, [norm])
    const [p, a] = [r.floats(count), r.floats(count)]
    const decay = r.pick([0, 0.5, 0.999])
    const average = Float64Array.from(a, (x, i) => decay * x + (1 - decay) * p[i])
    expectNear('average', [...ops.ema({ shape, decay, engine }, p, a), 1], [...average, 1])
    return { options: { shape, maxNorm } }
  })
})

test('sgd: what would become infinite stays, and is told', () => {
  const step = ops.sgd.plan({ shape: [3], lr: 1, momentum: 0 })
  const p = new Float32Array([1, 2, 3])
  const v = new Float32Array(3)
  step.run(p, new Float32Array([1, Number.POSITIVE_INFINITY, 1]), v)
  assert.equal([...p], [0, 2, 2])
  assert.equal([...v], [1, 0, 1])
  assert.is(step.nonFinite[0], 1)
  // Settings of runs are added to those of the plan.
  step.run(p, new Float32Array([1, 1, 1]), v, { lr: 0.5 })
  assert.equal([...p], [-0.5, 1.5, 1.5])
  step.run(p, new Float32Array([1, 1, 1]), v)
  assert.equal([...p], [-1, 1, 1])
})

test('clear and sum', () => {
  forShapes(200, (r) => {
    const shape = r.pick([[r.int(1, 50)], [r.int(1, 5), r.int(1, 9)], [20_000]])
    const options = { shape, engine: engineOf(r) }
    const values = r.floats(shape.reduce((a, b) => a * b, 1))
    const sum = ops.sum.plan(options)
    expectNear('sum', [...sum.run(values), 1], [values.reduce((a, b) => a + b, 0), 1], 1e-3)
    let exact = 0
    for (const v of values) exact += v
    assert.is(sum.output[0], Math.fround(exact))
    assert.equal(sum.kernels, ['SumScalars'])
    const clear = ops.clear.plan(options)
    assert.is(clear.run(values), values)
    assert.ok(values.every((v) => v === 0))
    assert.equal(clear.kernels, ['Clear'])
    return { options }
  })
})

test('a logit that is not a number: the loss is not either, and the greatest other one is predicted', () => {
  const logits = Float32Array.of(1, Number.NaN, 2, Number.NaN, 1, 2)
  const { loss, gradient, predictions } = ops.crossEntropy(
    { input: [2, 3] },
    logits,
    Int32Array.of(2, 0),
  )
  assert.ok(Number.isNaN(loss[0]))
  assert.ok(gradient.every(Number.isNaN))
  assert.equal([...predictions], [2, 0])
  assert.equal([...ops.timeMean({ input: [2, 3] }, logits).predictions], [2, 0])
})

test("targets in the plan's own memory are checked as well", () => {
  const loss = ops.crossEntropy.plan({ input: [2, 3] })
  const x = new Float32Array(6)
  loss.run(x, Int32Array.of(0, 2))
  for (const target of [50, -1, -100_000, 3]) {
    loss.target[1] = target
    const message = new RegExp(`target must hold classes from 0 to 2, got ${target} at index 1`)
    assert.throws(() => loss.run(), message)
    assert.throws(() => loss.run(x), message)
  }
  loss.target[1] = 1
  assert.is(loss.run().loss.length, 1)
  assert.throws(() => loss.run(x, Int32Array.of(0, 3)), /got 3 at index 1/)
  assert.is(loss.target[1], 1, 'what is refused is not taken')
})

test.run()
