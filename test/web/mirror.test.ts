/**
 * A model whose programs run in a memory of their own, as in a page that may not share memory,
 * shows the same numbers as one that runs here, whatever is asked of it and when.
 */
import { isDeepStrictEqual } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adam,
  type CompileOptions,
  type CustomLoss,
  checkpoint,
  custom,
  type FitOptions,
  fromArrays,
  type MethodOptions,
  type Model,
  mse,
  ratePenalty,
  sgd,
} from '../../src/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { compileToy as compile, toy, toyClasses, toyShape } from '../support/toy.js'
import { giveLocks, onPlatform, page, workersAlive } from '../support/web-worker.js'

/** Bits of all numbers in plain data, so that NaN and −0 are compared as well. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value
    return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64')
  }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plain(of)]))
}

/** What a model shows at a moment, each thing under its name. */
class Seen {
  readonly all: [string, unknown][] = []
  add(name: string, value: unknown): void {
    this.all.push([name, plain(value)])
  }
  /** The same, or the error that says that there is nothing yet. */
  show(name: string, value: () => unknown): void {
    try {
      this.add(name, value())
    } catch (error) {
      this.add(name, (error as Error).message)
    }
  }
  /** Everything that can be read without a run. */
  model(name: string, model: Model): void {
    this.show(`${name}: stateDict`, () => model.stateDict())
    this.show(`${name}: rates`, () => model.firingRates())
    this.show(`${name}: output`, () => model.output())
    this.show(`${name}: gradients`, () => model.gradients())
    this.show(`${name}: activity`, () => model.activity('2'))
    this.show(`${name}: stepRates`, () => model.stepRates())
    this.show(`${name}: diagnostics`, () => model.diagnostics())
  }
}

async function expectSame(what: string, run: (seen: Seen) => Promise<void>): Promise<void> {
  const tell = async (): Promise<Seen['all']> => {
    const seen = new Seen()
    await run(seen)
    return seen.all
  }
  const [here, there] = [await tell(), await onPlatform(page, tell)]
  assert.is(there.length, here.length, what)
  for (const [i, [name, value]] of here.entries()) {
    assert.is(there[i][0], name, what)
    assert.ok(isDeepStrictEqual(there[i][1], value), `${what}: ${name} (${i}) differs`)
  }
}

const NET = `conv 6 3 padding=1 bias=false, norm, lif vThreshold=0.3, avgPool2d 2, flatten, linear 8,
  lif vThreshold=0.3, dropout 0.2, linear 4`

const train = toy(40, 1).data
const validation = toy(20, 2).data
const { images, labels } = toy(8, 3)
const others = toy(8, 4)

const compileToy = (options?: Partial<CompileOptions>): Promise<Model> => compile(options, NET)

const methods: readonly MethodOptions[] = [
  { method: 'rate' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
  { method: 'sltt', backwardSteps: 2 },
]

for (const method of methods)
  test(`${JSON.stringify(method)}: steps, and all that can be read behind them`, () =>
    expectSame('steps', async (seen) => {
      const model = await compileToy({ ...method, inspect: true, record: true })
      seen.model('new', model)
      for (let step = 0; step < 3; step++) {
        const x = step === 1 ? others : { images, labels }
        seen.add('step', await model.trainStep(x.images, x.labels))
        seen.model(`step ${step}`, model)
        seen.add('spikes', model.spikes('2'))
      }
      seen.add('gradients alone', await model.trainStep(images, labels, { update: false }))
      seen.model('gradients alone', model)
      seen.add('one sample', await model.predict(others.images.subarray(0, images.length / 8)))
      seen.add('spikes', model.spikes('6'))
      seen.add('samples', await model.predict(toy(20, 5).images))
      seen.add('evaluate', await model.evaluate(validation))
      seen.add('again', await model.evaluate(validation))
      seen.add('monitor', await model.monitor(validation, { limit: 12 }))
      seen.model('evaluated', model)
      seen.add(
        'profile',
        (await model.profile(2)).map(({ op, layer, phase }) => [op, layer, phase]),
      )
      seen.model('profiled', model)
      model.loadStateDict(model.stateDict())
      seen.add('step', await model.trainStep(images, labels))
      await model.dispose()
      seen.model('disposed', model)
    }))

const optimizer = adam({ lr: 0.01 })
const penalties = [ratePenalty({ target: 0.1, weight: 0.2 })]
const states: Readonly<Record<string, FitOptions>> = {
  sgd: { optimizer: sgd({ lr: 0.05 }) },
  adam: { optimizer, ema: 0.9, clipNorm: 0.5, penalties },
  accumulate: { optimizer, accumulate: 2, ema: 0.5 },
}

for (const [name, options] of Object.entries(states))
  test(`fit with ${name}: callbacks, averages, checkpoints, other options behind it`, () =>
    withFolder((folder) =>
      expectSame('fit', async (seen) => {
        const model = await compileToy()
        const watch = (of: string, after: FitOptions = {}): FitOptions => ({
          epochs: 1,
          ...options,
          validation,
          ...after,
          onStep: ({ loss, gradientNorm }) => {
            seen.add(`${of} onStep`, { loss, gradientNorm })
            seen.model(`${of} onStep`, model)
          },
          onEpoch: async (record) => {
            seen.add(`${of} onEpoch`, [record.trainLoss, record.testLoss, record.firingRates])
            seen.add(`${of} evaluate`, await model.evaluate(validation))
            seen.add(`${of} step`, await model.trainStep(images, labels))
          },
          callbacks: [
            {
              name: 'looks',
              onStep: (_, training) => {
                const { tensors, about } = training.snapshot() as never as {
                  tensors: unknown
                  about: { optimizer: unknown }
                }
                seen.add(`${of} snapshot`, [tensors, about.optimizer])
              },
            },
          ],
        })
        await model.fit(train, watch('first'))
        seen.model('first', model)
        if (options.ema) {
          seen.add('averages', model.averages())
          seen.add('of averages', await model.evaluate(validation, { averages: true }))
          seen.add('predictions', await model.predict(others.images, { averages: true }))
          seen.add('of parameters', await model.evaluate(validation))
        }
        const file = `${folder}/${seen.all.length}.safetensors`
        await model.saveCheckpoint(file)
        const other = await compileToy()
        await other.loadCheckpoint(file)
        seen.model('loaded', other)
        seen.add('goes on', await model.trainStep(images, labels))
        seen.add('goes on', await other.trainStep(images, labels))
        seen.model('goes on', other)
        await other.dispose()
        // Another plan: states of the same rule move along, others are forgotten.
        await model.fit(train, watch('second', { clipNorm: 0.1, epochs: 1 }))
        model.resetOptimizer()
        await model.fit(train, watch('third', { optimizer: sgd({ lr: 0.05 }), method: 'bptt' }))
        seen.model('third', model)
        await model.dispose()
        seen.model('disposed', model)
      }),
    ))

test('fit without callbacks, and a checkpoint that it goes on from', () =>
  withFolder((folder) =>
    expectSame('fit', async (seen) => {
      const model = await compileToy({ optimizer: adam() })
      const dir = `${folder}/${Math.random()}`
      await model.fit(train, { epochs: 2, optimizer, callbacks: [checkpoint({ dir })] })
      seen.model('fit', model)
      const other = await compileToy()
      await other.loadCheckpoint(dir)
      seen.model('loaded', other)
      await other.fit(train, { epochs: 1, optimizer })
      seen.model('resumed', other)
      await Promise.all([model.dispose(), other.dispose()])
    }),
  ))

test('values as targets', () =>
  expectSame('mse', async (seen) => {
    const targets = Float32Array.from({ length: 40 * toyClasses }, testRandom(5))
    const data = fromArrays({ name: 'values', images: toy(40, 1).images, targets, shape: toyShape })
    const model = await compileToy({ loss: mse({ targets: 'values' }) })
    seen.add(
      'fit',
      (await model.fit(data, { epochs: 2 })).epochs.map((e) => e.trainLoss),
    )
    seen.add('evaluate', await model.evaluate(data))
    seen.add('step', await model.trainStep(images, targets.slice(0, 8 * toyClasses)))
    seen.model('fit', model)
    await model.dispose()
  }))

test("purposes 'inference' and 'stream'", () =>
  expectSame('purposes', async (seen) => {
    const trained = await compileToy()
    await trained.fit(train, { epochs: 1 })
    const state = trained.stateDict()
    for (const record of [false, true]) {
      const model = await compileToy({ purpose: 'inference', batchSize: 16, record })
      seen.add('unloaded', await model.predict(others.images))
      model.loadStateDict(state)
      seen.add('one', await model.predict(others.images.subarray(0, images.length / 8)))
      seen.add('all', await model.predict(toy(50, 6).images))
      seen.add('evaluate', await model.evaluate(validation))
      seen.model('evaluated', model)
      if (record) seen.add('monitor', await model.monitor(validation, { keep: 'rates' }))
      await model.dispose()
    }
    const stream = await compileToy({ purpose: 'stream', record: true })
    stream.loadStateDict(state)
    for (let step = 0; step < 5; step++) {
      if (step === 3) stream.reset()
      if (step === 4) stream.loadStateDict(trained.stateDict())
      seen.add('stream', await stream.step(step % 2 === 0 ? images : others.images))
      seen.add('spikes', stream.spikes('2'))
      seen.add('output', stream.output())
    }
    await Promise.all([trained.dispose(), stream.dispose()])
  }))

test('numbers that are not finite: the same message', () =>
  expectSame('not finite', async (seen) => {
    const model = await compileToy()
    const steps = async (): Promise<void> => {
      for (let i = 0; i < 4; i++) await model.trainStep(images, labels, { lr: 1e30 })
    }
    seen.add('message', await messageOf(steps))
    seen.model('behind it', model)
    await model.dispose()
  }))

test('the debug build', () =>
  expectSame('debug', async (seen) => {
    const model = await compileToy({ engine: 'debug' })
    seen.add('step', await model.trainStep(images, labels))
    seen.model('step', model)
    await model.dispose()
  }))

/** A squared distance to one-hot labels, of the mean over time or of each step. */
const squares = (of: 'mean' | 'steps'): CustomLoss =>
  custom(
    ({ outputs, targets }) => {
      const z = outputs as Float32Array
      const off = z.map((v, i) => v - Number(targets[(i >> 2) % targets.length] === i % 4))
      const loss = off.reduce((sum, d) => sum + (d * d) / z.length, 0)
      return { loss, gradient: off.map((d) => (2 * d) / z.length), correct: 3 }
    },
    { of },
  )

for (const { of, ...method } of [
  { of: 'mean', method: 'rate' },
  { of: 'mean', method: 'bptt' },
  { of: 'steps', method: 'ottt' },
  { of: 'steps', method: 'sltt', update: 'everyStep' },
] as const)
  test(`${JSON.stringify(method)}: a loss of the user's own, and one that throws`, () =>
    expectSame('custom', async (seen) => {
      const model = await compileToy({ ...method, loss: squares(of), inspect: true, record: true })
      for (let step = 0; step < 3; step++) {
        seen.add('step', await model.trainStep(images, labels))
        seen.model(`step ${step}`, model)
        seen.add('spikes', model.spikes('2'))
      }
      const fails = custom(
        () => {
          throw new Error('no loss today')
        },
        { of },
      )
      seen.add('error', await messageOf(() => model.fit(train, { epochs: 1, loss: fails })))
      seen.model('behind the error', model)
      seen.add(
        'fit',
        (await model.fit(train, { epochs: 2, loss: squares(of) })).epochs.at(-1)?.trainLoss,
      )
      seen.model('fitted', model)
      seen.add('evaluate', await model.evaluate(validation))
      await model.dispose()
    }))

test('the parts of a step: forward, backward and update, and calls', () =>
  expectSame('parts', async (seen) => {
    const offline = await compileToy({ method: 'bptt', inspect: true })
    for (let step = 0; step < 2; step++) {
      for (const { images: x } of [{ images }, others]) {
        const outputs = (await offline.forward(x)) as Float32Array
        seen.add('outputs', outputs)
        await offline.backward(outputs.map((z) => z / 8))
        seen.model('backward', offline)
      }
      seen.add('norm', await offline.update({ clipNorm: 0.5 }))
      seen.model('update', offline)
    }
    seen.add('untrained', await offline.forward(images, { training: false }))
    await offline.dispose()
    const online = await compileToy({ method: 'ottt', inspect: true })
    for await (const call of online.calls(images)) {
      seen.add('call', call.outputs)
      await call.backward((call.outputs as Float32Array).map((z) => z / 8))
    }
    seen.add('update', await online.update({}))
    seen.model('calls', online)
    await online.dispose()
  }))

test('locks that never tell of an end hold nobody up', async () => {
  const before = globalThis.navigator?.locks
  let asked = 0
  const request = (): Promise<void> => {
    asked++
    return new Promise(() => undefined)
  }
  giveLocks({ request })
  try {
    await onPlatform(page, async () => (await compileToy()).dispose())
  } finally {
    giveLocks(before)
  }
  assert.is(asked, 2)
})

test('all workers have ended', async () => {
  const late = performance.now() + 60_000
  while (workersAlive() > 0 && performance.now() < late)
    await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(workersAlive(), 0)
})

test.run()
