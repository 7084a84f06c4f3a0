/** Layers of any name, and what they are called in summaries and messages. */

import * as assert from 'uvu/assert'
import { synapticOperations } from '../../src/edge/synops.js'
import {
  conv2d,
  exportWasm,
  flatten,
  integrateAndFire,
  lif,
  linear,
  type Module,
  networkFromJSON,
  plif,
  recurrent,
  residual,
  sequential,
} from '../../src/index.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { modelOf, test } from '../support/models.js'

const odd = ['valueOf', 'toString', 'constructor', 'hasOwnProperty', 'isPrototypeOf'] as const
const options = { input: [4], timeSteps: 2, batchSize: 2, inspect: true } as const
const data = {
  name: 'six',
  length: 6,
  classes: 3,
  shape: [4] as const,
  read: (index: number, out: Float32Array) => {
    out.fill(index)
    return index % 3
  },
}

test('layers may be named as what all objects inherit', async () => {
  const children = odd.flatMap((name, i): [string, Module][] => [
    [`linear${i}`, linear(4, 4)],
    [name, lif({ vThreshold: 0.1 })],
  ])
  const network = sequential({ ...Object.fromEntries(children), last: linear(4, 3) })
  const model = await modelOf(network, options)
  const { epochs } = await model.fit(data, { epochs: 2 })
  const evaluation = await model.evaluate(data)
  for (const rates of [...epochs.map(({ firingRates }) => firingRates), evaluation.firingRates]) {
    assert.equal(Object.keys(rates), [...odd])
    for (const rate of Object.values(rates)) assert.ok(rate >= 0 && rate <= 1, `${rate}`)
  }
  assert.ok(Object.values(model.firingRates()).every(Number.isFinite))
  const again = await modelOf(networkFromJSON(model.toJSON()), options)
  again.loadStateDict(model.stateDict())
  assert.ok(((await exportWasm(model)) as Uint8Array).length > 0)
  assert.ok(Number.isFinite(synapticOperations(model.session.graph, false, 2, {})))
})

test('a name that cannot be told from a prototype is refused', () => {
  assert.throws(
    () => sequential({ ['__proto__' as string]: lif(), last: linear(4, 3) }),
    /sequential: a child's name must not be __proto__; rename it/,
  )
})

test('what is no layer is refused by the name of its place', async () => {
  const wrong = [
    [
      () => sequential({ a: { kind: 'mine' } as never }),
      /^sequential\.a must be a layer or a bl.*"mine"/,
    ],
    [() => residual({ kind: 'constructor' } as never), /^residual\.main must be .*"constructor"/],
  ] as const
  for (const [make, message] of wrong) await expectRefusal(async () => make(), message)
})

test('a summary names layers by the functions that made them', async () => {
  const model = await modelOf(
    sequential(linear(4, 4), lif(), plif(), integrateAndFire(), recurrent(lif()), linear(4, 3)),
    { ...options, method: 'bptt' },
  )
  const lines = model.summary().split('\n').slice(2, 8)
  assert.equal(
    lines.map((line) => line.split(/ +/)[1]),
    ['linear', 'lif', 'plif', 'integrateAndFire', 'recurrent(lif)', 'linear'],
  )
})

test('messages show shapes as they were given', async () => {
  const of = (network: Module, input: readonly number[]) =>
    messageOf(() => modelOf(sequential(network), { ...options, input: input as [number] }))
  assert.match(await of(linear(3, 2), [2]), /^0 \(linear\): expects 3 features, got 2$/)
  assert.match(
    await of(sequential(conv2d(1, 2, 1), flatten(), linear(3, 2)), [1, 2, 2]),
    /expects 3 features, got 8 \(from \[2, 2, 2\]\)$/,
  )
})

test.run()
