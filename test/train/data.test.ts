/** What a model is trained with: few samples, splits, vectors and series. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { withoutTimes } from '../support/runs.js'
import { usualMethods } from '../support/tables.js'
import { compileToy as compileToyOf, toy, toyClasses, toyShape } from '../support/toy.js'
import { collect } from '../support/trainings.js'

const compileToy = (options: Partial<api.CompileOptions>, norm = true) =>
  compileToyOf(options, `conv 8 3 padding=1, ${norm ? 'norm, ' : ''}lif, flatten, linear 4`)

for (const method of usualMethods)
  test(`${method}: 5 samples train with a batch size of 16, as with one of 5`, async () => {
    const { data } = toy(5, 1)
    const losses: number[][] = []
    const states = []
    for (const batchSize of [16, 5]) {
      const model = await compileToy({ batchSize, method }, false)
      const { epochs } = await model.fit(data, { epochs: 8, optimizer: api.sgd({ lr: 0.1 }) })
      losses.push(epochs.map(({ trainLoss }) => trainLoss))
      states.push(model.stateDict())
      await model.dispose()
    }
    assert.ok(losses[0][7] < 0.9 * losses[0][0], `${losses[0]}`)
    expectClose('losses', losses[0], losses[1], 1e-4)
    for (const [name, { data: values }] of Object.entries(states[0]))
      expectClose(name, values, states[1][name].data, 1e-3)
  })

for (const method of ['rate', 'ottt'] as const)
  test(`${method}, dropLast false: the last batch trains too, as one of its own size`, async () => {
    const { data } = toy(20, 1)
    const optimizer = api.sgd({ lr: 0.1, momentum: 0 })
    const of = (batchSize: number) => compileToy({ batchSize, method }, false)
    const [model, apart, last] = [await of(8), await of(8), await of(4)]
    const losses: number[] = []
    const { epochs } = await model.fit(data, {
      epochs: 2,
      optimizer,
      dropLast: false,
      onStep({ loss, step, steps }) {
        losses.push(loss * (step === 2 ? 4 : 8))
        assert.is(steps, 3)
      },
    })
    epochs.forEach(({ trainLoss }, i) => {
      const mean = losses.slice(3 * i, 3 * i + 3).reduce((a, b) => a + b, 0) / 20
      assert.ok(Math.abs(trainLoss / mean - 1) < 1e-12, `${trainLoss} ${mean}`)
    })
    // The same, batch by batch.
    const batches = new api.Batches(data, { batchSize: 8, training: true, seed: 0 })
    for (let epoch = 0; epoch < 2; epoch++) {
      batches.startEpoch(epoch)
      for (let batch = 0; batch < 3; batch++) {
        const rows = new Float32Array(8 * 60)
        const of = new Int32Array(8)
        const count = batches.fill(batch, rows, of)
        const images = rows.subarray(0, count * 60)
        const one = batch === 2 ? last : apart
        const from = batch === 2 ? apart : batch === 0 && epoch > 0 ? last : undefined
        if (from) one.loadStateDict(from.stateDict())
        one.optimizer = optimizer
        await one.trainStep(images, of.subarray(0, count))
      }
    }
    for (const [name, { data: values }] of Object.entries(last.stateDict()))
      expectClose(name, model.stateDict()[name].data, values, 1e-4)
  })

test('dropLast false: threads change no bit, a resume goes on, another setting is refused', async () => {
  const { data } = toy(21, 1)
  const of = () => compileToy({ timeSteps: 2 })
  const [model, again] = [await of(), await of()]
  const { callback, files } = collect('step')
  const options: api.FitOptions = { epochs: 3, accumulate: 2, dropLast: false }
  const { epochs } = await model.fit(data, { ...options, numWorkers: 1, callbacks: [callback] })
  const found = await files[2]()
  await expectRefusal(
    () => again.fit(data, { ...options, dropLast: true, resume: found }),
    /it has dropLast false instead of true; give the same/,
  )
  const resumed = await again.fit(data, { ...options, numWorkers: 0, resume: found })
  expectSameBits('resumed', model.stateDict(), again.stateDict())
  assert.equal(withoutTimes(resumed.epochs), withoutTimes(epochs))
})

test('validationSplit: the last samples, before shuffling, as if they were given apart', async () => {
  const { data, images, labels: of } = toy(50, 3)
  const part = (from: number, to: number): api.Dataset =>
    api.fromArrays({
      images: images.slice(60 * from, 60 * to),
      labels: of.slice(from, to),
      shape: toyShape,
      classes: toyClasses,
    })
  const ends = []
  for (const [train, options] of [
    [data, { validationSplit: 0.3 }],
    [part(0, 35), { validation: part(35, 50) }],
    [data, { validationSplit: 0.3, numWorkers: 1 }],
  ] as const) {
    const model = await compileToy({})
    const { epochs } = await model.fit(train, { epochs: 2, ...options })
    ends.push({ epochs: withoutTimes(epochs), state: model.stateDict() })
    await model.dispose()
  }
  for (const end of ends.slice(1)) {
    assert.equal(end.epochs, ends[0].epochs)
    expectSameBits('state', end.state, ends[0].state)
  }
})

/** A network for an input, the same one for that input as an image, and the data for both. */
const forms: readonly [string, api.CompileOptions['input'], api.CompileOptions['input'], string][] =
  [
    ['a vector', [6], [6, 1, 1], 'linear 9, lif, linear 3'],
    [
      'a series',
      [2, 10],
      [2, 1, 10],
      'conv2d 2 5 1x3 padding=0x1, batchNorm2d 5, lif, maxPool2d 1x2, flatten, linear 3',
    ],
  ]

for (const [name, input, image, text] of forms)
  test(`${name}: trains, predicts, is saved and exported with the bits of an image`, () =>
    withFolder(async (folder) => {
      const size = input.reduce((a: number, b) => a * b, 1)
      const inputs = uniform(40 * size, 2, 5)
      const answers = { labels: labels(40, 3, 6), classes: 3 }
      const given = [...input] as unknown as api.CompileOptions['input']
      const models = []
      for (const [shape, values] of [
        [given, { inputs }],
        [image, { images: inputs }],
      ] as const) {
        const options = { input: shape, batchSize: 8, timeSteps: 3, seed: 4 }
        // In front of a network that takes a vector; images need nothing.
        const first = input.length === 1 ? 'flatten' : 'identity'
        const net = netOf(shape, shape === image ? `${first}, ${text}` : text)
        const model = await modelOf(api.sequential({ net }), options)
        await model.fit(api.fromArrays({ ...values, ...answers, shape }), { epochs: 2 })
        models.push(model)
      }
      const [model, reference] = models
      // What `compile` was given is copied.
      ;(given as unknown as number[])[0] = 99
      assert.equal(model.input, input)
      const values = (one: typeof model) => Object.values(one.stateDict()).map(({ data }) => data)
      assert.equal(values(model), values(reference))
      const x = uniform(3 * size, 2, 7)
      const prediction = await model.predict(x)
      assert.equal(prediction, await reference.predict(x))
      await expectRefusal(
        () => model.predict(x.subarray(1)),
        `x must hold samples of [${input.join(', ')}] = ${size} numbers each, got ${3 * size - 1}`,
      )
      await expectRefusal(
        () => model.trainStep(x, [0, 1, 2]),
        `x must hold [8, ${input.join(', ')}] = ${8 * size} numbers, got ${3 * size}`,
      )
      const path = `${folder}/model.safetensors`
      await model.save(path)
      const loaded = await own(api.loadModel(path))
      assert.equal([loaded.input, await loaded.predict(x)], [input, prediction])
      const net = await api.openNet(await api.exportWasm(model))
      assert.equal(net.info.input, model.session.input)
      net.input.set(x.subarray(0, size))
      net.infer()
      assert.equal([...net.output], [...prediction.logits.subarray(0, 3)])
      assert.match(model.summary(), new RegExp(`\\[${input.length === 1 ? '6' : '2, 10'}\\]`))
    }))

test.run()
