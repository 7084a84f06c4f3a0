/** Numbers that a network is to give, on their way from a data set into batches. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plainOf } from '../../src/data/plain.js'
import { makeRing, Ring } from '../../src/data/ring.js'
import { makeBatches } from '../../src/data/thread-worker.js'
import { Batches, type Dataset, fromArrays } from '../../src/index.js'

/** Sample n is (n, −n), its targets are 10 n, 10 n + 1 and 10 n + 2. */
const data = (count: number): Dataset =>
  fromArrays({
    inputs: Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? -1 : 1) * (i >> 1)),
    targets: Float32Array.from({ length: 3 * count }, (_, i) => 10 * Math.floor(i / 3) + (i % 3)),
    shape: [2],
  })

/** Samples of a batch; fails unless each has its own targets, and places behind them have 0. */
function indices(images: Float32Array, targets: Float32Array, count: number): number[] {
  const found = Array.from({ length: count }, (_, i) => images[2 * i])
  const expected = found.flatMap((n) => [10 * n, 10 * n + 1, 10 * n + 2])
  const padding = new Array(targets.length - expected.length).fill(0)
  assert.equal([...targets], [...expected, ...padding])
  return found
}

for (const training of [false, true])
  test(`training=${training}: batches hold the targets of their samples, as a thread’s do`, async () => {
    const options = { batchSize: 4, training, seed: 3 }
    const batches = new Batches(data(10), options)
    const [images, labels] = [new Float32Array(8), new Int32Array(4).fill(9)]
    const targets = new Float32Array(12).fill(9)
    const seen: number[] = []
    for (let batch = 0; batch < 3; batch++) {
      seen.push(...indices(images, targets, batches.fill(batch, images, labels, targets)))
      assert.equal([...labels], [0, 0, 0, 0])
    }
    const sorted = seen.toSorted((a, b) => a - b)
    assert.equal(sorted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.is(String(seen) === String(sorted), !training)

    // What the thread runs, for one batch, so that it waits for nobody.
    const ring = new Ring(makeRing(4, 2, 3))
    const described = { name: 'own', length: 4, shape: [2] as const, classes: 0 }
    const task = { plain: plainOf(data(4))!, described, options, epochs: 1 }
    const told: number[] = []
    await makeBatches({ ...task, ring: ring.memory }, { say: (batch) => void told.push(batch) })
    assert.equal(told, [])
    const short = new Batches(data(4), options)
    short.fill(0, images, labels, targets)
    assert.is(ring.want(0), 'ready')
    const there = ring.slot(0)
    assert.equal([there.images, there.targets], [images, targets])
  })

test('a copy with targets of its own is another data set: no thread reads it', () => {
  const own = { ...data(4), targets: { size: 1, read: (_: number, out: Float32Array) => out } }
  assert.is(plainOf(own as unknown as Dataset), undefined)
  assert.is(plainOf({ ...data(4), targets: undefined }), undefined)
})

test('numbers given to fromArrays are copied: changing them later changes nothing', () => {
  const [inputs, targets] = [Float32Array.of(1, 2), Float32Array.of(3, 4)]
  const shape = [1] as [number]
  const labels = [0, 1]
  const classNames = ['a', 'b']
  const options = { inputs, targets, labels, shape, classes: 2, classNames }
  const made = fromArrays(options)
  inputs.fill(9)
  targets.fill(9)
  labels.fill(9)
  classNames.fill('c')
  shape[0] = 9
  const [image, target] = [new Float32Array(1), new Float32Array(1)]
  assert.is(made.read(1, image), 1)
  made.targets?.read(1, target)
  assert.equal([image[0], target[0]], [2, 4])
  assert.equal([made.shape, made.classNames], [[1], ['a', 'b']])
})

test.run()
