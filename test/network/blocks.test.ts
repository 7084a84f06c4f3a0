/**
 * Networks that are no chains, and layers between neurons: step modes must agree where there is no
 * normalisation, and gradients must not depend on the path taken.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  block,
  conv2d,
  dropout,
  flatten,
  identity,
  lif,
  linear,
  type Module,
  maxPool2d,
  type StateDict,
  sequential,
  sgd,
} from '../../src/index.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'

const seed = Number(process.env.SEED ?? 3)
const input = [2, 8, 6] as const
const B = 3
const x = uniform(B * 2 * 8 * 6, 6, seed)
const y = labels(B, 4, seed)

/** Preactivation: the stream is a current, which neurons, a projection and the next sum read. */
const preact = (c: number, n: number): Module =>
  block(
    {
      spike1: lif({ vThreshold: 0.3 }),
      conv1: conv2d(c, n, 3, { padding: 1 }),
      spike2: lif({ vThreshold: 0.3 }),
      conv2: conv2d(n, n, 3, { padding: 1 }),
      down: conv2d(c, n, 1),
    },
    (m, v, { add }) => add(m.conv2(m.spike2(m.conv1(m.spike1(v)))), m.down(v)),
  )
const sew = (c: number): Module =>
  block(
    {
      a: sequential(conv2d(c, c, 3, { padding: 1 }), lif({ vThreshold: 0.2 })),
      b: sequential(conv2d(c, c, 3, { padding: 1 }), lif({ vThreshold: 0.2 })),
    },
    (m, v, { add }) => add(m.b(m.a(v)), v),
  )

const networks: Record<string, Module> = {
  preact: sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    preact(5, 9),
    preact(9, 6),
    avgPool2d([8, 6]),
    flatten(),
    linear(6, 4),
  ),
  'max pooling of currents': sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    maxPool2d(2),
    conv2d(5, 6, 3, { padding: 1 }),
    lif(),
    avgPool2d([4, 3]),
    flatten(),
    linear(6, 4),
  ),
  'max pooling of a SEW sum': sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    lif(),
    sew(5),
    maxPool2d(3, { stride: 2, padding: 1 }),
    conv2d(5, 6, 1),
    lif(),
    flatten(),
    linear(6 * 4 * 3, 4),
  ),
  'SEW sums and average pooling': sequential(
    conv2d(2, 5, 3, { padding: 1 }),
    lif(),
    sew(5),
    sew(5),
    avgPool2d(2),
    conv2d(5, 6, 1),
    lif(),
    flatten(),
    linear(6 * 4 * 3, 4),
  ),
}

async function gradients(
  network: Module,
  options: object,
  state?: StateDict,
): Promise<{ gradients: StateDict; state: StateDict }> {
  const model = await sequential({ net: network }).compile({
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

for (const [name, network] of Object.entries(networks)) {
  test(`${name}: rate m and rate s have the same gradients without normalisation`, async () => {
    const m = await gradients(network, { stepMode: 'm' })
    const s = await gradients(network, { stepMode: 's', threads: 2 }, m.state)
    for (const key of Object.keys(m.gradients)) {
      assert.ok(
        m.gradients[key].data.some((v) => v !== 0),
        `${key} is zero seed=${seed}`,
      )
      expectClose(`${name} ${key} seed=${seed}`, s.gradients[key].data, m.gradients[key].data, 1e-4)
    }
  })
  test(`${name}: bptt m and bptt s have the same gradients without normalisation`, async () => {
    const m = await gradients(network, { method: 'bptt', stepMode: 'm' })
    const s = await gradients(network, { method: 'bptt', stepMode: 's' }, m.state)
    for (const key of Object.keys(m.gradients))
      expectClose(`${name} ${key} seed=${seed}`, s.gradients[key].data, m.gradients[key].data, 1e-4)
  })
}

for (const [method, stepMode] of [
  ['rate', 'm'],
  ['rate', 's'],
  ['bptt', 'm'],
] as const)
  test(`dropout of pooled spikes ${method} ${stepMode}: a dropped feature has no weight gradient, and p = 0 is the identity`, async () => {
    const net = (drop: Module): Module =>
      sequential(
        conv2d(2, 8, 3, { padding: 1 }),
        lif(),
        avgPool2d([8, 6]),
        drop,
        flatten(),
        linear(8, 4),
      )
    const plain = await gradients(net(identity()), { method, stepMode })
    const none = await gradients(net(dropout(0)), { method, stepMode }, plain.state)
    expectSameBits('p = 0', plain.gradients, none.gradients)
    const half = await gradients(net(dropout(0.5)), { method, stepMode, batchSize: B }, plain.state)
    const bias = half.gradients['net.5.bias'].data
    assert.ok(bias.some((v) => v !== 0))
    const all = await gradients(net(dropout(0.999999)), { method, stepMode }, plain.state)
    assert.ok(
      all.gradients['net.5.weight'].data.every((v) => v === 0),
      'everything is dropped',
    )
    assert.ok(
      all.gradients['net.0.weight'].data.every((v) => v === 0),
      'nothing flows back',
    )
  })

for (const method of ['ottt', 'sltt'] as const)
  for (const threads of [1, 2])
    test(`${method} everyStep threads=${threads}: a step without update changes nothing`, async () => {
      const model = await sequential(
        conv2d(2, 4, 3),
        lif({ tau: 2 }),
        flatten(),
        linear(4 * 6 * 4, 4),
      ).compile({
        input,
        timeSteps: 4,
        batchSize: B,
        method,
        update: 'everyStep',
        threads,
      })
      model.optimizer = sgd({ lr: 0.5 })
      const before = model.stateDict()
      await model.trainStep(x, y, { update: false })
      expectSameBits('parameters', before, model.stateDict())
      await model.trainStep(x, y)
      assert.ok(
        model.stateDict()['3.weight'].data.some((v, i) => v !== before['3.weight'].data[i]),
        'a step with update changes them',
      )
      await model.dispose()
    })

test('ottt refuses layers that read currents, and sums of neurons with different tau', async () => {
  const options = { input, timeSteps: 2, batchSize: B, method: 'ottt' } as const
  const message = async (network: Module): Promise<string> => {
    try {
      await sequential({ net: network }).compile(options)
    } catch (error) {
      return (error as Error).message
    }
    return 'no error'
  }
  assert.match(
    await message(
      sequential(conv2d(2, 3, 3), conv2d(3, 3, 3), lif(), flatten(), linear(3 * 4 * 2, 4)),
    ),
    /^net\.1 \(conv2d\): method 'ottt' traces the spikes/,
  )
  const mixed = block({ a: lif({ tau: 2 }), b: lif({ tau: 3 }) }, (m, v, { add }) =>
    add(m.a(v), m.b(v)),
  )
  assert.match(
    await message(sequential(conv2d(2, 3, 3), mixed, flatten(), linear(3 * 6 * 4, 4))),
    /^net\.3 \(linear\): method 'ottt' needs one tau/,
  )
})

test('what only looks like a block is refused, also by a prototype', () => {
  assert.throws(
    () => sequential({ kind: 'block' } as never),
    /^sequential\.0 must be a block with children and a forward function/,
  )
  const named = { a: linear(2, 2), b: linear(2, 2), __proto__: lif() }
  assert.equal(Object.keys(sequential(named as never).children), ['a', 'b'])
})

test.run()
