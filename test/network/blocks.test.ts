/**
 * Networks that are no chains, and layers between neurons: step modes must agree where there is no
 * normalisation, and gradients must not depend on the path taken.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectAllClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'

const seed = Number(process.env.SEED ?? 3)
const input = [2, 8, 6] as const
const B = 3
/** Two calls where the loop over T is outside the network. */
const T = 9
const x = uniform(B * T * 2 * 8 * 6, 6, seed)
const y = labels(B, 4, seed)

/** Preactivation: the stream is a current, which neurons, a projection and the next sum read. */
const preact = (c: number, n: number): api.Module =>
  api.block(
    {
      spike1: api.lif({ vThreshold: 0.3 }),
      conv1: api.conv2d(c, n, 3, { padding: 1 }),
      spike2: api.lif({ vThreshold: 0.3 }),
      conv2: api.conv2d(n, n, 3, { padding: 1 }),
      down: api.conv2d(c, n, 1),
    },
    (m, v, { add }) => add(m.conv2(m.spike2(m.conv1(m.spike1(v)))), m.down(v)),
  )
const sew = (c: number): api.Module =>
  api.block(
    {
      a: api.sequential(api.conv2d(c, c, 3, { padding: 1 }), api.lif({ vThreshold: 0.2 })),
      b: api.sequential(api.conv2d(c, c, 3, { padding: 1 }), api.lif({ vThreshold: 0.2 })),
    },
    (m, v, { add }) => add(m.b(m.a(v)), v),
  )

const texts: Readonly<Record<string, string>> = {
  preact: 'conv 5 3 padding=1, preact 9, preact 6, avgPool2d 8x6, flatten, linear 4',
  'max pooling of currents':
    'conv 5 3 padding=1, maxPool2d 2, conv 6 3 padding=1, lif, avgPool2d 4x3, flatten, linear 4',
  'max pooling of currents, twice': `conv 5 3, maxPool2d 3 stride=2 padding=1, lif vThreshold=0.3,
    conv 6 2, maxPool2d 2x1 stride=1, lif vThreshold=0.3, flatten, linear 4`,
  'max pooling of a SEW sum': `conv 5 3 padding=1, lif, sew, maxPool2d 3 stride=2 padding=1,
    conv 6 1, lif, flatten, linear 4`,
  'SEW sums and average pooling':
    'conv 5 3 padding=1, lif, sew, sew, avgPool2d 2, conv 6 1, lif, flatten, linear 4',
}

/** As much of the numbers as a batch takes. */
const batchOf = ({ frames, timeSteps }: api.Model): Float32Array =>
  x.subarray(0, B * (frames ? timeSteps : 1) * 96)

async function gradients(
  network: api.Module,
  options: object,
  state?: api.StateDict,
): Promise<{ gradients: api.StateDict; state: api.StateDict }> {
  const model = await modelOf(api.sequential({ net: network }), {
    input,
    timeSteps: T,
    batchSize: B,
    seed,
    ...options,
  })
  if (state) model.loadStateDict(state)
  await model.trainStep(batchOf(model), y, { update: false })
  const result = { gradients: model.gradients(), state: model.stateDict() }
  await model.dispose()
  return result
}

for (const [name, text] of Object.entries(texts)) {
  const network = netOf(input, text, { preact, sew })
  for (const method of ['rate', 'bptt'] as const)
    for (const frames of [false, true])
      test(`${name}, frames ${frames}: ${method} m and ${method} s have the same gradients without normalisation`, async () => {
        const m = await gradients(network, { method, stepMode: 'm', frames })
        const s = await gradients(network, { method, stepMode: 's', frames, threads: 2 }, m.state)
        expectAllClose(`seed=${seed}`, s.gradients, m.gradients, 1e-4)
        for (const [key, { data }] of Object.entries(m.gradients))
          assert.ok(data.some(Boolean), key)
      })

  test(`${name}: at T = 1 the rate method's gradients are those through time`, async () => {
    const bptt = await gradients(network, { method: 'bptt', timeSteps: 1 })
    for (const stepMode of ['m', 's'] as const) {
      const rate = await gradients(network, { stepMode, timeSteps: 1 }, bptt.state)
      expectAllClose(`${stepMode} seed=${seed}`, rate.gradients, bptt.gradients, 1e-4)
    }
  })
}

for (const [method, stepMode] of [
  ['rate', 'm'],
  ['rate', 's'],
  ['bptt', 'm'],
] as const)
  test(`dropout of pooled spikes ${method} ${stepMode}: a dropped feature has no weight gradient, and p = 0 is the identity`, async () => {
    const net = (drop: string): api.Module =>
      netOf(input, `conv 8 3 padding=1, lif, avgPool2d 8x6, ${drop}, flatten, linear 4`)
    const plain = await gradients(net('identity'), { method, stepMode })
    const none = await gradients(net('dropout 0'), { method, stepMode }, plain.state)
    expectSameBits('p = 0', plain.gradients, none.gradients)
    const half = await gradients(
      net('dropout 0.5'),
      { method, stepMode, batchSize: B },
      plain.state,
    )
    const bias = half.gradients['net.5.bias'].data
    assert.ok(bias.some((v) => v !== 0))
    const all = await gradients(net('dropout 0.999999'), { method, stepMode }, plain.state)
    for (const name of ['net.5.weight', 'net.0.weight'])
      assert.ok(
        all.gradients[name].data.every((v) => v === 0),
        `${name}: everything is dropped, nothing flows back`,
      )
  })

for (const method of ['ottt', 'sltt'] as const)
  for (const threads of [1, 2])
    test(`${method} everyStep threads=${threads}: a step without update changes nothing`, async () => {
      const options = { input, timeSteps: 4, batchSize: B, method, update: 'everyStep' } as const
      const text = 'conv 4 3, lif tau=2, flatten, linear 4'
      const model = await compileNet(text, { ...options, threads })
      model.optimizer = api.sgd({ lr: 0.5 })
      const before = model.stateDict()
      await model.trainStep(batchOf(model), y, { update: false })
      expectSameBits('parameters', before, model.stateDict())
      await model.trainStep(batchOf(model), y)
      assert.ok(
        model.stateDict()['3.weight'].data.some((v, i) => v !== before['3.weight'].data[i]),
        'a step with update changes them',
      )
    })

test('max pooling in the rate method: pooled or official', async () => {
  // One window of two neurons that fire at different steps: together at each, each at half.
  const options = { input: [1, 1, 2], timeSteps: 2, batchSize: 1, frames: true } as const
  // ∂L/∂z / T = ∓1/4, times the rate of the window.
  for (const [rate, gradient] of [
    ['pooled', [-0.25, 0.25]],
    ['official', [-0.125, 0.125]],
  ] as const)
    for (const stepMode of ['m', 's'] as const) {
      const text = `lif vThreshold=1, maxPool2d 1x2 rate=${rate}, flatten, linear 2 bias=false`
      const model = await compileNet(text, { ...options, stepMode })
      model.loadStateDict({ '3.weight': { shape: [2, 1], data: new Float32Array(2) } })
      await model.trainStep(Float32Array.of(2, 0, 0, 2), [0], { update: false })
      assert.equal([...model.gradients()['3.weight'].data], gradient)
      await model.dispose()
    }
})

test.run()
