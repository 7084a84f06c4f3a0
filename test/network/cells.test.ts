/** Cells against PyTorch's autograd (test/fixtures/cells), and that their bits repeat. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { readFixture } from '../support/fixture.js'
import { bySample, byStep } from '../support/frames.js'
import { expectAllClose, expectClose, expectSameBits } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet } from '../support/net.js'

const { metadata, state: stateOf, values } = readFixture('cells/cells.safetensors')
const LIMIT = 1e-4

interface Case {
  readonly type: string
  readonly method: api.Method
  readonly T: number
  readonly last?: boolean
  readonly recurrent?: { readonly bias: boolean }
  readonly [option: string]: unknown
}

const all = {
  lif: api.lif,
  integrateAndFire: api.integrateAndFire,
  plif: api.plif,
  cubaLif: api.cubaLif,
  alif: api.alif,
  leakyIntegrator: api.leakyIntegrator,
  integrator: api.integrator,
}
const factories: Readonly<Record<string, (options: object) => api.Layer>> = all

function cellOf({
  type,
  method: _,
  T: __,
  name: ___,
  last: ____,
  recurrent: of,
  ...options
}: Case) {
  const made = factories[type](options)
  return of ? api.recurrent(made as never, of) : made
}

const networkOf = (of: Case): api.Block =>
  api.sequential(
    of.last
      ? { flat: api.flatten(), out: api.linear(24, 4), cell: cellOf(of) }
      : {
          conv: api.conv2d(2, 5, 3, { padding: 1 }),
          cell: cellOf(of),
          flat: api.flatten(),
          out: api.linear(60, 4),
        },
  )

async function compiled(name: string, of: Case, more: object = {}): Promise<api.Model> {
  const { method, T: timeSteps } = of
  const online = method === 'sltt' || method === 'ottt' ? { mseWeight: 0 } : {}
  const options = { input: [2, 4, 3], batchSize: 3, frames: true, method, timeSteps } as const
  const model = await modelOf(networkOf(of), { ...options, ...online, ...more })
  model.loadStateDict(stateOf(`${name}/before.`))
  return model
}

const step = (model: api.Model, name: string) =>
  model.trainStep(
    bySample(values(`${name}/input`), model.timeSteps, model.batchSize),
    Array.from(values(`${name}/target`)),
  )

for (const [name, text] of Object.entries(metadata)) {
  const of = JSON.parse(text) as Case
  test(`${name} has the gradients of PyTorch`, async () => {
    const model = await compiled(name, of, { inspect: of.method === 'rate' })

    await step(model, name)
    expectClose('output', model.output(), values(`${name}/output`), LIMIT)
    const [gradients, expected] = [model.gradients(), stateOf(`${name}/grad.`)]
    assert.equal(Object.keys(gradients).sort(), Object.keys(expected).sort())
    expectAllClose('gradient', gradients, expected, LIMIT)
  })

  if (of.method === 'bptt' || of.method === 'sltt')
    test(`${name}: any number of threads, step modes and parts give the same bits`, async () => {
      const run = async (more: object): Promise<api.StateDict> => {
        const model = await compiled(name, of, more)
        try {
          await step(model, name)
          return model.stateDict()
        } finally {
          await model.dispose()
        }
      }
      const first = await run({ threads: 1 })
      expectSameBits('threads', await run({ threads: 2 }), first)
      if (of.method !== 'bptt') return
      expectSameBits('mode s', await run({ stepMode: 's' }), first)
      expectSameBits('checkpoint', await run({ gradientCheckpoint: 'layers' }), first)
    })
}

/** Cells of each kind in a chain. */
const chain = (more: Partial<api.CompileOptions>): Promise<api.Model> =>
  compileNet(
    'conv 5 3 padding=1, cuba, flatten, linear 12, hears, linear 4, reads',
    { input: [2, 4, 3], batchSize: 3, ...more },
    {
      cuba: () =>
        api.cubaLif({ tau: Float32Array.of(1.5, 2, 3, 4, 5), refractory: 1, vThreshold: 0.4 }),
      hears: () =>
        api.recurrent(
          api.alif({ vThreshold: Float64Array.from({ length: 12 }, (_, i) => 0.2 + i / 20) }),
        ),
      reads: () => api.leakyIntegrator({ tauSyn: 2, decayInput: true }),
    },
  )
const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7) + 0.4)

test('inference, single samples and a stream give the same bits', async () => {
  const options = { timeSteps: 9, seed: 4, method: 'bptt' } as const
  const x = numbers(9 * 3 * 24)
  const outputs: Float32Array[] = []
  for (const more of [{}, { purpose: 'inference' }] as const) {
    const model = await chain({ ...options, frames: true, ...more })
    outputs.push(Float32Array.from((await model.predict(x)).logits))
    await model.dispose()
  }
  assert.equal(outputs[1], outputs[0])
  const stream = await chain({ ...options, purpose: 'stream' })
  const mean = new Float32Array(12)
  const steps = byStep(x, 9, 3)
  for (let t = 0; t < 9; t++)
    mean.set((await stream.step(steps.subarray(72 * t, 72 * (t + 1)))).logits)
  await stream.dispose()
  expectClose('stream', mean, outputs[0], 1e-6)
})

test('without leak, decayInput leaves nothing of the input: a number as lists of it', async () => {
  const options = { tau: Number.POSITIVE_INFINITY, decayInput: true } as const
  const each = { ...options, tau: [options.tau, options.tau, options.tau] }
  for (const make of [api.lif, api.cubaLif, api.alif, api.leakyIntegrator])
    for (const given of [options, each]) {
      const model = await modelOf(api.sequential(make(given), api.integrator()), {
        input: [3],
        timeSteps: 4,
      })
      const { logits } = await model.predict(Float32Array.of(0.6, 3, -2))
      assert.ok(logits.every((value) => value === 0))
      await model.dispose()
    }
})

test('inputScale multiplies what comes back to a recurrent layer too', async () => {
  const outputs: Float32Array[] = []
  // Powers of two round nothing.
  for (const [inputScale, factor] of [
    [2, 1],
    [1, 2],
  ]) {
    const neurons = api.recurrent(api.lif({ tau: 2, vThreshold: 0.25, inputScale }))
    const net = api.sequential(api.linear(4, 5), neurons, api.linear(5, 3))
    const model = await modelOf(net, { input: [4], timeSteps: 8, batchSize: 2, method: 'bptt' })
    const state = model.stateDict()
    for (const [name, { data }] of Object.entries(state))
      if (!name.startsWith('2.')) for (const i of data.keys()) data[i] *= factor
    model.loadStateDict(state)
    outputs.push((await model.predict(numbers(8))).logits)
    assert.ok(model.firingRates()['1'] > 0)
    await model.dispose()
  }
  assert.equal(outputs[0], outputs[1])
})

test('a threshold that training or a file makes 0 or less counts as 1/1024', async () => {
  const net = api.sequential(api.flatten(), api.linear(4, 3), api.lif({ learn: ['vThreshold'] }))
  const model = await modelOf(net, { input: [4], timeSteps: 4, batchSize: 1 })
  const state = model.stateDict()
  const weight = { shape: [3, 4], data: new Float32Array(12).fill(0) }
  const bias = { shape: [3], data: Float32Array.of(0, 0.0009, 0.002) }
  const threshold = { shape: [], data: Float32Array.of(-1) }
  model.loadStateDict({ ...state, '1.weight': weight, '1.bias': bias, '2.v_threshold': threshold })
  const { logits } = await model.predict(new Float32Array(4))
  assert.equal([...logits], [0, 0.5, 1])
})

test.run()
