/** Numbers that equations draw: their statistics, and what they follow from. */
import * as assert from 'uvu/assert'
import {
  elementwise,
  exportWasm,
  fromArrays,
  type Layer,
  linear,
  type Model,
  neuron,
  openNet,
  recurrent,
  type StateDict,
  sequential,
  sgd,
} from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { expectRefusals } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'

const [STEPS, NEURONS] = [32, 8192]

/** Numbers [T][N] that a text draws. */
function drawn(text: string, seed = 0): Float32Array {
  const options = { input: [1, STEPS, NEURONS], text, seed, outputs: ['values'] } as const
  return ops.neuron(options, new Float32Array(STEPS * NEURONS))
}

const mean = (values: Float32Array): number => {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

/** Correlation of two lists of numbers whose mean and variance are known. */
const correlation = (a: Float32Array, b: Float32Array, [m, v]: readonly [number, number]): number =>
  mean(a.subarray(0, b.length).map((x, i) => (x - m) * (b[i] - m))) / v

for (const [name, m, v, fourth, least, most] of [
  ['rand', 0.5, 1 / 12, 1.8, 0, 1],
  ['randn', 0, 1, 3, -6, 6],
] as const)
  test(`${name}: mean, variance, and no correlation of neurons, steps, calls and seeds`, () => {
    const values = drawn(`output = x + ${name}()`)
    const sigma = 1 / Math.sqrt(values.length)
    const near = (what: string, found: number, expected: number, deviation: number): void =>
      assert.ok(Math.abs(found - expected) <= 4 * deviation, `${what} is ${found}`)
    near('mean', mean(values), m, sigma * Math.sqrt(v))
    near('variance', mean(values.map((x) => (x - m) ** 2)), v, sigma * v * Math.sqrt(fourth - 1))
    near('fourth moment', mean(values.map((x) => (x - m) ** 4)) / v ** 2, fourth, 10 * sigma)
    const other = drawn(`a = ${name}()\noutput = x + ${name}() + 0*a`)
    const same = drawn(`output = x + ${name}() # more`, 0)
    const seeded = drawn(`output = x + ${name}()`, 1)
    assert.equal(same, values)
    for (const [what, b] of [
      ['the next neuron', values.subarray(1)],
      ['the next step', values.subarray(NEURONS)],
      ['the eighth step', values.subarray(8 * NEURONS)],
      ['another call', other],
      ['another seed', seeded],
    ] as const)
      near(what, correlation(values, b, [m, v]), 0, 1 / Math.sqrt(b.length))
    assert.ok(values.every((x) => x >= least && x < most))
  })

test('the normal numbers have the shares of their distribution', () => {
  const values = drawn('output = x + randn()')
  for (const [at, share] of [
    [-3, 0.00135],
    [-2, 0.02275],
    [-1, 0.158655],
    [0, 0.5],
    [1.5, 0.933193],
    [2.5, 0.99379],
  ]) {
    const found = values.filter((x) => x < at).length / values.length
    assert.ok(
      Math.abs(found - share) < 4 * Math.sqrt((share * (1 - share)) / values.length),
      `${at}`,
    )
  }
})

test('a backward pass sees the numbers of the forward pass', () => {
  for (const steps of [1, 3, 8, 21]) {
    const options = { input: [2, steps, 5], text: 'u = 0.5*u + randn(); output = x*u + x*rand()' }
    const x = new Float32Array(10 * steps).fill(1)
    const outputs = ['values'] as const
    const back = ops.neuronBackward(options as never, x, x)
    assert.equal(back, ops.neuron({ ...options, outputs } as never, x))
  }
})

const text = 'u = 0.8*u + x + 0.2*randn(); spike = u >= 0.5*rand() + 0.5; u = u - detach(spike)'
const random = testRandom(4)
const images = Float32Array.from({ length: 16 * 6 }, () => 2 * random())
const labels = Uint8Array.from({ length: 16 }, (_, i) => i % 3)
const data = fromArrays({ images, labels, classes: 3, shape: [6] })

const compiled = (layer: Layer, options: object = {}): Promise<Model> => {
  const net = sequential(linear(6, 5), layer, linear(5, 3))
  return modelOf(net, { input: [6], timeSteps: 11, batchSize: 4, seed: 2, ...options })
}

test('alone, a step at a time, on threads and in a file an image draws the same', async () => {
  const layer = neuron(text, {}, { seed: 5 })
  const logitsOf = async (options: object, of = layer): Promise<Float32Array> =>
    (await (await compiled(of, options)).predict(images)).logits
  const method = 'sltt'
  const logits = await logitsOf({ method })
  assert.equal(await logitsOf({ method, threads: 2, purpose: 'inference' }), logits)
  // Sums of all steps at once have another order.
  for (const method of ['rate', 'bptt'])
    expectClose(method, await logitsOf({ method }), logits, 1e-6)
  const single = await compiled(layer, { method, batchSize: 1 })
  const second = await single.predict(images.subarray(6, 12))
  assert.equal(second.logits, logits.subarray(3, 6))
  const file = await openNet(await exportWasm(single))
  const [image, expected] = [images.subarray(0, 6), logits.subarray(0, 3)]
  file.input.set(image)
  file.infer()
  assert.equal(file.output, expected)
  const stream = await compiled(layer, { purpose: 'stream', batchSize: 1 })
  for (let t = 0; t < 10; t++) await stream.step(image)
  assert.equal((await stream.step(image)).logits, expected)
  assert.not.equal(await logitsOf({}, neuron(text, {}, { seed: 6 })), logits)
})

test('each batch of a training draws others, a prediction always the same', async () => {
  const model = await compiled(elementwise('x + 0.5*randn()'), { method: 'bptt' })
  const before = await model.predict(images)
  const { epochs } = await model.fit(data, { epochs: 2, optimizer: sgd({ lr: 0 }) })
  assert.not.equal(epochs[0].trainLoss, epochs[1].trainLoss)
  assert.equal((await model.predict(images)).logits, before.logits)
})

test('in training each image of a batch draws others', async () => {
  const model = await compiled(neuron('output = x*0 + randn()'), { method: 'rate', threads: 2 })
  const same = new Float32Array(24)
  const rows = (of: Float32Array): Set<string> =>
    new Set([0, 3, 6, 9].map((at) => of.slice(at, at + 3).join()))
  const drawn = new Set<string>()
  for (const _ of [1, 2]) {
    await model.trainStep(same, [0, 1, 2, 0], { update: false })
    for (const row of rows(model.output())) drawn.add(row)
  }
  assert.is(drawn.size, 8)
  assert.is(rows((await model.predict(same)).logits).size, 1)
})

test('recurrent neurons draw what others do, in their backward pass too', async () => {
  const own = neuron(text, {}, { seed: 7 })
  const trained = async (layer: Layer, start: StateDict = {}) => {
    const model = await compiled(layer, { method: 'bptt' })
    model.loadStateDict({ ...model.stateDict(), ...start })
    const before = model.stateDict()
    await model.trainStep(images.subarray(0, 24), labels.subarray(0, 4))
    return [before, model.stateDict()['0.weight'].data] as const
  }
  const [before, weight] = await trained(own)
  const silent = { '1.recurrent.weight': { shape: [5, 5], data: new Float32Array(25) } }
  const [, found] = await trained(recurrent(own, { bias: false }), { ...before, ...silent })
  assert.equal(found, weight)
})

test('they stand in lines of steps alone, and take no argument', () =>
  expectRefusals([
    [() => neuron('spike = x > rand(1)'), /column 13: rand takes no arguments, got 1/],
    [
      () => neuron('spike = x > 0', {}, { surrogate: 'rand()*x' }),
      /^neuron.surrogate: line 1, column 1: rand is for lines that a time step runs/,
    ],
    [() => neuron('output = x', {}, { seed: -1 }), /^neuron.seed must be an integer from 0/],
  ]))

test.run()
