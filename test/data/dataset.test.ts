import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays } from '../../src/data/arrays.js'
import { augment } from '../../src/data/augment.js'
import { Batches } from '../../src/data/batches.js'
import { fromBytes } from '../../src/data/bytes.js'
import { type Dataset, subset } from '../../src/data/datasets/dataset.js'
import { openPlain } from '../../src/data/open.js'
import { plainOf } from '../../src/data/plain.js'
import { expectRefusals, messageOf } from '../files/temporary.js'

const sizes = fc.record({
  n: fc.integer({ min: 1, max: 5 }),
  c: fc.integer({ min: 1, max: 4 }),
  h: fc.integer({ min: 1, max: 5 }),
  w: fc.integer({ min: 1, max: 5 }),
})

test('fromArrays: samples are read as they were given, [C][H][W], from a copy', () => {
  fc.assert(
    fc.property(sizes, ({ n, c, h, w }) => {
      const images = Float32Array.from({ length: n * c * h * w }, (_, i) => i)
      const labels = Array.from({ length: n }, (_, i) => i % 3)
      const dataset = fromArrays({ images, labels, shape: [c, h, w], classes: 3 })
      const copy = images.slice()
      images.fill(-1)
      const out = new Float32Array(c * h * w)
      for (let i = 0; i < n; i++) {
        assert.is(dataset.read(i, out), labels[i])
        assert.equal(out, copy.slice(i * out.length, (i + 1) * out.length))
      }
    }),
  )
})

test('fromBytes: values are (byte / scale − mean) / std of their channel, and the bytes stay within reach', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 255 }), ({ n, c, h, w }, start) => {
      const images = Uint8Array.from({ length: n * c * h * w }, (_, i) => start + 37 * i)
      const mean = Array.from({ length: c }, (_, k) => 0.1 * (k + 1))
      const std = Array.from({ length: c }, (_, k) => 0.2 + k)
      const normalization = { scale: 16, mean, std }
      const dataset = fromBytes({
        images,
        labels: new Uint8Array(n).fill(1),
        shape: [c, h, w],
        classes: 2,
        normalization,
      })
      const size = c * h * w
      const out = new Float32Array(size)
      const bytes = new Uint8Array(size)
      for (let i = 0; i < n; i++) {
        assert.is(dataset.read(i, out), 1)
        assert.is(dataset.pixels!.read(i, bytes), 1)
        for (let j = 0; j < size; j++) {
          assert.is(bytes[j], images[i * size + j])
          const k = Math.floor(j / (h * w))
          assert.is(out[j], Math.fround((bytes[j] / 16 - mean[k]) / std[k]))
        }
      }
    }),
  )
})

const four = (): ReturnType<typeof fromBytes> =>
  fromBytes({
    name: 'four',
    images: new Uint8Array([10, 20, 30, 40]),
    labels: [0, 1, 1, 0],
    shape: [1, 1, 1],
    classes: 2,
    classNames: ['a', 'b'],
    normalization: { scale: 10, mean: [0], std: [1] },
  })

test('subset: the first samples, and no other', async () => {
  const part = subset(four(), 3)
  const out = new Float32Array(1)
  assert.equal(
    [part.length, part.classes, part.classNames, part.shape],
    [3, 2, ['a', 'b'], [1, 1, 1]],
  )
  assert.equal([part.read(2, out), out[0]], [1, 3])
  const byte = new Uint8Array(1)
  assert.equal([part.pixels!.read(2, byte), byte[0]], [1, 30])
  assert.is(await messageOf(() => part.read(3, out)), 'four: index must be from 0 to 2, got 3')
  assert.is(
    await messageOf(() => part.pixels!.read(3, byte)),
    'four: index must be from 0 to 2, got 3',
  )
  assert.is(subset(four(), 9).length, 4)
  assert.is(await messageOf(() => subset(four(), 0)), 'subset.limit must be an integer ≥ 1, got 0')
})

test('what does not fit is refused by its name: memory.json has the rest', async () => {
  const base = { images: new Uint8Array(8), labels: [0, 1], shape: [2, 2, 1] as const, classes: 2 }
  const usual = { scale: 255, mean: [0.5, 0.5], std: [0.2, 0.2] }
  const bytes = (change: object) => () =>
    fromBytes({ ...base, normalization: { ...usual, ...change } })
  const arrays = (change: object) => () =>
    fromArrays({ ...base, images: new Float32Array(8), ...change })
  const none = undefined as unknown as Dataset
  await expectRefusals([
    [arrays({ labels: [0, 2] }), 'arrays: labels must be integers from 0 to 1, got 2 at index 1'],
    [arrays({ labels: [0] }), 'images must have 1 labels × 2 × 2 × 1 = 4 values, got 8'],
    [arrays({ classes: undefined }), 'arrays: classes must be given with labels'],
    [arrays({ shape: [1, 2, 3, 4] }), 'or [channels, height, width], got [1,2,3,4]'],
    [arrays({ targets: Float64Array.of(0, 1e300) }), 'got 1e+300, which overflows at index 1'],
    [bytes({ std: [0.2, -1] }), 'normalization.std must be > 0, got -1 for channel 1'],
    [bytes({ mean: [0.5] }), 'one number for each of the 2 channels, got 1 and 2'],
    [() => subset(none, 1), 'subset: the data must be a data set'],
    [() => new Batches(none, { batchSize: 1 }), 'the data must be a data set'],
    [() => augment(none, {}), 'augment: dataset must be a data set'],
  ])
})

test('a normalisation is copied: changing it later changes nothing', () => {
  const normalization = { scale: 1, mean: [0], std: [1] }
  const images = Uint8Array.of(4, 5)
  const given = { images, labels: [0, 0], shape: [1] as const, classes: 1, normalization }
  const data = fromBytes(given)
  normalization.std[0] = 100
  normalization.scale = 100
  const out = new Float32Array(1)
  for (const one of [data, openPlain(plainOf(data)!), augment(data, {})]) {
    one.read(1, out)
    assert.is(out[0], 5)
  }
  assert.equal(data.pixels?.normalization, { scale: 1, mean: [0], std: [1] })
})

test.run()
