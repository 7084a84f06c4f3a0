/**
 * What changes no bit of a training: threads, the debug build, layers that are made again for the
 * backward pass, and a network's way through JSON.
 */

import * as assert from 'uvu/assert'
import {
  type Block,
  type CompileOptions,
  type Method,
  networkFromJSON,
  sequential,
} from '../../src/index.js'
import { groupedChains } from '../support/chains.js'
import { isLong } from '../support/long.js'
import { labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { betweenNeurons, rectified } from '../support/networks.js'
import { usualModes } from '../support/tables.js'

async function trained(network: Block, options: CompileOptions): Promise<unknown> {
  const model = await modelOf(network, { batchSize: 5, timeSteps: 5, seed: 4, ...options })
  const { timeSteps, batchSize, classes, frames } = model
  const size = options.input.reduce((a, b) => a * b, batchSize) * (frames ? timeSteps : 1)
  for (let i = 0; i < 3; i++)
    await model.trainStep(uniform(size, 3, i), labels(batchSize, classes, i), { lr: 0.1 })
  const state = model.stateDict()
  const { logits } = await model.predict(uniform(size, 3, 9))
  assert.ok(Object.values(model.firingRates()).some((rate) => rate > 0.01))
  await model.dispose()
  return { state, logits }
}

const chains = Object.entries(groupedChains).map(
  ([name, { layers, input, modes }]) =>
    [name, (_: Method) => sequential(...layers), input, modes] as const,
)
const others = usualModes.filter(([method]) => method !== 'ottt')
const networks = [
  ...chains,
  ['layers between neurons', betweenNeurons, [3, 6, 6], others],
  ['neurons behind relu', (_: Method) => rectified(), [2, 6, 6], others],
] as const

for (const [i, [name, network, input, modes]] of networks.entries())
  for (const [j, [method, stepMode]] of modes.entries()) {
    // To start threads takes longer than the steps: two in one build, three in the other, or none.
    // Each network and each method has both.
    const one = isLong || i >= chains.length ? -1 : (i + j + 2) % 3
    if (one === 2) continue
    test(`${name}: ${method} ${stepMode} has the same bits on threads, in the debug build, from JSON`, async () => {
      const of = network(method)
      const options = { input, method, stepMode, frames: (i + j) % 2 === 1 }
      const expected = await trained(of, { ...options, threads: 1 })
      const same = async (more: Partial<CompileOptions>, from: Block = of): Promise<void> =>
        assert.equal(await trained(from, { ...options, ...more }), expected, JSON.stringify(more))
      if (one !== 1) await same({ threads: 3 })
      if (one !== 0) await same({ threads: 2, engine: 'debug' })
      const model = await modelOf(of, options)
      await same({}, networkFromJSON(JSON.stringify(model.toJSON())) as Block)
      await model.dispose()
      if (method === 'bptt') await same({ gradientCheckpoint: 'layers' })
    })
  }

test.run()
