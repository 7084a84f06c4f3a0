/**
 * What methods of the paper's comparison need, against loops in float64: all-time normalisation and
 * stabilised thresholds (method os), and the loss of self-distillation.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { exit, selfDistillation } from '../../src/kernels/records/loss.js'
import { stabilizedSums, stabilizedThreshold } from '../../src/kernels/records/neuron.js'
import { normAllTime } from '../../src/kernels/records/norm.js'
import { expectNear } from '../support/ops.js'
import { list, putRecord, testCases } from '../support/records.js'

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

testCases('all-time normalisation, over the steps of a batch', 60, (r, engine) => {
  const real = r.int(1, 9)
  const C = 4 * Math.ceil(real / 4) + r.pick([0, 4])
  // Groups of statistics in a call, each of which may stand for several steps that are alike.
  const [groups, calls] = r.pick([
    [1, r.int(1, 4)],
    [r.int(1, 4), 1],
  ])
  const moves = groups === 1 && calls === 1 ? r.int(1, 3) : undefined
  const steps = groups * calls * (moves ?? 1)
  const [epsilon, momentum, bound] = [0.0625, 0.25, r.pick([1.5, 20])]
  const numbers = (least: number, most: number): Float32Array =>
    r.floats(C, (most - least) / 2).map((v) => v + (most + least) / 2)
  const isAffine = r.chance(0.8)
  const byLayer = r.chance(0.4)
  const [weight, bias] = [numbers(-1, 2), numbers(-1, 1)]
  const [mean0, var0] = [numbers(-1, 1), numbers(0.2, 2)]
  const [runningMean, runningVar] = [engine.putFloats(mean0), engine.putFloats(var0)]
  const shared = {
    channels: C,
    realChannels: real,
    groups,
    runningMean,
    runningVar,
    weight: isAffine ? engine.putFloats(weight) : undefined,
    bias: isAffine ? engine.putFloats(bias) : undefined,
    frozen: engine.alloc(2 * C * 4),
    totals: engine.alloc(2 * C * 8),
    used: engine.alloc(groups * 2 * C * 4),
    byLayer,
    epsilon,
    momentum,
    bound,
    totalSteps: steps,
    moves,
  }
  const [means, squares] = [new Float64Array(C), new Float64Array(C)]
  const frozen = Array.from(var0, (v) => 1 / Math.sqrt(v + epsilon))
  for (let call = 0; call < calls; call++) {
    const rows = (): Float32Array => r.floats(groups * C)
    const [mu, scale, shift] = [rows(), rows(), rows()]
    const invStd = rows().map((v) => 1.15 + 0.75 * v)
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
    expectNear('scale', engine.floats(places.scale, groups * C), expected.scale)
    expectNear('used', engine.floats(shared.used, groups * 2 * C), expected.used)
    expectNear('shift', engine.floats(places.shift, groups * C), expected.shift)
    const last = call === calls - 1
    const moved = (from: Float32Array, to: (c: number) => number): number[] =>
      Array.from(from, (v, c) => (last ? v + momentum * (to(c) - v) : v))
    expectNear(
      'running mean',
      engine.floats(runningMean, C),
      moved(mean0, (c) => means[c]),
    )
    expectNear(
      'running variance',
      engine.floats(runningVar, C),
      moved(var0, (c) => Math.max(0, squares[c] - means[c] ** 2)),
    )
  }
})

testCases('the threshold that follows potentials, a step at a time', 60, (r, engine) => {
  const real = r.int(2, 9)
  const C = 4 * Math.ceil(real / 4) + r.pick([0, 4])
  const [pixels, steps] = [r.int(2, 50), r.int(1, 9)]
  // Steps at which all potentials are the same, and at which one is beyond all bounds.
  const [flat, infinite] = [r.int(-3, steps - 1), r.int(-3, steps - 1)]
  const pixelsPerUnit = r.int(1, pixels)
  const units = Math.ceil(pixels / pixelsPerUnit)
  const [threshold, share] = [Math.fround(1 + r.floats(1, 0.5)[0]), 0.125]
  const [moments, stability] = [engine.alloc(units * 16), engine.alloc(8)]
  const runningThreshold = engine.putFloats([1.5])
  let [running, ratio] = [1.5, 0]
  const shared = { pixels, realChannels: real, moments }
  for (let t = 0; t < steps; t++) {
    const same = t === 0 ? 0.375 : r.floats(1)[0]
    const u = r.floats(pixels * C, 1.5).map((v) => (t === flat ? same : v + 0.5))
    if (t === infinite) u[real - 1] = Infinity
    const all = [...u].filter((_, i) => i % C < real)
    const mean = sum(all) / all.length
    const deviation = Math.sqrt(sum(all.map((x) => (x - mean) ** 2)) / (all.length - 1))
    if (t === 0) ratio = (threshold - mean) / deviation
    const now = t === 0 || !Number.isFinite(ratio) ? threshold : mean + deviation * ratio
    if (Number.isFinite(now)) running += share * (now - running)
    const charged = engine.putFloats(u)
    const sums = { ...shared, charged, channels: C, pixelsPerUnit }
    engine.run(putRecord(engine, stabilizedSums, units, sums), 0, t)
    const decide = { ...shared, threshold, units, stability, runningThreshold, share }
    engine.run(putRecord(engine, stabilizedThreshold, 1, decide), 0, t)
    const [foundRatio, found] = engine.floats(stability, 2)
    assert.is(Number.isFinite(foundRatio), Number.isFinite(ratio))
    if (Number.isFinite(ratio)) expectNear('ratio', [foundRatio], [ratio], 1e-4)
    assert.is(Number.isFinite(found), Number.isFinite(now))
    if (Number.isFinite(now)) expectNear('θ', [found], [now], 1e-4)
    expectNear('running θ', engine.floats(runningThreshold, 1), [running], 1e-4)
  }
})

testCases('self-distillation, with gradients by finite differences', 60, (r, engine) => {
  const [images, exits, classes] = [r.int(1, 5), r.int(2, 4), r.int(2, 7)]
  const C = 4 * Math.ceil(classes / 4)
  const valid = r.int(1, images)
  const [alpha, beta, temperature] = [0.75, 0.5, r.pick([1, 3])]
  const labels = list(images, () => r.int(0, classes - 1))
  // Half of the outputs are right, so that there are teachers and samples without one.
  const z = list(exits, () =>
    list(images, (b) =>
      list(
        classes,
        (c) => 1.5 + r.floats(1, 1.5)[0] + (r.chance(0.5) && c === labels[b] ? 3 : 0),
      ).map(Math.fround),
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
  const deltas = list(exits, () => engine.alloc(images * C * 4))
  // Padded classes hold what must count nowhere.
  const padded = (row: readonly number[]): number[] => list(C, (c) => row[c] ?? 1e9)
  const places = z.map((rows, k) => ({
    output: engine.putFloats(rows.flatMap(padded)),
    delta: deltas[k],
  }))
  const losses = engine.alloc(images * 4)
  const last = z[exits - 1]
  const predicted = last.map((row) => row.indexOf(Math.max(...row)))
  const record = putRecord(engine, selfDistillation, 1, {
    predictions: engine.putInts(predicted),
    losses,
    images,
    channels: C,
    classes,
    gradientScale: 1 / images,
    exits: engine.table(exit, places),
    exitCount: exits,
    alpha,
    beta,
    temperature,
  })
  engine.run(record, engine.alloc(8 * classes))
  const expected = list(images, (b) => (b < valid ? sum(z.map((rows) => lossOf(rows[b], b))) : 0))
  expectNear('losses', engine.floats(losses, images), expected)
  expectNear('loss', engine.floats(Control.Loss, 1), [sum(expected) / valid])
  const correct = predicted.slice(0, valid).filter((p, b) => p === labels[b]).length
  assert.is(engine.ints(Control.Correct, 1)[0], correct)
  const step = 1e-5
  for (const [k, rows] of z.entries()) {
    const gradient = rows.flatMap((row, b) =>
      list(C, (c) => {
        if (b >= valid || c >= classes) return 0
        const at = (x: number): number => lossOf(row.with(c, row[c] + x), b)
        return (at(step) - at(-step)) / (2 * step) / valid
      }),
    )
    expectNear(`exit ${k}`, engine.floats(deltas[k], images * C), gradient, 1e-4)
  }
})

test.run()
