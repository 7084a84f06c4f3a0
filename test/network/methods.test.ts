/** What ties the methods together, and the online methods against their definition. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  flatten,
  integrateAndFire,
  type Layer,
  lif,
  linear,
  type NeuronOptions,
  plif,
  type StateDict,
  scale,
  sequential,
  sgd,
  stabilizedLif,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import {
  type Case,
  checkCase,
  checkGradients,
  compileCase,
  makeCase,
  stepOnEngine,
} from '../support/case.js'
import { isLong, ofLong } from '../support/long.js'
import { expectClose, norm, relativeError } from '../support/measure.js'
import { referenceStep } from '../support/reference.js'

const seed = Number(process.env.SEED ?? 23)
const input = [3, 5, 7] as const

async function gradientsOf(c: Case, options: Partial<CompileOptions>): Promise<StateDict> {
  const { model } = await stepOnEngine(c, options)
  const gradients = model.gradients()
  await model.dispose()
  return gradients
}

test('constant input, one linear layer before one LIF: the rate gradient is the BPTT gradient / T', async () => {
  for (const timeSteps of [2, 4, 7]) {
    const layers = [flatten(), linear(105, 19), lif(), linear(19, 3)]
    const c = await makeCase(layers, { input, timeSteps, batchSize: 5 }, seed)
    const bptt = await gradientsOf(c, { method: 'bptt', stepMode: 'm' })
    for (const stepMode of ['m', 's'] as const) {
      const rate = await gradientsOf(c, { method: 'rate', stepMode })
      for (const name of Object.keys(bptt))
        expectClose(
          `T=${timeSteps} ${stepMode} ${name} seed=${c.seed}`,
          rate[name].data.map((g) => g * timeSteps),
          bptt[name].data,
          1e-5,
        )
      assert.ok(norm(bptt['1.weight'].data) > 1e-3, 'the gradient is not zero')
    }
  }
})

const plainNet = [
  conv2d(3, 5, 3, { padding: 1 }),
  lif(),
  avgPool2d(2),
  conv2d(5, 7, 2),
  lif(),
  flatten(),
  linear(14, 4),
]
const normNet = [
  conv2d(3, 5, 3),
  batchNorm2d(5),
  lif(),
  conv2d(5, 7, 2),
  batchNorm2d(7),
  lif(),
  flatten(),
  linear(56, 4),
]

for (const [name, layers] of [
  ['without batch norm', plainNet],
  ['with batch norm', normNet],
] as const)
  test(`T = 1: all methods agree, ${name}`, async () => {
    const c = await makeCase(layers, { input, timeSteps: 1, batchSize: 4 }, seed)
    const others: Partial<CompileOptions>[] = [
      { method: 'rate', stepMode: 's' },
      { method: 'bptt', stepMode: 'm' },
      { method: 'bptt', stepMode: 's' },
      { method: 'ottt', mseWeight: 0 },
      { method: 'sltt', mseWeight: 0 },
      { method: 'sltt', mseWeight: 0, update: 'everyStep' },
    ]
    const first = await gradientsOf(c, { method: 'rate', stepMode: 'm' })
    checkGradients(`rate m seed=${c.seed}`, c, first, c.reference.gradients, 1e-4)
    const expected = Object.fromEntries(Object.entries(first).map(([key, { data }]) => [key, data]))
    for (const options of others)
      checkGradients(
        `${JSON.stringify(options)} seed=${c.seed}`,
        c,
        await gradientsOf(c, options),
        expected,
        1e-5,
      )
  })

test('ties fire, in training and in inference: what reaches the threshold exactly counts as a spike', async () => {
  const timeSteps = 8
  for (const vThreshold of [1, 0.25, 4, 16])
    for (const vReset of [null, 0])
      for (const [method, stepMode] of [
        ['rate', 'm'],
        ['rate', 's'],
        ['bptt', 'm'],
        ['bptt', 's'],
        ['sltt', 's'],
      ] as const) {
        // Powers of two: sums are exact. Neuron i reaches the threshold at every 2^i-th step.
        const inputs = [1, 1 / 2, 1 / 4, 1 / 8].map((fraction) => fraction * vThreshold)
        const net = sequential(
          linear(4, 4, { bias: false }),
          integrateAndFire({ vThreshold, vReset }),
          linear(4, 2),
        )
        const model = await net.compile({
          input: [4, 1, 1],
          timeSteps,
          batchSize: 1,
          threads: 1,
          method,
          stepMode,
        })
        const state = model.stateDict()
        state['0.weight'].data.set([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
        await model.loadStateDict(state)
        await model.trainStep(Float32Array.from(inputs), Int32Array.of(0), { lr: 0 })
        const training = model.firingRates()
        await model.predict(Float32Array.from(inputs))
        const what =
          `${method} ${stepMode}, θ = ${vThreshold}, ` +
          `${vReset === null ? 'soft' : 'hard'} reset`
        assert.equal(Object.values(training), [15 / 32], `training, ${what}`)
        assert.equal(model.firingRates(), training, `inference, ${what}`)
        await model.dispose()
      }
})

test('ties fire behind a normalisation too', async () => {
  for (const timeSteps of [4, 8])
    for (const vThreshold of [0.25, 1, 4]) {
      const inputs = [1, 1 / 2, 1 / 4, 1 / 8].map((fraction) => fraction * vThreshold)
      const net = sequential(
        conv2d(4, 4, 1, { bias: false }),
        batchNorm2d(4),
        integrateAndFire({ vThreshold }),
        flatten(),
        linear(4, 2),
      )
      const model = await net.compile({ input: [4, 1, 1], timeSteps, batchSize: 1, threads: 1 })
      const state = model.stateDict()
      state['0.weight'].data.set([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
      // With ε = 1e-5 the scale is 1: sums are exact.
      state['1.running_var'].data.fill(1 - 1e-5)
      await model.loadStateDict(state)
      await model.predict(Float32Array.from(inputs))
      const expected =
        inputs.reduce((sum, x) => sum + Math.floor((x / vThreshold) * timeSteps), 0) /
        (4 * timeSteps)
      assert.equal(
        Object.values(model.firingRates()),
        [expected],
        `T = ${timeSteps}, θ = ${vThreshold}`,
      )
      await model.dispose()
    }
})

// Online methods. OTTT's networks: τ = 2, standardised weights, 2.74 behind each neuron.

const ottt = (options: NeuronOptions = { tau: 2 }): Layer[] => [
  conv2d(3, 5, 3, { padding: 1, standardise: true }),
  lif(options),
  scale(2.74),
  conv2d(5, 17, 3, { stride: 2, standardise: true }),
  lif(options),
  scale(2.74),
  avgPool2d([2, 1]),
  flatten(),
  linear(17 * 3, 4),
]

const neurons: readonly NeuronOptions[] = [
  { tau: 2 },
  { tau: 3, vReset: 0 },
  { tau: 2, decayInput: true, vThreshold: 0.4, surrogate: 'atan' },
]

for (const method of ['ottt', 'sltt'] as const)
  for (const neuron of neurons)
    for (const frames of [false, true])
      test(`${method} ${JSON.stringify(neuron)} frames=${frames} equals its definition`, async () => {
        for (const mseWeight of ofLong([frames ? 0.4 : 0.05], [0.05, 0.4])) {
          const c = await makeCase(
            ottt(neuron),
            { input, timeSteps: 4, batchSize: 3, method, frames, mseWeight },
            seed,
          )
          await checkCase(`m=${mseWeight}`, c)
          // To start threads takes longer than a step.
          if (isLong || frames)
            await checkCase(`m=${mseWeight} debug threads=2`, c, { engine: 'debug', threads: 2 })
        }
      })

test('ottt and sltt differ beyond the first layer, and agree in it', async () => {
  const c = await makeCase(plainNet, { input, timeSteps: 4, batchSize: 3, method: 'ottt' }, seed)
  const [a, b] = [await gradientsOf(c, {}), await gradientsOf(c, { method: 'sltt' })]
  expectClose(`first layer seed=${c.seed}`, a['0.weight'].data, b['0.weight'].data, 1e-6)
  assert.ok(
    relativeError(a['3.weight'].data, b['3.weight'].data) > 1e-2,
    `the trace matters seed=${c.seed}`,
  )
})

const stabilized = (layers: readonly Layer[], options: object) =>
  layers.map((layer) => (layer.kind === 'cell' ? stabilizedLif(options) : layer))
for (const [what, frames, options] of [
  ['soft reset', false, {}],
  ['hard reset and decayInput', true, { vReset: -0.25, decayInput: true, surrogate: 'atan' }],
] as const)
  test(`os equals its definition, ${what}`, async () => {
    await checkCase(
      'os',
      await makeCase(
        stabilized(normNet, options),
        { input, timeSteps: 4, batchSize: 4, method: 'os', frames },
        seed,
      ),
      { method: 'os' },
    )
    await checkCase(
      'os, plain neurons',
      await makeCase(normNet, { input, timeSteps: 3, batchSize: 2, method: 'os', frames }, seed),
      { method: 'os' },
    )
  })

test('sltt with batch norm equals its definition', async () => {
  await checkCase(
    'sltt',
    await makeCase(
      normNet,
      { input, timeSteps: 3, batchSize: 4, method: 'sltt', frames: true },
      seed,
    ),
  )
})

for (const method of ['ottt', 'sltt'] as const)
  for (const update of ['afterwards', 'everyStep'] as const)
    test(`${method} update ${update}: parameters after two SGD runs equal the definition's`, async () => {
      const options = { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 }
      const c = await makeCase(
        ottt(),
        { input, timeSteps: 4, batchSize: 3, method, update },
        seed,
        { sgd: options },
      )
      const { model } = await stepOnEngine(c, {}, sgd({ decay: 'all', ...options }))
      const state = model.stateDict()
      await model.dispose()
      for (const name of Object.keys(c.reference.gradients)) {
        const expected = c.reference.state[name].slice()
        // 'everyStep' moved the reference's parameters already; a first step from rest has no
        // momentum.
        if (update === 'afterwards')
          c.reference.gradients[name].forEach((g, i) => {
            expected[i] -= options.lr * (g + options.weightDecay * expected[i])
          })
        const moved = (now: ArrayLike<number>): Float64Array =>
          Float64Array.from(now, (v, i) => v - c.state[name].data[i])
        expectClose(
          `movement of ${name} seed=${c.seed}`,
          moved(state[name].data),
          moved(expected),
          1e-3,
        )
      }
    })

test('sltt backwardSteps 1: the gradient is that of exactly one step, another one for other runs', async () => {
  const timeSteps = 3
  const c = await makeCase(plainNet, { input, timeSteps, batchSize: 3, method: 'sltt' }, seed)
  const single = [0, 1, 2].map(
    (t) =>
      referenceStep(c.layers, c.state, c.x, c.y, {
        method: 'sltt',
        timeSteps,
        batch: 3,
        input,
        backwardSteps: [t],
      }).gradients['3.weight'],
  )
  const model = await compileCase(c.layers, { ...c.options, backwardSteps: 1 })
  model.loadStateDict(c.state)
  const chosen = new Set<number>()
  for (let run = 0; run < 12; run++) {
    await model.trainStep(c.x, c.y, { update: false })
    const at = single.findIndex(
      (expected) => relativeError(model.gradients()['3.weight'].data, expected) < 1e-4,
    )
    assert.ok(at >= 0, `run ${run}: the gradient is that of no single step, seed=${c.seed}`)
    chosen.add(at)
  }
  assert.ok(chosen.size > 1, 'steps are chosen at random')
  await model.dispose()
})

// Options.

for (const [options, expected] of [
  [{ method: 'dsr' }, /method 'dsr' is not here: .* use 'rate'$/],
  [{ method: 'adam' }, /method must be rate, bptt, ottt, sltt or os, got "adam"/],
  [{ stepMode: 'x' }, /stepMode must be 'm' or 's', got "x"/],
  [{ method: 'ottt', stepMode: 'm' }, /stepMode must be 's' with method ottt/],
  [{ method: 'sltt', stepMode: 'm' }, /stepMode must be 's' with method sltt/],
  [{ method: 'ottt', update: 'never' }, /update must be 'afterwards' or 'everyStep', got "never"/],
  [{ method: 'ottt', mseWeight: 2 }, /mseWeight must lie in 0…1, got 2/],
  [
    { method: 'sltt', backwardSteps: 5 },
    /backwardSteps must be an integer from 1 to timeSteps \(4\), got 5/,
  ],
  [
    { method: 'ottt', backwardSteps: 2 },
    /backwardSteps is an option of method sltt, got it with ottt/,
  ],
  [{ method: 'sltt', timeSteps: 33 }, /timeSteps must be at most 32 with method sltt, got 33/],
] as const)
  test(`error for ${JSON.stringify(options)}`, async () => {
    assert.match(
      await messageOf(() =>
        compileCase(plainNet, { input, batchSize: 2, ...options } as CompileOptions),
      ),
      expected,
    )
  })

test('error for plif with methods of single steps names layer, method and way out', async () => {
  for (const method of ['ottt', 'sltt', 'os'] as const) {
    const message = await messageOf(() =>
      compileCase([flatten(), linear(105, 4), plif(), linear(4, 3)], {
        input,
        batchSize: 2,
        method,
      }),
    )
    assert.match(
      message,
      new RegExp(`^2 \\(plif\\): method '${method}' has no .* use 'rate' or 'bptt', or lif\\(\\)`),
    )
  }
})

test.run()
