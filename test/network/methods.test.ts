/** What ties the methods together, and the online methods against their definition. */

import * as assert from 'uvu/assert'
import {
  type CompileOptions,
  integrateAndFire,
  type StateDict,
  stabilizedLif,
} from '../../src/index.js'
import {
  type Case,
  checkCase,
  checkGradients,
  checkMoves,
  makeCase,
  stepOnEngine,
} from '../support/case.js'
import { isLong, ofLong } from '../support/long.js'
import { expectClose, norm, relativeError } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet, layersOf } from '../support/net.js'
import { usualModes } from '../support/tables.js'

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
    const options = { input, timeSteps, batchSize: 5 }
    const c = await makeCase('flatten, linear 19, lif, linear 3', options, seed)
    const bptt = await gradientsOf(c, { method: 'bptt', stepMode: 'm' })
    for (const stepMode of ['m', 's'] as const)
      for (const [name, { data }] of Object.entries(await gradientsOf(c, { stepMode }))) {
        const scaled = data.map((g) => g * timeSteps)
        const where = `T=${timeSteps} ${stepMode} ${name} seed=${c.seed}`
        expectClose(where, scaled, bptt[name].data, 1e-5)
      }
    assert.ok(norm(bptt['1.weight'].data) > 1e-3, 'the gradient is not zero')
  }
})

const plainNet = 'conv 5 3 padding=1, lif, avgPool2d 2, conv 7 2, lif, flatten, linear 4'
const normNet = 'conv 5 3, norm, lif, conv 7 2, norm, lif, flatten, linear 4'

for (const text of [plainNet, normNet])
  test(`T = 1: all methods agree, ${text}`, async () => {
    const c = await makeCase(text, { input, timeSteps: 1, batchSize: 4 }, seed)
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
    for (const options of others) {
      const where = `${JSON.stringify(options)} seed=${c.seed}`
      checkGradients(where, c, await gradientsOf(c, options), expected, 1e-5)
    }
  })

// Powers of two: sums are exact. Neuron i reaches the threshold at every 2^i-th step. With ε = 1e-5
// a normalisation has the scale 1.
const unit = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
const ends = 'neuron, flatten, linear 2'
const ties = [
  ['linear 4 bias=false', [8], [1, 0.25, 4, 16], [null, 0]],
  ['conv 4 1 bias=false, norm', [4, 8], [0.25, 1, 4], [null]],
] as const
for (const [text, steps, thresholds, resets] of ties)
  test(`what reaches the threshold exactly is a spike, in training and inference: ${text}`, async () => {
    for (const timeSteps of steps)
      for (const vThreshold of thresholds)
        for (const vReset of resets)
          for (const [method, stepMode] of usualModes) {
            const inputs = Float32Array.of(1, 1 / 2, 1 / 4, 1 / 8).map((part) => part * vThreshold)
            const neuron = () => integrateAndFire({ vThreshold, vReset })
            const options = { input: [4, 1, 1], timeSteps, batchSize: 1, method, stepMode } as const
            const model = await compileNet(`${text}, ${ends}`, options, { neuron })
            const state = model.stateDict()
            state['0.weight'].data.set(unit)
            state['1.running_var']?.data.fill(1 - 1e-5)
            model.loadStateDict(state)
            await model.predict(inputs)
            const spikes = [1, 2, 4, 8].map((every) => Math.floor(timeSteps / every))
            const expected = spikes.reduce((a, b) => a + b) / (4 * timeSteps)
            const what = `${method} ${stepMode} T=${timeSteps} θ=${vThreshold} reset ${vReset}`
            assert.equal(Object.values(model.firingRates()), [expected], `inference, ${what}`)
            // A normalisation of one image would take its own statistics.
            if (!text.includes('norm')) {
              await model.trainStep(inputs, [0], { lr: 0 })
              assert.equal(Object.values(model.firingRates()), [expected], `training, ${what}`)
            }
            await model.dispose()
          }
  })

// OTTT's networks: τ = 2, standardised weights, 2.74 behind each neuron.
const traced = (neuron = 'lif tau=2'): string =>
  `conv 5 3 padding=1 standardise=true, ${neuron}, scale 2.74,
   conv 17 3 stride=2 standardise=true, ${neuron}, scale 2.74, avgPool2d 2x1, flatten, linear 4`
const neurons = [
  'lif tau=2',
  'lif tau=3 vReset=0',
  'lif tau=2 decayInput=true vThreshold=0.4 surrogate=atan',
]

for (const method of ['ottt', 'sltt'] as const)
  for (const neuron of neurons)
    for (const frames of [false, true])
      test(`${method} ${neuron} frames=${frames} equals its definition`, async () => {
        for (const mseWeight of ofLong([frames ? 0.4 : 0.05], [0.05, 0.4])) {
          const options = { input, timeSteps: 4, batchSize: 3, method, frames, mseWeight }
          const c = await makeCase(traced(neuron), options, seed)
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
  const apart = relativeError(a['3.weight'].data, b['3.weight'].data)
  assert.ok(apart > 1e-2, `the trace matters seed=${c.seed}`)
})

for (const [what, frames, options] of [
  ['soft reset', false, {}],
  ['hard reset and decayInput', true, { vReset: -0.25, decayInput: true, surrogate: 'atan' }],
] as const)
  test(`os equals its definition, ${what}`, async () => {
    const neuron = () => stabilizedLif(options)
    const stabilized = layersOf(input, normNet.replaceAll('lif', 'neuron'), { neuron })
    const shared = { input, method: 'os', frames } as const
    for (const [layers, timeSteps, batchSize] of [
      [stabilized, 4, 4],
      [normNet, 3, 2],
    ] as const)
      await checkCase('os', await makeCase(layers, { ...shared, timeSteps, batchSize }, seed), {
        method: 'os',
      })
  })

test('sltt with batch norm equals its definition', async () => {
  const options = { input, timeSteps: 3, batchSize: 4, method: 'sltt', frames: true } as const
  await checkCase('sltt', await makeCase(normNet, options, seed))
})

const grouped = `conv 12 3 padding=1 groups=3, lif, conv 12 3 groups=12 bias=false, lif,
  conv 24 3 padding=1 groups=2, lif vThreshold=0.5, flatten, linear 4`
for (const method of ['ottt', 'sltt'] as const)
  for (const [text, update] of [
    [traced(), 'afterwards'],
    [traced(), 'everyStep'],
    [grouped, 'everyStep'],
  ] as const)
    test(`${method} update ${update}: parameters move as by the definition, ${text}`, async () => {
      const options = { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 }
      const shared = { input, timeSteps: 4, batchSize: 3, method, update }
      const c = await makeCase(text, shared, seed, { sgd: options })
      // 'everyStep' moved the reference's parameters already; a first step from rest has no
      // momentum.
      if (update === 'afterwards')
        for (const [name, gradient] of Object.entries(c.reference.gradients)) {
          const parameter = c.reference.state[name]
          for (const [i, g] of gradient.entries())
            parameter[i] -= options.lr * (g + options.weightDecay * parameter[i])
        }
      await checkMoves(c, options)
    })

test.run()
