import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fashionMnist, mnist } from '../../src/data/datasets/mnist.js'
import { parseIdx } from '../../src/data/datasets/mnist-files.js'
import { messageOf, withFolder } from '../files/temporary.js'

function idx(shape: readonly number[], data: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length)
  const view = new DataView(bytes.buffer)
  bytes.set([0, 0, 8, shape.length])
  for (const [i, size] of shape.entries()) view.setUint32(4 + 4 * i, size)
  bytes.set(data, 4 + 4 * shape.length)
  return bytes
}

/** A folder as MNIST comes, but small: 3 training images of 2×3 and 2 test images. */
async function writeMnist(
  folder: string,
  change: Record<string, Uint8Array | null> = {},
): Promise<void> {
  const files: Record<string, Uint8Array | null> = {
    'train-images-idx3-ubyte': idx(
      [3, 2, 3],
      Array.from({ length: 18 }, (_, i) => 10 * i),
    ),
    'train-labels-idx1-ubyte': idx([3], [9, 0, 4]),
    't10k-images-idx3-ubyte.gz': gzipSync(idx([2, 2, 3], new Uint8Array(12).fill(255))),
    't10k-labels-idx1-ubyte.gz': gzipSync(idx([2], [1, 2])),
    ...change,
  }
  for (const [name, bytes] of Object.entries(files))
    if (bytes) await writeFile(join(folder, name), bytes)
}

test('mnist: plain and packed files, normalised', () =>
  withFolder(async (folder) => {
    await writeMnist(folder)
    const { train, test } = await mnist(folder)
    assert.equal(
      [train.length, test.length, train.shape, train.classes, train.name],
      [3, 2, [1, 2, 3], 10, 'MNIST train'],
    )
    const out = new Float32Array(6)
    assert.is(train.read(1, out), 0)
    for (const [i, value] of out.entries())
      assert.ok(
        Math.abs(value - ((60 + 10 * i) / 255 - 0.1307) / 0.3081) < 1e-6,
        `pixel ${i}: ${value}`,
      )
    const fashion = await fashionMnist(folder)
    assert.is(fashion.test.read(1, out), 2)
    assert.ok(Math.abs(out[5] - (1 - 0.286) / 0.353) < 1e-6, `${out[5]}`)
    assert.is(fashion.train.classNames!.length, 10)
  }))

const images = 'train-images-idx3-ubyte'
const labels = 'train-labels-idx1-ubyte'
const rejected: [why: string, change: Record<string, Uint8Array | null>, message: RegExp][] = [
  [
    'a missing file',
    { [images]: null },
    /^MNIST train images \(plain or \.gz\) must be a readable file, got ".*train-images-idx3-ubyte": there is no such file/,
  ],
  [
    'an empty file',
    { [labels]: new Uint8Array(0) },
    /train-labels-idx1-ubyte: must start with 4 bytes .* truncated/,
  ],
  [
    'a header cut short',
    { [images]: idx([3, 2, 3], []).subarray(0, 15) },
    /header of 16 bytes, got a file of 15 bytes/,
  ],
  ['another magic', { [images]: new Uint8Array([1, 0, 8, 3]) }, /two bytes 0, got 1 0/],
  [
    'another type',
    { [images]: new Uint8Array([0, 0, 13, 3]) },
    /type must be 8 \(unsigned byte\), got 13/,
  ],
  [
    'images and labels mixed up',
    { [images]: idx([3], [1, 2, 3]) },
    /must have 3 dimensions, got 1/,
  ],
  [
    'truncated data',
    { [images]: idx([3, 2, 3], new Uint8Array(17)) },
    /3 × 2 × 3 = 18 bytes of data, got 17; it is truncated/,
  ],
  [
    'trailing bytes',
    { [images]: idx([3, 2, 3], new Uint8Array(19)) },
    /18 bytes of data, got 19; there is something behind/,
  ],
  [
    'sizes that overflow',
    { [images]: idx([4294967295, 4294967295, 4294967295], []) },
    /it is truncated/,
  ],
  ['no images', { [images]: idx([0, 2, 3], []) }, /at least one element/],
  [
    'too few labels',
    { [labels]: idx([2], [1, 2]) },
    /train-labels-idx1-ubyte: must have as many labels as there are images, 3, got 2/,
  ],
  [
    'a label out of range',
    { [labels]: idx([3], [1, 10, 2]) },
    /train-labels-idx1-ubyte: labels must be integers from 0 to 9, got 10 at index 1/,
  ],
  [
    'test images of another size',
    { [images]: idx([3, 3, 2], new Uint8Array(18)) },
    /as large as the training images, got 1×2×3 and 1×3×2/,
  ],
  [
    'damaged gzip',
    { 't10k-images-idx3-ubyte.gz': new Uint8Array([0x1f, 0x8b, 1, 2, 3]) },
    /t10k-images-idx3-ubyte\.gz: must be valid gzip/,
  ],
]
for (const [why, change, message] of rejected) {
  test(`mnist: rejects ${why}`, () =>
    withFolder(async (folder) => {
      await writeMnist(folder, change)
      assert.match(await messageOf(() => mnist(folder)), message)
    }))
}

test('mnist: rejects a folder that does not exist', async () => {
  assert.match(
    await messageOf(() => fashionMnist('/nowhere/at/all')),
    /^Fashion-MNIST folder must exist, got "\/nowhere\/at\/all"; give the folder/,
  )
})

test('idx: any bytes are read or rejected with the name of the file', () => {
  const check = (bytes: Uint8Array, rank: number): void => {
    try {
      const { shape, data } = parseIdx(bytes, rank, 'fuzz.idx')
      assert.is(
        shape.reduce((a, b) => a * b, 1),
        data.length,
      )
    } catch (error) {
      assert.ok(error instanceof Error && error.message.startsWith('fuzz.idx: '), String(error))
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 3 }), check))
  const valid = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(
      valid,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.nat(2),
      (shape, changes, cut) => {
        const bytes = idx(shape, new Uint8Array(shape.reduce((a, b) => a * b, 1)))
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        check(bytes.subarray(0, bytes.length - cut), shape.length)
      },
    ),
    { numRuns: 500 },
  )
})

test.run()
