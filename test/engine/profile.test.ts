/** `profile`: runs are paired by record, also where a run skips some; it needs a training step. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { medianTimes } from '../../src/engine/run/last-run.js'
import type { RecordTime } from '../../src/engine/run/record-times.js'
import { adam, type FitOptions, type Model, sgd } from '../../src/index.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'
import { netOf } from '../support/net.js'
import { compileToy, toy } from '../support/toy.js'

const input = [2, 8, 8] as const
const batchSize = 3
const x = uniform(batchSize * 128, 1, 7)
const y = labels(batchSize, 4, 8)

/**
 * A model whose second convolution sees neurons that fire at nearly every step. Decay takes nearly
 * all of each weight away at the first step, and then they are silent.
 */
async function fading(): Promise<Model> {
  const net = netOf(
    input,
    'conv 20 3 padding=1, lif vThreshold=0.02, conv 18 3 stride=2 padding=1, lif, flatten, linear 4',
  )
  const model = await net.compile({ input, batchSize, timeSteps: 4, seed: 5 })
  model.optimizer = sgd({ lr: 1, momentum: 0, weightDecay: 0.9999, decay: 'all' })
  return model
}

type Entry = Awaited<ReturnType<Model['profile']>>[number]
const namesOf = (entries: readonly Entry[]): string[] =>
  entries.map(({ op, layer, phase }) => `${op} ${layer} ${phase}`)

test('kernels that only some runs choose are listed beside those of the others', async () => {
  const [single, several] = [await fading(), await fading()]
  await single.trainStep(x, y, { update: false })
  const first = await single.profile(1)
  await single.trainStep(x, y)
  const second = await single.profile(1)
  const [dense, lists] = ['ConvWeightGradient 2 backward', 'ListWeightGradient 2 backward']
  assert.ok(namesOf(first).includes(dense) && !namesOf(first).includes(lists), 'dense at first')
  assert.ok(namesOf(second).includes(lists) && !namesOf(second).includes(dense), 'then lists')

  await several.trainStep(x, y, { update: false })
  const both = await several.profile(3)
  const names = namesOf(both)
  // Each run's records appear in its order.
  for (const run of [first, second]) {
    let from = 0
    for (const name of namesOf(run)) {
      const at = names.indexOf(name, from)
      assert.ok(at >= from, `${name} in ${names.join(', ')}`)
      from = at + 1
    }
  }
  // Two of three runs took lists.
  assert.is(both[names.indexOf(dense)].milliseconds, 0)
  assert.ok(both[names.indexOf(lists)].milliseconds > 0)
  await single.dispose()
  await several.dispose()
})

test('medians are taken by place; a skipped record counts as 0', () => {
  const time = (place: number, milliseconds: number): RecordTime => ({
    record: place,
    place,
    milliseconds,
  })
  const runs = [
    [time(0, 1), time(1, 10), time(3, 5)],
    [time(0, 3), time(2, 4), time(3, 7)],
    [time(0, 2), time(2, 6), time(3, 6)],
  ]
  assert.equal(
    medianTimes(runs).map(({ place, milliseconds }) => [place, milliseconds]),
    [
      [0, 2],
      [1, 0],
      [2, 4],
      [3, 6],
    ],
  )
})

test('profile is refused before the first training step, and changes nothing', async () => {
  const model = await fading()
  const refused =
    /^profile needs a training step of the model's method, and none has run yet; call trainStep or fit first$/
  const before = model.stateDict()
  await expectRefusal(() => model.profile(1), refused)
  await model.predict(x)
  await expectRefusal(() => model.profile(1), refused)
  assert.equal(model.stateDict(), before)
  await model.trainStep(x, y, { update: false })
  assert.ok((await model.profile(1)).length > 0)
  await model.predict(x)
  assert.ok((await model.profile(1)).length > 0)
  await model.prepare({ method: 'bptt' })
  assert.match(await messageOf(() => model.profile(1)), refused, 'new memory')
  await model.dispose()
})

test('profile leaves no trace in the model, nor in a training that it is called amid', async () => {
  for (const threads of [1, 2]) {
    const options = { threads, inspect: true, record: true } as const
    const [plain, model] = [await compileToy(options), await compileToy(options)]
    const seen = () => [
      model.stateDict(),
      model.averages(),
      model.gradients(),
      model.output(),
      model.firingRates(),
      model.stepRates(),
      model.spikes('2'),
      model.activity('2'),
    ]
    const { images, labels, data } = toy(24, 1)
    const fit: FitOptions = { epochs: 3, ema: 0.5, clipNorm: 1, optimizer: adam({ lr: 0.05 }) }
    await plain.fit(data, fit)
    await model.fit(data, {
      ...fit,
      onEpoch: async () => {
        for (const run of [() => {}, () => model.predict(images.subarray(0, 60))]) {
          await run()
          const before = seen()
          await model.profile(3)
          assert.equal(seen(), before)
        }
      },
    })
    for (const each of [plain, model]) {
      await each.trainStep(images.subarray(0, 480), labels.slice(0, 8))
      await each.trainStep(images.subarray(0, 480), labels.slice(0, 8), { update: false })
    }
    expectSameBits('parameters', model.stateDict(), plain.stateDict())
    expectSameBits('averages', model.averages(), plain.averages())
    expectSameBits('gradients', model.gradients(), plain.gradients())
    await Promise.all([plain.dispose(), model.dispose()])
  }
})

test('what shows results is refused before there are any: of a run, a step, the plan', async () => {
  const model = await compileToy({ inspect: true, method: 'bptt' })
  const { images, labels } = toy(8, 1)
  const shows: Readonly<Record<string, () => unknown>> = {
    output: () => model.output(),
    stepRates: () => model.stepRates(),
    gradients: () => model.gradients(),
    activity: () => model.activity('2'),
    diagnostics: () => model.diagnostics(),
  }
  const expectRefused = async (refused: readonly string[]): Promise<void> => {
    for (const [name, show] of Object.entries(shows))
      if (refused.includes(name)) assert.match(await messageOf(show), /has run yet/, name)
      else show()
  }
  const ofStep = ['gradients', 'activity', 'diagnostics']
  await expectRefused(Object.keys(shows))
  await model.predict(images)
  await expectRefused(ofStep)
  await model.trainStep(images, labels)
  await expectRefused([])
  await model.prepare({ method: 'bptt', stepMode: 's' })
  await expectRefused(Object.keys(shows))
})

test.run()
