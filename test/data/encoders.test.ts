import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
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

const readOf = (data: Dataset, index = 0): number[][] => {
  const size = data.shape.reduce((a, b) => a * b, 1)
  const out = new Float32Array(size * (data.timeSteps ?? 1)).fill(9)
  data.read(index, out)
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

test('rate: spikes come with probability x', () => {
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

test.run()
