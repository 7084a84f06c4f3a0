/** What `evaluate` measures of a network's answers. */

import * as assert from 'uvu/assert'
import { mean } from '../../src/base/numbers.js'
import { fromArrays, linear, mse, sequential, sgd } from '../../src/index.js'
import { absoluteErrors, makeTally } from '../../src/train/evaluate.js'
import { messageOf } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { modelOf, test } from '../support/models.js'
import { compileToy, toy, toyClasses } from '../support/toy.js'

test('precision, recall and f1 by class, as counted by hand; 0 where there is nothing', () => {
  const tally = makeTally(4, undefined)
  //                label, answer: 3 × (0, 0), 1 × (0, 1), 1 × (1, 0), 2 × (2, 1)
  tally.add([0, 0, 0, 0], [0, 0, 0, 1], new Float32Array(16))
  tally.add([1, 2, 2], [0, 1, 1], new Float32Array(12))
  const { confusion, perClass, topK } = tally.result()
  assert.equal(confusion, [
    [3, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 2, 0, 0],
    [0, 0, 0, 0],
  ])
  assert.equal(perClass, [
    { precision: 3 / 4, recall: 3 / 4, f1: 6 / 8, count: 4 },
    { precision: 0, recall: 0, f1: 0, count: 1 },
    { precision: 0, recall: 0, f1: 0, count: 2 },
    { precision: 0, recall: 0, f1: 0, count: 0 },
  ])
  assert.is(topK, undefined)
})

test('top k: the label is among the k largest, sorted by output and then by class', () => {
  const random = testRandom(3)
  const [count, classes] = [200, 7]
  // Few values, so that many outputs are equal.
  const logits = Float32Array.from({ length: count * classes }, () => Math.floor(4 * random()))
  const labels = Array.from({ length: count }, () => Math.floor(classes * random()))
  const answers = Array.from(labels, () => 0)
  let before = 0
  for (let k = 1; k <= classes; k++) {
    const within = labels.filter((label, i) => {
      const row = [...logits.subarray(i * classes, (i + 1) * classes)]
      const order = row.map((_, c) => c).sort((a, b) => row[b] - row[a] || a - b)
      return order.slice(0, k).includes(label)
    })
    const tally = makeTally(classes, k)
    tally.add(labels, answers, logits)
    const share = tally.result().topK!
    assert.is(share, within.length / count)
    assert.ok(share > before, `${share}`)
    before = share
  }
  assert.is(before, 1)
})

test('above 1,000 classes there is no matrix', () => {
  assert.is(makeTally(1000, undefined).result().confusion?.length, 1000)
  const many = makeTally(1001, undefined).result()
  assert.is('confusion' in many, false)
  assert.is(many.perClass.length, 1001)
})

test('absolute errors are of scaled outputs', () => {
  const errors = absoluteErrors(mse({ targets: 'values', of: 'counts', ignore: -7 }), 2)
  const outputs = Float32Array.of(1, -2, 9, 4)
  errors.add({ outputs, targets: Float32Array.of(3, -3) })
  errors.add({ outputs, targets: Float32Array.of(-7, -7, 17) })
  assert.is(errors.result(), 1)
})

for (const [threads, batchSize] of [
  [1, 16],
  [2, 7],
  [1, 64],
] as const)
  test(`threads=${threads}, batches of ${batchSize}: evaluate says what predict answers`, async () => {
    const { data, images, labels } = toy(45, 2)
    const model = await compileToy({ batchSize, threads }, 'flatten, linear 20, lif, linear 4')
    await model.fit(toy(64, 1).data, { epochs: 2, optimizer: sgd({ lr: 0.05 }) })
    const { classes, logits } = await model.predict(images)
    const { confusion, perClass, topK, accuracy, count, loss } = await model.evaluate(data, {
      topK: 2,
    })
    const expected = Array.from({ length: toyClasses }, () => new Array(toyClasses).fill(0))
    labels.forEach((label, i) => {
      expected[label][classes[i]]++
    })
    assert.equal(confusion, expected)
    assert.is(count, 45)
    assert.is(accuracy, expected.reduce((sum, row, c) => sum + row[c], 0) / 45)
    assert.equal(
      perClass?.map((one) => one.count),
      expected.map((row) => row.reduce((a, b) => a + b, 0)),
    )
    const rows = labels.map((_, i) => logits.subarray(i * toyClasses, (i + 1) * toyClasses))
    const second = rows.filter((row, i) => row.filter((z) => z > row[labels[i]]).length < 2)
    assert.is(topK, second.length / 45)
    // −log softmax of the label's output.
    const losses = rows.map((row, i) =>
      Math.log(row.reduce((sum, z) => sum + Math.exp(z - row[labels[i]]), 0)),
    )
    assert.ok(Math.abs(loss / mean(losses) - 1) < 1e-5, `${loss}, one by one ${mean(losses)}`)
    assert.is((await model.evaluate(data)).topK, undefined)
  })

test('outputs that are not finite are refused in predict, evaluate and step, by layer', async () => {
  const network = () => sequential({ last: linear(3, 2) })
  const inputs = Float32Array.of(0, 0, 0, 3e38, 3e38, 3e38, 0, 0, 0)
  const data = fromArrays({ name: 'huge', inputs, labels: [0, 1, 0], shape: [3], classes: 2 })
  const weights = { 'last.weight': { shape: [2, 3], data: new Float32Array(6).fill(1) } }
  const state = { ...weights, 'last.bias': { shape: [2], data: new Float32Array(2) } }
  const of = (where: string): string =>
    `layer last (linear) gives Infinity for ${where}; its weights, or the input, are too large ` +
    'for float32'
  for (const batchSize of [1, 2, 64]) {
    const model = await modelOf(network(), { input: [3], batchSize, timeSteps: 2 })
    model.loadStateDict(state)
    assert.is(await messageOf(() => model.predict(inputs)), of('sample 1'))
    assert.is(await messageOf(() => model.evaluate(data)), of('sample 1 of huge'))
    // The model goes on.
    assert.equal([...(await model.predict(inputs.subarray(0, 3))).logits], [0, 0])
    await model.dispose()
  }
  const stream = await modelOf(network(), { input: [3], batchSize: 3, purpose: 'stream' })
  stream.loadStateDict(state)
  assert.is(await messageOf(() => stream.step(inputs)), of('sample 1 in step 1'))
})

test.run()
