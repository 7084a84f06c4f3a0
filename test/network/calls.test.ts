/**
 * Methods whose loop over T is outside the network: calls of several steps give what the definition
 * says, for any T.
 */

import * as assert from 'uvu/assert'
import type { CompileOptions, Model } from '../../src/index.js'
import { checkCase, compileCase, makeCase } from '../support/case.js'
import { testRandom } from '../support/engine.js'
import { isLong, ofLong } from '../support/long.js'
import { expectClose, labels, relativeError, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { referenceStep } from '../support/reference.js'

const seed = Number(process.env.SEED ?? 31)
const input = [2, 5, 6] as const
const batchSize = 3

/** One call, several of a size, and of two sizes; primes among them. */
const STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 31]

const normalised = (neuron = 'lif'): string =>
  `conv 5 3, norm, ${neuron}, conv 7 2, norm, ${neuron}, flatten, linear 3`
const traced = `conv 5 3 padding=1 standardise=true, lif tau=2, scale 2.74, conv 9 3 stride=2,
  lif tau=2, avgPool2d 2x1, flatten, linear 4`

// Images and frames in turns.
for (const [i, timeSteps] of STEPS.entries())
  for (const frames of ofLong([i % 2 === 0], [false, true]))
    test(`T = ${timeSteps}, frames ${frames}: rate s, ottt and sltt equal their definitions`, async () => {
      const shared = { input, timeSteps, batchSize, frames }
      const all = [
        ['rate', normalised(), { method: 'rate', stepMode: 's' }],
        ['rate, ρ of its own', normalised('lif detachReset=false'), { stepMode: 's' }],
        ['rate without norm', traced, { method: 'rate', stepMode: 's' }],
        ['ottt', traced, { method: 'ottt' }],
        ['sltt', normalised('lif vReset=0'), { method: 'sltt' }],
        ['sltt without norm', traced, { method: 'sltt', mseWeight: 0.3 }],
      ] as const
      for (const [n, [name, layers, options]] of all.entries()) {
        // Every second one for one T, the others for the next.
        if (!isLong && (i + n) % 2 === 1) continue
        const c = await makeCase(layers, { ...shared, ...options }, seed)
        await checkCase(name, c)
        // Calls of one size, and of two.
        if (timeSteps === 6 || timeSteps === 9)
          await checkCase(`${name}, debug engine, 2 threads`, c, { engine: 'debug', threads: 2 })
      }
    })

/** All sets of K of T steps. */
const setsOf = (timeSteps: number, K: number): number[][] =>
  Array.from({ length: 2 ** timeSteps }, (_, bits) =>
    Array.from({ length: timeSteps }, (_, t) => t).filter((t) => (bits >> t) & 1),
  ).filter((steps) => steps.length === K)

// Single steps, one call, and several of several steps.
for (const [timeSteps, K] of [
  [3, 1],
  [6, 2],
  [4, 3],
  [6, 5],
  [9, 8],
] as const)
  test(`sltt backwardSteps ${K} of ${timeSteps}: the gradient is that of so many steps, others for other runs`, async () => {
    const options = { input, timeSteps, batchSize, method: 'sltt' } as const
    const c = await makeCase(normalised(), { ...options, backwardSteps: K }, seed)
    const expected = setsOf(timeSteps, K).map((backwardSteps) => {
      const shared = { method: 'sltt', timeSteps, batch: batchSize, input, backwardSteps } as const
      return referenceStep(c.layers, c.state, c.x, c.y, shared).gradients['3.weight']
    })
    const model = await compileCase(c.layers, c.options)
    const chosen = new Set<number>()
    for (let run = 0; run < 12; run++) {
      model.loadStateDict(c.state)
      await model.trainStep(c.x, c.y, { update: false })
      const { data } = model.gradients()['3.weight']
      const found = expected.findIndex((e) => relativeError(data, e) < 1e-4)
      assert.ok(found >= 0, `run ${run}: the gradient is that of no ${K} steps, seed=${c.seed}`)
      chosen.add(found)
    }
    assert.ok(chosen.size > 1, 'steps are chosen at random')
  })

// Layers that the definitions above do not know.

const mixed = (...drops: readonly string[]): string =>
  `conv 8 3 padding=1, relu, conv 8 3 padding=1, maxPool2d 3 stride=1 padding=1, lif, ${drops[0]},
   maxPool2d 2, conv 8 3 padding=1, relu, conv 8 3 padding=1, lif detachReset=false, ${drops[1]},
   flatten, linear 4`

async function trained(options: Partial<CompileOptions>, drop = false): Promise<Model> {
  const text = drop ? mixed('dropout 0.3', 'dropout 0.4') : mixed('identity', 'identity')
  const model = await compileNet(text, { input, batchSize, threads: 1, seed, ...options })
  const { timeSteps = 4, frames } = options
  const random = testRandom(seed)
  const state = model.stateDict()
  for (const { data } of Object.values(state))
    for (const i of data.keys()) data[i] += 0.5 * (random() - 0.5)
  model.loadStateDict(state)
  await step(model, frames ? timeSteps : 1)
  for (const [name, rate] of Object.entries(model.firingRates()))
    assert.ok(rate > 0.02 && rate < 0.95, `${name} fires at a rate of ${rate}`)
  return model
}

const step = (model: Model, frames: number) =>
  model.trainStep(uniform(batchSize * frames * 60, 2, seed), labels(batchSize, 4, seed), {
    update: false,
  })

for (const [i, timeSteps] of [1, 5, 8, 9, 13].entries())
  for (const frames of ofLong([i % 2 === 0], [false, true]))
    test(`T = ${timeSteps}, frames ${frames}: without normalisation rate s is rate m, with pooling, relu and dropout`, async () => {
      for (const drop of [false, true]) {
        const options = { timeSteps, frames, method: 'rate' } as const
        const inside = await trained({ ...options, stepMode: 'm' }, drop)
        const outside = await trained({ ...options, stepMode: 's' }, drop)
        expectClose('output', outside.output(), inside.output(), 1e-5)
        assert.equal(outside.firingRates(), inside.firingRates())
        const [a, b] = [inside.gradients(), outside.gradients()]
        for (const name of Object.keys(a))
          expectClose(`${name}, dropout ${drop}`, b[name].data, a[name].data, 1e-5)
        await inside.dispose()
        await outside.dispose()
      }
    })

for (const timeSteps of [3, 5])
  for (const frames of [false, true])
    test(`T = ${timeSteps}, frames ${frames}: with pooling and relu the gradient of sltt is the sum of its steps'`, async () => {
      const options = { timeSteps, frames, method: 'sltt' } as const
      const whole = await trained(options)
      // Calls of one step, one of which has a backward pass.
      const single = await trained({ ...options, backwardSteps: 1 })
      const found: Float64Array[] = []
      const names = Object.keys(whole.gradients())
      const flat = (model: Model): Float64Array =>
        Float64Array.from(names.flatMap((name) => [...model.gradients()[name].data]))
      for (let run = 0; run < 100 && found.length < timeSteps; run++) {
        await step(single, frames ? timeSteps : 1)
        const now = flat(single)
        if (found.every((one) => relativeError(now, one) > 1e-4)) found.push(now)
      }
      assert.is(found.length, timeSteps, 'every step has a gradient of its own')
      const sum = found[0].map((_, i) => found.reduce((total, one) => total + one[i], 0))
      expectClose(`seed=${seed}`, flat(whole), sum, 1e-5)
    })

test.run()
