/** Names of classes: who gives them, where they are kept, and what `predict` says with them. */

import { join } from 'node:path'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { parseLines, succeed } from '../cli/in-process.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { uniform } from '../support/measure.js'
import { own, test } from '../support/models.js'

const inputs = uniform(12 * 4, 1, 1)
const labels = Array.from({ length: 12 }, (_, i) => i % 3)
const [birds, fish] = [
  ['owl', 'crow', 'wren'],
  ['carp', 'pike', 'eel'],
] as const
const data = (classNames?: readonly string[]) =>
  api.fromArrays({ name: 'animals', inputs, shape: [4], labels, classes: 3, classNames })

const compile = (options: Partial<api.CompileOptions> = {}) =>
  own(
    api
      .sequential(api.linear(4, 6), api.lif({ vThreshold: 0.1 }), api.linear(6, 3))
      .compile({ input: [4], timeSteps: 3, batchSize: 4, ...options }),
  )

test('predict: labels are names of the classes, probabilities the softmax of logits', async () => {
  const model = await compile()
  await model.fit(data(birds))
  const found = await model.predict(inputs.subarray(0, 20))
  assert.equal(
    found.labels,
    Array.from(found.classes, (index) => birds[index]),
  )
  assert.is(found.probabilities.length, found.logits.length)
  for (let n = 0; n < 5; n++) {
    const row = [...found.logits.subarray(3 * n, 3 * n + 3)]
    const sum = row.reduce((all, z) => all + Math.exp(z), 0)
    row.forEach((z, c) => {
      assert.ok(Math.abs(found.probabilities[3 * n + c] - Math.exp(z) / sum) < 1e-6)
    })
  }
  const steps = await model.predict(inputs.subarray(0, 8), { of: 'steps' })
  assert.equal([steps.labels.length, steps.probabilities.length], [6, 18])
})

test('probabilities of large logits are numbers', async () => {
  const model = await own(api.sequential(api.linear(2, 2)).compile({ input: [2] }))
  const weight = { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) }
  model.loadStateDict({ '0.weight': weight, '0.bias': { shape: [2], data: Float32Array.of(0, 0) } })
  const { probabilities } = await model.predict(Float32Array.of(1000, -1000, -1000, -1000))
  assert.equal([...probabilities], [1, 0, 0.5, 0.5])
})

test('nobody has named them: labels are the numbers of the classes', async () => {
  const model = await compile()
  const { labels, classes } = await model.predict(inputs.subarray(0, 4))
  assert.is(model.labels, undefined)
  assert.equal(labels, [String(classes[0])])
  await model.fit(data())
  assert.is(model.labels, undefined)
  assert.not.ok('data' in model.toJSON())
})

test('options go before data sets, and the last data set before those of before', async () => {
  const given = await compile({ labels: fish })
  await given.fit(data(birds))
  assert.equal(given.labels, fish)
  await given.fit(data(birds), { labels: birds })
  assert.equal(given.labels, birds)
  const model = await compile()
  await model.fit(data(birds))
  await model.fit(data(fish))
  assert.equal(model.labels, fish)
  await model.fit(data())
  assert.equal(model.labels, fish)
})

test('files keep them: of save, toBytes, a run; exports have them; options change them', () =>
  withFolder(async (folder) => {
    const model = await compile()
    const dir = join(folder, 'run')
    await model.fit(data(birds), { callbacks: [api.checkpoint({ dir })] })
    const path = join(folder, 'birds.safetensors')
    await model.save(path)
    const files = [path, dir, model.toBytes()]
    for (const from of files) {
      const again = await own(api.loadModel(from))
      assert.equal(again.labels, birds)
      assert.equal(again.toJSON().data, { classNames: birds })
    }
    const renamed = await own(api.loadModel(path, { labels: fish, purpose: 'train' }))
    await renamed.fit(data(birds))
    assert.equal(renamed.labels, fish)
    const net = await api.openNet(await api.exportWasm(model))
    assert.equal(net.info.labels, birds)
    const bare = await api.openNet(await api.exportWasm(model, { labels: fish }))
    assert.equal(bare.info.labels, fish)

    const sample = join(folder, 'sample.json')
    const { writeFile } = await import('node:fs/promises')
    await writeFile(sample, JSON.stringify([...inputs.subarray(0, 4)]))
    const { stdout } = await succeed(['predict', '--weights', path, sample, '--json'])
    const { labels, classes } = await model.predict(inputs.subarray(0, 4))
    const [{ class: index, className }] = parseLines(stdout)
    assert.equal([index, className], [classes[0], labels[0]])
  }))

test('names given to fit are those of the run', () =>
  withFolder(async (dir) => {
    const model = await compile()
    await model.fit(data(birds), { labels: fish, callbacks: [api.checkpoint({ dir })] })
    assert.equal((await own(api.loadModel(dir))).labels, fish)
  }))

test('wrong names are refused', async () => {
  await expectRefusal(() => compile({ labels: ['a'] }), /^compile.labels must name each of the 3/)
  await expectRefusal(
    () => compile({ labels: [1, 2, 3] as never }),
    /^compile.labels must be a list of texts of at most 1000 characters, got /,
  )
  const model = await compile()
  await expectRefusal(() => model.fit(data(), { labels: birds.slice(1) }), /^fit.labels must name/)
  await expectRefusal(
    () => api.loadModel(model.toBytes(), { labels: [] }),
    /^loadModel.labels must be a list/,
  )
})

test.run()
