/** What callbacks are told, what they may do, and what they must not change. */
import { inspect } from 'node:util'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits, firstDifference } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileSmall, toy } from '../support/toy.js'
import { collect, watched } from '../support/trainings.js'

const train = toy(24, 1).data
const other = toy(16, 2).data
const { images } = toy(8, 3)

test('onFitEnd: an error keeps nobody else from being told; the first one is thrown behind', async () => {
  const model = await compileSmall()
  for (const fails of [false, true]) {
    const told: (readonly [string, api.History | undefined])[] = []
    const ending = (name: string, message?: string): api.Callback => ({
      name,
      onEpoch() {
        if (fails) throw new Error('the training failed')
      },
      onFitEnd(history) {
        told.push([name, history])
        if (message) throw new Error(message)
      },
    })
    const callbacks = [ending('a', 'first'), ending('b', 'second'), ending('c')]
    const message = await messageOf(() => model.fit(train, { callbacks, fresh: true }))
    assert.is(message, fails ? 'the training failed' : 'first')
    assert.equal(
      told.map(([name]) => name),
      ['a', 'b', 'c'],
    )
    const [first] = told[0].slice(1) as [api.History | undefined]
    assert.is(first === undefined, fails)
    for (const [name, history] of told) assert.is(history, first, name)
  }
})

test('the optimizer and the whole model stay those of the fit that runs', async () =>
  withFolder(async (folder) => {
    const [model, plain] = [await compileSmall(), await compileSmall()]
    const path = `${folder}/model.safetensors`
    await model.saveCheckpoint(path)
    const options: api.FitOptions = {
      epochs: 2,
      optimizer: api.sgd({ lr: 0.3 }),
      ema: 0.5,
      clipNorm: 1,
    }
    await plain.fit(train, options)
    const found = new Set<string>()
    const set = async () => {
      for (const optimizer of [api.sgd({ lr: 0 }), api.adam()])
        found.add(
          await messageOf(async () => {
            model.optimizer = optimizer
          }),
        )
    }
    const load = async () => {
      await expectRefusal(
        () => model.loadCheckpoint(path),
        /^the model is running another call: .* not call fit or loadCheckpoint$/,
      )
    }
    await model.fit(train, {
      ...options,
      onStep: set,
      onEpoch: load,
      callbacks: [{ name: 'mine', onFitStart: load, onEpoch: set, onFitEnd: load }],
    })
    assert.equal(
      [...found],
      ['sgd', 'adam'].map(
        (kind) =>
          `model.optimizer must stay as it is while the model runs, got ${kind}; wait for the ` +
          'call before (await). In fit, a schedule changes the learning rate; for another ' +
          'optimizer call fit again',
      ),
    )
    expectSameBits('parameters', model.stateDict(), plain.stateDict())
    expectSameBits('averages', model.averages(), plain.averages())
  }))

test('resetOptimizer takes effect with the next step, in every callback alike', async () => {
  const options: api.FitOptions = { epochs: 2, optimizer: api.sgd({ lr: 0.2, momentum: 0.9 }) }
  /** What a training ends with, behind one that leaves momentum to it. */
  const trained = async (more: (model: api.Model) => api.FitOptions) => {
    const model = await compileSmall()
    await model.fit(toy(8, 5).data, options)
    await model.fit(train, { ...options, ...more(model) })
    await model.dispose()
    return model.stateDict()
  }
  /** The same with the momentum taken away in front of a step. */
  const resetAt = (at: number) =>
    trained(({ session }) => ({
      schedule: api.perStep(({ step }) => {
        // Two epochs have gone before.
        if (step === 2 * 3 + at) session.resetOptimizer()
        return 1
      }),
    }))
  const plain = await trained(() => ({}))
  for (const [hook, which, step] of [
    ['onFitStart', 1, 0],
    ['onStep', 2, 2],
    ['onEpoch', 1, 3],
  ] as const) {
    const expected = await resetAt(step)
    assert.ok(firstDifference(plain, expected), 'momentum matters')
    for (const waits of [false, true]) {
      const hooks = (model: api.Model) => {
        let count = 0
        const reset = async (): Promise<void> => {
          if (++count !== which) return
          if (waits) await new Promise((resolve) => setTimeout(resolve, 1))
          model.resetOptimizer()
        }
        return { [hook]: reset }
      }
      const asCallback = (model: api.Model) => ({ callbacks: [{ name: 'mine', ...hooks(model) }] })
      expectSameBits(`${hook} of a callback`, await trained(asCallback), expected)
      if (hook !== 'onFitStart') expectSameBits(`${hook} of fit`, await trained(hooks), expected)
    }
  }
})

test('console.log of a model is two lines', async () => {
  const model = await compileSmall()
  assert.is(
    inspect(model),
    'Model [2, 6, 5] → 4, 784 parameters\n' +
      '  rate m, T 2, B 8, 1 thread; summary() lists the layers',
  )
})

test('whatever has a then is awaited, also where it is no Promise', async () => {
  const model = await compileSmall()
  const told: string[] = []
  const later = (what: string) => () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what this is about
    then(resolve: () => void) {
      setTimeout(() => {
        told.push(what)
        resolve()
      }, 1)
    },
  })
  await model.fit(toy(8, 1).data, {
    onStep: later('step'),
    onEpoch: later('epoch'),
    callbacks: [
      {
        name: 'mine',
        onFitStart: later('start'),
        onStep: later('step of mine'),
        onEpoch: later('epoch of mine'),
        onFitEnd: later('end'),
      },
    ],
  })
  assert.equal(told, ['start', 'step', 'step of mine', 'epoch', 'epoch of mine', 'end'])
})

test('the signal ends a validation, but hides no other error of its data', async () => {
  const model = await compileSmall()
  for (const fails of [false, true]) {
    const controller = new AbortController()
    const validation = watched(other, (index) => {
      if (index !== 9) return
      controller.abort()
      if (fails) throw new Error('the disk is gone')
    })
    const fitting = model.fit(train, { validation, signal: controller.signal, fresh: true })
    if (fails) assert.is(await messageOf(() => fitting), 'the disk is gone')
    else assert.is((await fitting).epochs[0].partial, true)
  }
})

test('a schedule is asked once for each epoch, or each step, also behind a resume', async () => {
  const asked: number[] = []
  const byEpoch: api.Schedule = (_epoch, _epochs, { step }) => {
    asked.push(step)
    return 1
  }
  const byStep = api.perStep(({ step }) => {
    asked.push(step)
    return 1
  })
  for (const [schedule, all, rest] of [
    [byEpoch, [0, 3, 6], [3, 6]],
    [byStep, [0, 1, 2, 3, 4, 5, 6, 7, 8], [4, 5, 6, 7, 8]],
  ] as const) {
    asked.length = 0
    const [whole, again] = [await compileSmall(), await compileSmall()]
    const { callback, files } = collect('step')
    await whole.fit(train, { epochs: 3, schedule, callbacks: [callback] })
    assert.equal(asked, all)
    asked.length = 0
    await again.fit(train, { epochs: 3, schedule, resume: await files[4]() })
    assert.equal(asked, rest)
    expectSameBits('parameters', whole.stateDict(), again.stateDict())
    await Promise.all([whole.dispose(), again.dispose()])
  }
})

test('stop refuses a reason that is no text', async () => {
  const model = await compileSmall()
  for (const reason of [3, '', null]) {
    const onEpoch: api.Callback['onEpoch'] = (_, training) => training.stop(reason as string)
    assert.is(
      await messageOf(() => model.fit(train, { callbacks: [{ name: 'mine', onEpoch }] })),
      `training.stop's reason must be a text, which becomes history.stopped, got ` +
        `${reason === '' ? '""' : reason}; leave it out for one with the callback's name`,
    )
  }
})

test('a callback may be of a class with fields, private ones and parents', async () => {
  class Base {
    readonly name = 'counts'
    protected told = 0
    onEpoch(): void {
      this.told++
    }
  }
  class Counts extends Base implements api.Callback {
    #steps = 0
    readonly options = { a: 1 }
    onStep(): void {
      this.#steps++
    }
    get counts(): readonly number[] {
      return [this.told, this.#steps]
    }
  }
  const model = await compileSmall()
  const counts = new Counts()
  await model.fit(train, { epochs: 2, callbacks: [counts] })
  assert.equal(counts.counts, [2, 6])

  class Misspelt {
    readonly name = 'misspelt'
    onEpochEnd(): void {}
  }
  assert.is(
    await messageOf(() => model.fit(train, { callbacks: [new Misspelt()] })),
    'fit.callbacks[0].onEpochEnd is not a hook; known are onFitStart, onStep, onEpoch, onFitEnd',
  )
})

test('onFitStart and onFitEnd may evaluate and predict; the training is as without', async () => {
  const [model, plain] = [await compileSmall(), await compileSmall()]
  const options: api.FitOptions = { epochs: 2, ema: 0.5, accumulate: 2 }
  await plain.fit(train, options)
  let asked = 0
  const ask = async (): Promise<void> => {
    const { count } = await model.evaluate(other)
    const { classes } = await model.predict(images)
    assert.is(count + classes.length, 24)
    asked++
  }
  await model.fit(train, {
    ...options,
    callbacks: [{ name: 'asks', onFitStart: ask, onFitEnd: ask }],
  })
  assert.is(asked, 2)
  expectSameBits('parameters', model.stateDict(), plain.stateDict())
  expectSameBits('averages', model.averages(), plain.averages())
})

test.run()
