// runs: apart
/** Batches from threads of their own: the bits, errors and ends of those of the calling thread. */

import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import * as assert from 'uvu/assert'
import { ofSamples } from '../../src/data/arrays.js'
import { plainOf } from '../../src/data/plain.js'
import { BatchThreads } from '../../src/data/threads.js'
import * as api from '../../src/index.js'
import { mlp } from '../../src/model/models/vgg.js'
import { expectRefusal } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectSameBits } from '../support/measure.js'
import { own, test } from '../support/models.js'
import { soon } from '../support/soon.js'
import { toy } from '../support/toy.js'

// Some of it counts the threads of small models.
process.env.SPIKEWASM_ALL_THREADS = '1'

const shape = [3, 12, 10] as const
const size = 360
const classes = 4

function bytes(count: number, seed = 1): api.Dataset {
  const random = testRandom(seed)
  return api.fromBytes({
    name: 'noise',
    images: Uint8Array.from({ length: count * size }, () => Math.floor(256 * random())),
    labels: Array.from({ length: count }, (_, i) => i % classes),
    shape,
    classes,
    normalization: { scale: 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] },
  })
}

const train = api.augment(bytes(50), api.cifarAugmentation)

/** Threads that start while the body runs, and their ends. */
async function watching(body: (threads: Worker[]) => Promise<void>): Promise<void> {
  const threads: Worker[] = []
  const ends: Promise<unknown>[] = []
  const count = (worker: Worker): void => {
    threads.push(worker)
    ends.push(once(worker, 'exit'))
  }
  process.on('worker', count)
  try {
    await body(threads)
  } finally {
    process.off('worker', count)
  }
  await soon(Promise.all(ends))
}

const compiled = (data: api.Dataset, batchSize = 8, threads = 1): Promise<api.Model> =>
  mlp(data.shape, data.classes).compile({ input: data.shape, batchSize, threads, seed: 4 })

/** What a training leaves: parameters, and losses and rates of its epochs. */
async function fitted(data: api.Dataset, options: api.FitOptions, threads = 1) {
  const model = await compiled(data, 8, threads)
  try {
    const { epochs } = await model.fit(data, { epochs: 3, ...options })
    return {
      state: model.stateDict(),
      epochs: epochs.map(({ trainLoss, firingRates }) => ({ trainLoss, firingRates })),
    }
  } finally {
    await model.dispose()
  }
}

test('what somebody else reads cannot be sent: copies with another read, and what is made of them', () => {
  const data = bytes(9)
  const read: api.Dataset['read'] = (index, out) => data.read(index, out)
  const pixels = { ...data.pixels!, read: () => 0 }
  for (const own of [
    { ...data, read },
    { ...data, pixels },
  ]) {
    assert.is(plainOf(own), undefined)
    assert.is(plainOf(api.subset(own, 4)), undefined)
    assert.is(plainOf(api.augment(own, { flip: true })), undefined)
  }
  const renamed: api.Dataset = { ...data, name: 'another name' }
  assert.ok(plainOf(renamed))
})

for (const count of [1, 3])
  test(`${count} of threads make the batches that fill makes, in any epoch, when some are left out too`, async () => {
    const options = { batchSize: 7, training: true, seed: 9, dropLast: true }
    const thread = new BatchThreads(train, plainOf(train)!, options, {
      first: 0,
      epochs: 1000,
      threads: count,
    })
    const batches = new api.Batches(train, options, 'slots')
    const [images, expected] = [new Float32Array(7 * size), new Float32Array(7 * size)]
    const [labels, expectedLabels] = [new Int32Array(7), new Int32Array(7)]
    const numbers: number[] = []
    // The thread needs a while to start, and may be held up: what it has not begun is not taken.
    for (let number = 0; numbers.length < 40; number += number % 5 === 4 ? 3 : 1) {
      if (!(await soon(thread.take(number, { images, labels })))) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      batches.startEpoch(Math.floor(number / batches.length))
      batches.fill(number % batches.length, expected, expectedLabels)
      assert.equal(images, expected, `batch ${number}`)
      assert.equal(labels, expectedLabels, `batch ${number}`)
      numbers.push(number)
    }
    await soon(thread.close())
  })

test('a training with a thread for its data leaves the bits of one without', () =>
  watching(async (threads) => {
    const picked = api.subset(train, [...Array(34).keys()].reverse())
    for (const data of [train, toy(50, 3).data, api.subset(train, 33), picked]) {
      const without = await fitted(data, { numWorkers: 0 })
      assert.is(threads.length, 0)
      // All data on one thread or on two, and one of them on both.
      for (const workers of data === train ? [1, 2] : [data.length === 33 ? 2 : 1]) {
        const numWorkers = data === train ? 3 : 1
        const made = await fitted(data, { numWorkers }, workers)
        assert.is(threads.length, numWorkers + (workers === 1 ? 0 : workers))
        threads.length = 0
        assert.equal(made.epochs, without.epochs)
        expectSameBits('state', made.state, without.state)
      }
    }
  }))

test('a thread is started by itself where there is much to prepare, never for what others read', () =>
  watching(async (threads) => {
    const many = api.augment(bytes(400), api.cifarAugmentation)
    const controller = new AbortController()
    const one: api.FitOptions = { onStep: () => controller.abort(), signal: controller.signal }
    const model = await compiled(many)
    const begun = async (data: api.Dataset, options: api.FitOptions): Promise<number> => {
      threads.length = 0
      const run = new AbortController()
      await model.fit(data, { ...one, signal: run.signal, onStep: () => run.abort(), ...options })
      await new Promise((resolve) => setImmediate(resolve))
      return threads.length
    }
    const own: api.Dataset = {
      ...many,
      read: (index, out, context) => many.read(index, out, context),
    }
    assert.is(await begun(many, { epochs: 1 }), 0)
    assert.is(await begun(many, { epochs: 10_000 }), 1)
    assert.is(await begun(many, { epochs: 10_000, numWorkers: 0 }), 0)
    assert.is(await begun(own, { epochs: 10_000 }), 0)
    assert.is(await begun(own, { epochs: 1, numWorkers: 1 }), 0)
    await model.dispose()
  }))

test('what goes wrong in the data is the same error with a thread and without', () =>
  watching(async () => {
    const images = new Float32Array(40 * size)
    images[33 * size + 5] = Number.NaN
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % classes)
    // fromArrays would refuse it.
    const data = ofSamples({
      name: 'broken',
      shape,
      classes,
      samples: images,
      labels,
      targets: undefined,
    })
    const errors: unknown[] = []
    for (const numWorkers of [0, 2])
      for (const wrong of [data, { ...bytes(40), classes: 3 }, { ...bytes(40), length: 60 }]) {
        const model = await compiled({ ...wrong, classes })
        errors.push(await soon(model.fit(wrong, { epochs: 9, numWorkers })).catch((error) => error))
        // It can be used on.
        await model.predict(new Float32Array(size))
        await model.dispose()
      }
    const messages = errors.map((error) => (error as Error).message)
    assert.equal(messages.slice(3), messages.slice(0, 3))
    assert.match(
      messages[0],
      /^the data broken, batch \d, must hold finite numbers, got NaN in sample/,
    )
    assert.match(messages[1], /^the data noise: labels must be integers from 0 to 2, got 3 at/)
    assert.match(messages[2], /^noise: index must be from 0 to 39, got \d\d$/)
    assert.ok(errors[3] instanceof api.SpikewasmError && errors[4] instanceof api.SpikewasmError)
    assert.ok(errors[5] instanceof RangeError)
  }))

test('a thread that dies: one clear error, and the model goes on without it', () =>
  watching(async (threads) => {
    const model = await compiled(train)
    let ended: Promise<number> | undefined
    const onStep = (): void => {
      ended ??= threads[0]?.terminate()
    }
    const running = model.fit(train, { epochs: 100_000, numWorkers: 2, onStep })
    await expectRefusal(
      () => soon(running),
      /^a thread that prepares batches ended \(.+\); with numWorkers: 0 batches are prepared/,
    )
    await ended
    await model.fit(train, { epochs: 1, numWorkers: 0 })
    await model.dispose()
  }))

test('the thread ends with fit: at its end, when it is aborted, fails or its model is disposed of', () =>
  watching(async (threads) => {
    const ends: ((model: api.Model, signal: AbortController) => void)[] = [
      () => undefined,
      (_, controller) => controller.abort(),
      () => {
        throw new Error('no more')
      },
      (model) => void model.dispose(),
    ]
    for (const end of ends) {
      threads.length = 0
      const model = await compiled(train)
      const controller = new AbortController()
      let steps = 0
      const onStep = (): void => {
        if (++steps === 3) end(model, controller)
      }
      const epochs = end === ends[0] ? 2 : 100_000
      const fit = model.fit(train, { epochs, numWorkers: 2, onStep, signal: controller.signal })
      await soon(fit).catch((error: Error) => error)
      await new Promise((resolve) => setImmediate(resolve))
      // `fit` has waited for their end.
      assert.equal(
        threads.map(({ threadId }) => threadId),
        [-1, -1],
      )
      await model.dispose()
    }
  }))

test('numWorkers is a number of threads', async () => {
  const model = await own(compiled(train))
  for (const numWorkers of [65, 1.5, -1, true, '1'])
    await expectRefusal(
      () => model.fit(train, { numWorkers: numWorkers as 1 }),
      /^fit\.numWorkers must be 0 .* or the number .*, at most 64, got /,
    )
})

test.run()
