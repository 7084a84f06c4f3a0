/** Data sets of frames: batches, fit, evaluate, predict, diagnose, export and their refusals. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { diagnose } from '../../src/diagnose/measure.js'
import {
  augment,
  Batches,
  compile,
  conv2d,
  type Dataset,
  evaluateNet,
  exportWasm,
  type FitOptions,
  flatten,
  fromArrays,
  fromBytes,
  lif,
  linear,
  type Model,
  openNet,
  sequential,
  subset,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectSameBits } from '../support/measure.js'

const T = 3
const shape = [2, 4, 5] as const
const size = 40
const N = 21
const classes = 3
const labels = Array.from({ length: N }, (_, n) => n % classes)
const random = testRandom(3)
/** [N][T][C][H][W] */
const values = Float32Array.from({ length: N * T * size }, () => Math.round(4 * random()) / 4)
const data = fromArrays({ name: 'frames', inputs: values, labels, shape, timeSteps: T, classes })

const network = () =>
  sequential(
    conv2d(2, 4, 3, { padding: 1 }),
    lif({ vThreshold: 0.3 }),
    flatten(),
    linear(80, classes),
  )
const compiled = (frames = true, timeSteps = T): Promise<Model> =>
  compile(network(), { input: shape, batchSize: 6, timeSteps, frames, seed: 2 })

/** Samples of the list as `model.predict` takes them, [T][n][C][H][W]. */
function torch(samples: readonly number[]): Float32Array {
  const x = new Float32Array(T * samples.length * size)
  for (let t = 0; t < T; t++)
    for (const [i, n] of samples.entries())
      x.set(
        values.subarray((n * T + t) * size, (n * T + t + 1) * size),
        (t * samples.length + i) * size,
      )
  return x
}

test('a sample of frames is read as [T][H][W][C]', () => {
  const out = new Float32Array(T * size)
  for (const n of [0, 20]) {
    assert.is(data.read(n, out), n % classes)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < 2; c++)
        for (let p = 0; p < 20; p++)
          assert.is(out[(t * 20 + p) * 2 + c], values[((n * T + t) * 2 + c) * 20 + p])
  }
  const images = new Float32Array(2 * T * size)
  const batches = new Batches(data, { batchSize: 2 })
  assert.is(batches.fill(10, images, new Int32Array(2)), 1)
  assert.equal(images.slice(0, T * size), out)
})

test('fit on frames is trainStep on them; evaluate and predict agree', async () => {
  const [a, b] = [await compiled(), await compiled()]
  try {
    await a.fit(subset(data, 6), { numWorkers: 0 })
    // The order within a batch does not count here: no more than rounding.
    await b.trainStep(torch([0, 1, 2, 3, 4, 5]), labels.slice(0, 6))
    const [one, other] = [a.stateDict(), b.stateDict()]
    for (const [name, { data: numbers }] of Object.entries(one))
      for (const [i, number] of numbers.entries())
        assert.ok(Math.abs(number - other[name].data[i]) < 1e-5, name)
    const { accuracy, count } = await a.evaluate(data)
    const { classes: answers } = await a.predict(torch(labels.map((_, n) => n)))
    assert.is(count, N)
    assert.is(accuracy, answers.filter((answer, n) => answer === labels[n]).length / N)
  } finally {
    await a.dispose()
    await b.dispose()
  }
})

test('epochs of frames are the same with and without a thread, from floats and from bytes', async () => {
  const bytes = Uint8Array.from({ length: N * T * size }, (_, i) => (37 * i) % 256)
  const normalization = { scale: 255, mean: [0.5, 0.4], std: [0.3, 0.2] }
  const own = { name: 'bytes', images: bytes, labels, shape, timeSteps: T, classes, normalization }
  const moved = augment(fromBytes(own), { crop: 1, flip: true, cutout: 2 })
  for (const part of [data, moved]) {
    const states = []
    for (const numWorkers of [0, 1] as FitOptions['numWorkers'][]) {
      const model = await compiled()
      await model.fit(part, { epochs: 2, numWorkers, validation: part, dropLast: false })
      states.push(model.stateDict())
      await model.dispose()
    }
    expectSameBits('states', states[0], states[1])
  }
})

test('augmentation moves all frames of a sample alike', async () => {
  const images = new Uint8Array(N * T * size)
  // All frames are the same.
  for (let n = 0; n < N; n++)
    for (let i = 0; i < T * size; i++) images[n * T * size + i] = 1 + ((n + (i % size)) % 200)
  const normalization = { scale: 255, mean: [0, 0], std: [1, 1] }
  const still = fromBytes({ images, labels, shape, timeSteps: T, classes, normalization })
  const moved = augment(still, { crop: 1, flip: true, cutout: 2 })
  const out = new Float32Array(T * size)
  for (let n = 0; n < N; n++) {
    moved.read(n, out, { seed: 1, epoch: 0 })
    for (let t = 1; t < T; t++)
      assert.equal(out.slice(t * size, (t + 1) * size), out.slice(0, size), `${n}`)
  }
  assert.match(
    await messageOf(() => augment(still, { autoAugment: true })),
    /must be false for frames/,
  )
})

test('prepare is awaited before samples of a batch are read', async () => {
  const held = new Map<number, Float32Array>()
  const asked: number[] = []
  const slow: Dataset = {
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
    await model.evaluate(subset(part, 20))
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
  const images = fromArrays({
    inputs: values,
    labels: [...labels, ...labels, ...labels],
    shape,
    classes,
  })
  const promised = { ...data, name: 'promised', read: async () => 1 } as unknown as Dataset
  const calls: [Model, Dataset, RegExp][] = [
    [model, images, /one image a sample; .* give data with timeSteps/],
    [still, data, /gives 3 frames a sample, but .*compile it with frames: true and timeSteps: 3/],
    [longer, data, /gives 3 frames a sample, .* 4 time steps; compile it with timeSteps: 3/],
    [model, { ...data, timeSteps: 0 }, /timeSteps must be an integer from 1 to 4096/],
    [model, promised, /promised: read must give a label, got a promise.*prepare/],
  ]
  for (const [of, part, message] of calls)
    for (const call of [() => of.fit(part), () => of.evaluate(part)])
      await call().then(
        () => assert.unreachable(),
        (error: Error) => assert.match(error.message, message),
      )
  for (const each of [model, still, longer]) await each.dispose()
  assert.match(
    await messageOf(() => fromArrays({ inputs: values, labels, shape, timeSteps: 2, classes })),
    /21 labels × 2 × 2 × 4 × 5/,
  )
})

test('diagnose takes frames', async () => {
  const options = { network, data: { train: data, test: data }, steps: 2, batchSize: 5 }
  const { costs } = await diagnose({ ...options, methods: ['rate-m'] })
  assert.is(costs[0].timeSteps, T)
  await diagnose({ ...options, timeSteps: [2] }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /timeSteps must be \[3\], the frames/),
  )
})

test('exported networks of frames are evaluated on frames', async () => {
  const model = await compiled()
  const { accuracy } = await model.evaluate(data)
  for (const mode of ['infer', 'step'] as const) {
    const bytes = await exportWasm(model, { mode })
    const net = await openNet(bytes)
    assert.is((await evaluateNet(net, data)).accuracy, accuracy, mode)
  }
  await model.dispose()
})

test.run()
