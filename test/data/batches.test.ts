import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays } from '../../src/data/arrays.js'
import { Batches, type BatchesOptions } from '../../src/data/batches.js'
import type { Dataset, ReadContext } from '../../src/data/datasets/dataset.js'
import { messageOf } from '../files/temporary.js'

/**
 * Images of two pixels, index + 1 and −(index + 1), so that what lies in a batch tells where it
 * came from.
 */
function makeDataset(n: number): Dataset {
  const images = Float32Array.from(
    { length: 2 * n },
    (_, i) => (i % 2 ? -1 : 1) * (Math.floor(i / 2) + 1),
  )
  return fromArrays({
    images,
    labels: Array.from({ length: n }, (_, i) => i % 7),
    shape: [1, 1, 2],
    classes: 7,
  })
}

/** Indices of one batch, after a check that images, labels and padding are right. */
function indices(batches: Batches, batch: number): number[] {
  const images = new Float32Array(2 * batches.batchSize + 3).fill(99)
  const labels = new Int32Array(batches.batchSize + 1).fill(99)
  const count = batches.fill(batch, images, labels)
  const out: number[] = []
  for (let i = 0; i < batches.batchSize; i++) {
    if (i < count) out.push(images[2 * i] - 1)
    assert.is(images[2 * i + 1], i < count ? -(out[i] + 1) : 0)
    assert.is(labels[i], i < count ? out[i] % 7 : 0)
  }
  assert.equal([...images.subarray(2 * batches.batchSize)], [99, 99, 99])
  assert.is(labels[batches.batchSize], 99)
  return out
}

const all = (batches: Batches): number[] =>
  Array.from({ length: batches.length }, (_, i) => indices(batches, i)).flat()

test('batches: each sample once, in order or shuffled; the last batch may be short or left out', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(2 ** 32 - 1),
      fc.nat(50),
      (n, batchSize, seed, epoch) => {
        const dataset = makeDataset(n)
        const order = Array.from({ length: n }, (_, i) => i)
        const plain = new Batches(dataset, { batchSize })
        assert.is(plain.length, Math.ceil(n / batchSize))
        plain.startEpoch(epoch)
        assert.equal(all(plain), order)
        const shuffled = new Batches(dataset, { batchSize, training: true, seed })
        shuffled.startEpoch(epoch)
        const once = all(shuffled)
        assert.equal(
          [...once].sort((a, b) => a - b),
          order,
        )
        shuffled.startEpoch(epoch + 1)
        if (n > 20) assert.not.equal(all(shuffled), once)
        shuffled.startEpoch(epoch)
        assert.equal(
          indices(shuffled, shuffled.length - 1),
          once.slice((shuffled.length - 1) * batchSize),
        )
        if (n < batchSize) return
        const dropping = new Batches(dataset, { batchSize, training: true, seed, dropLast: true })
        dropping.startEpoch(epoch)
        assert.equal(all(dropping), once.slice(0, Math.floor(n / batchSize) * batchSize))
      },
    ),
  )
})

test('batches: the data set is given seed and epoch in training alone', () => {
  const contexts: (ReadContext | undefined)[] = []
  const base = makeDataset(1)
  const dataset: Dataset = {
    ...base,
    read(index, out, context) {
      contexts.push(context)
      return base.read(index, out)
    },
  }
  const training = new Batches(dataset, { batchSize: 1, training: true, seed: 9 })
  indices(training, 0)
  training.startEpoch(4)
  indices(training, 0)
  indices(new Batches(dataset, { batchSize: 1, seed: 9 }), 0)
  assert.equal(contexts, [{ seed: 9, epoch: 0 }, { seed: 9, epoch: 4 }, undefined])
})

test('batches: a label that is not one of the classes is refused with data set, index and label', async () => {
  const base = makeDataset(5)
  const [images, labels] = [new Float32Array(4), new Int32Array(2)]
  for (const label of [7, -1, 2.5, 1e8, Number.NaN, undefined]) {
    const dataset = {
      ...base,
      name: 'own',
      read: (index: number, out: Float32Array) =>
        (index === 3 ? label : base.read(index, out)) as number,
    }
    const batches = new Batches(dataset, { batchSize: 2 })
    assert.is(batches.fill(0, images, labels), 2)
    assert.is(
      await messageOf(() => batches.fill(1, images, labels)),
      `the data own: labels must be integers from 0 to 6, got ${label} at index 3`,
    )
  }
  const endless = { ...base, classes: Number.NaN }
  assert.match(
    await messageOf(() => new Batches(endless, { batchSize: 2 })),
    /^the data arrays: classes must be an integer from 1 to 65536, got NaN/,
  )
})

test('batches: options that are unknown or of another type', async () => {
  for (const [options, expected] of [
    [
      { batchsize: 2 },
      'batches.batchsize is not an option; known are batchSize, training, seed, dropLast',
    ],
    [{ batchSize: 2, training: 1 }, 'batches.training must be true or false, got 1'],
    [{ batchSize: 2, dropLast: 'no' }, 'batches.dropLast must be true or false, got "no"'],
    [
      3,
      "batches's options must be an object with any of batchSize, training, seed, dropLast, got 3",
    ],
  ] as const)
    assert.is(
      await messageOf(() => new Batches(makeDataset(5), options as unknown as BatchesOptions)),
      expected,
    )
})

test('batches: say what does not fit', async () => {
  const dataset = makeDataset(5)
  assert.is(
    await messageOf(() => new Batches(dataset, { batchSize: 0 })),
    'batches.batchSize must be an integer ≥ 1, got 0',
  )
  assert.match(
    await messageOf(() => new Batches(dataset, { batchSize: 1, seed: -1 })),
    /batches\.seed must be an integer from 0 to 4294967295, got -1/,
  )
  assert.match(
    await messageOf(() => new Batches(dataset, { batchSize: 6, dropLast: true })),
    /got 6 for the 5 samples .* dropLast to false/,
  )
  const batches = new Batches(dataset, { batchSize: 2 })
  const [images, labels] = [new Float32Array(4), new Int32Array(2)]
  assert.match(
    await messageOf(() => batches.fill(3, images, labels)),
    /batchIndex must be an integer from 0 to 2, got 3/,
  )
  assert.match(
    await messageOf(() => batches.fill(0, images.subarray(1), labels)),
    /room for 4 values and 2 labels, got 3 and 2/,
  )
  assert.match(await messageOf(() => batches.fill(0, images, labels.subarray(1))), /got 4 and 1/)
  assert.match(
    await messageOf(() => batches.startEpoch(-1)),
    /epoch must be an integer ≥ 0, got -1/,
  )
})

test.run()
