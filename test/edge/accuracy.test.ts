/** Accuracy of an exported file on data sets: order of the numbers, bytes, frames, steps, signals. */
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Dataset, fromArrays, fromBytes } from '../../src/data/index.js'
import type { NetInfo } from '../../src/edge/abi.js'
import { byteOf, checkData, evaluateNet } from '../../src/edge/accuracy.js'
import { type Net, openNet } from '../../src/edge/net.js'
import { messageOf } from '../files/temporary.js'
import { tinyNet } from '../support/tiny-net.js'

/** Two channels of 1×2 pixels; class k looks at number k of [C][H][W] alone. */
const shape = [2, 1, 2] as const
const open = (info: Partial<NetInfo> = {}): Promise<Net> =>
  openNet(tinyNet({ info: { input: shape, classes: 4, ...info } }))

/** Sample i has its largest number at place i; the last label is wrong. */
const labels = [0, 1, 2, 2]
const oneHot = (value: number): number[] =>
  [0, 1, 2, 3].flatMap((n) => [0, 1, 2, 3].map((i) => (i === n ? value : 0)))
const floats = fromArrays({ images: Float32Array.from(oneHot(0.5)), labels, shape, classes: 4 })

/** The same as bytes, 0 … 16. */
const bytes = fromBytes({
  images: Uint8Array.from([0, 1, 2, 3].flatMap((n) => [0, 1, 2, 3].map((i) => (i === n ? 16 : 3)))),
  labels,
  shape,
  classes: 4,
  normalization: { scale: 16, mean: [0.5, 0.25], std: [0.5, 1] },
})

const expected = { accuracy: 0.75, correct: 3, count: 4 }

test('float32 and bytes: a sample goes into the input as the data have it, [C][H][W]', async () => {
  assert.equal(await evaluateNet(await open(), floats), expected)
  assert.equal(await evaluateNet(await open(), bytes), expected)
  assert.equal(await evaluateNet(await open({ mode: 'train', batchSize: 3 }), floats), expected)
})

test('limit counts the first samples', async () => {
  const net = await open()
  assert.equal(await evaluateNet(net, floats, { limit: 3 }), { accuracy: 1, correct: 3, count: 3 })
  assert.equal(await evaluateNet(net, floats, { limit: 99 }), expected)
})

test('bytes: those of the data set on a scale of 255, else numbers put back', async () => {
  const info = { inputType: 'u8', mean: [0.5, 0.25], std: [0.5, 1] } as const
  const net = await open(info)
  assert.equal(await evaluateNet(net, bytes), expected)
  // The last sample is still there.
  assert.equal([...net.input], [48, 48, 48, 255])
  const { pixels, ...numbers } = bytes
  assert.ok(pixels)
  net.input.fill(0)
  assert.equal(await evaluateNet(net, numbers), expected)
  assert.equal([...net.input], [48, 48, 48, 255])
  const far = fromArrays({ images: Float32Array.from(oneHot(9)), labels, shape, classes: 4 })
  await rejects(evaluateNet(net, far), /into bytes from 0 to 255, got 1275; .* by fromBytes/)
})

test('frames: the image in each; mode step: the image at each step, from rest', async () => {
  const frames = await open({ frames: true, timeSteps: 3 })
  assert.equal(await evaluateNet(frames, floats), expected)
  assert.equal(
    [...frames.input],
    [1, 2, 3].flatMap(() => [0, 0, 0, 0.5]),
  )
  const steps = await open({ mode: 'step', frames: true, timeSteps: 3 })
  assert.equal(await evaluateNet(steps, floats), expected)
  assert.equal([...steps.output], [0, 0, 0, 0.5])
})

test('data of frames: each step takes its own, a file of frames all of them', async () => {
  const images = Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => (i * 7) % 12)
  const data = fromArrays({ images, labels: [0, 0], shape, classes: 4, timeSteps: 3 })
  const means = [0, 1, 2, 3].map((k) => (images[12 + k] + images[16 + k] + images[20 + k]) / 3)
  for (const mode of ['step', 'infer'] as const) {
    const net = await open({ mode, frames: true, timeSteps: 3 })
    await evaluateNet(net, data)
    assert.equal([...net.output], [...Float32Array.from(means)], mode)
  }
  const takes = (what: string): RegExp =>
    new RegExp(`^the data arrays gives 3 frames a sample, the exported network takes ${what}; exp`)
  await rejects(
    open({ mode: 'infer' }).then((net) => evaluateNet(net, data)),
    takes('one image'),
  )
  for (const mode of ['step', 'infer'] as const)
    await rejects(
      open({ mode, frames: true, timeSteps: 4 }).then((net) => evaluateNet(net, data)),
      takes('4 frames'),
    )
  const step = await open({ mode: 'step', timeSteps: 3 })
  checkData(step, data, 'or steps')
  assert.throws(() => checkData(step, data), takes('one image'))
  // Bytes, at each step.
  const pixels = Uint8Array.from(images)
  const normalization = { scale: 255, mean: [0, 0], std: [1, 1] }
  const bytes = fromBytes({
    ...{ images: pixels.subarray(0, 8), labels: [0, 0], shape, classes: 4, normalization },
  })
  const u8 = await open({ mode: 'step', inputType: 'u8', timeSteps: 3 })
  await evaluateNet(u8, bytes)
  const last = [...pixels.subarray(4, 8)]
  assert.equal([...u8.output], [...Float32Array.from(last, (value) => Math.fround(value / 255))])
})

test('a byte that a number came from', () => {
  const byte = byteOf([0.5, 0.25], [0.5, 2])
  const plain = byteOf(undefined, undefined)
  assert.equal([byte(-1, 0, 'd'), byte(1, 0, 'd'), byte(0.1, 1, 'd')], [0, 255, 115])
  assert.equal([plain(0, 0, 'd'), plain(1, 1, 'd'), plain(1.0019, 1, 'd')], [0, 255, 255])
  const message = (got: number): RegExp =>
    new RegExp(`^the data d must be numbers .* into bytes from 0 to 255, got ${got}; give`)
  assert.throws(() => plain(1.003, 0, 'd'), message(256))
  assert.throws(() => plain(-0.003, 0, 'd'), message(-1))
})

/** Asserts that a promise rejects with such a message. */
async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  assert.match(await messageOf(() => promise), message)
}

test('data that do not match are refused', async () => {
  const net = await open()
  const one = (more: Partial<Dataset>): Dataset => ({ ...floats, ...more })
  const evaluate = evaluateNet as (...args: unknown[]) => Promise<unknown>
  await rejects(evaluate(), /the network must be what openNet gives, got undefined; open the file/)
  await rejects(
    evaluate(tinyNet(), floats),
    /the network must be what openNet gives, got Uint8Array; .* await openNet\(bytes\)/,
  )
  await rejects(evaluate(net), /the data must be a data set.*got undefined/)
  await rejects(evaluateNet(net, {} as Dataset), /the data must be a data set.*got \{\}/)
  await rejects(
    evaluateNet(net, one({ shape: [1, 2, 2] })),
    /arrays must have samples of \[2, 1, 2\], .*got \[1, 2, 2\]/,
  )
  await rejects(evaluateNet(net, one({ classes: 5 })), /must have 4 classes, .*got 5/)
  await rejects(evaluateNet(net, one({ length: 0 })), /must have samples, got none/)
  await rejects(evaluateNet(net, floats, { limit: 0 }), /evaluateNet\.limit must be an integer ≥ 1/)
  await rejects(evaluateNet(net, floats, { limits: 3 } as object), /limits is not an option/)
  const broken = {
    ...floats,
    read: (index: number, out: Float32Array) => {
      out.fill(Number.NaN)
      return labels[index]
    },
  }
  await rejects(evaluateNet(net, broken), /finite numbers, got NaN in sample 0/)
})

test('a signal ends it, and progress runs from 0 to 1', async () => {
  const net = await open()
  const shares: number[] = []
  await evaluateNet(net, floats, { onProgress: (done) => shares.push(done) })
  assert.equal([shares[0], shares.at(-1)], [0, 1])
  // A sample that takes its time: the share is told again.
  const told: number[] = []
  const slow: Dataset = {
    ...floats,
    prepare: async ([index]) => {
      if (index === 2) await setTimeout(150)
    },
  }
  await evaluateNet(net, slow, { limit: 4, onProgress: (done) => told.push(done) })
  assert.equal(told.slice(0, 2), [0, 0.75])
  const reason = new Error('enough')
  await rejects(evaluateNet(net, floats, { signal: AbortSignal.abort(reason) }), /enough/)
})

test.run()
