/** What `stepRates`, `activity` and `diagnostics` give; what they need is in written.txt. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  alif,
  type CompileOptions,
  cubaLif,
  flatten,
  lif,
  linear,
  type Model,
  type Module,
  recurrent,
  sequential,
} from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { labels, uniform } from '../support/measure.js'

const [batchSize, timeSteps] = [5, 4]

async function stepped(
  options: Partial<CompileOptions>,
  neurons: readonly [Module, Module] = [lif(), lif()],
): Promise<Model> {
  const [first, second] = neurons
  const network = sequential(flatten(), linear(12, 33), first, linear(33, 3), second)
  const model = await network.compile({
    input: [1, 3, 4],
    batchSize,
    timeSteps,
    inspect: true,
    seed: 2,
    ...options,
  })
  const x = uniform(batchSize * 12 * (model.frames ? timeSteps : 1), 3, 4)
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

test('cells have the figures that neurons have', async () => {
  const bptt = { method: 'bptt', frames: true } as const
  const plain = await stepped(bptt, [lif({ tau: 2 }), lif({ tau: 2 })])
  // The same neurons, asked for in a way that only cells know.
  const cells = await stepped(bptt, [lif({ tau: 2, vRest: 0 }), lif({ tau: 2, vRest: 0 })])
  for (const layer of ['2', '4']) {
    const [a, b] = [plain.activity(layer), cells.activity(layer)]
    assert.equal(b.rate, a.rate)
    assert.is(b.eligibility?.length, a.eligibility?.length)
    for (const [i, g] of (a.eligibility ?? []).entries())
      assert.ok(Math.abs((b.eligibility ?? [])[i] - g) < 1e-5, `${layer} ${i}`)
    const [one, two] = [plain.diagnostics().a1[layer], cells.diagnostics().a1[layer]]
    assert.ok(one > 0 && Math.abs(one - two) < 1e-5, `${layer}: ${one}, ${two}`)
    // The gradient of a mean is the same at each step, that of an inner layer is not.
    assert.is(one > 0.9999, layer === '4', `${one}`)
  }
  const others = await stepped(bptt, [cubaLif({ tauSyn: 3 }), alif()])
  const { a1, a2 } = others.diagnostics()
  assert.equal(Object.keys(a1), ['2', '4'])
  assert.equal(Object.keys(a2).sort(), ['1.weight', '3.weight'])
  for (const value of Object.values(a1)) assert.ok(value > -1 && value <= 1, `${value}`)
  const rings = await stepped(bptt, [recurrent(lif()), lif()])
  assert.is(rings.activity('2').eligibility, undefined)
  await expectRefusal(() => rings.diagnostics(), /diagnostics: 2 \(recurrent\) hears/)
  for (const model of [plain, cells, others, rings]) await model.dispose()
})

test.run()
