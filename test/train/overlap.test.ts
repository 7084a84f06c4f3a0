// runs: apart
/**
 * Operations on one model at the same time: those that would change it are refused and change
 * nothing, those that read it wait; what callbacks of `fit` may call.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import * as assert from 'uvu/assert'
import { breathe } from '../../src/engine/threads/breathe.js'
import { endThreads } from '../../src/engine/threads/idle-threads.js'
import { type CompileOptions, type Model, sgd } from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileToy, toy } from '../support/toy.js'
import { fails, watched } from '../support/trainings.js'

const seed = Number(process.env.SEED ?? 1)
const train = toy(48, seed).data
const other = toy(21, seed + 1)
const batch = toy(8, seed + 2)
const refused = /^the model is running another call: await that one first/
const refusedWithin = /^the model is running another call: it waits for this one's caller \(onStep/

const operations: Record<string, (model: Model) => unknown> = {
  fit: (model) => model.fit(train, { optimizer: sgd({ lr: 0.3, momentum: 0.5 }) }),
  'fit by another method': (model) => model.fit(train, { method: 'bptt' }),
  evaluate: (model) => model.evaluate(other.data),
  predict: (model) => model.predict(other.images),
  trainStep: (model) => model.trainStep(batch.images, batch.labels),
  prepare: (model) => model.prepare({ method: 'bptt' }),
  load: (model) => model.load('/there/is/no/such/file'),
  loadStateDict: (model) => {
    const state = model.stateDict()
    for (const { data } of Object.values(state)) data.fill(0)
    model.loadStateDict(state)
  },
  resetOptimizer: (model) => model.resetOptimizer(),
}
const { evaluate, predict, ...changes } = operations
/** What waits for its turn; what it gives follows from the model alone. */
const reads: Record<string, (model: Model) => Promise<unknown>> = {
  evaluate: (model) => model.evaluate(other.data),
  predict: (model) => model.predict(other.images),
  'predict of one': (model) => model.predict(other.images.subarray(0, 60)),
  profile: async (model) => (await model.profile(1)).map(({ op }) => op),
}

/**
 * What a model is after an operation that nothing disturbed: its result, its state and what the
 * momentum does to a step.
 */
async function outcome(options: Partial<CompileOptions>, run: (model: Model) => Promise<unknown>) {
  const model = await compileToy(options)
  await model.trainStep(batch.images, batch.labels)
  const result = await run(model)
  const { method, optimizer } = model
  const state = model.stateDict()
  await model.trainStep(batch.images, batch.labels)
  const after = model.stateDict()
  await model.dispose()
  return { result, method, optimizer, state, after }
}

for (const threads of [1, 2])
  for (const first of ['fit', 'evaluate', 'predict', 'trainStep'])
    test(`threads=${threads}: while ${first} runs, changes are refused, reads wait, and neither is seen (seed ${seed})`, async () => {
      const run = operations[first] as (model: Model) => Promise<Record<string, unknown>>
      const alone = await outcome({ threads }, run)
      const disturbed = await outcome({ threads }, async (model) => {
        let ended = false
        const waiting: [string, Promise<unknown>][] = []
        const running = run(model).finally(() => {
          ended = true
        })
        for (let turn = 0; turn < 4 && !ended; turn++) {
          for (const [name, read] of Object.entries(reads)) waiting.push([name, read(model)])
          const messages = Object.entries(changes).map(
            async ([name, operation]) => [name, await messageOf(() => operation(model))] as const,
          )
          for (const [name, message] of await Promise.all(messages))
            assert.match(message, refused, `${name} at turn ${turn}`)
          await new Promise((resolve) => setImmediate(resolve))
        }
        const result = await running
        for (const [name, found] of waiting)
          assert.equal(await found, await reads[name](model), `${name} in its turn`)
        assert.ok(waiting.length >= 4)
        return result
      })
      if (first === 'fit') {
        const losses = (o: typeof alone) =>
          (o.result as { epochs: { trainLoss: number }[] }).epochs.map((e) => e.trainLoss)
        assert.equal(losses(disturbed), losses(alone))
      } else assert.equal(disturbed.result, alone.result)
      assert.is(disturbed.method, 'rate')
      assert.equal(disturbed.optimizer, alone.optimizer)
      expectSameBits(`state seed=${seed}`, alone.state, disturbed.state)
      expectSameBits(`state after another step seed=${seed}`, alone.after, disturbed.after)
    })

for (const threads of [1, 2])
  test(`threads=${threads}: onEpoch may call what it awaits, and training goes on as without (seed ${seed})`, () =>
    withFolder(async (folder) => {
      const [plain, model] = [await compileToy({ threads }), await compileToy({ threads })]
      await plain.fit(train, { epochs: 3 })
      const results: unknown[] = []
      let late: Promise<unknown> | undefined
      await model.fit(train, {
        epochs: 3,
        onEpoch: async ({ epoch }) => {
          const evaluation = await model.evaluate(other.data)
          results.push(
            (await model.predict(other.images)).classes.filter((c, i) => c === other.labels[i])
              .length /
              21 -
              evaluation.accuracy!,
          )
          await model.save(join(folder, 'weights.safetensors'))
          await model.load(join(folder, 'weights.safetensors'))
          for (const name of ['fit', 'prepare'])
            assert.match(await messageOf(() => operations[name](model)), refused, name)
          // What is not awaited ends before the next epoch begins.
          if (epoch === 2)
            late = model.evaluate(other.data).then((found) => assert.equal(found, evaluation))
        },
      })
      await late
      assert.equal(results, [0, 0, 0])
      expectSameBits(`state seed=${seed}`, plain.stateDict(), model.stateDict())
    }))

for (const threads of [1, 2])
  test(`threads=${threads}: onStep may read, and set parameters before it returns, but run nothing (seed ${seed})`, async () => {
    const [plain, model] = [await compileToy({ threads }), await compileToy({ threads })]
    await plain.fit(train, { epochs: 1 })
    const messages: Promise<string>[] = []
    const inner: Promise<string>[] = []
    await model.fit(train, {
      epochs: 1,
      onStep: ({ step }) => {
        if (step === 2) model.loadStateDict(model.stateDict())
        assert.ok(model.firingRates()['2'] > 0)
        assert.is(Object.keys(model.gradients()).length, 8)
        for (const name of ['fit', 'evaluate', 'predict', 'trainStep', 'load'])
          inner.push(messageOf(() => operations[name](model)))
        // Later it is no pause any more.
        if (step === 3)
          messages.push(
            messageOf(async () => operations.loadStateDict(await Promise.resolve(model))),
          )
      },
    })
    for (const message of await Promise.all(messages)) assert.match(message, refused)
    assert.is(messages.length, 1)
    for (const message of await Promise.all(inner)) assert.match(message, refusedWithin)
    assert.is(inner.length, 6 * 5)
    expectSameBits(`state seed=${seed}`, plain.stateDict(), model.stateDict())
  })

test('an operation or a callback that fails leaves the model free', async () => {
  const model = await compileToy()
  const fail = fails('no more')
  for (const call of [
    () => model.fit(train, { onStep: fail }),
    () => model.fit(train, { onEpoch: fail }),
    () => model.fit(train, { schedule: fail as never }),
    () => model.evaluate(watched(train, fail)),
  ]) {
    assert.is(await messageOf(call), 'no more')
    await model.predict(other.images)
    model.resetOptimizer()
  }
})

for (const threads of [1, 2])
  for (const operation of ['fit', 'evaluate'])
    test(`threads=${threads}: disposing of the model ends ${operation} with a message that says so`, async () => {
      const model = await compileToy({ threads })
      let reads = 0
      const data = watched(train, () => void (reads++ === 20 && model.dispose()))
      const message = await messageOf(() =>
        operation === 'fit' ? model.fit(data, { epochs: 9 }) : model.evaluate(data),
      )
      assert.is(message, 'the model was disposed; compile the network again')
      assert.is(await messageOf(() => model.loadStateDict(model.stateDict())), message)
    })

test('disposing of the model while fit changes the method leaves no threads behind', async () => {
  await endThreads()
  const threads: Promise<unknown>[] = []
  const count = (worker: Worker): void => void threads.push(once(worker, 'exit'))
  process.on('worker', count)
  const model = await compileToy({ threads: 2 })
  const running = messageOf(() => model.fit(train, { method: 'bptt' }))
  await model.dispose()
  assert.is(await running, 'the model was disposed; compile the network again')
  await new Promise((resolve) => setImmediate(resolve))
  process.off('worker', count)
  assert.is(threads.length, 2)
  // None but those that wait for another model.
  await endThreads()
  await Promise.all(threads)
})

test('after a change of the method there are no firing rates until something runs', async () => {
  const model = await compileToy()
  await model.trainStep(batch.images, batch.labels)
  assert.equal(Object.keys(model.firingRates()), ['2', '6'])
  await model.prepare({ method: 'bptt', stepMode: 's' })
  assert.equal(model.firingRates(), {})
})

test('a pause between two steps lets timers run, in browsers too', async () => {
  const { setImmediate: own } = globalThis
  for (const immediate of [own, undefined]) {
    Object.assign(globalThis, { setImmediate: immediate })
    try {
      let ticked = false
      setTimeout(() => {
        ticked = true
      }, 0)
      for (let i = 0; i < 1e5 && !ticked; i++) await breathe()
      assert.ok(ticked)
    } finally {
      Object.assign(globalThis, { setImmediate: own })
    }
  }
})

test.run()
