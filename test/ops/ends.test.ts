/** Matrix products, outputs, losses, SGD, zeros and sums, against float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rmsprop } from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { sumOverTime } from '../support/frames.js'
import { expectNear, expectSameBits, forShapes, type RandomShapes } from '../support/ops.js'

/** Ops of several kinds, whose options one table has. */
interface AnyOp {
  (options: object, ...given: unknown[]): unknown
  plan(options: object): {
    readonly kernels: readonly string[]
    readonly nonFinite: Int32Array
    run(...given: unknown[]): Readonly<Record<string, Float32Array>>
  }
}
const anyOp = ops as unknown as Readonly<Record<string, AnyOp>>

test('matmul: rows of either matrix are its columns', () => {
  // The sums of every size are those of test/assembly/matmul.test.ts.
  for (const [transpose, a, b] of [
    ['NN', [1, 2, 3, 4, 5, 6], [1, 10, 100, 2, 20, 200, 3, 30, 300]],
    ['NT', [1, 2, 3, 4, 5, 6], [1, 2, 3, 10, 20, 30, 100, 200, 300]],
    ['TN', [1, 4, 2, 5, 3, 6], [1, 10, 100, 2, 20, 200, 3, 30, 300]],
  ] as const) {
    const product = ops.matmul.plan({
      a: transpose === 'TN' ? [3, 2] : [2, 3],
      b: [3, 3],
      transpose,
    })
    const y = product.run(Float32Array.from(a), Float32Array.from(b))
    assert.equal([...y], [14, 140, 1400, 32, 320, 3200], transpose)
    assert.equal(product.kernels, ['MatrixProduct'])
    product.output.fill(0)
    product.bare()
    expectSameBits('again', product.output, y)
  }
})

/** Logits, or those of all steps, with the mean over time and its greatest class. */
function randomLogits(r: RandomShapes) {
  const timed = r.chance(0.6)
  const T = timed ? r.pick([1, 2, 4, 9, 32]) : 1
  const steps = timed ? T : r.pick([1, 1, 3, 8])
  const [B, C] = [r.int(1, 5), r.pick([1, 2, 3, 4, 5, 10, 17, 33])]
  const x = r.floats(T * B * C, 4)
  const mean = sumOverTime(x, T, C, 1 / T)
  const greatest = Array.from({ length: B }, (_, b) => {
    const row = mean.subarray(b * C, (b + 1) * C)
    return row.indexOf(Math.max(...row))
  })
  const input = [B, ...(timed ? [T] : []), C]
  const options = { input, ...(!timed && steps > 1 && { timeSteps: steps }), engine: r.engine }
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

/** A loss's gradient by central differences in float64. */
function differences(of: (y: number[]) => number, y: readonly number[]): number[] {
  const h = 1e-5
  return y.map((v, c) => (of(y.with(c, v + h)) - of(y.with(c, v - h))) / (2 * h))
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

const everything = ['loss', 'gradient', 'predictions', 'correct', 'losses', 'output'] as const
const losses = { crossEntropy: 'CrossEntropy', mse: 'MeanSquaredError', tet: 'Tet' } as const

/** Options of a loss. */
interface Rule {
  readonly of?: 'rates' | 'counts'
  readonly over?: 'images' | 'imagesAndSteps'
  readonly mseWeight?: number
  readonly labelSmoothing?: number
  readonly instantaneous?: boolean
  readonly targets?: 'labels' | 'values'
  readonly correctRate?: number
  readonly incorrectRate?: number
  readonly lambda?: number
  readonly mean?: number
}

function randomLoss(r: RandomShapes): readonly [keyof typeof losses, Rule] {
  const shared = { over: r.pick(['images', 'imagesAndSteps'] as const) }
  const of = r.pick(['rates', 'counts'] as const)
  const mseWeight = r.pick([0, 0.05, 1])
  return r.pick([
    ['crossEntropy', { ...shared, instantaneous: r.chance(0.7), mseWeight }],
    ['crossEntropy', { ...shared, of, labelSmoothing: r.pick([0, 0.1, 0.5]) }],
    [
      'mse',
      { ...shared, of, correctRate: r.pick([1, 0.75]), incorrectRate: r.pick([0, 0.25, -1]) },
    ],
    ['mse', { ...shared, of, targets: 'values' }],
    ['tet', { lambda: r.pick([0, 0.05, 1]), mean: r.pick([1, 0.5]) }],
  ])
}

test('losses of the time mean and of each step, with padding, by their definitions', () => {
  const seen = new Set<string>()
  forShapes(600, (r) => {
    const { T, steps, B, C, x, mean, greatest, options: shape } = randomLogits(r)
    const [name, rule] = randomLoss(r)
    const { instantaneous = name === 'tet', targets, over = 'imagesAndSteps', of } = rule
    const labels = Int32Array.from({ length: B }, () => r.int(0, C - 1))
    const values = r.floats(B * C, 2)
    const valid = r.int(1, B)
    const masked = Array.from({ length: steps }, (_, t) => t).filter(() => r.chance(0.5))
    const isMasked = name === 'crossEntropy' && instantaneous && r.chance(0.5)
    const settings = { valid, ...(isMasked && { gradientSteps: masked }) }
    const given = [x, targets === 'values' ? values : labels, settings] as const
    const options = { ...shape, ...rule }
    const plan = anyOp[name].plan({ ...options, outputs: everything })
    const y = plan.run(...given)
    assert.equal(plan.kernels, ['Output', losses[name]])
    seen.add([name, instantaneous, of, over, targets, isMasked].join())

    const lossOf = (row: readonly number[], b: number): number => {
      const z = of === 'counts' ? row.map((v) => v * steps) : row
      const isLabel = (c: number): boolean => c === labels[b]
      if (name === 'tet') {
        const { lambda = 0, mean = 0 } = rule
        return (1 - lambda) * entropyOf(z, labels[b], 0) + lambda * squares(z, () => mean)
      }
      const { mseWeight: m = 0, labelSmoothing = 0, correctRate = 1, incorrectRate = 0 } = rule
      if (name === 'crossEntropy')
        return (
          (1 - m) * entropyOf(z, labels[b], labelSmoothing) + m * squares(z, (c) => +isLabel(c))
        )
      const factor = of === 'counts' ? steps : 1
      const rateOf = (c: number): number => factor * (isLabel(c) ? correctRate : incorrectRate)
      return squares(z, targets === 'values' ? (c) => values[b * C + c] : rateOf)
    }
    const wanted = (t: number): number => (!isMasked || masked.includes(t) ? 1 : 0)
    const rows = instantaneous ? T : 1
    const lossesOf = new Float64Array(B)
    const gradient = new Float64Array(rows * B * C)
    const scale = 1 / valid / (over === 'images' ? 1 : steps)
    for (let b = 0; b < valid; b++)
      for (let t = 0; t < rows; t++) {
        const at = (b * rows + t) * C
        const row = [...(instantaneous ? x : mean).subarray(at, at + C)]
        lossesOf[b] += lossOf(row, b) / rows
        // The same logits at every step have the sum of the steps' gradients.
        const all = Array.from({ length: steps }, (_, step) => wanted(step))
        const sum = T > 1 || steps === 1 ? wanted(t) : all.reduce((a, v) => a + v, 0)
        const times = scale * (instantaneous ? sum : 1)
        const moved = differences((one) => lossOf(one, b), row)
        gradient.set(
          moved.map((g) => g * times),
          at,
        )
      }
    const size = Math.max(1, ...lossesOf)
    expectNear('losses', [...y.losses, size], [...lossesOf, size])
    expectNear('loss', [...y.loss, size], [lossesOf.reduce((a, v) => a + v, 0) / valid, size])
    const largest = Math.max(scale, ...gradient.map(Math.abs))
    expectNear('gradient', [...y.gradient, largest], [...gradient, largest])
    expectNear('output', y.output, mean)
    assert.equal([...y.predictions], greatest)
    const right = greatest.slice(0, valid).filter((c, b) => c === labels[b]).length
    assert.is(y.correct[0], targets === 'values' ? 0 : right)
    const alone = anyOp[name]({ ...options, outputs: ['loss'] }, ...given)
    expectSameBits('loss alone', alone, y.loss)
    return { options }
  })
  assert.is(seen.size, 19)
})

/** A target of the reference: a class, or numbers; those that are ignored are left out. */
type Wanted = { readonly label?: number; readonly values?: readonly (number | undefined)[] }

/** Options that PyTorch's losses and Keras's samples have. */
interface Weighed extends Omit<Rule, 'targets'> {
  readonly targets?: 'labels' | 'values' | 'steps'
  readonly ignore?: number
  readonly classWeights?: readonly number[]
}

/** Numerator and divisor of one row's loss, as torch.nn.functional.cross_entropy has them. */
function weighedLoss(
  name: keyof typeof losses,
  z: readonly number[],
  { label, values }: Wanted,
  { labelSmoothing: e = 0, classWeights, mseWeight = 0, lambda = 0, mean = 0 }: Weighed,
): readonly [number, number] {
  const C = z.length
  if (values) {
    const known = values.flatMap((v, c) => (v === undefined ? [] : [(z[c] - v) ** 2]))
    return [known.reduce((a, v) => a + v, 0) / C, known.length / C]
  }
  if (label === undefined) return [0, 0]
  const weightOf = (c: number): number => classWeights?.[c] ?? 1
  const nll = z.map((_, c) => entropyOf(z, c, 0))
  const smooth = nll.reduce((a, v, c) => a + weightOf(c) * v, 0)
  const entropy = (1 - e) * weightOf(label) * nll[label] + (e / C) * smooth
  const m = name === 'tet' ? lambda : mseWeight
  const far = squares(z, (c) => (name === 'tet' ? mean : Number(c === label)))
  return [(1 - m) * entropy + m * weightOf(label) * far, weightOf(label)]
}

test('targets by step, ignored ones, weights of classes and samples, by PyTorch and Keras', () => {
  const seen = new Set<string>()
  forShapes(500, (r) => {
    const { T, steps, B, C, x, mean, options: shape } = randomLogits(r)
    const name = r.pick(['crossEntropy', 'tet', 'mse'] as const)
    const targets =
      name === 'mse' ? r.pick(['values', 'steps'] as const) : r.pick(['labels', 'steps'] as const)
    const bySteps = targets === 'steps'
    const ignores = targets !== 'labels' && r.chance(0.6)
    const ignore = name === 'mse' ? r.pick([Number.NaN, -1000]) : r.pick([-1, 0, 7])
    const weights = Array.from({ length: C }, (_, c) => (c === 0 ? 0.5 : r.pick([0, 0.25, 1, 3])))
    const rule: Weighed = {
      targets,
      ...(ignores && { ignore }),
      ...(name !== 'mse' && r.chance(0.5) && { classWeights: weights }),
      ...(name !== 'mse' && { labelSmoothing: r.pick([0, 0.1, 0.5]) }),
      ...(name === 'crossEntropy' && { mseWeight: r.pick([0, 0.05]) }),
      ...(name === 'tet' && { lambda: 0.3, mean: 0.5 }),
    }
    const weighted = r.chance(0.5)
    const samples = Float32Array.from({ length: B }, () => (weighted ? r.pick([0, 0.5, 2]) : 1))
    const over = name === 'tet' ? undefined : r.pick(['images', 'imagesAndSteps'] as const)
    const valid = r.int(1, B)
    // A class that cannot be is ignored now and then, as all of them are.
    const share = r.pick([0.3, 1])
    const numbers = Array.from(
      { length: B * (bySteps ? steps : 1) * (name === 'mse' ? C : 1) },
      () =>
        ignores && r.chance(share)
          ? ignore
          : name === 'mse'
            ? Math.fround(r.floats(1)[0])
            : r.int(0, C - 1),
    )
    const isIgnored = (v: number): boolean => ignores && Object.is(v, ignore)
    const wantedAt = (b: number, t: number): Wanted => {
      const row = bySteps ? b * steps + t : b
      if (name !== 'mse') return isIgnored(numbers[row]) ? {} : { label: numbers[row] }
      const own = numbers.slice(row * C, (row + 1) * C)
      return { values: own.map((v) => (isIgnored(v) ? undefined : v)) }
    }
    const each = bySteps || name === 'tet'
    // Of all logits, as PyTorch's mean over all elements.
    const y = [...(each ? x : mean)]
    const [rows, moved] = [each ? steps : 1, y.map(() => 0)]
    let [sum, divisor] = [0, 0]
    for (let b = 0; b < valid; b++)
      for (let t = 0; t < rows; t++) {
        const at = (each ? b * T + Math.min(t, T - 1) : b) * C
        const lossOf = (z: number[]) => weighedLoss(name, z, wantedAt(b, t), rule)
        const [own, weight] = lossOf(y.slice(at, at + C))
        sum += samples[b] * own
        divisor += weight
        const slopes = differences((z) => lossOf(z)[0], y.slice(at, at + C))
        for (const [c, slope] of slopes.entries()) moved[at + c] += samples[b] * slope
      }
    const loss = divisor > 0 ? sum / divisor : 0
    const factor = each
      ? over === 'images'
        ? steps
        : 1
      : over === 'imagesAndSteps'
        ? 1 / steps
        : 1
    const gradient = moved.map((g) => (divisor > 0 ? (g * factor) / divisor : 0))
    const array = name === 'mse' || bySteps ? Float32Array : Int32Array
    const options = { ...shape, ...rule, ...(over && { over }), weighted }
    const given = [x, array.from(numbers), ...(weighted ? [samples] : []), { valid }]
    const found = anyOp[name].plan({ ...options, outputs: everything }).run(...given)
    seen.add([name, targets, ignores, weighted, !!rule.classWeights].join())
    expectNear('loss', [...found.loss, 1], [loss, 1])
    const largest = Math.max(1 / valid / steps, ...gradient.map(Math.abs))
    expectNear('gradient', [...found.gradient, largest], [...gradient, largest])
    if (name !== 'mse' && bySteps) {
      const rows = Array.from({ length: valid * steps }, (_, i) => [
        Math.floor(i / steps),
        i % steps,
      ])
      const right = rows.filter(([b, t]) => {
        const row = x.subarray((b * T + Math.min(t, T - 1)) * C).subarray(0, C)
        return row.indexOf(Math.max(...row)) === wantedAt(b, t).label
      })
      assert.is(found.correct[0], right.length)
    }
    return { options }
  })
  assert.ok(seen.size >= 30, [...seen].sort().join('\n'))
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
    const options = { input, timeSteps: T, norm, target, weight, over, engine: r.engine }
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

/** Moves one parameter, in float64, and changes what the rule keeps for it. */
type Step = (p: number, g: number, states: number[], lr: number, step: number) => number

/** The rules of optimizers: their options, and what they do. */
const rules: Record<string, (r: RandomShapes) => readonly [options: object, Step]> = {
  sgd(r) {
    const nesterov = r.chance(0.5)
    const momentum = nesterov ? 0.9 : r.pick([0, 0.5])
    const weightDecay = r.pick([0, 5e-4, 0.1])
    const step: Step = (p, g, states, lr) => {
      const d = g + weightDecay * p
      states[0] = momentum * states[0] + d
      return p - lr * (nesterov ? d + momentum * states[0] : states[0])
    }
    return [{ momentum, weightDecay, nesterov }, step]
  },
  adam(r) {
    const betas = r.pick([[0.9, 0.999] as const, [0, 0.5] as const])
    const [eps, weightDecay] = [r.pick([1e-8, 0.1]), r.pick([0, 5e-4, 0.1])]
    const decoupled = r.chance(0.5)
    const step: Step = (p, g, states, lr, at) => {
      const d = decoupled ? g : g + weightDecay * p
      states[0] = betas[0] * states[0] + (1 - betas[0]) * d
      states[1] = betas[1] * states[1] + (1 - betas[1]) * d * d
      const [mean, square] = states.map((v, i) => v / (1 - betas[i] ** at))
      return p - (decoupled ? lr * weightDecay * p : 0) - (lr * mean) / (Math.sqrt(square) + eps)
    }
    return [{ betas, eps, weightDecay, decoupled }, step]
  },
  update(r) {
    const [alpha, momentum] = [r.pick([0.99, 0.5]), r.pick([0, 0.9])]
    const [eps, weightDecay] = [r.pick([1e-3, 0.1]), r.pick([0, 0.1])]
    const step: Step = (p, g, states, lr) => {
      const d = g + weightDecay * p
      states[0] = alpha * states[0] + (1 - alpha) * d * d
      states[1] = momentum * states[1] + d / (Math.sqrt(states[0]) + eps)
      return p - lr * states[1]
    }
    return [{ optimizer: rmsprop({ alpha, momentum, eps, weightDecay }) }, step]
  },
}

/** Optimizers: how many numbers they keep of a parameter, and what makes gradients their steps. */
for (const [name, kept, kernels, plain] of [
  ['sgd', 1, ['Sgd'], { momentum: 0 }],
  ['adam', 2, ['StepStart', 'Adam'], { betas: [0, 0] }],
  ['update', 2, ['StepStart', 'RuleStep'], { optimizer: rmsprop({ lr: 1, alpha: 0 }) }],
] as const) {
  const settings = (step: number) => (name === 'adam' ? { step } : {})

  test(`${name}: one step after the other`, () => {
    forShapes(220, (r) => {
      const shape = r.pick([[r.int(1, 40)], [r.int(1, 6), r.int(1, 6)], [2, 3, r.int(1, 5), 3]])
      const count = shape.reduce((a, b) => a * b, 1)
      const [rule, move] = rules[name](r)
      const optimizer = anyOp[name].plan({ shape, ...rule, engine: r.engine })
      const [p, ...states] = Array.from({ length: 1 + kept }, () => new Float32Array(count))
      p.set(r.floats(count))
      const wanted = [p, ...states].map((values) => Float64Array.from(values))
      for (const [i, lr] of [0.1, 0.25, 0].entries()) {
        const g = r.floats(count)
        const result = optimizer.run(p, g, ...states, { lr, ...settings(i + 1) })
        assert.ok([p, ...states].every((own) => Object.values(result).includes(own)))
        for (let k = 0; k < count; k++) {
          const numbers = wanted.slice(1).map((of) => of[k])
          wanted[0][k] = move(wanted[0][k], g[k], numbers, lr, i + 1)
          for (const [of, value] of numbers.entries()) wanted[1 + of][k] = value
        }
      }
      assert.equal(optimizer.kernels, kernels)
      for (const [i, values] of [p, ...states].entries())
        expectNear(i === 0 ? 'parameters' : `state ${i}`, [...values, 1], [...wanted[i], 1])
      assert.is(optimizer.nonFinite[0], 0)
      return { options: { shape, rule } }
    })
  })

  test(`${name}: what would become infinite stays, and is told`, () => {
    const optimizer = anyOp[name].plan({
      shape: [3],
      ...(name !== 'update' && { lr: 1 }),
      ...plain,
    })
    const [p, ...states] = [Float32Array.of(1, 2, 3), new Float32Array(3), new Float32Array(3)]
    const g = Float32Array.of(1, Number.POSITIVE_INFINITY, name === 'sgd' ? 2 : 1e30)
    optimizer.run(p, g, ...states.slice(0, kept), settings(1))
    assert.equal([...p], name === 'sgd' ? [0, 2, 1] : [0, 2, 3])
    assert.equal([...states[0]], name === 'sgd' ? [1, 0, 2] : [1, 0, 0])
    assert.is(optimizer.nonFinite[0], 1)
  })
}

test('clipNorm and ema against float64', () => {
  forShapes(220, (r) => {
    const shape = [r.int(1, 9), r.pick([1, 7, 16, 4000])]
    const count = shape[0] * shape[1]
    const { engine } = r
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

test('clear and sum', () => {
  forShapes(200, (r) => {
    const shape = r.pick([[r.int(1, 50)], [r.int(1, 5), r.int(1, 9)], [20_000]])
    const options = { shape, engine: r.engine }
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
