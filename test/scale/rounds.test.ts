/** Trainings in rounds of replicas, on this machine: against batches as large, and their parts. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { adamW, checkpoint, cosine, type FitOptions, type Model, sgd } from '../../src/index.js'
import {
  type Compress,
  type FitRoundsOptions,
  fitRounds,
  type Rounds,
} from '../../src/scale/index.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { ofLong } from '../support/long.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileToy, toy } from '../support/toy.js'

const train = toy(90, 1).data
const other = toy(21, 2).data

const plain = 'conv 5 3 padding=1, lif, flatten, linear 4'
const mean: Rounds = { replicas: 1, syncEvery: 3, outerLr: 1, outerMomentum: 0 }
const fits: FitOptions = { epochs: 2, optimizer: sgd({ lr: 0.05 }), schedule: cosine() }

/** The largest difference of two models' numbers, as a share of the largest number. */
function distance(a: Model, b: Model): number {
  let [most, apart] = [0, 0]
  const other = b.stateDict()
  for (const [name, { data }] of Object.entries(a.stateDict()))
    for (const [i, value] of data.entries()) {
      most = Math.max(most, Math.abs(value))
      apart = Math.max(apart, Math.abs(value - other[name].data[i]))
    }
  return apart / most
}

test('one replica whose mean is taken is fit, to the bit', async () => {
  const [alone, rounds] = [await compileToy(), await compileToy()]
  const options = { ...fits, optimizer: adamW({ lr: 0.01 }), clipNorm: 1, validation: other }
  const wanted = await alone.fit(train, options)
  const found = await fitRounds(rounds, train, { ...options, rounds: mean })
  expectSameBits('weights', rounds.stateDict(), alone.stateDict())
  for (const [i, { trainLoss, testLoss, learningRate, firingRates }] of wanted.epochs.entries()) {
    const record = found.epochs[i]
    assert.is(record.testLoss, testLoss)
    assert.is(record.learningRate, learningRate)
    assert.ok(Math.abs(record.trainLoss - trainLoss) < 1e-9)
    assert.equal(Object.keys(record.firingRates), Object.keys(firingRates))
  }
})

test('rounds of one step with sgd are a training with batches of all replicas', async () => {
  const large = await compileToy({ batchSize: 24 }, plain)
  const rounds = await compileToy({}, plain)
  const wanted = await large.fit(train, fits)
  const found = await fitRounds(rounds, train, {
    ...fits,
    rounds: { ...mean, replicas: 3, syncEvery: 1 },
  })
  assert.ok(distance(rounds, large) < 1e-5, `${distance(rounds, large)}`)
  const [a, b] = [wanted.epochs[1], found.epochs[1]]
  assert.ok(Math.abs(a.trainLoss - b.trainLoss) < 1e-5)
  assert.is(a.trainAccuracy, b.trainAccuracy)
})

test('running statistics are the mean of the replicas', async () => {
  // One round of one step: each replica's statistics are those of a training with its batch alone.
  const rounds: Rounds = { ...mean, replicas: 2, syncEvery: 1 }
  const two = await compileToy({ batchSize: 32 })
  const seen: number[][] = []
  await fitRounds(two, train, { epochs: 1, rounds, optimizer: sgd({ lr: 0.05 }) })
  for (const k of [0, 1]) {
    const one = await compileToy({ batchSize: 32 })
    let step = 0
    await one.fit(train, {
      epochs: 1,
      // Replica 1 has the second batch; the first must not change what it begins with.
      optimizer: sgd({ lr: 0 }),
      callbacks: [
        {
          name: 'look',
          onStep(_, training) {
            if (step++ !== k) return
            seen.push([...training.stateDict()[meanName(one)].data])
          },
        },
      ],
    })
  }
  const name = meanName(two)
  const found = [...two.stateDict()[name].data]
  // Behind the second batch the first one's share, 0.9 of it, is still in the second model.
  const [first, second] = seen
  for (const [i, value] of found.entries()) {
    const alone = second[i] - 0.9 * first[i]
    assert.ok(Math.abs(value - (first[i] + alone) / 2) < 1e-6, `${value}`)
  }
})

const meanName = (model: Model): string => {
  const name = Object.keys(model.stateDict()).find((key) => key.endsWith('running_mean'))
  if (name === undefined) throw new Error('no statistics')
  return name
}

for (const compress of ofLong<readonly Compress[]>(['int8'], ['none', 'bfloat16', 'int8']))
  test(`${compress}: any number of threads, and a stop at any round, give the same bits`, async () => {
    const rounds: Rounds = { replicas: 2, syncEvery: 2, compress }
    const options: FitRoundsOptions = { ...fits, validation: other, rounds }
    const whole = await compileToy({ threads: 2 })
    const history = await fitRounds(whole, train, options)
    assert.is(history.epochs.length, 2)
    await withFolder(async (folder) => {
      const dir = join(folder, 'run')
      const saved = { ...options, callbacks: [checkpoint({ dir, every: 1, report: false })] }
      const stop = new AbortController()
      let told = 0
      const stopped = await compileToy()
      const halfway = await fitRounds(stopped, train, {
        ...saved,
        signal: stop.signal,
        onRound: () => void (++told === 2 && stop.abort()),
      })
      assert.ok(halfway.aborted)
      assert.is(told, 2)
      const resumed = await compileToy()
      await fitRounds(resumed, train, { ...saved, resume: dir })
      expectSameBits('weights', resumed.stateDict(), whole.stateDict())
      // Other rounds are another training.
      const others = { ...saved, rounds: { ...rounds, outerLr: 0.5 }, resume: dir }
      const instead = /rounds\.outerLr 0\.7 instead of 0\.5/
      await expectRefusal(() => fitRounds(stopped, train, others), instead)
    })
  })

test('a training in rounds learns', async () => {
  const model = await compileToy()
  const { epochs } = await fitRounds(model, toy(400, 3).data, {
    epochs: 6,
    optimizer: sgd({ lr: 0.1 }),
    rounds: { replicas: 4, syncEvery: 3, compress: 'int8' },
    validation: other,
  })
  assert.ok((epochs.at(-1)?.testAccuracy ?? 0) > 0.9, JSON.stringify(epochs.at(-1)))
})

test('a step that no number comes of, and a norm of a single value, are errors', async () => {
  const optimizer = sgd({ lr: 1e38 })
  const rounds: Rounds = { replicas: 2, syncEvery: 2 }
  const model = await compileToy()
  const narrow = await compileToy(
    { batchSize: 1, timeSteps: 1 },
    'conv 3 6x5, norm, flatten, linear 4',
  )
  const one = { epochs: 1, rounds }
  await expectRefusals([
    [() => fitRounds(model, train, { ...one, optimizer }), /^step 2 of epoch 1, replica 0: /],
    [() => fitRounds(narrow, train, one), /got batchSize 1 with one value of each channel/],
  ])
})

test('options that rounds cannot have are refused, and nothing is changed', async () => {
  const model = await compileToy()
  const before = model.stateDict()
  const few = { replicas: 2, syncEvery: 1 }
  const wrong: [object, RegExp][] = [
    [{}, /rounds\.replicas must be an integer from 1 to 1024, got undefined/],
    [{ rounds: { ...few, outerlr: 1 } }, /outerlr/],
    [{ rounds: { ...few, replicas: 12 } }, /a batch of 8 samples for each of the 12 replicas/],
    [{ rounds: few, ema: 0.9 }, /fit\.ema must be left out in rounds/],
  ]
  await expectRefusals(
    wrong.map(([options, message]) => [
      async () => fitRounds(model, train, options as FitRoundsOptions),
      message,
    ]),
  )
  expectSameBits('weights', model.stateDict(), before)
})

test.run()
