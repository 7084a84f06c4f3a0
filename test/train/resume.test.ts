/** A training that goes on from a checkpoint ends with the bits of one that was never stopped. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  adam,
  adamW,
  type CompileOptions,
  checkpoint,
  cosine,
  type FitOptions,
  type Schedule,
  sgd,
} from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { ofLong } from '../support/long.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { withoutTimes } from '../support/runs.js'
import { compileToy, toy } from '../support/toy.js'
import { collect, fails, stopAt } from '../support/trainings.js'

const train = toy(43, 1).data
const other = toy(21, 2).data

const options: FitOptions = { epochs: 3, optimizer: sgd({ lr: 0.05 }), schedule: cosine() }
const everything: FitOptions = {
  optimizer: adamW({ lr: 0.01, groups: [{ params: '*.bias', lr: 0.003 }] }),
  accumulate: 3,
  clipNorm: 0.05,
  ema: 0.8,
  freeze: '0.weight',
}
const trainings: readonly [CompileOptions['method'], Partial<CompileOptions>, FitOptions][] = [
  ['rate', {}, {}],
  ['rate', { stepMode: 's' }, {}],
  ['bptt', { truncate: 2 }, {}],
  ['ottt', {}, {}],
  ['sltt', { backwardSteps: 2, update: 'everyStep' }, {}],
  ['rate', {}, everything],
  ['bptt', {}, { ...everything, optimizer: adam({ lr: 0.01, weightDecay: 0.1 }) }],
  ['sltt', { update: 'everyStep' }, { ...everything, accumulate: 1 }],
]

/** Behind the first step, amid an epoch, at its end, in the second epoch, and at the very end. */
const places = [0, 3, 5, 8, 17]

for (const [i, [method, more, own]] of trainings.entries())
  test(`${method} ${JSON.stringify({ ...more, ...own })}: any checkpoint leads to the same bits, threads or not`, async () => {
    const of: Partial<CompileOptions> = { method, ...more }
    const fitting: FitOptions = { ...options, ...own, validation: other }
    const model = await compileToy(of)
    const { callback, files } = collect('step')
    const whole = await model.fit(train, { ...fitting, callbacks: [callback] })
    assert.is(files.length, 3 * 6)
    // One training has all of them.
    for (const at of ofLong(i === 0 ? places : [0, 4, 5, 8], places)) {
      const again = await compileToy({ ...of, threads: at % 2 === 0 ? 2 : 1 })
      const history = await again.fit(train, { ...fitting, resume: await files[at]() })
      expectSameBits(`checkpoint ${at}`, model.stateDict(), again.stateDict())
      if (own.ema) expectSameBits(`averages, ${at}`, model.averages(), again.averages())
      const [found, wanted] = [history, whole].map(({ epochs }) => withoutTimes(epochs))
      assert.equal(found, wanted, `checkpoint ${at}`)
      await again.dispose()
    }
  })

test('fit called again goes on: order, momentum and random numbers', async () => {
  const [once, twice] = await Promise.all([compileToy(), compileToy()])
  const { schedule: _, ...constant } = options
  const { epochs } = await once.fit(train, constant)
  const first = await twice.fit(train, { ...constant, epochs: 1 })
  const second = await twice.fit(train, { ...constant, epochs: 2 })
  expectSameBits('1 + 2 epochs', once.stateDict(), twice.stateDict())
  const losses = (records: typeof epochs): number[][] =>
    records.map(({ epoch, trainLoss }) => [epoch, trainLoss])
  assert.equal(losses([...first.epochs, ...second.epochs]), losses(epochs))
})

test('a fresh start, and a first epoch of one’s own', async () => {
  const [once, twice] = await Promise.all([compileToy(), compileToy()])
  const start = once.stateDict()
  await once.fit(train, options)
  const end = once.stateDict()
  once.loadStateDict(start)
  await once.fit(train, { ...options, fresh: true })
  expectSameBits('fresh', end, once.stateDict())
  const { epochs } = await twice.fit(train, { ...options, initialEpoch: 1 })
  assert.equal(
    epochs.map(({ epoch }) => epoch),
    [2, 3],
  )
})

test('stopped amid an epoch, the next fit goes on there', async () => {
  const [once, twice] = await Promise.all([compileToy(), compileToy()])
  await once.fit(train, { ...options, epochs: 2 })
  const whole = cosine()
  const schedule: Schedule = (epoch, _, at) => whole(epoch, 2, at)
  const part = await twice.fit(train, { ...options, epochs: 2, schedule, ...stopAt(6) })
  assert.equal([part.aborted, part.epochs.at(-1)?.partial], [true, true])
  await twice.fit(train, { ...options, epochs: 1, schedule })
  expectSameBits('stopped once', once.stateDict(), twice.stateDict())
})

test('another training is refused with what differs; nothing is changed', async () => {
  const model = await compileToy()
  const { callback, files } = collect('step')
  await model.fit(train, { ...options, callbacks: [callback] })
  const resume = await files[2]()
  const again = await compileToy({ seed: 1 })
  const before = again.stateDict()
  const change = { resume, optimizer: sgd({ lr: 0.1 }) }
  assert.is(
    await messageOf(() => again.fit(train, { ...options, ...change })),
    'fit.resume: the checkpoint was made by another training; it has seed 0 instead of 1, ' +
      'optimizer.lr 0.05 instead of 0.1; give the same network, data and options',
  )
  expectSameBits('nothing changed', before, again.stateDict())
  await expectRefusal(
    () => again.fit(train, { resume: 'nowhere/at/all' }),
    /^fit\.resume must be a readable file, got "nowhere\/at\/all"/,
  )
  resume[resume.length - 1] ^= 1
  await expectRefusal(() => again.fit(train, { resume }), /it is damaged or was changed/)
})

test('a folder of checkpoints: stopped by an error, it leads to the same bits', () =>
  withFolder(async (parent) => {
    const dir = join(parent, 'run')
    const whole = await compileToy()
    await whole.fit(train, { ...options, validation: other })
    const model = await compileToy()
    const cut = fails('a power cut', 9)
    const run: FitOptions = {
      ...options,
      validation: other,
      callbacks: [checkpoint({ dir, every: 2 })],
    }
    assert.is(await messageOf(() => model.fit(train, { ...run, onStep: cut })), 'a power cut')
    await expectRefusal(() => model.fit(train, run), /^checkpoint\.dir: .* holds a run;/)
    const again = await compileToy()
    const { epochs } = await again.fit(train, { ...run, resume: dir })
    expectSameBits('from the folder', whole.stateDict(), again.stateDict())
    const lines = (await readFile(join(dir, 'history.jsonl'), 'utf8')).trimEnd().split('\n')
    assert.equal(
      lines.map((line) => JSON.parse(line).trainLoss),
      epochs.map(({ trainLoss }) => trainLoss),
    )
    assert.equal((await readdir(dir)).sort(), [
      'best.safetensors',
      'checkpoint.safetensors',
      'history.jsonl',
      'manifest.json',
      'options.json',
      'report.html',
      'weights.safetensors',
    ])
    await again.load(join(dir, 'weights.safetensors'))
    expectSameBits('the last weights', whole.stateDict(), again.stateDict())
  }))

test.run()
