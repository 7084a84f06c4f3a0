/** Layers of any name, and what they are called in summaries and messages. */

import * as assert from 'uvu/assert'
import { synapticOperations } from '../../src/edge/synops.js'
import {
  exportWasm,
  integrateAndFire,
  lif,
  linear,
  type Module,
  networkFromJSON,
  plif,
  recurrent,
  sequential,
} from '../../src/index.js'
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

test.run()
