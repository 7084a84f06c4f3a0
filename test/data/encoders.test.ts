import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { openPlain } from '../../src/data/open.js'
import { plainOf } from '../../src/data/plain.js'
import {
  compile,
  conv2d,
  type Dataset,
  encoders,
  flatten,
  fromArrays,
  fromBytes,
  lif,
  linear,
  sequential,
} from '../../src/index.js'

const path = new URL('../../../test/fixtures/events/encoders.json', import.meta.url)
const expected = JSON.parse(readFileSync(path, 'utf8')) as {
  levels: number[]
  series: number[][]
  cases: [keyof typeof encoders, object, number[][]][]
}
const normalization = { scale: 255, mean: [0.1], std: [0.3] }
const levels = fromBytes({
  images: Uint8Array.from(expected.levels),
  labels: [0],
  shape: [1, 4, 4],
  classes: 2,
  normalization,
})
const { series } = expected
const steps = fromArrays({
  inputs: Float32Array.from(series.flat()),
  labels: [1],
  shape: [4],
  timeSteps: series.length,
  classes: 2,
})

const readOf = (data: Dataset, index = 0, epoch?: number): number[][] => {
  const size = data.shape.reduce((a, b) => a * b, 1)
  const out = new Float32Array(size * (data.timeSteps ?? 1)).fill(9)
  data.read(index, out, epoch === undefined ? undefined : { seed: 3, epoch })
  return Array.from({ length: data.timeSteps ?? 1 }, (_, t) => [
    ...out.subarray(t * size, (t + 1) * size),
  ])
}

test('spikes are those of SpikingJelly and snnTorch', () => {
  for (const [name, options, spikes] of expected.cases) {
    const encode = encoders[name] as (data: Dataset, options: object) => Dataset
    const data = encode(name === 'delta' ? steps : levels, options)
    assert.equal(readOf(data), spikes, `${name} ${JSON.stringify(options)}`)
    assert.is(data.classes, 2)
  }
})

test('a series [C, L] becomes L steps of C numbers for delta', () => {
  const inputs = Float32Array.from({ length: 20 }, (_, i) => series[i % 5][Math.floor(i / 5)])
  const data = fromArrays({ inputs, labels: [1], shape: [4, 5], classes: 2 })
  assert.equal(readOf(encoders.delta(data)), readOf(encoders.delta(steps)))
  assert.equal(encoders.delta(data).shape, [4])
})

test('rate: spikes come with probability x, and follow from seed, epoch and index', () => {
  const images = new Uint8Array(64 * 16).map((_, i) => expected.levels[i % 16])
  const labels = new Uint8Array(64)
  const data = fromBytes({ images, labels, shape: [1, 4, 4], classes: 2, normalization })
  const T = 50
  const spikes = encoders.rate(data, { timeSteps: T })
  const sums = new Float64Array(16)
  for (let n = 0; n < 64; n++)
    for (const step of readOf(spikes, n)) for (const [i, spike] of step.entries()) sums[i] += spike
  for (const [i, level] of expected.levels.entries()) {
    const p = level / 255
    const deviation = Math.sqrt((p * (1 - p)) / (T * 64))
    assert.ok(Math.abs(sums[i] / (T * 64) - p) <= 5 * deviation + 1e-9, `${level}: ${sums[i]}`)
  }
  assert.equal(readOf(encoders.poisson(data, { timeSteps: T }), 5), readOf(spikes, 5))
  const again = openPlain(plainOf(spikes)!)
  assert.equal(readOf(again, 5, 1), readOf(spikes, 5, 1))
  assert.equal(readOf(again, 5), readOf(spikes, 5))
  for (const [a, b] of [
    [readOf(spikes, 5, 1), readOf(spikes, 5, 2)],
    [readOf(spikes, 5), readOf(spikes, 5, 0)],
    [readOf(spikes, 5), readOf(spikes, 6)],
    [readOf(spikes, 5), readOf(encoders.rate(data, { timeSteps: T, seed: 1 }), 5)],
  ])
    assert.not.equal(a, b)
  const late = readOf(encoders.rate(data, { timeSteps: 4, gain: 0, offset: 1, firstSpikeTime: 2 }))
  assert.equal(
    late.map((step) => step[0]),
    [0, 0, 1, 1],
  )
})

test('latency rc: a time behind the last step is no spike, unless times are stretched', () => {
  const inputs = Float32Array.of(0, 0.005, 0.5)
  const still = fromArrays({ inputs, labels: [0], shape: [3], classes: 1 })
  // ln(10⁷ · 0.01) = 11.5
  for (const [options, below] of [
    [{ timeSteps: 12 }, undefined],
    [{ timeSteps: 13 }, 12],
    [{ timeSteps: 23, tau: 2 }, undefined],
    [{ timeSteps: 4, normalize: true }, 3],
    [{ timeSteps: 13, clip: true }, undefined],
  ] as const) {
    const steps = readOf(encoders.latency(still, { function: 'rc', ...options }))
    const times = [0, 1, 2].map((i) => steps.findIndex((step) => step[i] === 1))
    assert.equal(times, [below ?? -1, below ?? -1, 0], JSON.stringify(options))
  }
})

test('rate: the spikes of a picture in colours are drawn pixel by pixel, as they always were', () => {
  const images = Uint8Array.from({ length: 3 * 8 }, (_, i) => (i * 37) % 256)
  const shape = [3, 2, 4] as const
  const own = { scale: 255, mean: [0, 0, 0], std: [1, 1, 1] }
  const data = fromBytes({ images, labels: [0], shape, classes: 1, normalization: own })
  const random = new RandomStream(Purpose.Encode)
  random.start(7, 0, 0)
  const drawn = [0, 1].map(() => {
    const spikes = new Array<number>(24)
    for (let p = 0; p < 8; p++)
      for (let c = 0; c < 3; c++)
        spikes[c * 8 + p] = random.uniform() < images[c * 8 + p] / 255 ? 1 : 0
    return spikes
  })
  assert.equal(readOf(encoders.rate(data, { timeSteps: 2, seed: 7 })), drawn)
})

test('constant frames train like the input itself', async () => {
  const images = Uint8Array.from({ length: 12 * 16 }, (_, i) => (i * 37) % 256)
  const labels = Array.from({ length: 12 }, (_, i) => i % 2)
  const still = fromBytes({ images, labels, shape: [1, 4, 4], classes: 2, normalization })
  const frames = encoders.constant(still, { timeSteps: 3 })
  const losses = []
  for (const data of [still, frames]) {
    const network = sequential(conv2d(1, 4, 3, { padding: 1 }), lif(), flatten(), linear(64, 2))
    const own = { timeSteps: 3, frames: data === frames }
    const model = await compile(network, { input: [1, 4, 4], batchSize: 6, seed: 1, ...own })
    const { epochs } = await model.fit(data, { epochs: 2 })
    losses.push(epochs.at(-1)!.trainLoss)
    await model.dispose()
  }
  assert.ok(Math.abs(losses[0] - losses[1]) < 1e-4, losses.join(' '))
})

test('wrong options and data are refused by name', () => {
  const call =
    (name: keyof typeof encoders, options: unknown, data: unknown = levels) =>
    () => {
      const made = (encoders[name] as (data: Dataset, options: object) => Dataset)(
        data as Dataset,
        options as object,
      )
      readOf(made)
    }
  const normal = fromArrays({
    inputs: new Float32Array(4).fill(2),
    labels: [0],
    shape: [4],
    classes: 1,
  })
  for (const [run, message] of [
    [call('rate', {}), /encoders\.rate\.timeSteps must be an integer from 1 to 4096/],
    [call('rate', { timeSteps: 0 }), /timeSteps/],
    [call('rate', null), /must be an object/],
    [call('rate', { timeSteps: 4, seed: -1 }), /encoders\.rate\.seed/],
    [call('rate', { timeSteps: 4, gain: '2' }), /gain must be a finite number, got "2"/],
    [
      call('rate', { timeSteps: 4, firstSpikeTime: 4 }),
      /firstSpikeTime must be an integer from 0 to 3/,
    ],
    [call('rate', { timeSteps: 4 }, normal), /must be from 0 to 1, got 2 in sample 0/],
    [call('rate', { timeSteps: 4 }, steps), /still inputs, got frames/],
    [call('latency', { timeSteps: 4, function: 'exp' }), /function must be one of linear, log, rc/],
    [call('latency', { timeSteps: 4, tau: 2 }), /tau belongs to function: 'rc'/],
    [call('latency', { timeSteps: 4, function: 'rc', threshold: 1 }), /below 1/],
    [call('phase', { timeSteps: 4, phases: 25 }), /phases must be an integer from 1 to 24/],
    [call('delta', {}), /must be frames or series \[C, L\]/],
    [call('delta', { threshold: Number.NaN }, steps), /threshold must be ≥ 0/],
    [call('constant', { timeSteps: 2, seed: 1 }), /seed is not an option/],
    [call('constant', { timeSteps: 2 }, null), /must be a data set/],
    [call('constant', { timeSteps: 2 }, { ...levels, shape: undefined }), /shape must be given/],
  ] as const)
    assert.throws(run, message)
})

test.run()
