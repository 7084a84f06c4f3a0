/** Strides beyond an image: the window has one place, whatever the stride. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  conv2d,
  flatten,
  lif,
  linear,
  type Method,
  maxPool2d,
  sequential,
} from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { expectNear, expectSameBits, randomShapes } from '../support/ops.js'
import {
  averages,
  type ConvCase,
  forwardReference,
  inputGradientReference,
  runWith,
  shapesOf,
  weightGradientReference,
} from '../support/ops-convolution.js'

/** Some do not fit 31 bits, some not 32. */
const strides = [11, 600, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]

const geometry = { T: 2, timed: true, B: 2, C: 4, H: 5, W: 6, N: 4, groups: 1 } as const
const window = { kernel: [3, 2], padding: [1, 1] } as const

const convCase = (stride: number, groups = 1): ConvCase => ({
  ...geometry,
  ...window,
  groups,
  stride: [stride, stride],
})

test('convolutions and their gradients', () => {
  for (const stride of [2, 3, 4, 5, ...strides])
    for (const groups of [1, 2, 4]) {
      const r = randomShapes(groups)
      const where = `stride ${stride}, groups ${groups}`
      const c = convCase(stride, groups)
      const { options, inputs, outputs, weights } = shapesOf(c)
      assert.ok(stride < 11 || outputs === 2 * 2 * 4)
      const [x, w, delta] = [r.floats(inputs), r.floats(weights), r.floats(outputs)]
      const spikes = r.spikes(inputs)
      expectNear(where, ops.conv2d(options, x, w), forwardReference(c, x, w))
      const onSpikes = { ...options, spikes: true } as const
      expectNear(where, ops.conv2d(onSpikes, spikes, w), forwardReference(c, spikes, w))
      expectNear(
        where,
        ops.conv2dInputGradient(options, w, delta),
        inputGradientReference(c, w, delta),
      )
      const dw = weightGradientReference(c, x, delta)
      expectNear(where, ops.conv2dWeightGradient(options, x, delta), dw)
      const ofSpikes = weightGradientReference(c, spikes, delta)
      const algorithms = groups === 1 ? ['patterns', 'direct'] : ['auto']
      for (const algorithm of algorithms) {
        const plan = ops.conv2dWeightGradient.plan({ ...onSpikes, algorithm } as never)
        expectNear(`${where}, ${algorithm}`, runWith(plan, [spikes, delta]), ofSpikes)
      }
    }
})

test('gradients of the weight by lists of counts', () => {
  for (const stride of strides) {
    const r = randomShapes(2)
    const c: ConvCase = { ...convCase(stride), T: 1, timed: false }
    const { options, inputs, outputs } = shapesOf(c)
    const [counts, delta] = [r.bytes(inputs, 4), r.floats(outputs)]
    const given = { ...options, counts: true, timeSteps: 4, algorithm: 'lists' } as const
    const dw = runWith(ops.conv2dWeightGradient.plan(given), [counts, delta])
    const rates = Float64Array.from(counts, (n) => n / 4)
    expectNear(`stride ${stride}`, dw, weightGradientReference(c, rates, delta))
  }
})

test('pooling, its gradients, and pools that ops read through', () => {
  const input = [2, 2, 4, 5, 6]
  const size = 2 * 2 * 4 * 5 * 6
  const r = randomShapes(3)
  const [x, spikes, delta] = [r.floats(size), r.spikes(size), r.floats(16)]
  const w = r.floats(3 * 4)
  const run = (stride: number) => {
    const pool = { kernelSize: [3, 2], stride, padding: 1 } as const
    const windows = { input, ...pool }
    const { output, choice } = ops.maxPool2d({ ...windows, outputs: ['output', 'choice'] }, x)
    const neurons = { input, mode: 'online', deltas: [pool] } as const
    return {
      avg: ops.avgPool2d(windows, x),
      avgBack: ops.avgPool2dBackward(windows, delta),
      max: output,
      choice,
      spikes: ops.maxPool2d({ ...windows, spikes: true }, spikes),
      back: ops.maxPool2dBackward(windows, delta, choice),
      lif: runWith(ops.lifBackward.plan(neurons as never), [delta, x]),
      sum: runWith(ops.gradientSum.plan({ input, terms: [{}, pool] }), [x, delta]),
      add: runWith(ops.add.plan({ terms: [windows] }), [x]),
      conv: ops.conv2d({ input, weight: [3, 4, 1, 1], spikes: true, pool }, spikes, w),
    }
  }
  // Padded, the image has 7 rows and 8 columns.
  const wanted = run(8)
  expectNear(
    'avg',
    wanted.avg,
    averages(16, [5, 6], x, { kernelSize: [3, 2], stride: [8, 8], padding: [1, 1] }),
  )
  for (const stride of strides) expectSameBits(`stride ${stride}`, run(stride), wanted)
})

/** A step of a network whose layers have such a stride; 8 is that of the padded image. */
async function stepOf(method: Method, pool: typeof avgPool2d | typeof maxPool2d, stride: number) {
  const image = { stride: [stride, 1], padding: 1 } as const
  const net = sequential(
    conv2d(2, 4, 3, { padding: 1 }),
    lif(),
    pool(2, image),
    conv2d(4, 4, [1, 3], { stride: [1, stride], padding: [0, 1] }),
    lif(),
    flatten(),
    linear(4, 3),
  )
  const model = await net.compile({ input: [2, 6, 6], timeSteps: 3, batchSize: 2, method, seed: 5 })
  try {
    const x = randomShapes(4).floats(2 * 72, 3)
    const { loss } = await model.trainStep(x, Int32Array.of(0, 2), { update: false })
    const output = model.output().slice()
    const gradients = Object.entries(model.gradients()).map(([name, { data }]) => [name, data])
    return { loss: Float64Array.of(loss), output, ...Object.fromEntries(gradients) }
  } finally {
    await model.dispose()
  }
}

test('networks', async () => {
  for (const method of ['rate', 'bptt', 'sltt'] as const)
    for (const pool of [avgPool2d, maxPool2d] as const) {
      const wanted = await stepOf(method, pool, 8)
      for (const stride of [600, 2 ** 31, 2 ** 32])
        expectSameBits(`${method}, stride ${stride}`, await stepOf(method, pool, stride), wanted)
    }
})

test.run()
