/**
 * Plans do not change by accident: hashes of all programs, addresses and constants, for the models
 * of the registry and for random networks, against test/compile/hashes.json. snapshots.test.ts shows
 * what such a change is; one that is meant is taken over with `npm test -- plan/ --update`.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { methods } from '../../src/compile/methods.js'
import { makePlan, type PlanOptions } from '../../src/compile/plan.js'
import { print } from '../../src/compile/print.js'
import { type ModelName, models } from '../../src/model/models/registry.js'
import { randomPlanOptions } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { planOptions } from '../support/plans.js'

const file = new URL('../../../test/compile/hashes.json', import.meta.url)
const update = Boolean(process.env.UPDATE_SNAPSHOTS)
const expected: Record<string, string> = existsSync(file)
  ? JSON.parse(readFileSync(file, 'utf8'))
  : {}
const found: Record<string, string> = {}

const purposes = ['train', 'inference', 'stream'] as const

/** Each model, by a method and for a purpose that take turns, with all threads of the engine. */
function modelOptions(): [string, PlanOptions][] {
  const names = Object.keys(models) as ModelName[]
  const kinds = Object.keys(methods) as (keyof typeof methods)[]
  return names.map((model, i) => {
    const method = kinds[i % kinds.length]
    const purpose = purposes[(i >> 1) % purposes.length]
    const input = model === 'mlp' ? ([1, 28, 28] as const) : ([3, 32, 32] as const)
    const network = models[model](input, 10, { tau: 1.25 })
    const more = { method, purpose, batchSize: 16 + i, frames: i % 2 === 1, inspect: i % 3 === 1 }
    const options = planOptions(network, input, more)
    return [`${model}, ${method}, ${purpose}`, options]
  })
}

const randomOptions = Array.from({ length: 160 }, (_, i): [string, PlanOptions] => [
  `random ${i}`,
  randomPlanOptions(testRandom(7000 + i), true),
])

/** A hash of all that a plan says, or of the message with which the options are refused. */
function hashOf(options: PlanOptions): string {
  const hash = createHash('sha256')
  try {
    const plan = makePlan(options, 1 + (options.batchSize % 3))
    const { encoded, memory, passes, passImages, singles, workerScratch } = plan
    hash.update(print(plan)).update(encoded.bytes)
    hash.update(JSON.stringify({ memory, passes, passImages, singles, workerScratch }))
  } catch (error) {
    hash.update(String(error))
  }
  return hash.digest('hex').slice(0, 12)
}

for (const [name, options] of [...modelOptions(), ...randomOptions])
  test(name, () => {
    found[name] = hashOf(options)
    if (!update)
      assert.is(found[name], expected[name], 'another plan; see compile/snapshots, or --update')
  })

test('hashes.json holds these plans alone', () => {
  if (update) writeFileSync(file, `${JSON.stringify(found, undefined, 2)}\n`)
  else assert.equal(Object.keys(found), Object.keys(expected))
})

test.run()
