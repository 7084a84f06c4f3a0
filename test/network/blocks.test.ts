/**
 * Networks that are no chains, and layers between neurons: step modes must agree where there is no
 * normalisation, and gradients must not depend on the path taken.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { messageOf } from '../files/temporary.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'

const seed = Number(process.env.SEED ?? 3)
const input = [2, 8, 6] as const
const B = 3
const x = uniform(B * 2 * 8 * 6, 6, seed)
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
  'max pooling of a SEW sum': `conv 5 3 padding=1, lif, sew, maxPool2d 3 stride=2 padding=1,
    conv 6 1, lif, flatten, linear 4`,
  'SEW sums and average pooling':
    'conv 5 3 padding=1, lif, sew, sew, avgPool2d 2, conv 6 1, lif, flatten, linear 4',
}

async function gradients(
  network: api.Module,
  options: object,
  state?: api.StateDict,
): Promise<{ gradients: api.StateDict; state: api.StateDict }> {
  const model = await modelOf(api.sequential({ net: network }), {
    input,
    timeSteps: 5,
    batchSize: B,
    seed,
    ...options,
  })
  if (state) model.loadStateDict(state)
  await model.trainStep(x, y, { update: false })
  const result = { gradients: model.gradients(), state: model.stateDict() }
  await model.dispose()
  return result
}

for (const [name, text] of Object.entries(texts))
  for (const method of ['rate', 'bptt'] as const)
    test(`${name}: ${method} m and ${method} s have the same gradients without normalisation`, async () => {
      const network = netOf(input, text, { preact, sew })
      const m = await gradients(network, { method, stepMode: 'm' })
      const s = await gradients(network, { method, stepMode: 's', threads: 2 }, m.state)
      for (const [key, { data }] of Object.entries(m.gradients)) {
        const where = `${name} ${key} seed=${seed}`
        assert.ok(
          data.some((v) => v !== 0),
          where,
        )
        expectClose(where, s.gradients[key].data, data, 1e-4)
      }
    })

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
      await model.trainStep(x, y, { update: false })
      expectSameBits('parameters', before, model.stateDict())
      await model.trainStep(x, y)
      assert.ok(
        model.stateDict()['3.weight'].data.some((v, i) => v !== before['3.weight'].data[i]),
        'a step with update changes them',
      )
    })

test('ottt refuses layers that read currents, and sums of neurons with different tau', async () => {
  const mixed = () =>
    api.block({ a: api.lif({ tau: 2 }), b: api.lif({ tau: 3 }) }, (m, v, { add }) =>
      add(m.a(v), m.b(v)),
    )
  const message = (text: string): Promise<string> =>
    messageOf(() => compileNet(text, { input, timeSteps: 2, method: 'ottt' }, { mixed }))
  assert.match(
    await message('conv 3 3, conv 3 3, lif, flatten, linear 4'),
    /^1 \(conv2d\): method 'ottt' traces the spikes/,
  )
  assert.match(
    await message('conv 3 3, mixed, flatten, linear 4'),
    /^3 \(linear\): method 'ottt' needs one tau/,
  )
})

test('what only looks like a block is refused, also by a prototype', () => {
  assert.throws(
    () => api.sequential({ kind: 'block' } as never),
    /^sequential\.0 must be a block with children and a forward function/,
  )
  const named = { a: api.linear(2, 2), b: api.linear(2, 2), __proto__: api.lif() }
  assert.equal(Object.keys(api.sequential(named as never).children), ['a', 'b'])
})

test.run()
