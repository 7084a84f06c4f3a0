import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays } from '../../src/data/arrays.js'
import { type AugmentOptions, augment } from '../../src/data/augment.js'
import { Batches } from '../../src/data/batches.js'
import { type BytesOptions, fromBytes } from '../../src/data/bytes.js'
import { type Dataset, subset } from '../../src/data/datasets/dataset.js'
import { openPlain } from '../../src/data/open.js'
import { plainOf } from '../../src/data/plain.js'
import { messageOf } from '../files/temporary.js'

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

test('data sets: say what does not fit', async () => {
  const base = {
    images: new Float32Array(8),
    labels: [0, 1],
    shape: [1, 2, 2] as const,
    classes: 2,
  }
  const reject = (change: object): Promise<string> =>
    messageOf(() => fromArrays({ ...base, ...change }))
  assert.is(
    await reject({ labels: [0, 2] }),
    'arrays: labels must be integers from 0 to 1, got 2 at index 1',
  )
  assert.is(
    await reject({ classes: undefined }),
    'arrays: classes must be given with labels: how many classes there are, as in classes: 10',
  )
  assert.match(await reject({ labels: [-1, 0] }), /got -1 at index 0/)
  assert.match(await reject({ labels: [0.5, 0] }), /got 0\.5 at index 0/)
  assert.match(await reject({ labels: [NaN, 0] }), /got NaN at index 0/)
  assert.match(
    await reject({ labels: [0] }),
    /images must have 1 labels × 1 × 2 × 2 = 4 values, got 8/,
  )
  const shapes = '[features], [channels, length] or [channels, height, width]'
  for (const shape of [[1, 0, 2], [], [1, 2, 3, 4], [1.5], 4, null, undefined])
    assert.is(
      await reject({ shape }),
      `arrays: shape must be ${shapes}, got ${JSON.stringify(shape)}`,
    )
  assert.match(await reject({ classes: 0 }), /classes must be/)
  assert.match(await reject({ classNames: ['a'] }), /classNames must have 2 names, got 1/)
  const out = new Float32Array(4)
  for (const index of [-1, 2, NaN])
    assert.match(
      await messageOf(() => fromArrays(base).read(index, out)),
      /index must be from 0 to 1/,
    )
  assert.match(
    await messageOf(() => fromArrays(base).read(0, new Float32Array(3))),
    /out must have room for 4 values, got 3/,
  )
  const bytes = { ...base, images: new Uint8Array(8) }
  assert.match(
    await messageOf(() =>
      fromBytes({ ...bytes, normalization: { scale: 255, mean: [0, 0], std: [1] } }),
    ),
    /one number for each of the 1 channels/,
  )
  assert.match(
    await messageOf(() =>
      fromBytes({ ...bytes, normalization: { scale: 255, mean: [0], std: [0] } }),
    ),
    /std must be > 0, got 0/,
  )
})

test('what is no data set, no option or no number is refused by name, never by a raw error', async () => {
  const base = { images: new Uint8Array(8), labels: [0, 1], shape: [2, 2, 1] as const, classes: 2 }
  const usual = { scale: 255, mean: [0.5, 0.5], std: [0.2, 0.2] }
  const bytes = (change: object = {}) =>
    fromBytes({ ...base, normalization: { ...usual, ...change } })
  const junk = [undefined, null, 3, 'digits', [], () => 0] as unknown as Dataset[]
  for (const none of junk)
    for (const [run, expected] of [
      [() => fromBytes(none as unknown as BytesOptions), /^fromBytes's options must be an object/],
      [() => subset(none, 1), /^subset: the data must be a data set/],
      [() => augment(none, {}), /^augment: dataset must be a data set/],
      [() => new Batches(none, { batchSize: 1 }), /^the data must be a data set/],
    ] as const)
      assert.match(await messageOf(run), expected)
  const augmented = (options: unknown) => () => augment(bytes(), options as AugmentOptions)
  for (const [run, expected] of [
    [augmented(null), /^augment's options must be an object/],
    [augmented({ cropp: 1 }), /^augment\.cropp is not an option/],
    [augmented({ flip: 'no' }), /^augment\.flip must be true or false, got "no"/],
    [() => subset(bytes(), Number.NaN), /^subset\.limit must be an integer ≥ 1, got NaN/],
    [() => bytes({ std: [0.2, -1] }), /^normalization\.std must be > 0, got -1 for channel 1/],
    [() => bytes({ std: [0.2, '1'] }), /^normalization\.std must be > 0, got "1" for channel 1/],
    [() => bytes({ std: [0.2, Infinity] }), /^normalization\.std must be > 0, got Infinity/],
    [() => bytes({ std: [1e-39, 1] }), /^normalization\.std of channel 0, 1e-39, is so small/],
    [() => bytes({ mean: [NaN, 0] }), /^normalization\.mean must be finite, got NaN for channel 0/],
    [() => bytes({ mean: 0.5 }), /^normalization\.mean must be an array of numbers, got 0\.5/],
    [() => bytes({ mean: [0.5] }), /one number for each of the 2 channels, got 1 and 2/],
    [() => bytes({ scale: 0 }), /^normalization\.scale must be > 0, got 0/],
    [
      () => fromBytes(base as unknown as BytesOptions),
      /^normalization's options must be an object/,
    ],
    [
      () => fromBytes({ ...base, normalization: usual, images: [1, 2] as unknown as Uint8Array }),
      /^bytes: images must be a Uint8Array, got \[1,2\]/,
    ],
  ] as const)
    assert.match(await messageOf(run), expected)
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
