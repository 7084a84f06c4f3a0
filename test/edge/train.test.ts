/** Exported networks that go on learning: the same bits as `trainStep`, and what hosts read. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { parameterLayout } from '../../src/compile/emit/neurons.js'
import {
  groupedLayout,
  neuronLayout,
  type ParameterLayout,
  pack,
  vectorLayout,
  weightLayout,
} from '../../src/compile/layout.js'
import { exportWasm } from '../../src/edge/export.js'
import { netInfo, openNet } from '../../src/edge/net.js'
import { layoutText, readState } from '../../src/edge/state.js'
import {
  type CompileOptions,
  cnn,
  compile,
  custom,
  type FitOptions,
  fromArrays,
  type Method,
  type Model,
  type Module,
  mlp,
  residual,
  type StepMode,
  sgd,
} from '../../src/index.js'
import { weightTypes } from '../../src/network/weights.js'
import { randomNetwork } from '../support/draw/networks.js'
import { numbers } from '../support/exported.js'
import { differingState, learnSame, makeBatch } from '../support/learning.js'
import { ofLong } from '../support/long.js'
import { compileNet, netOf } from '../support/net.js'
import { tinyInfo } from '../support/tiny-net.js'

const ways = ['rate m', 'rate s', 'bptt m', 'bptt s', 'sltt s', 'ottt s']
const methodsOf = (way: string) => {
  const [method, stepMode] = way.split(' ') as [Method, StepMode]
  return { method, stepMode }
}

const conv = 'conv 12 3 padding=1 bias=false, norm, lif'
const blocks = (): Module =>
  netOf([2, 8, 8], `${conv}, block, avgPool2d 2, flatten, linear 5`, {
    block: (channels) => residual(netOf([channels, 8, 8], conv)),
  })

const networks: Readonly<Record<string, [() => Module, CompileOptions['input']]>> = {
  mlp: [() => mlp([1, 4, 4], 10), [1, 4, 4]],
  cnn: [() => cnn([1, 8, 8], 10), [1, 8, 8]],
  blocks: [blocks, [2, 8, 8]],
}

type Row = readonly [network: string, way: string, batchSize: number, target?: 'scalar']
const everyWay = Object.keys(networks).flatMap((name) =>
  ways.flatMap((way) => [1, 3, 8].map((batchSize): Row => [name, way, batchSize])),
)
/** In a run that is not long: all ways, and more of the one of blocks. */
const few: readonly Row[] = [
  ['mlp', 'rate m', 3],
  ['mlp', 'bptt s', 3],
  ['cnn', 'rate s', 1],
  ['cnn', 'sltt s', 8],
  ['cnn', 'ottt s', 1],
  ['blocks', 'rate m', 3],
  ['blocks', 'bptt m', 3],
  ['blocks', 'bptt s', 3],
]
const withoutSimd: readonly Row[] = [
  ['mlp', 'sltt s', 3, 'scalar'],
  ['cnn', 'rate s', 3, 'scalar'],
  ['blocks', 'rate m', 3, 'scalar'],
  ['blocks', 'bptt m', 3, 'scalar'],
]

for (const [name, way, batchSize, target = 'simd'] of [...ofLong(few, everyWay), ...withoutSimd]) {
  const steps = target === 'scalar' ? 4 : ofLong(15, 50)
  const what = `${name}, ${way}, batch ${batchSize}, ${target}`
  test(`${what}: ${steps} steps give the bits of trainStep`, async () => {
    const [network, input] = networks[name]
    const options = { input, batchSize, ...methodsOf(way), timeSteps: 3, seed: batchSize }
    const model = await compile(network(), options)
    model.optimizer = sgd({ lr: 0.05, weightDecay: 1e-3 })
    await learnSame(model, numbers(7), steps, { target })
  })
}

test('random networks, dropout and frames among them, learn the same', async () => {
  for (let seed = 1; seed <= ofLong(4, 8); seed++) {
    const random = numbers(seed)
    const { method, stepMode } = methodsOf(ways[seed % ways.length])
    const input = [2, 8, 8] as const
    const network = randomNetwork(random, input, method) as Module
    const frames = random() < 0.3
    const batchSize = random() < 0.5 ? 1 : 3
    const weights = weightTypes[seed % weightTypes.length]
    const options = { input, frames, batchSize, method, stepMode, timeSteps: 4, seed, weights }
    let model: Model
    try {
      model = await compile(network, options)
    } catch {
      continue // OTTT does not take every layer.
    }
    model.optimizer = sgd({ lr: 0.01 })
    await learnSame(model, random, 6, { title: `seed ${seed}` })
  }
})

// Several calls of one size, and of two: programs have loops, and sections of their own behind them.
for (const [method, timeSteps, withFrames] of [
  ['rate', 9, true],
  ['rate', 16, false],
  ['ottt', 7, false],
  ['sltt', 11, false],
] as const)
  test(`${method} in several calls of several steps, T = ${timeSteps}`, async () => {
    for (const frames of ofLong([withFrames], [false, true])) {
      const [network, input] = networks[method === 'ottt' ? 'cnn' : 'blocks']
      const steps = { timeSteps, stepMode: 's', frames } as const
      const model = await compile(network(), { input, batchSize: 3, method, ...steps, seed: 5 })
      model.optimizer = sgd({ lr: 0.05 })
      await learnSame(model, numbers(9), 5)
    }
  })

for (const backwardSteps of [3, 5])
  test(`dropout and the ${backwardSteps} steps of SLTT-K go on where the model is`, async () => {
    const model = await compileNet('flatten, linear 20, lif, dropout 0.3, linear 4', {
      input: [2, 4, 4],
      batchSize: 4,
      timeSteps: 6,
      method: 'sltt',
      backwardSteps,
      seed: 11,
    })
    model.optimizer = sgd({ lr: 0.1, momentum: 0 })
    const random = numbers(3)
    for (let step = 0; step < 5; step++) {
      const { x, labels } = makeBatch(model, random)
      await model.trainStep(x, labels)
    }
    await learnSame(model, random, 30)
  })

const huber = `d = abs(y - target)
where(d < 0.3, d^2, 0.6*d - 0.09)`
for (const [way, loss, target] of [
  ['rate m', '(y - target)^2', 'simd'],
  ['bptt m', custom(huber, { of: 'steps' }), 'simd'],
  ['sltt s', 'd = y - target; log(exp(d) + exp(-d))', 'simd'],
  ['rate s', custom('sigmoid(T*(y - gain*target))', { parameters: { gain: 2 } }), 'scalar'],
] as const)
  test(`${way}, ${target}: a loss that is a text goes along: ${JSON.stringify(loss)}`, async () => {
    const input = [1, 4, 4] as const
    const options = { input, batchSize: 3, ...methodsOf(way), timeSteps: 3, loss }
    const model = await compile(mlp(input, 10), options)
    model.optimizer = sgd({ lr: 0.05 })
    await learnSame(model, numbers(7), 6, { target })
  })

test('a file computes currents again where the model does', async () => {
  const model = await compile(cnn([1, 12, 12], 10), {
    input: [1, 12, 12],
    batchSize: 9,
    timeSteps: 9,
    method: 'bptt',
    gradientCheckpoint: 'layers',
    seed: 2,
  })
  await learnSame(model, numbers(8), 4)
})

test('all of the optimizer is taken along, and a host may change it', async () => {
  const model = await compile(cnn([1, 8, 8], 10), { input: [1, 8, 8], batchSize: 2 })
  model.optimizer = sgd({
    lr: 0.02,
    momentum: 0.8,
    weightDecay: 0.01,
    nesterov: true,
    decay: 'weights',
  })
  const { training } = await openNet(await exportWasm(model, { mode: 'train', batchSize: 2 }))
  assert.equal([...(training?.options ?? [])], [...Float32Array.of(0.02, 0.8, 0.01, 0)])
  assert.is(training?.nesterov[0], 1)
  const lr = (step: number): number => 0.1 / (step + 1)
  await learnSame(model, numbers(5), 10, { lr })
})

/** A cnn as a file that learns, with a batch in it. */
async function trainable(batchSize: number) {
  const model = await compile(cnn([1, 8, 8], 10), { input: [1, 8, 8], batchSize, seed: 4 })
  const net = await openNet(await exportWasm(model, { mode: 'train', batchSize }))
  const { training } = net
  assert.ok(training)
  const { x, labels } = makeBatch(model, numbers(2))
  net.input.set(x)
  training.labels.set(labels)
  return { model, net, training, x, labels }
}

test('what a file has learnt goes back into a model', async () => {
  const { model, net, training, x } = await trainable(4)
  assert.is(differingState(readState(net.info, training.params), model.stateDict()), 0)
  training.trainStep()
  const state = readState(net.info, training.params)
  assert.ok(differingState(state, model.stateDict()) > 1000)
  model.loadStateDict(state)
  net.infer()
  const { logits } = await model.predict(x.subarray(0, 64))
  assert.equal(net.output, logits)
})

test('batches of bytes are scaled inside', async () => {
  const model = await compile(cnn([3, 8, 8], 10), { input: [3, 8, 8], batchSize: 4 })
  const [mean, std] = [
    [0.3, 0.4, 0.5],
    [0.2, 0.3, 0.1],
  ]
  const options = { mode: 'train', batchSize: 4, inputType: 'u8', mean, std } as const
  const net = await openNet(await exportWasm(model, options))
  const random = numbers(6)
  for (let step = 0; step < 5; step++) {
    const bytes = Uint8Array.from({ length: 4 * 192 }, () => Math.floor(random() * 256))
    const scaled = Float32Array.from(bytes, (byte, i) => {
      const channel = Math.floor(i / 64) % 3
      return (byte / 255 - Math.fround(mean[channel])) / Math.fround(std[channel])
    })
    net.input.set(bytes)
    net.training?.labels.set([step, 1, 2, 3])
    net.training?.trainStep()
    await model.trainStep(scaled, [step, 1, 2, 3])
  }
  const params = net.training?.params as Float32Array
  assert.is(differingState(readState(net.info, params), model.stateDict()), 0)
})

test('infer changes nothing that is learnt, nor the last results', async () => {
  const { net, training } = await trainable(1)
  training.trainStep()
  const results = () => [training.params.slice(), training.loss(), training.correct()]
  const before = results()
  net.infer()
  assert.equal(results(), before)
})

test('a label out of range changes nothing, numbers that are not finite spoil nothing', async () => {
  const { net, training, x, labels } = await trainable(2)
  const before = training.params.slice()
  for (const wrong of [-1, 10]) {
    training.labels.set([labels[0], wrong])
    training.trainStep()
    assert.equal([training.loss(), training.correct()], [Number.NaN, 0])
    assert.equal(training.params, before)
  }
  training.labels.set(labels)
  net.input[0] = Number.NaN
  training.trainStep()
  assert.ok(Number.isNaN(training.loss()))
  assert.ok(training.params.every(Number.isFinite))
  net.input.set(x)
  training.trainStep()
  assert.ok(training.loss() > 0)
})

/** A parameter of a cell over [5, 3, 4] neurons. */
const cellParameter = (name: string, shape: readonly number[]): ParameterLayout =>
  parameterLayout({ name, shape, decays: false, initial: 2 }, [5, 3, 4]) as ParameterLayout

test('the layout in the section says where each number lies', () => {
  const grouping = { groups: 3, groupIn: 2, groupOut: 5, depthwise: false }
  const depthwise = { groups: 6, groupIn: 1, groupOut: 1, depthwise: true }
  for (const layout of [
    vectorLayout([7], 7),
    weightLayout([20, 3, 3, 3], 20, 3, 9, 4),
    weightLayout([40, 24], 40, 6, 4, 8),
    groupedLayout([15, 2, 3, 3], 9, grouping),
    groupedLayout([6, 1, 3, 3], 9, depthwise),
    neuronLayout([60], [5, 3, 4]),
    cellParameter('tau', [5, 3, 4]),
    cellParameter('recurrent.weight', [60, 60]),
  ]) {
    const { shape, stored } = layout
    const size = shape.reduce((a, b) => a * b, 1)
    const values = Float32Array.from({ length: size }, (_, i) => i + 1)
    const params = new Float32Array(stored + 3)
    pack(layout, values, params.subarray(3))
    const state = [{ name: 'w', shape, offset: 3, layout: layoutText(layout) }]
    const info = tinyInfo({ mode: 'train', state })
    assert.equal(readState(info, params).w.data, values)
  }
})

test('a trainable cnn has at most 45 KB over its weights and statistics', async () => {
  for (const batchSize of [1, 16]) {
    const model = await compile(cnn([1, 28, 28], 10), { input: [1, 28, 28], batchSize })
    const bytes = await exportWasm(model, { mode: 'train', batchSize })
    const over = bytes.length - netInfo(bytes).weightBytes
    assert.ok(over <= 45 * 1024, `batch ${batchSize}: ${over} bytes`)
  }
})

test('what fit did beside plain steps is refused by name, or the file is right', async () => {
  const input = [1, 4, 4] as const
  const model = await compile(mlp(input, 10), { input, batchSize: 4 })
  const random = numbers(3)
  const images = Float32Array.from({ length: 8 * 16 }, () => random())
  const data = fromArrays({ images, labels: [0, 1, 2, 3, 4, 5, 6, 7], shape: input, classes: 10 })
  // Momentum is no part of a file.
  const optimizer = sgd({ lr: 0.05, momentum: 0 })
  const refused = async (options: FitOptions, name: RegExp): Promise<void> => {
    await model.fit(data, { optimizer, ...options })
    const error = await exportWasm(model, { mode: 'train' }).catch((e: Error) => e)
    assert.instance(error, SpikewasmError)
    assert.match(
      (error as Error).message,
      /^exportWasm: a file that learns has an optimizer without/,
    )
    assert.match((error as Error).message, name)
  }
  await refused({ clipNorm: 0.5 }, /got clipNorm 0\.5; call fit/)
  await refused({ accumulate: 2 }, /got accumulate; call fit/)
  await refused({ clipNorm: 1, accumulate: 2, ema: 0.9 }, /got clipNorm 1, accumulate; call/)
  // One that does not learn has no such doubts.
  await exportWasm(model)
  // A file goes on from the parameters, with the bits of the model's own steps.
  await model.fit(data, { optimizer, ema: 0.9 })
  assert.not.equal(model.averages(), model.stateDict())
  await learnSame(model, numbers(7), 4)
})

test.run()
