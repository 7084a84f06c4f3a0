/** `stepRates` and `diagnostics` ask what a method keeps, not for its name. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type CompileOptions,
  flatten,
  lif,
  linear,
  type Model,
  sequential,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import { labels, uniform } from '../support/measure.js'

const [batchSize, timeSteps] = [5, 4]

async function stepped(options: Partial<CompileOptions>): Promise<Model> {
  const model = await sequential(flatten(), linear(12, 33), lif(), linear(33, 3), lif()).compile({
    input: [1, 3, 4],
    batchSize,
    timeSteps,
    inspect: true,
    seed: 2,
    ...options,
  })
  const x = uniform(batchSize * 12, 3, 4)
  await model.trainStep(x, labels(batchSize, 3, 5), { update: false })
  return model
}

test('stepRates: one rate a step, whose mean is the firing rate, where layers keep all steps', async () => {
  for (const options of [
    { method: 'rate', stepMode: 'm' },
    { method: 'bptt', stepMode: 'm' },
    { method: 'bptt', stepMode: 's' },
  ] as const) {
    const model = await stepped(options)
    const [steps, rates] = [model.stepRates(), model.firingRates()]
    assert.equal(Object.keys(steps), ['2', '4'])
    for (const [name, values] of Object.entries(steps)) {
      assert.is(values.length, timeSteps)
      const mean = values.reduce((a, b) => a + b, 0) / timeSteps
      assert.ok(Math.abs(mean - rates[name]) < 1e-12, `${name}: ${values}, ${rates[name]}`)
    }
    assert.ok(rates[2] > 0.05, 'neurons spike')
    await model.dispose()
  }
})

test('stepRates and diagnostics say what they need', async () => {
  for (const options of [{ method: 'rate', stepMode: 's' }, { method: 'sltt' }] as const) {
    const model = await stepped(options)
    assert.is(
      await messageOf(() => model.stepRates()),
      "stepRates needs compile({ inspect: true }), stepMode 'm', at most 255 time steps, and no stream",
    )
    assert.is(
      await messageOf(() => model.diagnostics()),
      "diagnostics needs compile({ inspect: true, method: 'bptt' })",
    )
    await model.dispose()
  }
})

test.run()
