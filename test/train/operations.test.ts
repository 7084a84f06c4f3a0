/** Operations, membrane updates and spikes beside a simulation that loops over everything. */

import * as assert from 'uvu/assert'
import {
  alif,
  avgPool2d,
  type CompileOptions,
  conv2d,
  cubaLif,
  type Dataset,
  flatten,
  fromArrays,
  integrateAndFire,
  integrator,
  leakyIntegrator,
  lif,
  linear,
  type Model,
  type Module,
  maxPool2d,
  recurrent,
  relu,
  residual,
  type StateDict,
  scale,
  sequential,
  stabilizedLif,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import { testRandom } from '../support/engine.js'
import { modelOf, test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import {
  averages,
  type ConvCase,
  forwardReference,
  outSize,
  shapesOf,
} from '../support/ops-convolution.js'

/** A value of one image and step: [C][H][W]. */
interface Map3 {
  readonly shape: readonly [number, number, number]
  readonly data: Float64Array
}

/** A layer with weights: its operations, and whether all that it reads is 0 or ±1. */
interface Layer {
  operations: number
  binary: boolean
}

/** What the simulation counts. */
interface Sums {
  macs: number
  acs: number
  dense: number
  updates: number
  active: number
  outputs: number
  readonly layers: Layer[]
  /** Trains of the layers of neurons, [image][t][C·H·W]. */
  readonly trains: number[][][]
}

interface Spec {
  readonly module: () => Module
  /** A new simulation of one image. */
  readonly simulate: (weights: Weights, sums: Sums) => (x: Map3) => Map3
}
/** The next of the parameters, or of the running thresholds. */
type Weights = (of?: 'running') => Float32Array

/** What is added up where neither factor is 0, and what would be with all of them. */
function count(c: ConvCase, x: Map3, weight: ArrayLike<number>, sums: Sums, layer: Layer): void {
  const ones = (values: ArrayLike<number>, all = false) =>
    Float64Array.from(values, (v) => Number(all || v !== 0))
  const total = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)
  sums.dense += total(forwardReference(c, ones(x.data, true), ones(weight, true)))
  layer.operations += total(forwardReference(c, ones(x.data), ones(weight)))
  if (x.data.some((v) => v !== 0 && Math.abs(v) !== 1)) layer.binary = false
}

/** A layer with weights, as NeuroBench counts it: products of what is not 0, inside the image. */
const weighted = (module: () => Module, of: (x: Map3) => ConvCase): Spec => ({
  module,
  simulate(weights, sums) {
    const [weight, bias] = [weights(), weights()]
    const layer = { operations: 0, binary: true }
    sums.layers.push(layer)
    return (x) => {
      const c = of(x)
      count(c, x, weight, sums, layer)
      const { outH, outW } = shapesOf(c)
      return { shape: [c.N, outH, outW], data: forwardReference(c, x.data, weight, bias) }
    }
  },
})
const single = { T: 1, timed: false, B: 1 }
const conv = (
  from: number,
  to: number,
  kernel: number,
  stride: number,
  padding: number,
  groups: number,
): Spec =>
  weighted(
    () => conv2d(from, to, kernel, { stride, padding, groups, bias: true }),
    ({ shape: [C, H, W] }) => ({
      ...{ ...single, C, H, W, N: to, groups },
      ...{ kernel: [kernel, kernel], stride: [stride, stride], padding: [padding, padding] },
    }),
  )
const full = (from: number, to: number): Spec =>
  weighted(
    () => linear(from, to),
    ({ data }) => ({
      ...{ ...single, C: data.length, H: 1, W: 1, N: to, groups: 1 },
      ...{ kernel: [1, 1], stride: [1, 1], padding: [0, 0] },
    }),
  )

interface Dynamics {
  readonly make: () => Module
  /** 1 − 1/τ of the potential, the current and the adaptation; absent: there is none. */
  readonly leak: number
  readonly synapse?: number
  readonly adaptation?: { readonly leak: number; readonly beta: number }
  /** Of each channel, or of all; absent: no spikes. `running`: what the layer holds. */
  readonly threshold?: number | readonly number[] | 'running'
  readonly hard?: boolean
  readonly refractory?: number
  readonly recurrent?: 'all' | 'itself'
}

/** Neurons with more state than a potential. */
const cells = (of: Dynamics): Spec => ({
  module: of.make,
  simulate(weights, sums) {
    const running = of.threshold === 'running' ? weights('running') : undefined
    const weight = of.recurrent && weights()
    const bias = of.recurrent === 'all' ? weights() : undefined
    const layer = { operations: 0, binary: true }
    if (weight) sums.layers.push(layer)
    const train: number[][] = []
    if (of.threshold) sums.trains.push(train)
    const zeros = (n: number) => new Float64Array(n)
    let state: Record<'v' | 'i' | 'a' | 's' | 'rest', Float64Array> | undefined
    return ({ shape, data }) => {
      const n = data.length
      const first = !state
      const each = { v: zeros(n), i: zeros(n), a: zeros(n), s: zeros(n), rest: zeros(n) }
      const now = state ?? each
      state = now
      const before = now.s.slice()
      const out = zeros(n)
      for (let to = 0; to < n; to++) {
        let x = data[to]
        x += bias?.[to] ?? 0
        if (weight) {
          for (let from = 0; from < n; from++) {
            if (!bias && from !== to) continue
            const w = weight[bias ? to * n + from : to]
            sums.dense++
            if (w !== 0 && before[from] !== 0) layer.operations++
            x += w * before[from]
          }
        }
        if (of.synapse !== undefined) x = now.i[to] = of.synapse * now.i[to] + x
        const last = now.v[to]
        const rests = now.rest[to] > 0
        const u = rests ? last : of.leak * last + x
        const channel = Math.floor((to * shape[0]) / n)
        const base =
          running?.[0] ??
          ([of.threshold ?? Infinity].flat()[Array.isArray(of.threshold) ? channel : 0] as number)
        const theta = base + (of.adaptation ? of.adaptation.beta * now.a[to] : 0)
        const fired = !rests && u >= theta
        now.v[to] = fired ? (of.hard ? 0 : u - base) : u
        if (of.adaptation) now.a[to] = of.adaptation.leak * now.a[to] + Number(fired)
        now.rest[to] = fired ? (of.refractory ?? 0) : Math.max(0, now.rest[to] - 1)
        now.s[to] = Number(fired)
        out[to] = of.threshold ? Number(fired) : u
        if (first || now.v[to] !== last) sums.updates++
      }
      if (of.threshold) {
        sums.outputs += n
        sums.active += out.reduce((a, b) => a + b, 0)
        train.push([...out])
      }
      return { shape, data: out }
    }
  },
})

/** Plain neurons; their threshold is 1. */
const neurons = (leak: number, hard: boolean): Spec => {
  const options = { vReset: hard ? 0 : null }
  const make = () => (leak === 1 ? integrateAndFire(options) : lif({ tau: 2, ...options }))
  return cells({ make, leak, hard, threshold: 1 })
}

const stateless = (module: () => Module, run: (x: Map3, sums: Sums) => Map3): Spec => ({
  module,
  simulate: (_weights, sums) => (x) => run(x, sums),
})
const pool = (kind: 'avg' | 'max', kernel: number, stride: number, padding: number): Spec =>
  stateless(
    () => (kind === 'avg' ? avgPool2d : maxPool2d)(kernel, { stride, padding }),
    ({ shape: [C, H, W], data }) => {
      const size = (n: number): number => outSize(n, kernel, stride, padding)
      const pair = (n: number) => [n, n] as const
      if (kind === 'avg') {
        const means = averages(C, [H, W], data, pair(kernel), pair(stride), pair(padding))
        return { shape: [C, size(H), size(W)], data: means }
      }
      const out = new Float64Array(C * size(H) * size(W)).map((_, at) => {
        const [c, y, x] = [Math.floor(at / size(W) / size(H)), Math.floor(at / size(W)), at]
        const [top, left] = [(y % size(H)) * stride - padding, (x % size(W)) * stride - padding]
        const values: number[] = []
        for (let row = Math.max(0, top); row < Math.min(H, top + kernel); row++)
          for (let column = Math.max(0, left); column < Math.min(W, left + kernel); column++)
            values.push(data[(c * H + row) * W + column])
        return Math.max(...values)
      })
      return { shape: [C, size(H), size(W)], data: out }
    },
  )
const positive = stateless(relu, ({ shape, data }, sums) => {
  const out = data.map((v) => Math.max(0, v))
  sums.outputs += out.length
  sums.active += out.filter((v) => v !== 0).length
  return { shape, data: out }
})
const flat = stateless(flatten, ({ shape, data }) => ({
  shape: [shape[0], shape[1], shape[2]],
  data,
}))
const times = (factor: number): Spec =>
  stateless(
    () => scale(factor),
    ({ shape, data }) => ({ shape, data: data.map((v) => v * factor) }),
  )
/** x + the layers of x. */
const around = (...inside: Spec[]): Spec => ({
  module: () => residual(sequential(...inside.map(({ module }) => module()))),
  simulate(weights, sums) {
    const runs = inside.map(({ simulate }) => simulate(weights, sums))
    return (x) => {
      const y = runs.reduce((value, run) => run(value), x)
      return { shape: y.shape, data: y.data.map((v, i) => v + x.data[i]) }
    }
  },
})

interface Case {
  readonly name: string
  readonly input: readonly [number, number, number]
  readonly layers: readonly Spec[]
  /** What its training needs. */
  readonly method?: CompileOptions['method']
}

const cases: readonly Case[] = [
  {
    name: 'edges, strides, groups, pooled spikes',
    input: [3, 7, 6],
    layers: [
      conv(3, 8, 3, 1, 1, 1),
      neurons(0.5, false),
      conv(8, 12, 3, 2, 2, 4),
      neurons(0.5, true),
      pool('max', 3, 1, 1),
      conv(12, 12, 3, 1, 0, 12),
      neurons(1, false),
      pool('avg', 2, 1, 0),
      flat,
      full(24, 5),
    ],
  },
  {
    name: 'sums of spikes, relu, scales',
    input: [2, 6, 6],
    layers: [
      conv(2, 16, 3, 1, 1, 1),
      positive,
      conv(16, 16, 1, 1, 0, 1),
      neurons(0.5, false),
      around(conv(16, 16, 3, 1, 1, 1), neurons(0.5, true)),
      conv(16, 20, 3, 3, 1, 1),
      neurons(1, true),
      times(0.5),
      flat,
      full(80, 6),
      neurons(0.5, false),
      full(6, 3),
    ],
  },
  {
    name: 'cells',
    input: [2, 5, 4],
    method: 'bptt',
    layers: [
      conv(2, 6, 3, 1, 1, 1),
      cells({
        make: () => cubaLif({ tauSyn: 2, tau: 2, vReset: 0, refractory: 1 }),
        ...{ leak: 0.5, synapse: 0.5, threshold: 1, hard: true, refractory: 1 },
      }),
      conv(6, 5, 3, 1, 1, 1),
      cells({
        make: () => alif({ tau: 2, tauAdaptation: 2, beta: 0.5 }),
        ...{ leak: 0.5, adaptation: { leak: 0.5, beta: 0.5 }, threshold: 1 },
      }),
      conv(5, 3, 3, 2, 1, 1),
      cells({
        make: () => lif({ tau: 2, vThreshold: [0.5, 1, 0.25] }),
        ...{ leak: 0.5, threshold: [0.5, 1, 0.25] },
      }),
      cells({
        make: () => recurrent(integrateAndFire({ vThreshold: 0.5 }), { bias: true }),
        ...{ leak: 1, threshold: 0.5, recurrent: 'all' },
      }),
      flat,
      full(18, 7),
      cells({
        make: () => recurrent(cubaLif({ tauSyn: 2, tau: 2 }), { bias: true }),
        ...{ leak: 0.5, synapse: 0.5, threshold: 1, recurrent: 'all' },
      }),
      full(7, 6),
      cells({
        make: () => recurrent(lif({ tau: 2, vThreshold: 0.25 }), { allToAll: false }),
        ...{ leak: 0.5, threshold: 0.25, recurrent: 'itself' },
      }),
      full(6, 7),
      full(7, 4),
      cells({ make: () => integrator(), leak: 1 }),
      full(4, 3),
      cells({ make: () => leakyIntegrator({ tau: 2 }), leak: 0.5 }),
    ],
  },
  {
    name: 'a threshold that follows the potentials',
    input: [2, 5, 4],
    method: 'os',
    layers: [
      conv(2, 5, 3, 1, 1, 1),
      cells({ make: () => stabilizedLif({ tau: 2 }), leak: 0.5, threshold: 'running' }),
      conv(5, 4, 3, 1, 1, 1),
      cells({
        make: () => stabilizedLif({ tau: 2, vReset: 0 }),
        ...{ leak: 0.5, threshold: 'running', hard: true },
      }),
      flat,
      full(80, 3),
    ],
  },
]

/** Eighths, a third of them 0: sums are exact in float32 and float64. */
function dyadic(count: number, seed: number, range = 6): Float32Array {
  const random = testRandom(seed)
  return Float32Array.from({ length: count }, () =>
    random() < 0.33 ? 0 : Math.round((random() - 0.4) * range) / 8,
  )
}

function quantise(model: Model, seed: number): StateDict {
  const state = Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, { shape, data }], i) => [
      name,
      {
        shape,
        data: name.endsWith('running_threshold')
          ? data.map(() => (3 + (i % 4)) / 4)
          : dyadic(data.length, seed + i),
      },
    ]),
  )
  model.loadStateDict(state)
  return state
}

function simulate(
  { layers, input }: Case,
  state: StateDict,
  images: Float32Array,
  samples: number,
  T: number,
): Sums {
  const sums: Sums = {
    ...{ macs: 0, acs: 0, dense: 0, updates: 0, active: 0, outputs: 0 },
    layers: [],
    trains: [],
  }
  const all: Sums['layers'][] = []
  const size = images.length / samples
  const trains: number[][][][] = []
  for (let n = 0; n < samples; n++) {
    const runs = (name: string): boolean => name.endsWith('running_threshold')
    const entries = Object.entries(state)
    const tensors = entries.filter(([name]) => !runs(name)).map(([, { data }]) => data)
    const running = entries.filter(([name]) => runs(name)).map(([, { data }]) => data)
    const next: Weights = (of) => (of ? running : tensors).shift() as Float32Array
    const own: Sums = { ...sums, layers: [], trains: [] }
    const steps = layers.map((layer) => layer.simulate(next, own))
    const x = { shape: input, data: Float64Array.from(images.subarray(n * size, (n + 1) * size)) }
    for (let t = 0; t < T; t++) steps.reduce((value: Map3, run) => run(value), x)
    all.push(own.layers)
    trains.push(own.trains)
    Object.assign(sums, { ...own, layers: sums.layers, trains: sums.trains })
  }
  for (const [i] of all[0].entries()) {
    const operations = all.reduce((sum, of) => sum + of[i].operations, 0)
    if (all.every((of) => of[i].binary)) sums.acs += operations
    else sums.macs += operations
  }
  // By layer instead of by image.
  for (const [i] of trains[0].entries()) sums.trains.push(trains.map((of) => of[i].flat()))
  return sums
}

const settings: readonly Partial<CompileOptions>[] = [
  { timeSteps: 3, stepMode: 'm', purpose: 'inference' },
  { timeSteps: 9, stepMode: 's', purpose: 'train' },
  { timeSteps: 4, stepMode: 'm', purpose: 'train', threads: 2, batchSize: 2 },
  { timeSteps: 3, stepMode: 's', purpose: 'inference', batchSize: 1 },
]

for (const each of cases)
  for (const setting of settings) {
    const { timeSteps: T = 0, stepMode, purpose } = setting
    test(`${each.name}: T ${T}, ${stepMode}, ${purpose} count what a loop over everything counts`, async () => {
      const samples = 5
      const net = sequential(...each.layers.map(({ module }) => module()))
      const method =
        purpose !== 'train'
          ? {}
          : { method: each.method, ...(each.method === 'os' && { stepMode: 's' }) }
      const options = { input: [...each.input], batchSize: 3, ...setting, ...method }
      const shared = options as CompileOptions
      const model = await modelOf(net, { ...shared, record: true })
      const state = quantise(model, 11)
      const images = dyadic(samples * each.input.reduce((a, b) => a * b, 1), 3, 12)
      const labels = [0, 1, 2, 0, 1]
      const data = fromArrays({ images, labels, shape: [...each.input], classes: 3 })
      const expected = simulate(each, state, images, samples, T)
      for (let round = 0; round < 2; round++) {
        const { operations: found, firingRates } = await model.evaluate(data)
        assert.ok(found)
        // Of five samples in batches of three: the fifth counts once, no repeat counts.
        assert.equal(firingRates, ratesOf(model, expected.trains))
        const uncounted = await model.evaluate(data, { operations: false })
        assert.equal(uncounted.firingRates, firingRates)
        assert.is(Math.round(found.effectiveMacs * samples), expected.macs)
        assert.is(Math.round(found.effectiveAcs * samples), expected.acs)
        assert.is(Math.round(found.dense * samples), expected.dense)
        assert.is(Math.round(found.membraneUpdates * samples), expected.updates)
        assert.ok(
          Math.abs(found.activationSparsity - (1 - expected.active / expected.outputs)) < 1e-12,
        )
        const weights = Object.entries(state).filter(([name]) =>
          /(weight|recurrent\.V)$/.test(name),
        )
        const all = weights.flatMap(([, { data }]) => [...data])
        const zero = all.filter((w) => w === 0).length
        assert.ok(Math.abs(found.connectionSparsity - zero / all.length) < 1e-12)
        assert.ok(expected.acs > 0 && expected.macs > 0 && zero > 0)
      }
      await checkSpikes(model, data, images, expected, T)
    })
  }

/** Share of the neurons and steps that have a spike, of each layer. */
function ratesOf(model: Model, trains: Sums['trains']): Record<string, number> {
  const { record: names } = model.session.settings
  return Object.fromEntries(
    trains.map((images, i) => {
      const all = images.flat()
      return [names[i], all.reduce((a, b) => a + b, 0) / all.length]
    }),
  )
}

/** Spike trains of `spikes` and `monitor` are those of the simulation. */
async function checkSpikes(
  model: Model,
  data: Dataset,
  images: Float32Array,
  { trains }: Sums,
  T: number,
): Promise<void> {
  const names = model.session.settings.record
  assert.is(names.length, trains.length)
  const n = Math.min(2, model.batchSize)
  await model.predict(images.subarray(0, (n * images.length) / 5))
  const recording = await model.monitor(data, { limit: 4 })
  assert.is(recording.samples, 4)
  assert.equal([...(recording.labels ?? [])], [0, 1, 2, 0])
  await model.predict(images.subarray(0, (n * images.length) / 5))
  for (const [i, name] of names.entries()) {
    const { shape, data: spikes } = model.spikes(name)
    const size = shape[2] * shape[3] * shape[4]
    assert.equal(shape.slice(0, 2), [n, T])
    const layer = recording.layers[name]
    for (let b = 0; b < 4; b++)
      for (let neuron = 0; neuron < size; neuron++) {
        let sum = 0
        for (let t = 0; t < T; t++) {
          const expected = trains[i][b][t * size + neuron]
          sum += expected
          const at = (b * T + t) * size + neuron
          if (b < n) assert.is(spikes[at], expected, `${name} ${b} ${neuron} ${t}`)
          assert.is(layer.spikes?.[at], expected, `${name} ${b} ${neuron} ${t}`)
        }
        assert.is(layer.rates[b * size + neuron], Math.fround(sum / T))
      }
    const mean = layer.rates.reduce((a, b) => a + b, 0) / layer.rates.length
    assert.ok(Math.abs(layer.stepRates.reduce((a, b) => a + b, 0) / T - mean) < 1e-6)
  }
}

test('what is not recorded, or does not fit, is refused by name', async () => {
  const at = (more: Partial<CompileOptions>) =>
    compileNet('flatten, linear 8, lif, linear 3', {
      ...{ input: [4], batchSize: 2, purpose: 'inference', ...more },
    })
  const [plain, model] = [await at({}), await at({ record: ['2'] })]
  const data = fromArrays({ images: new Float32Array(8), labels: [0, 1], shape: [4], classes: 3 })
  const monitored = (options: object) => () => model.monitor(data, options)
  for (const [call, message] of [
    [() => plain.spikes('2'), /"2" are not kept; compile with record/],
    [() => plain.spikes('x'), /no layer of neurons "x"; there are 2/],
    [() => plain.monitor(data), /compile with record: true/],
    [() => model.spikes('2'), /nothing has run yet/],
    [monitored({ layers: ['1'] }), /no layer of neurons "1"/],
    [monitored({ layers: [] }), /needs layers/],
    [monitored({ maxBytes: 100 }), /take 128 bytes, more than maxBytes \(100\)/],
    [monitored({ rates: true }), /rates/],
    [() => at({ record: ['0'] }), /compile.record must/],
    [() => at({ record: [null] as never }), /compile.record must/],
  ] as const)
    assert.match(await messageOf(async () => call()), message)
  assert.is((await plain.evaluate(data, { operations: false })).operations, undefined)
  const rates = await model.monitor(data, { keep: 'rates' })
  assert.is(rates.layers[2].spikes, undefined)
})

test('series and cells count, and are recorded', async () => {
  const input = [2, 8] as const
  const text = `conv 8 3 stride=2 padding=1, cubaLif tauSyn=2 tau=2 vThreshold=0.2, flatten, linear 3,
    leakyIntegrator tau=2`
  const model = await compileNet(text, { input, timeSteps: 5, batchSize: 2, record: true })
  const images = dyadic(3 * 16, 4, 20)
  const data = fromArrays({ images, labels: [0, 1, 2], shape: [...input], classes: 3 })
  const { operations } = await model.evaluate(data)
  const { layers } = await model.monitor(data)
  assert.equal(Object.keys(layers), ['1'])
  const { spikes = new Uint8Array(), rates } = layers['1']
  const fired = spikes.reduce((a, b) => a + b, 0)
  assert.ok(fired > 0)
  // Each spike of the series meets three weights; of T · 3 samples · 32 neurons.
  assert.is(Math.round((operations?.effectiveAcs ?? 0) * 3), fired * 3)
  assert.ok(Math.abs((operations?.activationSparsity ?? 0) - (1 - fired / (5 * 3 * 32))) < 1e-12)
  assert.is(rates.length, 3 * 32)
  // The taps of outputs at 0, 2, 4, 6 in a series of 8.
  assert.is(operations?.layers['0'].dense, 5 * (11 * 2 * 8))
})

test('in a stream spikes are those of the last step; long runs keep all', async () => {
  const shared = { input: [4], batchSize: 1, timeSteps: 300, record: true, seed: 2 } as const
  const text = 'flatten, linear 8, lif tau=2, linear 3'
  const stream = await compileNet(text, { ...shared, purpose: 'stream' })
  const long = await compileNet(text, { ...shared, purpose: 'inference' })
  const x = Float32Array.of(3, -2, 4, 1)
  await long.predict(x)
  const { shape, data } = long.spikes('2')
  assert.equal([...shape], [1, 300, 8, 1, 1])
  let total = 0
  for (let t = 0; t < 300; t++) {
    const { spikes } = await stream.step(x)
    const step = stream.spikes('2')
    assert.equal([...step.shape], [1, 1, 8, 1, 1])
    for (let i = 0; i < 8; i++) assert.is(step.data[i], data[t * 8 + i])
    total += step.data.reduce((a, b) => a + b, 0)
    assert.is(spikes['2'], total)
  }
  assert.ok(total > 255)
})

test.run()
