/** Plans are made in parts, so that a page stays free: as many as layers, with the same result. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makePlan, type Plan, type PlanOptions, planInParts } from '../../src/compile/plan.js'
import { planFor } from '../../src/engine/memory/allocate.js'
import { platform, registerPlatform } from '../../src/engine/platform.js'
import { cnn, mlp, resnet18 } from '../../src/index.js'

async function optionsOf(network: ReturnType<typeof cnn>, input: [number, number, number]) {
  const common = { input, batchSize: 4, method: 'bptt', gradientCheckpoint: 'layers' } as const
  const model = await network.compile(common)
  const { options } = model.session.plan
  await model.dispose()
  return options
}

const all: PlanOptions[] = [
  await optionsOf(cnn([1, 8, 8], 10), [1, 8, 8]),
  await optionsOf(mlp([1, 8, 8], 10), [1, 8, 8]),
  await optionsOf(resnet18({ classes: 10 }), [3, 32, 32]),
]

const seen = ({ encoded, buffers, memory }: Plan) => [
  encoded,
  buffers.map(({ address }) => address),
  memory,
]

test('a plan has a part for each layer, forward and backward', () => {
  for (const options of all) {
    let count = 0
    for (const _ of planInParts(options, 2)) count++
    assert.ok(count > 2 * options.graph.nodes.length, `${count} parts`)
  }
})

test('plans that are made in turns are those that are made alone', () => {
  const making = all.map((options) => planInParts(options, 2))
  const made = new Map<number, Plan>()
  while (made.size < all.length)
    for (const [i, parts] of making.entries()) {
      if (made.has(i)) continue
      const { done, value } = parts.next()
      if (done) made.set(i, value)
    }
  for (const [i, options] of all.entries())
    assert.equal(seen(made.get(i) as Plan), seen(makePlan(options, 2)))
})

test('a thread that must stay free does something else meanwhile, others do not', async () => {
  /** Turns of the event loop while a large network is planned, by a clock that runs fast. */
  const turns = async (staysFree: boolean): Promise<number> => {
    const { now } = performance
    const before = platform()
    let ms = 0
    let count = 0
    let ended = false
    const turn = (): void => {
      count++
      if (!ended) setImmediate(turn)
    }
    registerPlatform({ ...before, staysFree })
    performance.now = () => ++ms
    try {
      setImmediate(turn)
      await planFor(all[2], 1)
      return count
    } finally {
      ended = true
      performance.now = now
      registerPlatform(before)
    }
  }
  assert.ok((await turns(true)) > 10)
  assert.is(await turns(false), 0)
})

test.run()
