import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays } from '../../src/data/arrays.js'
import { Batches } from '../../src/data/batches.js'
import type { Dataset } from '../../src/data/datasets/dataset.js'

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

test.run()
