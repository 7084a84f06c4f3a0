/** What training refuses, or leaves as it is: a deviation of one value, a norm that is no number. */

import * as assert from 'uvu/assert'
import { type CompileOptions, mse, sgd } from '../../src/index.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

const vector = 'linear 3, norm, lif, linear 2'
const one: CompileOptions = { input: [4], timeSteps: 3, batchSize: 1 }
const pixels = { input: [1, 2, 2], timeSteps: 1, batchSize: 1 } as const

async function trainOnce(text: string, options: CompileOptions): Promise<void> {
  const model = await compileNet(text, options)
  const { batchSize = 1, timeSteps = 4, frames = false } = options
  const size = batchSize * (frames ? timeSteps : 1) * options.input.reduce((a, b) => a * b, 1)
  try {
    const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i))
    await model.predict(x.subarray(0, size / batchSize))
    await model.trainStep(x, Array<number>(batchSize).fill(1))
  } finally {
    await model.dispose()
  }
}

const expected =
  /^1 \(batchNorm\dd\): expected more than 1 value per channel when training, got batchSize 1 /
const refused: readonly [string, string, CompileOptions][] = [
  ['ottt', vector, { ...one, method: 'ottt', frames: true }],
  ['sltt', vector, { ...one, method: 'sltt', frames: true }],
  ['os', vector, { ...one, method: 'os', frames: true }],
  ['rate by steps', vector, { ...one, stepMode: 's', frames: true }],
  ['bptt of one step', vector, { ...one, method: 'bptt', timeSteps: 1 }],
  ['an image of one pixel', 'conv 3 2, norm, lif, flatten, linear 2', pixels],
  // Means over time are one value, however many steps there are.
  ['means', 'timeMean, norm, linear 2', { ...one, method: 'bptt' }],
]
for (const [what, network, options] of refused)
  test(`training on a normalisation of one value is refused: ${what}`, () =>
    expectRefusal(() => trainOnce(network, options), expected))

const taken: readonly [string, string, CompileOptions][] = [
  ['two samples', vector, { ...one, batchSize: 2, method: 'sltt' }],
  ['several steps together', vector, { ...one, method: 'bptt' }],
  ['several pixels', 'conv 3 1, norm, lif, avgPool2d 2, flatten, linear 2', pixels],
]
for (const [what, network, options] of taken)
  test(`it trains on ${what}`, () => trainOnce(network, options))

test('fit refuses a batch of one sample, which repeats would fill; what only predicts does not', async () => {
  const dataOf = (length: number) => ({
    name: 'few',
    length,
    classes: 2,
    shape: [4] as const,
    read: (index: number, out: Float32Array) => {
      out.fill(index)
      return index % 2
    },
  })
  const [model, single] = await Promise.all(
    [2, 1].map((batchSize) => compileNet(vector, { ...one, batchSize, method: 'sltt' })),
  )
  const more = /expected more than 1 value per channel when training/
  await expectRefusal(() => single.fit(dataOf(2), { epochs: 1 }), more)
  await single.evaluate(dataOf(2))
  const message = /expected more than 1 value per channel when training, got a batch of one sample/
  await expectRefusal(() => model.fit(dataOf(1), { epochs: 1 }), message)
  const rest = messageOf(() => model.fit(dataOf(3), { epochs: 1, dropLast: false }))
  assert.match(await rest, message)
  await model.fit(dataOf(3), { epochs: 1 })
})

test('where a gradient is infinite, clipping leaves every parameter, and the step says so', async () => {
  const model = await compileNet('linear 2', {
    input: [1],
    timeSteps: 1,
    batchSize: 2,
    method: 'bptt',
    loss: mse({ targets: 'values' }),
    optimizer: sgd({ lr: 0.1, momentum: 0, weightDecay: 0.5, decay: 'all' }),
  })
  const state = model.stateDict()
  state['0.weight'].data.set([3e-37, 0])
  state['0.bias'].data.set([1, 2])
  model.loadStateDict(state)
  const y = new Float32Array(4)
  const message = await messageOf(() =>
    model.trainStep(Float32Array.of(3e38, 1), y, { clipNorm: 1 }),
  )
  assert.match(message, /^a gradient is not finite; it shows first in layer 0 \(gradient of 0\.we/)
  const after = model.stateDict()
  assert.equal([...after['0.weight'].data], [...Float32Array.of(3e-37, 0)])
  assert.equal([...after['0.bias'].data], [1, 2], 'not even what decays')
  // Nothing of it stays, in padding for example.
  const { loss } = await model.trainStep(Float32Array.of(1, 2), y, { clipNorm: 1 })
  assert.ok(Number.isFinite(loss))
})

test.run()
