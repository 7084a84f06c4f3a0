/** A reset in the step behind the spike, as snnTorch has it: spikes, gradients, files. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { checkCase, makeCase } from '../support/case.js'
import { uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'

const [T, C] = [12, 8]
const sizes = { input: [C], timeSteps: T, frames: true, batchSize: 1, record: true } as const
const x = uniform(T * C, 2, 4)

/** `snntorch.Leaky(beta).forward`, step by step: the reset is that of the potential before. */
function leaky(beta: number, mechanism: 'subtract' | 'zero'): number[] {
  const { fround } = Math
  const mem = new Float32Array(C)
  return Array.from(x, (input, i) => {
    const n = i % C
    const reset = mem[n] > 1 ? 1 : 0
    if (mechanism === 'zero') mem[n] *= 1 - reset
    mem[n] = fround(fround(fround(beta) * mem[n]) + input)
    if (mechanism === 'subtract') mem[n] -= reset
    return mem[n] > 1 ? 1 : 0
  })
}

async function spikesOf(options: api.CellOptions): Promise<number[]> {
  const model = await own(api.sequential(api.lif({ tau: 5, ...options })).compile(sizes))
  await model.predict(x)
  return Array.from(model.spikes(0).data)
}

const differing = (a: readonly number[], b: readonly number[]): number =>
  a.filter((value, i) => value !== b[i]).length

test('0 of 96 spikes differ from snnTorch, by its default as by its hard reset', async () => {
  const theirs = leaky(0.8, 'subtract')
  assert.ok(theirs.includes(1) && theirs.includes(0))
  assert.is(differing(await spikesOf({ fires: 'above', reset: 'delayed' }), theirs), 0)
  assert.ok(differing(await spikesOf({ fires: 'above' }), theirs) > 0)
  const hard = leaky(0.8, 'zero')
  assert.is(differing(await spikesOf({ fires: 'above', vReset: 0 }), hard), 0)
  const both = { fires: 'above', vReset: 0, reset: 'delayed' } as const
  assert.is(differing(await spikesOf(both), hard), 0)
})

const cells = {
  soft: api.lif({ tau: 3, reset: 'delayed' }),
  'soft, through the reset': api.plif({ reset: 'delayed', detachReset: false }),
  hard: api.lif({ tau: 3, vReset: 0.1, reset: 'delayed' }),
  'hard, through the reset': api.cubaLif({ vReset: -0.2, reset: 'delayed', detachReset: false }),
  'all learns': api.alif({
    ...{ reset: 'delayed', refractory: 1, detachReset: false, decayInput: true, vThreshold: 0.4 },
    learn: ['tau', 'vThreshold', 'beta', 'tauAdaptation'],
  }),
}
for (const [name, cell] of Object.entries(cells))
  test(`gradients of its definition: ${name}`, async () => {
    for (const method of ['bptt', 'rate', 'sltt'] as const) {
      if (method === 'sltt' && cell.learn.length > 0) continue
      const recurs = method === 'bptt' && cell.type === 'cubaLif'
      const layers = [api.linear(5, 7), recurs ? api.recurrent(cell) : cell, api.linear(7, 3)]
      const sizes = { input: [5] as const, timeSteps: 5, batchSize: 3, frames: true }
      const stepMode = method === 'sltt' ? 's' : 'm'
      await checkCase(
        `${method}, ${name}`,
        await makeCase(layers, { ...sizes, method, stepMode }, 5),
      )
    }
  })

test('a file keeps it, and files from before are as they were; NIR has no word for it', async () => {
  const net = api.sequential(api.lif({ reset: 'delayed' }), api.lif({ reset: 'immediate' }))
  const model = await own(net.compile({ input: [4], purpose: 'inference' }))
  const [first, second] = (model.toJSON().network.nodes as readonly { layer?: unknown }[]).map(
    (of) => of.layer,
  )
  assert.is((first as { reset?: string }).reset, 'delayed')
  assert.not.ok('reset' in (second as object))
  const again = await own(api.networkFromJSON(model.toJSON()).compile({ input: [4] }))
  assert.equal(again.toJSON().network, model.toJSON().network)
  await expectRefusal(() => model.saveNir('/tmp/never.nir'), /no delayed reset; leave reset out$/)
  assert.throws(
    () => api.lif({ reset: 'late' as never }),
    /^lif.reset must be 'immediate' or 'delayed', got "late"$/,
  )
})

test.run()
