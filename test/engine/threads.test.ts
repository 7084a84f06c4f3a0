/** The same bits for any number of threads, and for the same seed. */
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { ofLong } from '../support/long.js'
import { expectSameBits, firstDifference, labels, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

const input = [3, 11, 9] as const
const batchSize = 7

const NET = `conv 17 3 padding=1, norm, lif, maxPool2d 2, conv 33 3 padding=1 bias=false, norm, lif,
  dropout 0.3, avgPool2d 2, flatten, linear 10`

async function trainFive(options: Partial<api.CompileOptions>, seed = 5): Promise<api.StateDict> {
  const model = await compileNet(NET, { input, batchSize, timeSteps: 4, seed, ...options })
  model.optimizer = api.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 })
  const size = input.reduce((a, b) => a * b, 1)
  for (let step = 0; step < 5; step++) {
    // Batches of other values each: a stale buffer would show.
    await model.trainStep(uniform(batchSize * size, 2, 100 + step), labels(batchSize, 10, step))
  }
  return model.stateDict()
}

const cases: Partial<api.CompileOptions>[] = [
  { method: 'rate', stepMode: 'm' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', stepMode: 'm' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt', update: 'everyStep' },
  { method: 'sltt', backwardSteps: 2 },
]

for (const [i, options] of cases.entries()) {
  // Two of three in turns, or all: threads take longer to start than to train.
  const all = [2, 3, 4]
  const some = ofLong(
    all.filter((_, j) => j !== i % 3),
    all,
  )
  test(`${JSON.stringify(options)}: 1, ${some.join(' and ')} threads give the same bits`, async () => {
    const one = await trainFive({ ...options, threads: 1 })
    for (const threads of some)
      expectSameBits(`1 and ${threads} threads`, one, await trainFive({ ...options, threads }))
  })
}

// Layers with enough rows for SpikeForward, and with lists that take several passes, the last of
// fewer images; T = 6 has a group of fewer steps.
const [rows, passes] = [
  'conv 12 3 padding=1, norm, lif, conv 20 3 padding=1, norm, lif, flatten, linear 10',
  'conv 256 3 stride=2, norm, lif, conv 160 3, norm, lif, flatten, linear 10',
]
for (const [name, images, shape, text, op, least] of [
  ['by rows', 16, [3, 9, 11], rows, 'SpikeForward', 2],
  ['in passes', 37, [3, 25, 26], passes, 'SpikeLists', 6],
] as const)
  test(`forward on spikes ${name}: 1, 2 and 3 threads give the same bits, inference those of single images`, async () => {
    const size = shape[0] * shape[1] * shape[2]
    const compile = (batchSize: number, threads: number): Promise<api.Model> =>
      compileNet(text, { input: shape, batchSize, timeSteps: 6, seed: 3, threads })
    const models = await Promise.all([1, 2, 3].map((threads) => compile(images, threads)))
    for (const model of models)
      for (let step = 0; step < 2; step++)
        await model.trainStep(uniform(images * size, 2, 200 + step), labels(images, 10, step))
    const [one, ...others] = models
    for (const model of others)
      expectSameBits(`1 and ${model.threads} threads`, one.stateDict(), model.stateDict())
    const records = (await one.profile(1)).filter((record) => record.op === op)
    assert.ok(records.length >= least, `${records.length} records of ${op}`)
    // Image by image there is one pass, and lists are written out: the same sums in the same order.
    const x = uniform(images * size, 2, 300)
    const { logits } = await one.predict(x)
    const single = await compile(1, 1)
    single.loadStateDict(one.stateDict())
    // Every third is in each pass.
    for (let i = 0; i < images; i += ofLong(3, 1)) {
      const { logits: alone } = await single.predict(x.slice(i * size, (i + 1) * size))
      assert.equal(alone, logits.slice(i * 10, (i + 1) * 10), `image ${i}`)
    }
  })

test('the same seed gives the same bits, another seed others, in every weight matrix', async () => {
  const first = await trainFive({ threads: 2 })
  expectSameBits('two runs', first, await trainFive({ threads: 2 }))
  const other = await trainFive({ threads: 2 }, 6)
  for (const name of Object.keys(first).filter((n) => first[n].shape.length > 1)) {
    assert.ok(
      firstDifference({ [name]: first[name] }, { [name]: other[name] }) !== undefined,
      `${name} differs between seeds`,
    )
  }
})

test.run()
