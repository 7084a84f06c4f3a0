/** Several outputs and self-distillation, beside its authors' code (test/fixtures/distillation). */
import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { deepConv } from '../../src/model/models/resnet.js'
import { expectRefusal, type Refusal } from '../files/temporary.js'
import { expectAllClose, expectSameBits, relativeError } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'

interface Numbers {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}
type Named = Readonly<Record<string, Numbers>>
interface Fixture {
  readonly T: number
  readonly alpha: number
  readonly beta: number
  readonly temperature: number
  readonly start: Named
  readonly x: readonly number[]
  readonly labels: readonly number[]
  readonly loss: number
  readonly output: readonly number[]
  readonly gradients: Named
  readonly statistics: Named
}
const path = new URL('../../../test/fixtures/distillation/distillation.json', import.meta.url)
const fixture: Fixture = JSON.parse(readFileSync(path, 'utf8'))
const { T: timeSteps, alpha, beta, temperature, labels } = fixture

const neuron = { vThreshold: 0.5 }
/** The network of generate.py. */
const network = (): api.Block => {
  const children = {
    conv0: netOf([2, 8, 8], 'conv 4 3 padding=1 bias=false, norm, lif vThreshold=0.5'),
    layer1: basicBlock(4, 4, 1, neuron),
    layer2: basicBlock(4, 6, 2, neuron),
    classifier: api.linear(6, 3),
    scala1: deepConv(4, 6),
    scala2: deepConv(6, 6, 1),
    fc1: api.linear(6, 3),
    fc2: api.linear(6, 3),
    pool: api.adaptiveAvgPool2d(1),
    flatten: api.flatten(),
    rates: api.timeMean(),
  }
  return api.block(children, (m, x) => {
    const end = (value: typeof x) => m.flatten(m.pool(value))
    const first = m.layer1(m.conv0(x))
    const second = m.layer2(first)
    return {
      early: m.fc1(end(m.scala1(m.rates(first)))),
      middle: m.fc2(end(m.scala2(m.rates(second)))),
      output: m.classifier(end(second)),
    }
  })
}

const loss = api.selfDistillation({ alpha, beta, temperature })
const options = { input: [2, 8, 8], timeSteps, batchSize: labels.length, loss } as const
const x = Float32Array.from(fixture.x)

async function compiled(more: Partial<api.CompileOptions> = {}): Promise<api.Model> {
  const model = await modelOf(network(), { ...options, ...more })
  const state = model.stateDict()
  for (const [name, { data }] of Object.entries(fixture.start)) state[name].data.set(data)
  model.loadStateDict(state)
  return model
}

for (const engine of [undefined, 'debug'] as const)
  test(`the loss and all gradients are those of the authors' code, ${engine}`, async () => {
    const model = await compiled({ engine })
    const step = await model.trainStep(x, labels, { update: false })
    assert.ok(Math.abs(step.loss - fixture.loss) <= 1e-5 * fixture.loss, `loss ${step.loss}`)
    assert.ok(relativeError(model.output(), fixture.output) <= 1e-4, 'output')
    const gradients = model.gradients()
    assert.equal(Object.keys(gradients).sort(), Object.keys(fixture.gradients).sort())
    expectAllClose('gradient', gradients, fixture.gradients, 1e-4)
    expectAllClose('state', model.stateDict(), fixture.statistics, 1e-4)
  })

test('prediction and evaluation are of the last output; files and copies keep all of them', async () => {
  const model = await compiled()
  const data = api.fromArrays({ images: x, labels, shape: [2, 8, 8], classes: 3 })
  const { logits } = await model.predict(x)
  const { accuracy } = await model.evaluate(data)
  // The same network without branches.
  const plain = await modelOf(
    api.block({ ...network().children } as Record<string, api.Module>, (m, input) =>
      m.classifier(m.flatten(m.pool(m.layer2(m.layer1(m.conv0(input)))))),
    ),
    { input: [2, 8, 8], timeSteps, batchSize: labels.length },
  )
  const state = model.stateDict()
  const own = Object.fromEntries(Object.keys(plain.stateDict()).map((name) => [name, state[name]]))
  plain.loadStateDict(own)
  assert.equal((await plain.predict(x)).logits, logits)
  assert.is((await plain.evaluate(data)).accuracy, accuracy)
  await plain.dispose()
  const again = await modelOf(api.networkFromJSON(JSON.stringify(model.toJSON())), options)
  again.loadStateDict(state)
  await Promise.all([model, again].map((of) => of.trainStep(x, labels)))
  expectSameBits('a network from JSON', again.stateDict(), model.stateDict())
  const lean = await modelOf(network(), { ...options, purpose: 'inference' })
  lean.loadStateDict(state)
  assert.equal((await lean.predict(x)).logits, logits)
})

const wrong: readonly Refusal[] = [
  [
    () => compiled({ loss: api.crossEntropy() }),
    /several outputs \(early, middle, output\), which loss selfDistillation\(\) or custom\(function\) trains, got crossEntropy/,
  ],
  [
    () => modelOf(api.linear(4, 3), { input: [4], loss }),
    'needs a network with two outputs or more',
  ],
  [() => compiled({ method: 'ottt' }), "selfDistillation() needs method 'rate' or 'bptt'"],
  [() => compiled({ stepMode: 's' }), "with stepMode 'm', got 'rate' with stepMode 's'"],
  [() => api.esdResnet18(null as never), /esdResnet18 takes an object of options.*got null/],
  [() => api.resnet18(5 as never), /resnet18 takes an object of options.*got 5/],
]
for (const [call, message] of wrong) test(`refused: ${message}`, () => expectRefusal(call, message))

test('esdResnet18 has the parameters of its authors, and compiles', async () => {
  const model = await modelOf(api.esdResnet18(), { input: [3, 32, 32], timeSteps: 2, batchSize: 1 })
  const names = Object.keys(model.stateDict())
  for (const name of ['conv0.0.weight', 'scala1.2.op.5.weight', 'scala3.0.res_bn.bias', 'fc3.bias'])
    assert.ok(names.includes(name), name)
})

test.run()
