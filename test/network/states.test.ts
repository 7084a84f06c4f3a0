/** States that are recorded, beside float64 loops of the equations, spikes, streams, and bits. */

import * as assert from 'uvu/assert'
import {
  alif,
  type CompileOptions,
  conv2d,
  exportWasm,
  flatten,
  fromArrays,
  leakyIntegrator,
  lif,
  linear,
  type Model,
  neuron,
  neurons,
  plif,
  type RecordedStates,
  recurrent,
  sequential,
} from '../../src/index.js'
import { ReferenceNeuron, sigmoidSlope } from '../../src/kernels/equations/reference.js'
import { expectRefusal, expectRefusals, messageOf } from '../files/temporary.js'
import { labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'

const [T, B] = [11, 3]
const input = [2, 3, 4] as const
const size = 24
const own = neuron(
  `charged = u*(1 - 1/tau) + x
   tired = a > 0.5
   calm = charged < 4
   spike = theta + a/4 <= charged and calm
   u = where(spike, 0, charged)
   a = a*0.9 + spike`,
  { tau: 2.5, theta: 0.4 },
)
const adaptive = alif({ tau: 3, refractory: 1, detachReset: true })
const layers = { '1': own, '4': adaptive, '6': leakyIntegrator({ tau: 3 }) }

/** Five and three channels: both are padded. */
const network = (last = [layers['6']]) =>
  sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    own,
    flatten(),
    linear(60, 7),
    adaptive,
    linear(7, 3),
    ...last,
  )

const x = (samples = B, steps = T) => uniform(samples * steps * size, 3, 5)

const dataOf = (images: Float32Array, labels: readonly number[]) => ({
  images,
  labels,
  shape: input,
  classes: 3,
  timeSteps: T,
})

const compile = (options: Partial<CompileOptions> = {}, of = network()): Promise<Model> =>
  modelOf(of, { input, timeSteps: T, batchSize: B, frames: true, seed: 4, ...options })

/** What a layer's states must be, from its recorded currents on. @returns spikes of safe neurons */
function checkLayer(model: Model, name: keyof typeof layers, what: string): number {
  const entry = neurons.of(layers[name])
  const states = model.states(name)
  const [steps, samples, C, H, W] = states.x.shape
  const neuronsOfStep = samples * C * H * W
  let spikes = 0
  for (let n = 0; n < neuronsOfStep; n++) {
    const of = (one: string): number[] =>
      Array.from({ length: steps }, (_, t) => states[one].data[t * neuronsOfStep + n])
    const reference = new ReferenceNeuron({ what, text: entry.text }, of('x'), {
      parameters: entry.parameters as Record<string, number>,
      slope: sigmoidSlope(4),
    })
    if (reference.margin < 1e-4) continue
    for (const one of Object.keys(states).filter((one) => reference.steps[0].has(one)))
      for (const [t, value] of of(one).entries()) {
        const wanted = reference.steps[t].get(one)?.value as number
        assert.ok(Math.abs(value - wanted) < 1e-4, `${what}: ${one} of ${n}, ${t}: ${value}`)
        spikes += one === 'spike' ? value : 0
      }
  }
  return spikes
}

/** Spikes as `model.spikes` has them, and as both sides of the comparison say. */
function checkSpikes(model: Model, name: string, states: RecordedStates, and?: string): void {
  const { shape, data } = model.spikes(name)
  const [samples, steps, ...rest] = shape
  assert.equal(states.spike.shape, [steps, samples, ...rest])
  const each = rest.reduce((a, b) => a * b)
  for (let b = 0; b < samples; b++)
    for (let t = 0; t < steps; t++)
      for (let n = 0; n < each; n++) {
        const fired = data[(b * steps + t) * each + n]
        const at = (t * samples + b) * each + n
        assert.is(states.spike.data[at], fired)
        const passes = and === undefined || states[and].data[at] === 1
        const reaches = states.potential.data[at] >= states.threshold.data[at]
        assert.is(fired, Number(reaches && passes), `${name}, step ${t}`)
      }
}

const variants: readonly Partial<CompileOptions>[] = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', gradientCheckpoint: 'layers' },
  { method: 'bptt', stepMode: 's', threads: 2 },
  { method: 'os', threads: 2 },
  { method: 'sltt' },
]

for (const options of variants)
  test(`states are those of float64 and cost no bit: ${JSON.stringify(options)}`, async () => {
    const all = process.env.SPIKEWASM_ALL_THREADS
    process.env.SPIKEWASM_ALL_THREADS = '1'
    const model = await compile({ ...options, record: 'all' })
    const plain = await compile(options)
    const y = labels(B, 3, 1)
    const runs = {
      train: (of: Model) => of.trainStep(x(), y),
      predict: async (of: Model) => [...(await of.predict(x())).logits],
      two: async (of: Model) => [...(await of.predict(x(2))).logits],
      evaluate: (of: Model) => of.evaluate(fromArrays(dataOf(x(), y))),
    }
    for (const [what, run] of Object.entries(runs)) {
      assert.equal(await run(model), await run(plain), what)
      const spikes = checkLayer(model, '1', what) + checkLayer(model, '4', what)
      assert.ok(spikes > 20, `${what}: ${spikes} spikes`)
      checkLayer(model, '6', what)
      checkSpikes(model, '1', model.states('1'), 'calm')
      checkSpikes(model, '4', model.states('4'), 'active')
      assert.is(model.states('6').u.shape[1], what === 'two' ? 2 : B)
    }
    assert.equal(model.gradients(), plain.gradients())
    await Promise.all([model.dispose(), plain.dispose()])
    if (all === undefined) delete process.env.SPIKEWASM_ALL_THREADS
    else process.env.SPIKEWASM_ALL_THREADS = all
  })

test('potential and threshold are what a spike compares; learnt parameters and recurrence too', async () => {
  const hears = recurrent(lif({ tau: 2, vThreshold: 0.5 }), { allToAll: true })
  const of = sequential(flatten(), linear(size, 6), plif(), linear(6, 5), hears, linear(5, 3))
  const record = { '2': ['potential', 'u'], '4': ['threshold', 'potential', 'spike'] }
  const model = await compile({ method: 'bptt', record }, of)
  await model.trainStep(x(), labels(B, 3, 1))
  const { potential, u, ...none } = model.states('2')
  assert.equal(none, {})
  const spikes = model.spikes('2').data
  assert.ok(spikes.includes(1))
  for (let t = 0; t < T; t++)
    for (let b = 0; b < B; b++)
      for (let n = 0; n < 6; n++) {
        const at = (t * B + b) * 6 + n
        assert.is(u.data[at], Math.fround(potential.data[at] - spikes[(b * T + t) * 6 + n]))
      }
  const states = model.states('4')
  assert.ok(states.threshold.data.every((value) => value === 0.5))
  checkSpikes(model, '4', states)
})

test('a text with states potential and threshold, or with other letters, has both sides', async () => {
  const named = neuron(
    `ω = 0.8*ω + x
     spike = threshold < 2*ω
     ω = ω - detach(spike)
     threshold = 0.9*threshold + 0.1 + spike
     potential = 7`,
    {},
    { init: { threshold: 1 } },
  )
  const known = neuron('spike = one >= two; u = x', { one: 1, two: 2 })
  const of = sequential(flatten(), linear(size, 6), named, linear(6, 5), known, linear(5, 3))
  const model = await compile({ record: 'all', purpose: 'inference' }, of)
  await model.predict(x().map((value) => value * 3))
  const states = model.states('2')
  assert.equal(Object.keys(states), ['potential', 'threshold', 'x', 'ω', 'spike'])
  assert.equal(model.states(2), states)
  assert.ok(states.spike.data.includes(1))
  for (const [at, fired] of states.spike.data.entries())
    assert.is(fired, Number(states.threshold.data[at] < states.potential.data[at]))
  const { potential, threshold } = model.states('4')
  assert.ok(potential.data.every((value) => value === 1))
  assert.ok(threshold.data.every((value) => value === 2))
})

test('long runs and streams', async () => {
  const steps = 260
  const options = { record: 'all', stepMode: 's', batchSize: 2 } as const
  const model = await compile({ ...options, timeSteps: steps, purpose: 'inference' })
  const stream = await compile({ ...options, purpose: 'stream', frames: false })
  const frames = x(2, steps)
  await model.predict(frames)
  assert.ok(checkLayer(model, '1', 'long') > 20)
  const whole = model.states('4')
  for (let t = 0; t < steps; t++) {
    const frame = new Float32Array(2 * size)
    for (let b = 0; b < 2; b++)
      frame.set(frames.subarray((b * steps + t) * size, (b * steps + t + 1) * size), b * size)
    await stream.step(frame)
    const step = stream.states('4')
    for (const [name, { data, shape }] of Object.entries(step)) {
      assert.equal(shape, [1, 2, 7, 1, 1])
      assert.equal(data, whole[name].data.slice(t * 14, t * 14 + 14), `${name} at ${t}`)
    }
  }
})

test('monitor puts the states of batches together', async () => {
  const model = await compile({ record: { '1': ['u', 'tired', 'spike'], '6': 'all' } })
  const samples = x(8)
  const data = fromArrays(dataOf(samples, labels(8, 3, 1)))
  const { layers: spikes, states = {} } = await model.monitor(data, { limit: 7 })
  assert.equal(Object.keys(spikes), ['1'])
  assert.equal(Object.keys(states), ['1', '6'])
  for (let b = 0; b < 7; b++) {
    await model.predict(samples.slice(b * T * size, (b + 1) * T * size))
    for (const layer of ['1', '6'])
      for (const [name, { data, shape }] of Object.entries(model.states(layer))) {
        const all = states[layer][name]
        const [, , C, H, W] = shape
        assert.equal(all.shape, [T, 7, C, H, W])
        const n = C * H * W
        for (let t = 0; t < T; t++)
          assert.equal(
            all.data.slice((t * 7 + b) * n, (t * 7 + b + 1) * n),
            data.slice(t * n, (t + 1) * n),
            `${layer} ${name}`,
          )
      }
  }
  assert.is((await model.monitor(data, { keep: 'rates' })).states, undefined)
  assert.is(
    await messageOf(() => model.monitor(data, { maxBytes: 1000 })),
    'monitor: 8 samples of 60 neurons and 189 values take 73728 bytes, more than maxBytes ' +
      "(1000); record fewer samples (limit) or layers, or keep: 'rates'",
  )
})

test('what is not recorded costs nothing; summaries name what is', async () => {
  const [plain, spikes, some] = await Promise.all(
    [undefined, true, { '6': ['u'] }].map((record) => compile({ record })),
  )
  const keysOf = ({ session }: Model) => session.plan.kernels?.keys ?? []
  assert.equal(keysOf(spikes), keysOf(plain))
  const others = keysOf(some).filter((key) => !keysOf(plain).includes(key))
  assert.ok(others.length > 0 && others.every((key) => key.includes('"recorded"')))
  assert.ok(keysOf(plain).every((key) => !key.includes('recorded')))
  // Padded channels are stored too.
  assert.is(some.memoryUse.recorded, 64 * Math.ceil((4 * T * B * 4) / 64))
  assert.is(plain.memoryUse.recorded, undefined)
  assert.match(some.summary(), /\nrecorded states +0\.00\n/)
  assert.not.match(spikes.summary(), /recorded/)
  assert.equal(await exportWasm(some), await exportWasm(plain))
})

test('refusals', async () => {
  const layersSay = 'compile.record must name layers of neurons, got'
  for (const [record, message] of [
    [{ '0': ['u'] }, `${layersSay} "0"; there are 1, 4, 6`],
    [['6'], `${layersSay} "6"; there are 1, 4`],
    [
      { '1': ['u', 'v'] },
      'layer 1 has no "v"; there are potential, threshold, x, u, a, charged, tired, calm, spike',
    ],
    [{ '6': ['spike'] }, 'compile.record: layer 6 has no "spike"; there are x, u, output'],
    [{ '1': [] }, "compile.record: layer 1 must have a list of names, or 'all', got []"],
    [null, /^compile\.record must be true, false, 'all', a list of layers,/],
  ] as const)
    await expectRefusal(() => compile({ record: record as CompileOptions['record'] }), message)
  const large = { purpose: 'inference', timeSteps: 4096, frames: false, batchSize: 4000 } as const
  const some = await compile({ record: { '1': ['u'] } })
  const none = await compile()
  await expectRefusals([
    [
      () => compile({ ...large, record: 'all' }),
      /largest buffer, 1 states: .*; record fewer names, or: the largest batch that fits is \d+$/,
    ],
    [
      () => some.states('1'),
      'states: nothing has run yet; call trainStep, predict, evaluate or step first',
    ],
    [() => some.states('4'), 'states: nothing is recorded of a layer "4", but of 1'],
    [
      () => none.states('1'),
      `nothing is recorded of a layer "1", nor of another; compile with record: 'all'`,
    ],
  ])
})

test.run()
