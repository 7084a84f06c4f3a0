/** The model of a round's time: its limits, and its bytes against what is sent. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CostOf, largestOf, ringCost, roundCost } from '../../bench/rounds-cost.js'
import { compile } from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { sizesOf } from '../../src/scale/rounds/vectors.js'
import { testRandom } from '../support/engine.js'

test('what a replica of resnet18 sends', async () => {
  const input = [3, 32, 32] as const
  const model = await compile(models.resnet18(input, 10, {}), { input, batchSize: 1, timeSteps: 1 })
  const sizes = sizesOf(model.session)
  for (const [compress, least, most] of [
    ['none', 44e6, 45e6],
    ['bfloat16', 22e6, 23e6],
    ['int8', 11e6, 12e6],
  ] as const) {
    const rounds = { replicas: 2, syncEvery: 20, compress, innerState: 'keep' } as const
    const { bytesChange } = roundCost({ sizes, rounds, stepSeconds: 1, bitsPerSecond: 1e9 })
    assert.ok(bytesChange > least && bytesChange < most, `${compress}: ${bytesChange}`)
  }
  await model.dispose()
})

test('the largest of K normal numbers', () => {
  assert.is(largestOf(1), 0)
  const random = testRandom(3)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  for (const K of [2, 5, 30]) {
    let sum = 0
    for (let i = 0; i < 4000; i++) sum += Math.max(...Array.from({ length: K }, normal))
    assert.ok(Math.abs(largestOf(K) - sum / 4000) < 0.08, `${K}: ${largestOf(K)} ${sum / 4000}`)
  }
})

test('more machines pay until Redis has no room; a ring goes on', () => {
  const sizes = { parameters: 11e6, statistics: 1e4, states: 1, rows: [{ count: 1, size: 11e6 }] }
  const at = (replicas: number, syncEvery: number, gigabits = 1): CostOf => ({
    sizes,
    rounds: { replicas, syncEvery, compress: 'int8', innerState: 'keep' },
    stepSeconds: 1,
    bitsPerSecond: gigabits * 1e9,
  })
  assert.ok(roundCost(at(1, 20)).speedup < 1)
  assert.ok(roundCost(at(8, 100)).speedup > 4)
  // Twice the machines are no faster once the link is full.
  const [many, more] = [roundCost(at(128, 20)), roundCost(at(256, 20))]
  assert.ok(more.speedup < 1.1 * many.speedup)
  assert.ok(roundCost(at(256, 20, 10)).speedup > 3 * more.speedup)
  assert.ok(ringCost(at(256, 20)).speedup > 100)
  for (const K of [2, 16, 256]) assert.ok(ringCost(at(K, 20)).speedup < K)
  // All time is in the parts.
  const { compute, waiting, transfer, gathering, seconds } = many
  assert.ok(Math.abs(seconds - 0.06 - compute - waiting - transfer - gathering) < 1e-9)
})

test.run()
