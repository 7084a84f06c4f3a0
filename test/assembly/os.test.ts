/**
 * What methods of the paper's comparison need, against loops in float64: all-time normalisation and
 * stabilised thresholds (method os), and the loss of self-distillation.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, ExitWord, Surrogate } from '../../assembly/opcodes.js'
import { neuronScratch } from '../../src/plan/neuron-record.js'
import { normAllTime } from '../../src/plan/records/norm.js'
import { selfDistillation } from '../../src/plan/records/self-distillation.js'
import {
  stabilizedCharge,
  stabilizedFire,
  stabilizedThreshold,
} from '../../src/plan/records/stabilized.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { putRecord } from '../support/records.js'
import { surrogateDerivative } from '../support/reference.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 30

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]
const list = <V>(count: number, make: (i: number) => V): V[] =>
  Array.from({ length: count }, (_, i) => make(i))
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

function near(what: string, got: ArrayLike<number>, expected: ArrayLike<number>, limit = 1e-5) {
  assert.is(got.length, expected.length, what)
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - expected[i]) <= limit * Math.max(1, Math.abs(expected[i]))))
      throw new Error(`${what}, number ${i}: got ${got[i]}, expected ${expected[i]}`)
}

function each(name: string, body: (random: Random, engine: TestEngine, what: string) => void) {
  for (const variant of variants)
    test(`${name} (${variant})`, () => {
      const engine = new TestEngine(variant, 64)
      for (let n = 0; n < CASES; n++) {
        engine.reset()
        const what = `case ${n}, seed ${base}`
        body(testRandom(base * 4243 + n), engine, what)
        engine.checkGuards(what)
      }
    })
}

each('all-time normalisation, over the steps of a batch', (random, engine, what) => {
  const real = integer(random, 1, 9)
  const C = 4 * Math.ceil(real / 4) + one(random, [0, 4])
  // Groups of statistics in a call, each of which may stand for several steps that are alike.
  const [groups, calls] = one(random, [
    [1, integer(random, 1, 4)],
    [integer(random, 1, 4), 1],
  ])
  const moves = groups === 1 && calls === 1 ? integer(random, 1, 3) : undefined
  const steps = groups * calls * (moves ?? 1)
  const [epsilon, momentum, bound] = [0.0625, 0.25, one(random, [1.5, 20])]
  const numbers = (least: number, most: number): Float32Array =>
    Float32Array.from(list(C, () => least + (most - least) * random()))
  const isAffine = random() < 0.8
  const byLayer = random() < 0.4
  const [weight, bias] = [numbers(-1, 2), numbers(-1, 1)]
  const [mean0, var0] = [numbers(-1, 1), numbers(0.2, 2)]
  const [runningMean, runningVar] = [engine.putFloats(mean0), engine.putFloats(var0)]
  const shared = {
    ...{ channels: C, realChannels: real, groups, runningMean, runningVar },
    weight: isAffine ? engine.putFloats(weight) : undefined,
    bias: isAffine ? engine.putFloats(bias) : undefined,
    ...{ frozen: engine.alloc(2 * C * 4), totals: engine.alloc(2 * C * 8) },
    ...{ used: engine.alloc(groups * 2 * C * 4), byLayer },
    ...{ epsilon, momentum, bound, totalSteps: steps, moves },
  }
  const [means, squares] = [new Float64Array(C), new Float64Array(C)]
  const frozen = Array.from(var0, (v) => 1 / Math.sqrt(v + epsilon))
  for (let call = 0; call < calls; call++) {
    const rows = (): Float32Array => Float32Array.from(list(groups * C, () => 2 * random() - 1))
    const [mu, scale, shift] = [rows(), rows(), rows()]
    const invStd = Float32Array.from(list(groups * C, () => 0.4 + 1.5 * random()))
    const places = { scale: engine.putFloats(scale), shift: engine.putFloats(shift) }
    const own = { mean: engine.putFloats(mu), invStd: engine.putFloats(invStd) }
    engine.run(putRecord(engine, normAllTime, 1, { ...shared, ...own, ...places }), 0, call)
    const expected = { scale: [...scale], shift: [...shift], used: Array<number>(groups * 2 * C) }
    for (let g = 0; g < groups; g++) {
      const isNear = (c: number): boolean => {
        const ratio = invStd[g * C + c] / frozen[c]
        return c >= real || (ratio <= bound && 1 / ratio <= bound)
      }
      const areNear = list(real, isNear).every(Boolean)
      for (let c = 0; c < C; c++) {
        const i = g * C + c
        means[c] += (mu[i] * (moves ?? 1)) / steps
        squares[c] += ((1 / invStd[i] ** 2 - epsilon + mu[i] ** 2) * (moves ?? 1)) / steps
        const running = byLayer ? areNear : isNear(c)
        expected.used[2 * g * C + c] = running || byLayer ? mean0[c] : mu[i]
        expected.used[(2 * g + 1) * C + c] = running || byLayer ? frozen[c] : invStd[i]
        if (!running) continue
        expected.scale[i] = (isAffine ? weight[c] : 1) * frozen[c]
        expected.shift[i] = (isAffine ? bias[c] : 0) - mean0[c] * expected.scale[i]
      }
    }
    near(`${what} scale`, engine.floats(places.scale, groups * C), expected.scale)
    near(`${what} used`, engine.floats(shared.used, groups * 2 * C), expected.used)
    near(`${what} shift`, engine.floats(places.shift, groups * C), expected.shift)
    const last = call === calls - 1
    const moved = (from: Float32Array, to: (c: number) => number): number[] =>
      Array.from(from, (v, c) => (last ? v + momentum * (to(c) - v) : v))
    near(
      `${what} running mean`,
      engine.floats(runningMean, C),
      moved(mean0, (c) => means[c]),
    )
    near(
      `${what} running variance`,
      engine.floats(runningVar, C),
      moved(var0, (c) => Math.max(0, squares[c] - means[c] ** 2)),
    )
  }
})

/** A layer of neurons whose threshold follows, and its currents at each step. */
function makeStabilized(random: Random) {
  const real = integer(random, 2, 9)
  const C = 4 * Math.ceil(real / 4) + one(random, [0, 4])
  const pixels = integer(random, 2, 7)
  const T = integer(random, 1, 9)
  const lambda = Math.fround(1 - 1 / (1.5 + 2 * random()))
  const kappa = one(random, [1, 0.5])
  const reset = one(random, [null, -0.25])
  const theta = Math.fround(0.5 + random())
  const currents = list(T, () =>
    Float32Array.from(list(pixels * C, (i) => (i % C < real ? 3 * random() - 1 : 0))),
  )
  return { real, C, pixels, T, lambda, kappa, reset, theta, currents, rest: reset ?? 0 }
}

const ALPHA = 2

each('neurons with a stabilised threshold, a step at a time', (random, engine, what) => {
  const { real, C, pixels, T, lambda, kappa, reset, theta, currents, rest } = makeStabilized(random)
  const size = pixels * C
  const per = integer(random, 1, pixels)
  const units = Math.ceil(pixels / per)
  const share = 0.125
  const potential = engine.alloc(size * 4)
  const [masks, counts] = [engine.alloc(size), engine.alloc(size)]
  const [countPartials, moments] = [engine.alloc(units * 4), engine.alloc(units * 16)]
  const [stability, surrogateOut] = [engine.alloc(8), engine.alloc(size * 4)]
  const runningThreshold = engine.putFloats([1.5])
  const scratch = engine.alloc(neuronScratch(1, C))
  let running = 1.5
  let ratio = 0
  const total = new Uint8Array(size)
  const v = new Float64Array(size).fill(rest)
  for (let t = 0; t < T; t++) {
    const charge = {
      ...{ a: engine.putFloats(currents[t]), aPixelBytes: C * 4, aStepBytes: 0, aGroupBytes: 0 },
      ...{ pixels, channels: C, pixelsPerUnit: per, steps: 1, lambda, kappa, rest },
      ...{ threshold: theta, hardReset: reset !== null, detach: true },
      ...{ surrogate: Surrogate.Sigmoid, alpha: ALPHA },
    }
    const u = v.map((x, i) => lambda * x + (1 - lambda) * rest + kappa * currents[t][i])
    const all = [...u].filter((_, i) => i % C < real)
    const mean = sum(all) / all.length
    const deviation = Math.sqrt(sum(all.map((x) => (x - mean) ** 2)) / (all.length - 1))
    if (t === 0) ratio = (theta - mean) / deviation
    const threshold = t === 0 ? theta : mean + deviation * ratio
    running += share * (threshold - running)
    const charged = { ...charge, potential, moments, realChannels: real }
    engine.run(putRecord(engine, stabilizedCharge, units, charged), scratch, t)
    near(`${what} u`, engine.floats(potential, size), u)
    const decide = { pixels, threshold: theta, realChannels: real, units, moments, stability }
    engine.run(
      putRecord(engine, stabilizedThreshold, 1, { ...decide, runningThreshold, share }),
      0,
      t,
    )
    near(`${what} θ`, engine.floats(stability, 2), [ratio, threshold], 1e-4)
    near(`${what} running θ`, engine.floats(runningThreshold, 1), [running], 1e-4)
    const fire = {
      ...{ ...charge, charged: potential, masks, planeBytes: size, counts, countPartials },
      ...{ surrogateOut, thresholdAt: stability + 4 },
    }
    engine.run(putRecord(engine, stabilizedFire, units, fire), scratch, t)
    const fired = engine.bytes(masks, size)
    for (let i = 0; i < size; i++) {
      if (i % C >= real) continue
      // Nearer than that a rounding decides.
      if (Math.abs(u[i] - threshold) > 1e-4)
        assert.is(fired[i], u[i] >= threshold ? 1 : 0, `${what}, spike ${i} at ${t}`)
      const s = fired[i]
      total[i] += s
      v[i] = reset === null ? u[i] - s * threshold : s ? reset : u[i]
    }
    const slope = Array.from(
      u,
      (x) => kappa * surrogateDerivative({ alpha: ALPHA, surrogate: 'sigmoid' }, x - threshold),
    )
    near(`${what} slope`, engine.floats(surrogateOut, size), slope, 1e-3)
    const state = engine.floats(potential, size)
    for (let i = 0; i < size; i++)
      if (i % C < real) near(`${what} v ${i}`, [state[i]], [v[i]], 1e-3)
      else v[i] = state[i]
    for (let i = 0; i < size; i++)
      if (i % C < real) assert.is(engine.bytes(counts, size)[i], total[i], `${what}, count ${i}`)
    const spikes = engine.ints(countPartials, units).reduce((a, b) => a + b, 0)
    assert.is(
      spikes,
      engine.bytes(counts, size).reduce((a, b) => a + b, 0),
      what,
    )
  }
})

each('the same forward alone, at a running threshold', (random, engine, what) => {
  const { real, C, pixels, T, lambda, kappa, reset, currents, rest } = makeStabilized(random)
  const size = pixels * C
  const per = integer(random, 1, pixels)
  const threshold = Math.fround(0.4 + random())
  const planes = Math.ceil(T / 8)
  const [masks, counts] = [engine.alloc(planes * size), engine.alloc(size)]
  const x = Float32Array.from(
    list(size * T, (i) => currents[Math.floor(i / C) % T][Math.floor(i / C / T) * C + (i % C)]),
  )
  const units = Math.ceil(pixels / per)
  const record = putRecord(engine, stabilizedFire, units, {
    ...{ a: engine.putFloats(x), aPixelBytes: T * C * 4, aStepBytes: C * 4, aGroupBytes: 0 },
    ...{ pixels, channels: C, pixelsPerUnit: per, steps: T, lambda, kappa, rest, threshold: 1 },
    ...{ hardReset: reset !== null, detach: true, surrogate: Surrogate.Sigmoid, alpha: ALPHA },
    ...{ masks, planeBytes: size, counts, thresholdAt: engine.putFloats([threshold]) },
  })
  engine.run(record, engine.alloc(neuronScratch(T, C)), 0)
  const v = new Float64Array(size).fill(rest)
  const total = new Uint8Array(size)
  for (let t = 0; t < T; t++)
    for (let i = 0; i < size; i++) {
      if (i % C >= real) continue
      const u = lambda * v[i] + (1 - lambda) * rest + kappa * currents[t][i]
      const s = (engine.bytes(masks + (t >> 3) * size, size)[i] >> (t & 7)) & 1
      if (Math.abs(u - threshold) > 1e-4)
        assert.is(s, u >= threshold ? 1 : 0, `${what}, spike ${i} at ${t}`)
      total[i] += s
      v[i] = reset === null ? u - s * threshold : s ? reset : u
    }
  for (let i = 0; i < size; i++)
    if (i % C < real) assert.is(engine.bytes(counts, size)[i], total[i], `${what}, count ${i}`)
})

each('self-distillation, with gradients by finite differences', (random, engine, what) => {
  const [images, exits, classes] = [
    integer(random, 1, 5),
    integer(random, 2, 4),
    integer(random, 2, 7),
  ]
  const C = 4 * Math.ceil(classes / 4)
  const valid = integer(random, 1, images)
  const [alpha, beta, temperature] = [0.75, 0.5, one(random, [1, 3])]
  const labels = list(images, () => integer(random, 0, classes - 1))
  // Half of the outputs are right, so that there are teachers and samples without one.
  const z = list(exits, () =>
    list(images, (b) =>
      list(classes, (c) => 3 * random() + (random() < 0.5 && c === labels[b] ? 3 : 0)).map(
        Math.fround,
      ),
    ),
  )
  const softmax = (row: readonly number[], scale: number): number[] => {
    const powers = row.map((x) => Math.exp(x * scale))
    return powers.map((p) => p / sum(powers))
  }
  const teachers = list(images, (b) => {
    const right = z
      .map((rows) => rows[b])
      .filter((row) => row.indexOf(Math.max(...row)) === labels[b])
    return right.length === 0
      ? undefined
      : list(classes, (c) => sum(right.map((row) => row[c])) / right.length)
  })
  const taught = teachers.slice(0, valid).filter((g) => g).length
  const lossOf = (row: readonly number[], b: number): number => {
    const entropy = -Math.log(softmax(row, 1)[labels[b]])
    const teacher = teachers[b]
    if (!teacher) return alpha * entropy
    const [p, q] = [softmax(teacher, 1 / temperature), softmax(row, 1 / temperature)]
    const divergence = sum(p.map((x, c) => x * Math.log(x / q[c])))
    return alpha * entropy + (beta * temperature ** 2 * divergence * valid) / taught
  }
  engine.ints(Control.Valid, 1)[0] = valid
  engine.ints(Control.Target, 1)[0] = engine.putInts(labels)
  const table = engine.alloc(exits * ExitWord.Bytes)
  const deltas = list(exits, () => engine.alloc(images * C * 4))
  for (const [k, rows] of z.entries())
    engine.writeWords(table + k * ExitWord.Bytes, {
      // Padded classes hold what must count nowhere.
      [ExitWord.Output]: engine.putFloats(
        rows.flatMap((row) => list(C, (c) => (c < classes ? row[c] : 1e9))),
      ),
      [ExitWord.Delta]: deltas[k],
    })
  const losses = engine.alloc(images * 4)
  const last = z[exits - 1]
  const predicted = last.map((row) => row.indexOf(Math.max(...row)))
  const record = putRecord(engine, selfDistillation, 1, {
    ...{ predictions: engine.putInts(predicted), losses, images, channels: C, classes },
    ...{ gradientScale: 1 / images, exits: table, exitCount: exits, alpha, beta, temperature },
  })
  engine.run(record, engine.alloc(8 * classes))
  const expected = list(images, (b) => (b < valid ? sum(z.map((rows) => lossOf(rows[b], b))) : 0))
  near(`${what} losses`, engine.floats(losses, images), expected)
  near(`${what} loss`, engine.floats(Control.Loss, 1), [sum(expected) / valid])
  const correct = predicted.slice(0, valid).filter((p, b) => p === labels[b]).length
  assert.is(engine.ints(Control.Correct, 1)[0], correct, what)
  const step = 1e-5
  for (const [k, rows] of z.entries()) {
    const gradient = rows.flatMap((row, b) =>
      list(C, (c) => {
        if (b >= valid || c >= classes) return 0
        const at = (x: number): number => lossOf(row.with(c, row[c] + x), b)
        return (at(step) - at(-step)) / (2 * step) / valid
      }),
    )
    near(`${what} exit ${k}`, engine.floats(deltas[k], images * C), gradient, 1e-4)
  }
})

test.run()
