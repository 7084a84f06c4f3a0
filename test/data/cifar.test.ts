import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createTar } from 'nanotar'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cifar10, cifar100 } from '../../src/data/datasets/cifar.js'
import type { Dataset } from '../../src/data/datasets/dataset.js'
import { cifarNames } from '../../src/data/events/sets.js'
import { expectRefusals, withFolder } from '../files/temporary.js'
import { writeFiles } from '../support/data-folders.js'

const value = (label: number, c: number, y: number, x: number): number =>
  (7 * label + 100 * c + 3 * y + x) % 256

/** Records whose pixels tell where they belong. */
function records(labels: readonly number[], labelBytes: 1 | 2): Uint8Array {
  const bytes: number[] = []
  for (const label of labels) {
    if (labelBytes === 2) bytes.push(label % 20)
    bytes.push(label)
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++) bytes.push(value(label, c, y, x))
  }
  return Uint8Array.from(bytes)
}

const files10: Record<string, Uint8Array> = {
  'data_batch_2.bin': records([3], 1),
  'data_batch_1.bin': records([9, 0], 1),
  'test_batch.bin': records([5], 1),
  'batches.meta.txt': Buffer.from(`${cifarNames.join('\n')}\n\n`),
  'readme.html': new Uint8Array([1]),
}

function tar(folder: string, files: Record<string, Uint8Array>): Uint8Array {
  return createTar([
    { name: `${folder}/` },
    ...Object.entries(files).map(([name, data]) => ({ name: `${folder}/${name}`, data })),
  ])
}

function checkImages(dataset: Dataset, labels: readonly number[]): void {
  assert.equal([dataset.length, dataset.shape], [labels.length, [3, 32, 32]])
  const pixels = new Uint8Array(3072)
  for (const [i, label] of labels.entries()) {
    assert.is(dataset.pixels!.read(i, pixels), label)
    for (let y = 0; y < 32; y++)
      for (let x = 0; x < 32; x++)
        for (let c = 0; c < 3; c++)
          assert.is(
            pixels[(c * 32 + y) * 32 + x],
            value(label, c, y, x),
            `image ${i} at ${y}, ${x}, ${c}`,
          )
  }
}

test('cifar10: folder, folder above, archive beside, archive packed and unpacked', () =>
  withFolder(async (folder) => {
    writeFiles(join(folder, 'a', 'cifar-10-batches-bin'), files10)
    writeFiles(folder, {
      'b/cifar-10-binary.tar.gz': gzipSync(tar('cifar-10-batches-bin', files10)),
      'c.tar': tar('./cifar-10-batches-bin', files10),
    })
    const places = ['a', 'a/cifar-10-batches-bin', 'b', 'b/cifar-10-binary.tar.gz', 'c.tar']
    for (const place of places) {
      const { train, test } = await cifar10(join(folder, place))
      // Batch 1 comes before batch 2 in whatever order they are stored.
      checkImages(train, [9, 0, 3])
      checkImages(test, [5])
      assert.is(train.classNames![9], 'truck', place)
    }
  }))

test('cifar10: normalised per channel', () =>
  withFolder(async (folder) => {
    writeFiles(folder, files10)
    const out = new Float32Array(3072)
    const { test } = await cifar10(folder)
    assert.is(test.read(0, out), 5)
    const [mean, std] = [
      [0.4914, 0.4822, 0.4465],
      [0.2023, 0.1994, 0.201],
    ]
    const expected = mean.map((m, c) => Math.fround((value(5, c, 0, 1) / 255 - m) / std[c]))
    assert.equal([out[1], out[1025], out[2049]], expected)
  }))

test('cifar100: the fine label counts, names are optional', () =>
  withFolder(async (folder) => {
    writeFiles(folder, { 'train.bin': records([99, 21], 2), 'test.bin': records([0], 2) })
    const { train, test } = await cifar100(folder)
    checkImages(train, [99, 21])
    checkImages(test, [0])
    assert.equal([train.classes, train.classNames], [100, undefined])
  }))

test('cifar: what is missing or damaged is refused by the name of the file', () =>
  withFolder(async (folder) => {
    const at = (name: string): string => join(folder, name)
    writeFiles(folder, {
      'half/test_batch.bin': records([1], 1),
      'x.tar.gz': gzipSync(tar('a', files10)).subarray(0, 200),
      'x.zip': 'PK and so on, long enough for a header'.padEnd(1024),
      empty: '',
    })
    await expectRefusals([
      [() => cifar10(at('empty')), 'must hold test_batch.bin and at least one of data_batch_1.bin'],
      [() => cifar10(at('half')), 'got test_batch.bin'],
      [() => cifar10(at('no')), 'no", which does not exist; download'],
      [() => cifar10(at('x.tar.gz')), 'x.tar.gz: must be valid gzip'],
      [() => cifar10(at('x.zip')), 'x.zip: must be a tar archive'],
    ])
  }))

test.run()
