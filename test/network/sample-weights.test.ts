/**
 * Weights of samples in all losses: a weighted gradient is the sum of those of single samples, as
 * Keras has it; where the data bring them, training, evaluation and runs that go on know them.
 */
import * as assert from 'uvu/assert'
import { openPlain } from '../../src/data/open.js'
import { plainOf } from '../../src/data/plain.js'
import * as api from '../../src/index.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { expectSameBits, relativeError, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { usualModes } from '../support/tables.js'
import { fails } from '../support/trainings.js'

const [B, T, C] = [4, 3, 3]
const x = uniform(B * 5, 2, 1)
const labels = [0, 2, 1, 1]
const values = uniform(B * C, 1, 2)
const steps = Float32Array.from({ length: B * T }, (_, i) => (i * 7) % C)
const net = () => netOf([5], 'linear 12, lif, linear 3')
const exits = (): api.Module =>
  api.block(
    {
      body: api.linear(5, 12),
      spikes: api.lif(),
      early: api.linear(12, 3),
      late: api.linear(12, 3),
    },
    (m, of) => {
      const spikes = m.spikes(m.body(of))
      return { early: m.early(spikes), late: m.late(spikes) }
    },
  )

const losses: readonly [api.Loss, ArrayLike<number>][] = [
  [api.crossEntropy({ labelSmoothing: 0.1, classWeights: [1, 2, 0.5] }), labels],
  [api.crossEntropy({ of: 'counts' }), labels],
  [api.crossEntropy({ targets: 'steps', ignore: 1 }), steps],
  [api.mse(), labels],
  [api.mse({ targets: 'values', ignore: values[3] }), values],
  [api.tet({ classWeights: [1, 0, 2] }), labels],
  [api.selfDistillation(), labels],
]

const one = (i: number): number[] => Array.from({ length: B }, (_, k) => Number(k === i))

test('a loss and a gradient are sums over samples, each times its weight', async () => {
  const own = [0.5, 0, 2, 1]
  let seen = 0
  for (const [method, stepMode] of usualModes)
    for (const [loss, y] of losses) {
      const compiling = api.compile(loss.kind === 'selfDistillation' ? exits() : net(), {
        input: [5],
        batchSize: B,
        timeSteps: T,
        method,
        stepMode,
        loss,
      })
      const model = await compiling.catch(() => undefined)
      if (!model) continue
      seen++
      const stepOf = async (sampleWeights?: ArrayLike<number>) => {
        const { loss: value } = await model.trainStep(x, y, { update: false, sampleWeights })
        return { value, gradients: model.gradients() }
      }
      const what = `${method} ${stepMode} ${JSON.stringify(loss)}`
      const plain = await stepOf()
      const whole = await stepOf(own)
      const again = await stepOf()
      assert.is(again.value, plain.value)
      expectSameBits(`${what}: as without weights`, again.gradients, plain.gradients)
      expectSameBits(what, (await stepOf([1, 1, 1, 1])).gradients, plain.gradients)
      const parts: Awaited<ReturnType<typeof stepOf>>[] = []
      for (let i = 0; i < B; i++) parts.push(await stepOf(one(i)))
      const sum = parts.reduce((a, { value }, i) => a + own[i] * value, 0)
      assert.ok(Math.abs(sum - whole.value) < 1e-5 * Math.max(1, sum), `${what} ${sum}`)
      for (const [name, { data }] of Object.entries(whole.gradients)) {
        const sums = data.map((_, k) =>
          parts.reduce((a, { gradients }, i) => a + own[i] * gradients[name].data[k], 0),
        )
        // A divergence from a teacher is small beside the rest.
        const error = relativeError(data, sums)
        assert.ok(error < 2e-5, `${what} ${name}: ${error}`)
      }
      await model.dispose()
    }
  assert.is(seen, 32)
})

const count = 30
const inputs = uniform(count * 5, 2, 3)
const classes = { labels: Array.from({ length: count }, (_, i) => i % 3), classes: 3 }
const sampleWeights = Float32Array.from({ length: count }, (_, i) => (i % 4) / 2)
const data = api.fromArrays({ inputs, ...classes, shape: [5], sampleWeights })
const plainData = api.fromArrays({ inputs, ...classes, shape: [5] })
const compiled = (more: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  modelOf(net(), { input: [5], batchSize: 8, ...more })

test('evaluate has the weighted mean over all samples, accuracy is of all; fit validates so', async () => {
  const model = await compiled()
  const plain = await model.evaluate(plainData)
  const { loss, accuracy } = await model.evaluate(data)
  let sum = 0
  for (let i = 0; i < count; i++) {
    const alone = { inputs: inputs.subarray(5 * i, 5 * i + 5), labels: [i % 3], classes: 3 }
    const sample = await model.evaluate(api.fromArrays({ ...alone, shape: [5] }))
    sum += sample.loss * sampleWeights[i]
  }
  assert.ok(Math.abs(loss - sum / count) < 1e-6, `${loss} ${sum / count}`)
  assert.is(accuracy, plain.accuracy)
  assert.is((await model.evaluate(plainData)).loss, plain.loss)
  const { epochs } = await model.fit(plainData, { validation: data })
  assert.is(epochs[0].testLoss, (await model.evaluate(data)).loss)
  // A model for inference has no training, and knows them as well.
  const small = await compiled({ purpose: 'inference' })
  small.loadStateDict(model.stateDict())
  assert.is((await small.evaluate(data)).loss, epochs[0].testLoss)
})

test('fit trains as trainStep does with the weights of its batches; parts of data keep theirs', async () => {
  const model = await compiled({ batchSize: count })
  const other = await compiled({ batchSize: count })
  await model.fit(data, { epochs: 1, schedule: api.constant() })
  const batches = new api.Batches(data, { batchSize: count, training: true, seed: 0 })
  const [images, own] = [new Float32Array(count * 5), new Float32Array(count)]
  const y = new Int32Array(count)
  batches.fill(0, images, y, undefined, own)
  assert.is.not([...own].join(), [...sampleWeights].join())
  await other.trainStep(images, y, { sampleWeights: own })
  expectSameBits('fit', model.stateDict(), other.stateDict())
  const bytes = { images: new Uint8Array(9 * 16), labels: new Uint8Array(9), classes: 3 }
  const normalization = { scale: 255, mean: [0], std: [1] }
  const pictures = api.fromBytes({ ...bytes, normalization, shape: [1, 4, 4] })
  const own9 = sampleWeights.slice(0, 9)
  const weighted = api.fromBytes({ ...bytes, normalization, shape: [1, 4, 4], sampleWeights: own9 })
  assert.is(pictures.weightOf, undefined)
  const again = openPlain(structuredClone(plainOf(weighted)!))
  const { weightOf } = api.subset(data, 9)
  const given = { ...pictures, weightOf }
  for (const of of [given, weighted, again]) {
    const part = api.augment(of, { crop: 1 })
    for (let i = 0; i < 9; i++) assert.is(part.weightOf!(i), sampleWeights[i])
  }
  assert.throws(
    () => api.fromBytes({ ...bytes, normalization, shape: [1, 4, 4], sampleWeights: [1, -1] }),
    /bytes: sampleWeights must hold one for each of the 9 samples, got/,
  )
})

test('threads, threads that read ahead, and a run that goes on change no bit; other weights do', async () => {
  const fit = { epochs: 3, validationSplit: 0.2 }
  const states: api.StateDict[] = []
  for (const [threads, numWorkers] of [
    [1, 0],
    [2, 1],
  ]) {
    const model = await compiled({ threads })
    await model.fit(data, { ...fit, numWorkers })
    states.push(model.stateDict())
  }
  expectSameBits('threads', states[1], states[0])
  const unweighted = await compiled()
  await unweighted.fit(plainData, fit)
  assert.not.equal(unweighted.stateDict(), states[0])
  await withFolder(async (folder) => {
    const run = { ...fit, resume: folder, callbacks: [api.checkpoint({ dir: folder, every: 1 })] }
    const first = await compiled()
    await expectRefusal(() => first.fit(data, { ...run, onStep: fails('stop', 4) }), 'stop')
    const second = await compiled()
    await expectRefusal(
      () => second.fit(plainData, run),
      /fit.resume: the data must have the samples/,
    )
    await second.fit(data, run)
    expectSameBits('resumed', second.stateDict(), states[0])
  })
})

test('weights that cannot be are refused, wherever they come from', async () => {
  const model = await compiled({ batchSize: B })
  const ones = [1, 1, 1]
  const of = { inputs: x, labels, classes: 3, shape: [5] } as const
  const bad = { ...plainData, weightOf: (i: number) => (i === 3 ? Number.NaN : 1) }
  await expectRefusals([
    [
      () => model.trainStep(x, labels, { sampleWeights: ones }),
      /^trainStep.sampleWeights must hold one for each of the 4 samples, got/,
    ],
    [
      () => model.trainStep(x, labels, { sampleWeights: [...ones, -1] }),
      'trainStep.sampleWeights must be finite numbers ≥ 0, got -1 at index 3',
    ],
    [
      () => api.fromArrays({ ...of, sampleWeights: ones }),
      /sampleWeights must hold one for each of the 4/,
    ],
    [
      () => api.fromArrays({ ...of, sampleWeights: [...ones, Number.POSITIVE_INFINITY] }),
      'arrays: sampleWeights must be finite numbers ≥ 0, got Infinity at index 3',
    ],
    [
      () => model.evaluate(bad),
      /weights of batch 1, must be finite numbers ≥ 0, got NaN at index 3/,
    ],
    [() => model.fit(bad), /weights of batch \d, must be finite numbers ≥ 0, got NaN at index/],
  ])
})

test.run()
