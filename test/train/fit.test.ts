// runs: alone
/** `fit` and `predict`: what is learnt, how long it waits, and what goes wrong. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, expectRefusals, messageOf } from '../files/temporary.js'
import { expectSameBits, firstDifference } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, layersOf } from '../support/net.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'
import { fails, parametersOf, watched } from '../support/trainings.js'

/** Layers with names, which messages tell. */
function compileToy(options: Partial<api.CompileOptions> = {}): Promise<api.Model> {
  const [conv1, bn1, fire, pool, flat, last] = layersOf(
    toyShape,
    'conv 9 3 padding=1, norm, lif, avgPool2d 2, flatten, linear 4',
  )
  const net = api.sequential({ conv1, bn1, fire, pool, flat, last })
  return modelOf(net, { input: toyShape, batchSize: 16, timeSteps: 3, ...options })
}

const train = toy(100, 1).data
const validation = toy(45, 2).data

for (const [method, threads] of [
  ['rate', 1],
  ['bptt', 2],
  ['ottt', 1],
  ['sltt', 2],
] as const)
  test(`${method} threads=${threads}: learns, and its last record says what evaluate says`, async () => {
    const model = await compileToy({ threads })
    const optimizer = api.sgd({ lr: 0.1 })
    const options = { epochs: 4, method, optimizer, schedule: api.cosine(), validation }
    const { epochs } = await model.fit(train, options)
    const losses = epochs.map(({ trainLoss }) => trainLoss)
    assert.ok(losses[3] < 0.7 * losses[0], `losses ${losses}`)
    const { testLoss, testAccuracy = 0 } = epochs[3]
    assert.ok(testAccuracy > 0.8, `accuracy ${testAccuracy}`)
    const { loss, accuracy } = await model.evaluate(validation)
    assert.equal([loss, accuracy], [testLoss, testAccuracy])
    assert.is(model.method, method)
  })

test('data that takes a while to read is prepared beside the steps, which do not wait for it', async () => {
  const train = api.subset((await api.datasets.digits()).train, 11 * 64)
  const READ_MS = 0.06
  let reading = 0
  // Reading costs as much as an augmented image of CIFAR, or several.
  const slow: api.Dataset = {
    ...train,
    read(index, out, context) {
      const start = performance.now()
      const label = train.read(index, out, context)
      while (performance.now() - start < READ_MS) {}
      reading += performance.now() - start
      return label
    },
  }
  const text = `conv 32 3 padding=1, norm, lif, conv 32 3 padding=1, norm, lif,
    conv 32 3 padding=1, norm, lif, flatten, linear 10`
  const model = await compileNet(text, { input: [1, 8, 8], batchSize: 64, threads: 2 })
  const { epochs } = await model.fit(slow, { epochs: 3 })
  await model.dispose()
  // Only the first batch of an epoch has nobody to hide behind. A busy machine may cost a few more.
  const waited = Math.min(...epochs.map((e) => e.dataWaitMs))
  assert.ok(waited >= 0.9 * 64 * READ_MS, `the first batch is waited for, not ${waited} ms`)
  assert.ok(
    waited < 0.4 * (reading / 3),
    `an epoch waited ${waited} ms of ${reading / 3} ms of reading`,
  )
})

test('the same seed gives the same bits with and without threads, another seed another order', async () => {
  const run = async (options: Partial<api.CompileOptions>) => {
    const model = await compileToy(options)
    await model.fit(train, { epochs: 2 })
    const state = model.stateDict()
    await model.dispose()
    return state
  }
  const first = await run({ seed: 3 })
  expectSameBits('1 and 2 threads', first, await run({ seed: 3, threads: 2 }))
  assert.ok(firstDifference(first, await run({ seed: 4 })) !== undefined)
})

test('the event loop turns while fit runs, also without threads', async () => {
  const model = await compileToy()
  let ticks = 0
  let next: NodeJS.Immediate | undefined
  const tick = (): void => {
    ticks++
    next = setImmediate(tick)
  }
  tick()
  await model.fit(train, { epochs: 3 })
  clearImmediate(next)
  assert.ok(ticks >= 10, `${ticks} turns of the event loop in 18 steps`)
})

test('fit takes parameters along when it changes the method', async () => {
  const model = await compileToy({ threads: 2 })
  await model.fit(train, { epochs: 1 })
  const before = model.stateDict()
  await model.fit(train, { method: 'bptt', stepMode: 's', optimizer: api.sgd({ lr: 0 }) })
  assert.equal([model.method, model.stepMode], ['bptt', 's'])
  expectSameBits('parameters', parametersOf(before), parametersOf(model.stateDict()))
})

test('predict: any number of samples, the same logits in any batch', async () => {
  const { images } = toy(13, 6)
  const model = await compileToy({ batchSize: 4 })
  const all = await model.predict(images)
  for (const n of [1, 3, 4, 5, 13]) {
    const some = await model.predict(images.subarray(0, n * 60))
    assert.equal(some.logits, all.logits.subarray(0, n * toyClasses), `n=${n}`)
    assert.equal(some.classes, all.classes.subarray(0, n), `n=${n}`)
  }
  const rows = Array.from({ length: 13 }, (_, n) => all.logits.subarray(4 * n, 4 * (n + 1)))
  assert.equal(
    [...all.classes],
    rows.map((row) => row.indexOf(Math.max(...row))),
  )
  await expectRefusals([
    [
      () => model.predict(images.subarray(1)),
      'x must hold samples of [2, 6, 5] = 60 numbers each, got 779',
    ],
    [() => model.predict(new Float32Array(0)), /x must hold samples of .*, got 0/],
  ])
  await model.dispose()
  const frames = await compileToy({ batchSize: 4, frames: true })
  for (const count of [2, 9])
    assert.is((await frames.predict(new Float32Array(3 * count * 60))).classes.length, count)
})

for (const options of [
  { threads: 1 },
  { threads: 2 },
  { method: 'bptt' },
  { method: 'ottt', update: 'everyStep' },
] as Partial<api.CompileOptions>[])
  test(`${JSON.stringify(options)}: a loss that is no number is told by step and layer; the parameters are those before`, async () => {
    const model = await compileToy(options)
    let before = model.stateDict()
    const message = await messageOf(() =>
      model.fit(train, {
        epochs: 2,
        onStep: ({ epoch, step }) => {
          if (epoch !== 1 || step !== 2) return
          // Finite weights, but sums of them are not.
          before = model.stateDict()
          before['last.weight'].data.fill(3e38)
          model.loadStateDict(before)
        },
      }),
    )
    assert.match(
      message,
      /^step 4 of epoch 2: (the loss|a gradient|the variance of a batch) is (NaN|Infinity|not finite); it shows first in layer (conv1|bn1|last) \(/,
    )
    // Updates at every step come before the loss is known.
    const left =
      options.update === 'everyStep'
        ? 'Parameters and running statistics whose new value would not be finite were ' +
          'left as they were, others may hold this step'
        : 'The parameters are those before this step, running statistics may hold it'
    assert.ok(message.endsWith(`${left}; a lower learning rate or normalised input helps`), message)
    expectSameBits('parameters', parametersOf(before), parametersOf(model.stateDict()))
  })

for (const threads of [1, 2])
  test(`threads=${threads}: a sample that is no number is refused before it reaches the weights`, async () => {
    const { images, labels } = toy(64, 3)
    images[60 * 40 + 7] = Number.NaN
    const broken = { name: 'broken', shape: toyShape, classes: toyClasses }
    assert.is(
      await messageOf(() => api.fromArrays({ ...broken, images, labels })),
      'broken: numbers must be finite in float32, got NaN at index 2407, in sample 40',
    )
    const data: api.Dataset = {
      ...broken,
      length: 64,
      read(index, out) {
        for (let i = 0; i < 60; i++) out[i] = images[60 * index + (i % 2) * 30 + (i >> 1)]
        return labels[index]
      },
    }
    const model = await compileToy({ threads })
    const step = () => model.trainStep(images.subarray(60 * 40, 60 * 56), labels.slice(0, 16))
    await expectRefusals([
      [
        () => model.fit(data, {}),
        /^the data broken, batch \d, must hold finite numbers, got NaN in sample \d+ of the batch; repair or leave out/,
      ],
      [() => model.evaluate(data), /^the data broken, batch 3, must hold .* NaN in sample 8 of/],
      [() => model.predict(images), /^x must hold finite numbers, got NaN in sample 8 of the b/],
      [step, /^x must hold finite numbers, got NaN in sample 0/],
    ])
    for (const [name, { data: values }] of Object.entries(model.stateDict()))
      assert.ok(values.every(Number.isFinite), name)
    await model.fit(train, {})
  })

test('what fit cannot use is refused before anything is trained, and the model goes on', async () => {
  const [model, frames] = [await compileToy(), await compileToy({ frames: true })]
  const before = model.stateDict()
  const grouped = (...groups: api.ParameterGroup[]) => ({ optimizer: api.sgd({ groups }) })
  const bn1 = { params: 'bn1' }
  const twice = grouped({ params: '*', lr: 1 }, { ...bn1, lr: 2 })
  const refused = (options: api.FitOptions) => () => model.fit(train, options)
  const none =
    'the model was compiled with frames, but the data toy gives one image a sample; ' +
    'compile without frames, or give data with timeSteps'
  await expectRefusals([
    [
      refused(grouped(bn1)),
      /^sgd\.groups\[0\] must have an lr or a weightDecay of its own, got neither; leave it out$/,
    ],
    [
      refused(twice),
      /^sgd\.groups\[1\]\.params: all that it names is in groups before it; put it before them$/,
    ],
    [refused({ method: 'ottt', stepMode: 'm' }), /stepMode must be 's' with method ottt/],
    [refused({ validation, validationSplit: 0.5 }), /exclude one another/],
    [() => frames.fit(train), none],
    [() => frames.evaluate(train), none],
  ])
  expectSameBits('state', before, model.stateDict())
  await model.fit(train, { epochs: 1 })
})

test('a data set that gives no label of 4 classes is refused', async () => {
  const model = await compileToy({ threads: 2 })
  for (const label of [4, 1000, 1e8, -1, 1.5, Number.NaN, undefined, '1']) {
    const before = model.stateDict()
    const read: api.Dataset['read'] = (index, out) => {
      const own = train.read(index, out)
      return index < 90 ? own : (label as number)
    }
    const data = { ...train, read }
    const expected =
      'the data toy: labels must be integers from 0 to 3, got ' +
      `${typeof label === 'string' ? '"1"' : label} at index 9`
    await expectRefusal(() => model.evaluate(data), expected)
    expectSameBits('state', before, model.stateDict())
    await expectRefusal(() => model.fit(data), expected)
  }
  await model.fit(train)
})

test('a data set that fails to read ends fit with its own error, and the model goes on', async () => {
  for (const threads of [1, 2]) {
    const model = await compileToy({ threads })
    const failing = watched(train, fails('the disk is gone', 41))
    assert.is(await messageOf(() => model.fit(failing, {})), 'the disk is gone')
    await model.fit(train)
    await model.dispose()
  }
})

test.run()
