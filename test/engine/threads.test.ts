/** The same bits for any number of threads, and for the same seed. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { ofLong } from '../support/long.js'
import { expectSameBits, firstDifference, labels, uniform } from '../support/measure.js'
import { netOf } from '../support/net.js'

const input = [3, 11, 9] as const
const batchSize = 7

const network = () =>
  netOf(
    input,
    `conv 17 3 padding=1, norm, lif, maxPool2d 2, conv 33 3 padding=1 bias=false, norm,
    lif, dropout 0.3, avgPool2d 2, flatten, linear 10`,
  )

async function trainFive(options: Partial<api.CompileOptions>, seed = 5): Promise<api.StateDict> {
  const model = await network().compile({ input, batchSize, timeSteps: 4, seed, ...options })
  model.optimizer = api.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4 })
  const size = input.reduce((a, b) => a * b, 1)
  for (let step = 0; step < 5; step++) {
    // Batches of other values each: a stale buffer would show.
    await model.trainStep(uniform(batchSize * size, 2, 100 + step), labels(batchSize, 10, step))
  }
  const state = model.stateDict()
  await model.dispose()
  return state
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
for (const [name, images, shape, layers, op, least] of [
  [
    'by rows',
    16,
    [3, 9, 11],
    [
      api.conv2d(3, 12, 3, { padding: 1 }),
      api.batchNorm2d(12),
      api.lif(),
      api.conv2d(12, 20, 3, { padding: 1 }),
      api.batchNorm2d(20),
      api.lif(),
      api.flatten(),
      api.linear(1980, 10),
    ],
    'SpikeForward',
    2,
  ],
  [
    'in passes',
    37,
    [3, 25, 26],
    [
      api.conv2d(3, 256, 3, { stride: 2 }),
      api.batchNorm2d(256),
      api.lif(),
      api.conv2d(256, 160, 3),
      api.batchNorm2d(160),
      api.lif(),
      api.flatten(),
      api.linear(16000, 10),
    ],
    'SpikeLists',
    6,
  ],
] as const)
  test(`forward on spikes ${name}: 1, 2 and 3 threads give the same bits, inference those of single images`, async () => {
    const size = shape.reduce((a, b) => a * b, 1)
    const states: api.StateDict[] = []
    for (const threads of [1, 2, 3]) {
      const model = await api
        .sequential(...layers)
        .compile({ input: shape, batchSize: images, timeSteps: 6, seed: 3, threads })
      for (let step = 0; step < 2; step++)
        await model.trainStep(uniform(images * size, 2, 200 + step), labels(images, 10, step))
      states.push(model.stateDict())
      if (threads === 1) {
        const records = (await model.profile(1)).filter((record) => record.op === op)
        assert.ok(records.length >= least, `${records.length} records of ${op}`)
        // Image by image there is one pass, and lists are written out: the same sums in the same
        // order.
        await model.loadStateDict(states[0])
        const x = uniform(images * size, 2, 300)
        const { logits } = await model.predict(x)
        const single = await api
          .sequential(...layers)
          .compile({ input: shape, batchSize: 1, timeSteps: 6, seed: 3, threads: 1 })
        await single.loadStateDict(states[0])
        // Every third is in each pass.
        for (let i = 0; i < images; i += ofLong(3, 1))
          assert.equal(
            (await single.predict(x.slice(i * size, (i + 1) * size))).logits,
            logits.slice(i * 10, (i + 1) * 10),
            `image ${i}`,
          )
        await single.dispose()
      }
      await model.dispose()
    }
    expectSameBits('1 and 2 threads', states[0], states[1])
    expectSameBits('1 and 3 threads', states[0], states[2])
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
