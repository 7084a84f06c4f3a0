/** Data sets of frames: batches, fit, evaluate, predict, diagnose, export and their refusals. */

import * as assert from 'uvu/assert'
import { diagnose } from '../../src/diagnose/measure.js'
import { readState } from '../../src/edge/state.js'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectSameBits } from '../support/measure.js'
import { own, test } from '../support/models.js'
import { netOf } from '../support/net.js'

const T = 3
const shape = [2, 4, 5] as const
const size = 40
const N = 21
const classes = 3
const labels = Array.from({ length: N }, (_, n) => n % classes)
const random = testRandom(3)
/** [N][T][C][H][W] */
const values = Float32Array.from({ length: N * T * size }, () => Math.round(4 * random()) / 4)
const data = api.fromArrays({
  name: 'frames',
  inputs: values,
  labels,
  shape,
  timeSteps: T,
  classes,
})

const text = `conv 4 3 padding=1, lif vThreshold=0.3, flatten, linear ${classes}`
const network = () => netOf(shape, text)
const compiled = (frames = true, timeSteps = T): Promise<api.Model> =>
  api.compile(network(), { input: shape, batchSize: 6, timeSteps, frames, seed: 2 })

/** Samples of the list, one behind the other. */
function read(of: api.Dataset, samples: readonly number[]): Float32Array {
  const each = of.shape.reduce((a, b) => a * b, of.timeSteps ?? 1)
  const x = new Float32Array(samples.length * each)
  for (const [i, n] of samples.entries()) of.read(n, x.subarray(i * each, (i + 1) * each))
  return x
}

/** Samples of three channels, each step and sample unlike the others. */
function unlike(count: number, timeSteps: number | undefined): api.Dataset {
  const shape = [3, 4, 5] as const
  const random = testRandom(5)
  const inputs = Float32Array.from({ length: count * (timeSteps ?? 1) * 60 }, () => 2 * random())
  const labels = Array.from({ length: count }, (_, n) => n % classes)
  return api.fromArrays({ inputs, labels, shape, timeSteps, classes })
}

// Where T is B, only the numbers tell which order was meant.
for (const [timeSteps, B] of [
  [3, 3],
  [5, 3],
  [2, 3],
  [undefined, 3],
] as const)
  test(`T ${timeSteps}, B ${B}: what is read goes into all calls as it is, with the bits of fit`, async () => {
    const all = unlike(B, timeSteps)
    // In the order in which fit has them.
    const y = [...api.permutation(B, 2, 0)]
    const x = read(all, y)
    const make = () =>
      netOf([3, 4, 5], text).compile({
        input: [3, 4, 5],
        batchSize: B,
        timeSteps: timeSteps ?? 4,
        seed: 2,
        method: 'bptt',
        frames: timeSteps !== undefined,
      })
    const [fitted, stepped] = [await make(), await make()]
    const net = await api.openNet(await api.exportWasm(stepped, { mode: 'train', batchSize: B }))
    await fitted.fit(all, { optimizer: stepped.optimizer, numWorkers: 0 })
    await stepped.trainStep(x, y)
    expectSameBits('trainStep', stepped.stateDict(), fitted.stateDict())
    const { training } = net
    assert.ok(training)
    net.input.set(x)
    training.labels.set(y)
    training.trainStep()
    expectSameBits('file', readState(net.info, training.params), fitted.stateDict())
    // All at once, one by one, and as the data set gives them.
    const { logits, classes: answers } = await fitted.predict(x)
    for (const [i, n] of y.entries()) {
      const alone = await fitted.predict(read(all, [n]))
      assert.equal(alone.logits, logits.slice(i * classes, (i + 1) * classes), `sample ${n}`)
    }
    const { accuracy } = await fitted.evaluate(all)
    assert.is(accuracy, answers.filter((answer, i) => answer === y[i]).length / B)
    const inference = await api.openNet(await api.exportWasm(fitted))
    for (const [i, n] of y.entries()) {
      all.read(n, inference.input as Float32Array)
      inference.infer()
      assert.equal(inference.output, logits.slice(i * classes, (i + 1) * classes), `file ${n}`)
    }
    await fitted.dispose()
    await stepped.dispose()
  })

test('epochs of frames are the same with and without a thread, from floats and from bytes', async () => {
  const bytes = Uint8Array.from({ length: N * T * size }, (_, i) => (37 * i) % 256)
  const normalization = { scale: 255, mean: [0.5, 0.4], std: [0.3, 0.2] }
  const own = { name: 'bytes', images: bytes, labels, shape, timeSteps: T, classes, normalization }
  const moved = api.augment(api.fromBytes(own), { crop: 1, flip: true, cutout: 2 })
  for (const part of [data, moved]) {
    const states = []
    for (const numWorkers of [0, 1] as api.FitOptions['numWorkers'][]) {
      const model = await compiled()
      await model.fit(part, { epochs: 2, numWorkers, validation: part, dropLast: false })
      states.push(model.stateDict())
      await model.dispose()
    }
    expectSameBits('states', states[0], states[1])
  }
})

test('prepare is awaited before samples of a batch are read', async () => {
  const held = new Map<number, Float32Array>()
  const asked: number[] = []
  const slow: api.Dataset = {
    ...data,
    name: 'slow',
    async prepare(indices) {
      asked.push(indices.length)
      await new Promise((resolve) => setImmediate(resolve))
      held.clear()
      for (const index of indices) {
        const sample = new Float32Array(T * size)
        data.read(index, sample)
        held.set(index, sample)
      }
    },
    read(index, out) {
      out.set(held.get(index)!)
      return index % classes
    },
  }
  const states = []
  for (const part of [data, slow]) {
    const model = await compiled()
    await model.fit(part, { epochs: 2, numWorkers: 0 })
    await model.evaluate(api.subset(part, 20))
    states.push(model.stateDict())
    await model.dispose()
  }
  expectSameBits('states', states[0], states[1])
  assert.ok(Math.max(...asked.slice(1)) === 6)
})

test('what does not fit is refused by name', async () => {
  const model = await compiled()
  const still = await compiled(false)
  const longer = await compiled(true, 4)
  const thrice = [...labels, ...labels, ...labels]
  const images = api.fromArrays({ inputs: values, labels: thrice, shape, classes })
  const promised = { ...data, name: 'promised', read: async () => 1 } as unknown as api.Dataset
  const calls: [api.Model, api.Dataset, RegExp][] = [
    [model, images, /one image a sample; .* give data with timeSteps/],
    [still, data, /gives 3 frames a sample, but .*compile it with frames: true and timeSteps: 3/],
    [longer, data, /gives 3 frames a sample, .* 4 time steps; compile it with timeSteps: 3/],
    [model, { ...data, timeSteps: 0 }, /timeSteps must be an integer from 1 to 4096/],
    [model, promised, /promised: read must give a label, got a promise.*prepare/],
  ]
  for (const [of, part, message] of calls)
    for (const call of [() => of.fit(part), () => of.evaluate(part)])
      await expectRefusal(call, message)
  for (const each of [model, still, longer]) await each.dispose()
})

test('diagnose takes frames', async () => {
  const options = { network, data: { train: data, test: data }, steps: 2, batchSize: 5 }
  const { costs } = await diagnose({ ...options, methods: ['rate-m'] })
  assert.is(costs[0].timeSteps, T)
  const other = () => diagnose({ ...options, timeSteps: [2] })
  await expectRefusal(other, 'timeSteps must be [3], the frames')
})

test('exported networks of frames are evaluated on frames', async () => {
  const model = await own(compiled())
  const { accuracy } = await model.evaluate(data)
  for (const mode of ['infer', 'step'] as const) {
    const bytes = await api.exportWasm(model, { mode })
    const net = await api.openNet(bytes)
    assert.is((await api.evaluateNet(net, data)).accuracy, accuracy, mode)
  }
})

test.run()
