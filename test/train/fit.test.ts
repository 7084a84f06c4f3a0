// runs: alone
/** `fit` and `evaluate`: history, callbacks, aborting, validation, and what goes wrong. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, expectRefusals, messageOf } from '../files/temporary.js'
import { expectSameBits, firstDifference } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, layersOf } from '../support/net.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'
import { fails, parametersOf, stopAt, watched } from '../support/trainings.js'

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
  test(`${method} threads=${threads}: learns; history and callbacks tell what happened`, async () => {
    const model = await compileToy({ threads })
    const steps: api.StepInfo[] = []
    const seen: api.EpochRecord[] = []
    const history = await model.fit(train, {
      epochs: 4,
      method,
      optimizer: api.sgd({ lr: 0.1 }),
      schedule: api.cosine(),
      validation,
      onStep: (info) => void steps.push(info),
      onEpoch: async (record) => {
        await new Promise((resolve) => setImmediate(resolve))
        seen.push(record)
      },
    })
    assert.is(model.method, method)
    assert.is(history.aborted, false)
    assert.equal(seen, history.epochs)
    // 100 samples in batches of 16: the last four of each epoch's order are left out.
    assert.equal(
      steps.map((s) => [s.epoch, s.step, s.steps, s.epochs]),
      Array.from({ length: 24 }, (_, i) => [Math.floor(i / 6), i % 6, 6, 4]),
    )
    history.epochs.forEach((record, i) => {
      const own = steps.filter((s) => s.epoch === i)
      const mean = own.reduce((sum, s) => sum + s.loss, 0) / own.length
      assert.ok(Math.abs(record.trainLoss - mean) < 1e-6, 'the mean of the steps')
      assert.ok(
        Math.abs(own[5].meanLoss - mean) < 1e-6 && own[5].meanAccuracy === record.trainAccuracy,
      )
      assert.ok(
        Math.abs(record.learningRate - (0.1 * (1 + Math.cos((Math.PI * i) / 4))) / 2) < 1e-9,
        'the schedule',
      )
      assert.ok(record.stepMs > 0 && record.samplesPerSecond > 0 && record.dataWaitMs >= 0)
      assert.equal(Object.keys(record.firingRates), ['fire'])
      assert.ok(
        record.firingRates.fire > 0.01 && record.firingRates.fire < 0.99,
        `rate ${record.firingRates.fire}`,
      )
      assert.ok(record.testLoss !== undefined && record.testAccuracy !== undefined)
    })
    const last = history.epochs[3]
    assert.ok(
      last.trainLoss < 0.7 * history.epochs[0].trainLoss,
      `loss from ${history.epochs[0].trainLoss} to ${last.trainLoss}`,
    )
    assert.ok((last.testAccuracy ?? 0) > 0.8, `accuracy ${last.testAccuracy}`)
    const { loss, accuracy } = await model.evaluate(validation)
    assert.equal([loss, accuracy], [last.testLoss, last.testAccuracy])
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

for (const threads of [1, 2])
  test(`threads=${threads}: an AbortSignal ends fit after the running step; the weights can be used`, async () => {
    const model = await compileToy({ threads })
    const before = model.stateDict()
    let steps = 0
    const { signal, onStep } = stopAt(8)
    const history = await model.fit(train, {
      epochs: 5,
      validation,
      signal,
      onStep: (info) => {
        steps++
        onStep(info)
      },
    })
    assert.is(steps, 9)
    assert.is(history.aborted, true)
    assert.is(history.epochs.length, 2, 'the epoch that was cut short is in the history')
    assert.is(history.epochs[0].testLoss !== undefined, true)
    assert.is(history.epochs[1].testLoss, undefined, 'and is not validated')
    const after = model.stateDict()
    assert.ok(firstDifference(before, after) !== undefined, 'it had learned')
    for (const { data } of Object.values(after)) assert.ok(data.every(Number.isFinite))
    assert.is((await model.evaluate(validation)).count, 45)
    const again = await model.fit(train, { epochs: 1, signal: AbortSignal.abort() })
    assert.equal(again, { epochs: [], aborted: true })
    expectSameBits('parameters', after, model.stateDict())
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
  await model.fit(train, {
    epochs: 1,
    method: 'bptt',
    stepMode: 's',
    optimizer: api.sgd({ lr: 0 }),
  })
  assert.equal([model.method, model.stepMode], ['bptt', 's'])
  expectSameBits('parameters', parametersOf(before), parametersOf(model.stateDict()))
})

// Evaluation and prediction.

for (const threads of [1, 2])
  test(`threads=${threads}: evaluate with a partial last batch equals one sample at a time`, async () => {
    const { data, images, labels } = toy(21, 5)
    const model = await compileToy({ threads, batchSize: 8 })
    await model.fit(train, { epochs: 1 })
    const { loss, accuracy, count, firingRates } = await model.evaluate(data)
    const single = await compileToy({ batchSize: 1 })
    single.loadStateDict(model.stateDict())
    let [lossSum, correct] = [0, 0]
    for (let n = 0; n < 21; n++) {
      const { logits, classes } = await single.predict(images.subarray(n * 60, (n + 1) * 60))
      const highest = Math.max(...logits)
      lossSum +=
        Math.log(logits.reduce((sum, z) => sum + Math.exp(z - highest), 0)) +
        highest -
        logits[labels[n]]
      if (classes[0] === labels[n]) correct++
    }
    assert.is(count, 21)
    assert.is(accuracy, correct / 21)
    assert.ok(Math.abs(loss - lossSum / 21) < 1e-5 * loss, `${loss}, one by one ${lossSum / 21}`)
    assert.ok(firingRates.fire > 0)
  })

test('predict: any number of samples, the same logits in any batch', async () => {
  const { images } = toy(13, 6)
  const model = await compileToy({ batchSize: 4 })
  const all = await model.predict(images)
  assert.is(all.logits.length, 13 * toyClasses)
  assert.is(all.classes.length, 13)
  for (const n of [1, 3, 4, 5, 13]) {
    const some = await model.predict(images.subarray(0, n * 60))
    assert.equal(some.logits, all.logits.subarray(0, n * toyClasses), `n=${n}`)
    assert.equal(some.classes, all.classes.subarray(0, n), `n=${n}`)
  }
  for (let n = 0; n < 13; n++) {
    const row = all.logits.subarray(n * toyClasses, (n + 1) * toyClasses)
    assert.is(all.classes[n], row.indexOf(Math.max(...row)))
  }
  await expectRefusal(
    () => model.predict(images.subarray(1)),
    /x must hold samples of \[2, 6, 5\] = 60 numbers each, got 779/,
  )
  await expectRefusal(() => model.predict(new Float32Array(0)), /x must hold samples of .*, got 0/)
  await model.dispose()
  const frames = await compileToy({ batchSize: 4, frames: true })
  for (const count of [2, 9])
    assert.is((await frames.predict(new Float32Array(3 * count * 60))).classes.length, count)
})

test('evaluate and predict change nothing', async () => {
  const model = await compileToy()
  await model.fit(train, { epochs: 1 })
  const before = model.stateDict()
  await model.evaluate(validation)
  await model.predict(toy(5, 9).images)
  expectSameBits('state', before, model.stateDict())
})

// What goes wrong.

for (const options of [
  { threads: 1 },
  { threads: 2 },
  { method: 'bptt' },
  { method: 'ottt', update: 'everyStep' },
] as Partial<api.CompileOptions>[])
  test(`${JSON.stringify(options)}: a loss that is no number names step and layer and leaves the parameters of before the step`, async () => {
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
      /^step 4 of epoch 2: (the loss is (NaN|Infinity)|a gradient is not finite|the variance of a batch is not finite); it shows first in layer (conv1|bn1|last) \(/,
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
        /^the data broken, batch \d, must hold finite numbers, got NaN in image \d+ of the batch; repair or leave out/,
      ],
      [
        () => model.evaluate(data),
        /^the data broken, batch 3, must hold finite numbers, got NaN in image 8 of the batch/,
      ],
      [() => model.predict(images), /^x must hold finite numbers, got NaN in image 8 of the batch/],
      [step, /^x must hold finite numbers, got NaN in image 0/],
    ])
    for (const [name, { data: values }] of Object.entries(model.stateDict()))
      assert.ok(values.every(Number.isFinite), name)
    await model.fit(train, {})
  })

test('a learning rate that is far too high ends in an error that names a layer, with finite parameters', async () => {
  const model = await compileToy()
  const message = await messageOf(() =>
    model.fit(train, { epochs: 50, optimizer: api.sgd({ lr: 1e37, momentum: 0 }) }),
  )
  assert.match(
    message,
    /^step \d+ of epoch \d+: (the loss is (NaN|Infinity)|a gradient is not finite|the variance of a batch is not finite); it shows first in layer (conv1|bn1|last) \(/,
  )
})

test('what fit cannot use is refused before anything is trained, and the model goes on', async () => {
  const model = await compileToy()
  const before = model.stateDict()
  const other = { images: new Float32Array(27), labels: [0], shape: [3, 3, 3], classes: 2 } as const
  for (const [options, expected] of [
    [{ epoch: 3 }, /^fit\.epoch is not an option; known are epochs, initialEpoch/],
    [
      { optimizer: api.sgd({ groups: [{ params: 'bn1' }] }) },
      /^sgd\.groups\[0\] must have an lr or a weightDecay of its own, got neither; leave it out$/,
    ],
    [
      {
        optimizer: api.sgd({
          groups: [
            { params: '*', lr: 1 },
            { params: 'bn1', lr: 2 },
          ],
        }),
      },
      /^sgd\.groups\[1\]\.params: all that it names is in groups before it; put it before them$/,
    ],
    [
      { schedule: () => 1e30, optimizer: api.sgd({ lr: 1e30 }) },
      /^fit\.optimizer\.lr times the factor of fit\.schedule must be a finite number ≥ 0, got 1/,
    ],
    [{ schedule: () => -1 }, /^fit\.schedule\(0, 1\) must be a finite number ≥ 0, got -1$/],
    [{ method: 'ottt', stepMode: 'm' }, /stepMode must be 's' with method ottt/],
    [
      { validation: api.fromArrays(other) },
      /the data arrays has samples of \[3, 3, 3\].*input \[2, 6, 5\]/,
    ],
  ] as const)
    await expectRefusal(() => model.fit(train, options as api.FitOptions), expected)
  expectSameBits('state', before, model.stateDict())
  await model.fit(train, { epochs: 1 })
})

test('fit and evaluate with data that does not match the model say what does not', async () => {
  const model = await compileToy()
  const of = { images: new Float32Array(20 * 60), labels: new Array(20).fill(0) }
  const wide = api.fromArrays({ ...of, name: 'wide', shape: [2, 5, 6], classes: 4 })
  const many = api.fromArrays({ ...of, name: 'many', shape: toyShape, classes: 5 })
  for (const run of [(d: typeof wide) => model.fit(d, {}), (d: typeof wide) => model.evaluate(d)]) {
    await expectRefusal(
      () => run(wide),
      /the data wide has samples of \[2, 5, 6\], the model was compiled for input \[2, 6, 5\]/,
    )
    await expectRefusal(
      () => run(many),
      /the data many has 5 classes, the model's last layer gives 4/,
    )
  }
  const none = { ...toy(15, 1).data, length: 0, name: 'none' }
  assert.is(
    await messageOf(() => model.fit(none, {})),
    'the data none must have a sample at least, got none',
  )
})

test('a model compiled with frames refuses data sets, which have no frames', async () => {
  const model = await compileToy({ frames: true })
  for (const run of [() => model.fit(train), () => model.evaluate(train)])
    assert.is(
      await messageOf(run),
      'the model was compiled with frames, but the data toy gives one image a sample; ' +
        'compile without frames, or give data with timeSteps',
    )
})

for (const threads of [1, 2])
  test(`threads=${threads}: a data set that gives no label of 4 classes is refused`, async () => {
    const model = await compileToy({ threads })
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
      assert.is((await messageOf(() => model.evaluate(data))).slice(0, expected.length), expected)
      expectSameBits('state', before, model.stateDict())
      assert.is((await messageOf(() => model.fit(data))).slice(0, expected.length), expected)
    }
    await model.fit(train)
    for (const [name, { data: values }] of Object.entries(model.stateDict()))
      assert.ok(values.every(Number.isFinite), name)
  })

test('a data set that fails to read ends fit with its own error, and the model goes on', async () => {
  for (const threads of [1, 2]) {
    const model = await compileToy({ threads })
    const failing = watched(train, fails('the disk is gone', 41))
    assert.is(await messageOf(() => model.fit(failing, {})), 'the disk is gone')
    await model.fit(train, { epochs: 1, schedule: api.stepDecay(1) })
    await model.dispose()
  }
})

test.run()
