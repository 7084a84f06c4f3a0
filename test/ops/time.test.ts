/** Traces, sums over time, dropout and relu against float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { placeOf, stillOf } from '../support/frames.js'
import { expectNear, expectSameBits, forShapes, type RandomShapes } from '../support/ops.js'

interface Shape {
  readonly T: number
  /** Numbers of a step. */
  readonly size: number
  /** Where number i of a step lies at step t, and the opposite. */
  readonly at: (t: number, i: number) => number
  readonly still: (at: number) => number
  /** [B, T, C] or [B, T, C, H, W]; without T where `timed` is false. */
  readonly shape: number[]
  readonly one: number[]
  readonly engine: RandomShapes['engine']
}

function randomShape(r: RandomShapes, timed = true): Shape {
  const T = !timed ? 1 : r.chance(0.3) ? r.int(9, 20) : r.int(1, 8)
  const [B, C] = [r.int(1, 3), r.pick([1, 3, 4, 7, 8, 13, 16, 20, 33])]
  const one = r.chance(0.3) ? [B, C] : [B, C, r.int(1, 5), r.int(1, 5)]
  const size = one.reduce((a, b) => a * b, 1)
  const shape = timed ? [B, T, ...one.slice(1)] : one
  return {
    T,
    size,
    at: placeOf(T, size / B),
    still: stillOf(T, size / B),
    one,
    shape,
    engine: r.engine,
  }
}

const times = <V>(count: number, value: (i: number) => V): V[] =>
  Array.from({ length: count }, (_, i) => value(i))

test('timeSum: over the steps of a run, and of several', () => {
  forShapes(200, (r) => {
    const { T, size, still, shape: input, engine } = randomShape(r)
    const carry = r.chance(0.5)
    const options = { input, carry, engine }
    const plan = ops.timeSum.plan(options)
    assert.equal(plan.kernels, ['TimeSum'])
    const sum = new Float64Array(size)
    for (let run = 0; run < 3; run++) {
      const x = r.floats(T * size)
      if (!carry || run === 0) sum.fill(0)
      x.forEach((v, i) => {
        sum[still(i)] += v
      })
      const y = carry ? plan.run(x, { step: run * T }) : plan.run(x)
      expectNear(`run ${run}`, y, sum, 1e-6)
    }
    return { options }
  })
})

test('trace: of floats and of spikes, from run to run', () => {
  const kernels = new Set<string>()
  forShapes(200, (r) => {
    const { T, size, at, shape: input, engine } = randomShape(r, r.chance(0.8))
    const spikes = r.chance(0.5)
    const tau = r.pick([undefined, 2, 4.5, Number.POSITIVE_INFINITY])
    const options = { input, spikes, engine, ...(tau && { tau }) }
    const plan = ops.trace.plan(options)
    kernels.add(plan.kernels.join())
    const lambda = 1 - 1 / (tau ?? 1.25)
    const wanted = new Float64Array(size)
    // Garbage, which step 0 does not read.
    const trace = r.floats(size)
    for (let run = 0; run < 3; run++) {
      const x = spikes ? r.spikes(T * size) : r.floats(T * size)
      for (let t = 0; t < T; t++)
        for (let i = 0; i < size; i++) wanted[i] = lambda * wanted[i] + x[at(t, i)]
      const own = run === 2 ? undefined : trace
      const result = plan.run(x, own, { step: run * T })
      expectNear(`run ${run}`, result, wanted, 1e-6)
      if (own) assert.is(result, own)
    }
    return { options }
  })
  assert.equal([...kernels].sort(), ['Materialise,Trace', 'Trace'])
})

test('traceGradient: weights get the gradient of traces from spikes', () => {
  forShapes(200, (r) => {
    const { T, size, at, shape: input, engine } = randomShape(r)
    const tau = r.pick([1.25, 2, 8])
    const before = r.chance(0.5)
    const options = { input, tau, engine }
    const plan = ops.traceGradient.plan({ ...options, outputs: ['inputGradient', 'before'] })
    assert.equal(plan.kernels, ['TraceGradient'])
    const d = r.floats(T * size)
    const both = plan.run(d)
    const gradient = both.inputGradient
    const first = before ? both.before : undefined
    expectSameBits('alone', ops.traceGradient(options, d), gradient)
    // By what it is for: Σ δ[t] a[t] over traces a of inputs x, from a[0] on.
    const lambda = 1 - 1 / tau
    const x = times(T * size, () => r.floats(1)[0])
    const start = times(size, () => (before ? r.floats(1)[0] : 0))
    const [traced, direct] = [new Float64Array(size), new Float64Array(size)]
    for (let i = 0; i < size; i++) {
      let a = start[i]
      direct[i] = first ? first[i] * a : 0
      for (let t = 0; t < T; t++) {
        a = lambda * a + x[at(t, i)]
        traced[i] += d[at(t, i)] * a
        direct[i] += gradient[at(t, i)] * x[at(t, i)]
      }
    }
    expectNear('gradient', direct, traced, 2e-6)
    // And by its equation, which one sum for each neuron does not show.
    const sums = new Float64Array(T * size)
    for (let t = 0; t < T; t++)
      for (let i = 0; i < size; i++)
        for (let k = t; k < T; k++) sums[at(t, i)] += lambda ** (k - t) * d[at(k, i)]
    expectNear('D', gradient, sums, 1e-6)
    return { options }
  })
})

test('relu: with counts that go on, and its gradients', () => {
  const kernels = new Set<string>()
  forShapes(200, (r) => {
    const { T, size, still, shape: input, one, engine } = randomShape(r)
    const options = { input, outputs: ['output', 'counts'], engine } as const
    const plan = ops.relu.plan(options)
    const total = Math.min(255, 3 * T)
    const counts = new Uint8Array(size)
    const mean = new Float64Array(size)
    for (let step = 0; step + T <= total; step += T) {
      const x = r.floats(T * size).map((v) => (r.chance(0.1) ? 0 : v))
      const y = plan.run(x, { step })
      assert.equal(
        Array.from(y.output),
        Array.from(x, (v) => Math.max(0, v)),
      )
      x.forEach((v, i) => {
        counts[still(i)] += v > 0 ? 1 : 0
      })
      assert.equal(y.counts, counts)
      const delta = r.floats(T * size)
      const back = ops.reluBackward.plan({ input, engine })
      kernels.add(back.kernels.join())
      const gradient = back.run(delta, y.output)
      assert.equal(
        Array.from(gradient),
        Array.from(delta, (d, i) => (x[i] > 0 ? d : 0)),
      )
    }
    const steps = Math.floor(total / T) * T
    const back = ops.reluBackward.plan({ input: one, counts: true, timeSteps: steps, engine })
    kernels.add(back.kernels.join())
    const delta = r.floats(size)
    delta.forEach((d, i) => {
      mean[i] = (d * counts[i]) / steps
    })
    expectNear('of time means', back.run(delta, counts), mean, 1e-6)
    return { options }
  })
  assert.equal([...kernels], ['ReluBackward'])
})

const streams = [1, 2, 7]

test('dropout: spikes and floats lose the same neurons at all steps', () => {
  const shares = new Map<number, number[]>()
  const kernels = new Set<string>()
  forShapes(200, (r) => {
    const { T, size, at, still, shape: input, one, engine } = randomShape(r, r.chance(0.8))
    const p = r.pick([undefined, 0, 0.2, 0.9])
    const options = { input, stream: r.pick(streams), engine, ...(p !== undefined && { p }) }
    const settings = { seed: r.int(0, 2 ** 31) }
    const onFloats = ops.dropout.plan(options)
    const x = r.floats(T * size)
    const y = onFloats.run(x, settings)
    // Which neurons are left can be seen at the first step: no number is 0.
    const keeps = times(size, (i) => y[at(0, i)] !== 0)
    assert.equal(
      Array.from(y),
      Array.from(x, (v, i) => (keeps[still(i)] ? v : 0)),
    )
    const spikes = r.spikes(T * size)
    const onSpikes = ops.dropout.plan({ ...options, spikes: true, outputs: ['counts', 'output'] })
    const left = onSpikes.run(spikes, settings)
    assert.equal(
      left.output,
      spikes.map((s, i) => (keeps[still(i)] ? s : 0)),
    )
    assert.equal(
      left.counts,
      Uint8Array.from(keeps, (keep, i) =>
        keep ? times(T, (t) => spikes[at(t, i)]).reduce((a, b) => a + b, 0) : 0,
      ),
    )
    const { input: _, ...same } = options
    const back = ops.dropoutBackward.plan({ ...same, input: one })
    const delta = r.floats(size)
    assert.equal(
      Array.from(back.run(delta, settings)),
      Array.from(delta, (d, i) => (keeps[i] ? d : 0)),
    )
    for (const plan of [onFloats, onSpikes, back]) kernels.add(plan.kernels.join())
    const [kept, all] = shares.get(p ?? 0.5) ?? [0, 0]
    shares.set(p ?? 0.5, [kept + keeps.filter((keep) => keep).length, all + size])
    return { options }
  })
  assert.equal([...kernels].sort(), ['Dropout', 'DropoutFloats'])
  for (const [p, [kept, all]] of shares) {
    const most = 6 * Math.sqrt(all * p * (1 - p))
    assert.ok(Math.abs(kept - all * (1 - p)) <= most, `p = ${p}: ${kept} of ${all} are left`)
  }
})

test('dropout: seeds and streams draw other neurons, the same ones again', () => {
  const input = [1, 400]
  const x = new Float32Array(400).fill(1)
  const draws = streams.flatMap((stream) => {
    const plan = ops.dropout.plan({ input, stream })
    return [0, 1, 2 ** 32 - 1].map((seed) => plan.run(x, { seed }).join())
  })
  assert.is(new Set(draws).size, 9)
  assert.is(ops.dropout({ input, stream: 2 }, x, { seed: 1 }).join(), draws[4])
})

test.run()
