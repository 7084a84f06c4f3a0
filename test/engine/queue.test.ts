// runs: alone
/**
 * Calls that leave a model as it is wait for their turn: the same for any size of network, any
 * number of threads, here and in a page.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { isLong } from '../support/long.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileToy, toy } from '../support/toy.js'
import { node, page as ofPage, onPlatform } from '../support/web-worker.js'

/** Where callers cannot be told apart either. */
const page = { ...ofPage, callers: undefined }

const train = toy(24, 1).data
const other = toy(16, 2).data
const { images } = toy(21, 3)
const one = images.subarray(0, 60)

/** Clients that send a request when the one before has been answered, all at the same time. */
async function clients(model: api.Model, count: number, requests: readonly Float32Array[]) {
  const answers: api.Prediction[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (next < requests.length) {
        const number = next++
        answers[number] = await model.predict(requests[number])
      }
    }),
  )
  return answers
}

const places = [
  { name: 'one thread', threads: 1, platform: node },
  { name: 'two threads', threads: 2, platform: node },
  { name: 'a page', threads: 1, platform: page },
]
const sizes = [
  { name: 'a small network', input: [1, 8, 8], requests: 1000 },
  { name: 'a larger network', input: [3, 24, 24], requests: isLong ? 1000 : 200 },
] as const
for (const { name, threads, platform } of places)
  for (const { name: size, input, requests } of sizes)
    test(`${size}, ${name}: 50 clients at once get the bits of one after the other`, () =>
      onPlatform(platform, async () => {
        const options = { input, batchSize: 4, timeSteps: 2, threads }
        const model = await modelOf(api.cnn(input, 10), options)
        const random = testRandom(requests)
        const floats = input[0] * input[1] * input[2]
        const all = Array.from({ length: requests }, (_, i) =>
          uniform(floats * (1 + Math.floor(random() * 5)), 2, i),
        )
        const expected: api.Prediction[] = []
        for (const x of all) expected.push(await model.predict(x))
        assert.equal(await clients(model, 50, all), expected)
      }))

test('first come, first served, whatever they are', () =>
  withFolder(async (folder) => {
    const model = await compileToy({ record: true })
    await model.trainStep(images.slice(0, 480), [0, 1, 2, 3, 0, 1, 2, 3])
    const path = join(folder, 'model')
    const order: number[] = []
    const calls: (() => Promise<unknown>)[] = [
      () => model.evaluate(other),
      () => model.predict(one),
      () => model.save(path),
      () => model.monitor(other, { limit: 3 }),
      () => model.predict(images),
      () => model.profile(1),
      () => model.saveCheckpoint(`${path}.checkpoint`),
      () => model.evaluate(other),
      () => model.predict(one),
    ]
    const done = (i: number) => () => void order.push(i)
    await Promise.all(calls.map((call, i) => call().then(done(i))))
    // Files are written when the model is free for others again.
    const written = [2, 6]
    assert.equal(
      order.filter((i) => !written.includes(i)),
      [0, 1, 3, 4, 5, 7, 8],
    )
    assert.is(order.length, calls.length)
    assert.equal(await readFile(path), Buffer.from(model.toBytes()))
  }))

test('a signal takes a call out of the queue, or ends it between two batches', async () => {
  for (const { threads, platform } of places)
    await onPlatform(platform, async () => {
      const model = await compileToy({ threads })
      const expected = await model.predict(images)
      const reason = new Error('no longer wanted')
      const [first, second] = [new AbortController(), new AbortController()]
      const running = model.evaluate(other)
      const waiting = [
        model.predict(one, { signal: first.signal }),
        model.evaluate(other, { signal: first.signal }),
        model.save('/there/is/no/such/folder/model', {}, { signal: first.signal }),
      ]
      const last = model.predict(images, { signal: second.signal })
      let ended = false
      void running.then(() => {
        ended = true
      })
      first.abort(reason)
      for (const call of waiting) assert.is(await messageOf(() => call), reason.message)
      assert.not(ended, 'they do not wait for the call before them')
      assert.equal(await last, expected)
      const aborted = { signal: AbortSignal.abort(reason) }
      assert.is(await messageOf(() => model.predict(one, aborted)), reason.message)
      const long = model.predict(new Float32Array(60 * 8 * 50), { signal: second.signal })
      setImmediate(() => second.abort(reason))
      assert.is(await messageOf(() => long), reason.message)
      assert.equal(await model.predict(images), expected)
      const wrong = { signal: new AbortController() as never }
      await expectRefusal(
        () => model.predict(one, wrong),
        /^predict\.signal must be an AbortSignal, such as controller\.signal, got/,
      )
    })
})

test('at most 1,024 calls wait; one more is refused at once, and the others go on', async () => {
  const model = await compileToy()
  const [expected] = (await model.predict(one)).classes
  const running = model.evaluate(other)
  const waiting = Array.from({ length: 1024 }, () => model.predict(one))
  assert.is(
    await messageOf(() => model.predict(one)),
    'at most 1024 calls may wait for a model, got one more; await calls before making others, ' +
      'or let another model take some',
  )
  await running
  for (const { classes } of await Promise.all(waiting)) assert.is(classes[0], expected)
  await model.predict(one)
})

test('what would change the model is refused while calls wait, as while one runs', async () => {
  const model = await compileToy()
  const before = model.stateDict()
  const waiting = [model.evaluate(other), model.predict(images), model.predict(one)]
  const refused = /^the model is running another call: await that one first; calls that only read/
  for (let turn = 0; turn < 3; turn++) {
    await expectRefusal(() => model.trainStep(images.slice(0, 480), [0]), refused)
    await waiting[turn]
  }
  expectSameBits('parameters', model.stateDict(), before)
  await model.trainStep(images.slice(0, 480), [0, 1, 2, 3, 0, 1, 2, 3])
})

test('after dispose waiting calls end in one error, and files are still written', () =>
  withFolder(async (folder) => {
    for (const { threads, platform } of places)
      await onPlatform(platform, async () => {
        const model = await compileToy({ threads })
        const state = model.toBytes()
        const running = messageOf(() => model.fit(train, { epochs: 99 }))
        const waiting = [() => model.predict(one), () => model.evaluate(other)].map(messageOf)
        await model.dispose()
        for (const message of [running, ...waiting])
          assert.is(await message, 'the model was disposed; compile the network again')
        const path = join(folder, `model ${threads}`)
        await model.save(path)
        assert.is((await readFile(path)).length, state.length)
      })
  }))

for (const { name, threads, platform } of places)
  test(`${name}: calls beside fit are served between its epochs and change nothing`, () =>
    onPlatform(platform, async () => {
      const [plain, model] = [await compileToy({ threads }), await compileToy({ threads })]
      const options = { epochs: 3, optimizer: { ...plain.optimizer } }
      const epochs: api.Prediction[] = []
      await plain.fit(train, {
        ...options,
        onEpoch: async () => void epochs.push(await plain.predict(images)),
      })
      const served: api.Prediction[] = []
      let ended = false
      // A client that always waits.
      const client = async (): Promise<void> => {
        while (!ended) served.push(await model.predict(images))
      }
      const fitting = model.fit(train, {
        ...options,
        onEpoch: async () => {
          // A change is allowed here, though somebody waits. A page cannot tell who calls.
          if (platform !== page) await model.evaluate(other)
          await model.load(model.toBytes())
        },
      })
      const reading = client()
      await fitting.finally(() => {
        ended = true
      })
      await reading
      const isOf = (found: api.Prediction) => epochs.findIndex((of) => isDeepStrictEqual(of, found))
      assert.equal([...new Set(served.map(isOf))], [0, 1, 2])
      assert.ok(served.length <= 12, `${served.length}: training goes on in its turn`)
      expectSameBits('parameters', model.stateDict(), plain.stateDict())
    }))

const within = /^the model is running another call: it waits for this one's caller \(onStep of fit/

for (const { name, platform } of [places[0], places[2]])
  test(`${name}: what an operation waits for may not wait for it`, () =>
    onPlatform(platform, async () => {
      const model = await compileToy()
      const messages: string[] = []
      const tell = async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        messages.push(await messageOf(() => model.predict(one)))
        messages.push(await messageOf(() => model.evaluate(other)))
      }
      const data: api.Dataset = { ...train, prepare: tell }
      const callback: api.Callback = { name: 'mine', onStep: tell }
      await model.fit(train, { onStep: tell, callbacks: [callback] })
      await model.fit(data)
      await model.evaluate(data)
      // Data are looked at before a training, too.
      assert.is(messages.length, 2 * (3 + 3 + 1 + 3 + 3))
      for (const message of messages) assert.match(message, within)
    }))

test('who else calls meanwhile waits, though a callback is asynchronous', async () => {
  const model = await compileToy()
  const expected = await model.predict(one)
  const beside = outside(() => model.predict(one))
  await model.fit(train, {
    optimizer: { ...model.optimizer, lr: 0, weightDecay: 0 },
    onStep: async () => {
      void beside()
      await new Promise((resolve) => setTimeout(resolve, 3))
    },
  })
  assert.is((await beside()).logits.length, expected.logits.length)
})

/** What is done outside of all callbacks, once it is asked for. */
function outside<T>(body: () => Promise<T>): () => Promise<T> {
  let ask = (): void => {}
  const done = new Promise<void>((resolve) => {
    ask = resolve
  }).then(body)
  return () => {
    ask()
    return done
  }
}

test('onEpoch may wait for calls that others make, and use the model beside them', async () => {
  const model = await compileToy()
  const [reads, changes] = [
    outside(() => model.predict(images)),
    outside(() => messageOf(() => model.trainStep(images.subarray(0, 480), new Int32Array(8)))),
  ]
  const beside = Array.from({ length: 5 }, () => outside(() => model.evaluate(other)))
  const seen: unknown[] = []
  await model.fit(train, {
    epochs: 2,
    async onEpoch({ epoch }) {
      if (epoch > 1) return
      seen.push((await reads()).classes.length)
      // Others read while the callback changes the model: it waits for them.
      const others = beside.map((ask) => ask())
      await Promise.resolve()
      await model.trainStep(images.subarray(0, 480), new Int32Array(8))
      await Promise.all(others)
      seen.push(await changes())
    },
  })
  assert.is(seen[0], 21)
  assert.match(String(seen[1]), /^the model is running another call: await that one first/)
})

test('saveNir writes what the model is when it is called', () =>
  withFolder(async (folder) => {
    const model = await compileToy(
      { optimizer: api.sgd({ lr: 1 }) },
      'flatten, linear 4, lif, linear 4',
    )
    const [alone, beside] = [join(folder, 'alone.nir'), join(folder, 'beside.nir')]
    await model.saveNir(alone)
    const saving = model.saveNir(beside)
    await model.trainStep(images.slice(0, 480), [0, 1, 2, 3, 0, 1, 2, 3])
    await saving
    // The files hold the time, so their bytes differ.
    const [expected, found] = await Promise.all(
      [alone, beside].map(async (path) => {
        const read = await api.loadNir(path, { batchSize: 2 })
        await read.dispose()
        return read.stateDict()
      }),
    )
    expectSameBits('saveNir', expected, found)
  }))

test.run()
