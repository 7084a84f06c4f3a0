import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fashionMnist, mnist } from '../../src/data/datasets/mnist.js'
import { expectRefusals, withFolder } from '../files/temporary.js'

const idx = (shape: readonly number[], data: ArrayLike<number>): Uint8Array =>
  Uint8Array.of(0, 0, 8, shape.length, ...shape.flatMap((n) => [0, 0, 0, n]), ...Array.from(data))

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
for (const [why, change, message] of [
  ['a file is missing', { [images]: null }, `${images}": there is no such file`],
  ['gzip is damaged', { 't10k-images-idx3-ubyte.gz': Uint8Array.of(31, 139, 1) }, 'be valid gzip'],
] as const)
  test(`mnist is refused by the name of the file where ${why}`, () =>
    withFolder(async (folder) => {
      await writeMnist(folder, change)
      await expectRefusals([[() => mnist(folder), message]])
    }))

test.run()
