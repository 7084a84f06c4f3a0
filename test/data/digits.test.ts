import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Dataset } from '../../src/data/datasets/dataset.js'
import { digits, digitsNormalization } from '../../src/data/datasets/digits.js'

function countLabels({ length, pixels, classes }: Dataset): number[] {
  const counts = new Array<number>(classes).fill(0)
  const out = new Uint8Array(64)
  for (let i = 0; i < length; i++) counts[pixels!.read(i, out)]++
  return counts
}

test('digits: 1,442 for training and 355 for testing, classes balanced', async () => {
  const { train, test } = await digits()
  assert.equal([train.length, test.length, train.classes, train.shape], [1442, 355, 10, [1, 8, 8]])
  const trainCounts = countLabels(train)
  const testCounts = countLabels(test)
  for (let digit = 0; digit < 10; digit++) {
    assert.is(
      testCounts[digit],
      Math.floor((trainCounts[digit] + testCounts[digit]) / 5),
      `digit ${digit}`,
    )
  }
})

test('digits: the first image is the zero that opens the file', async () => {
  const pixels = new Uint8Array(64)
  const { train } = await digits()
  assert.is(train.pixels!.read(0, pixels), 0)
  assert.equal([...pixels.subarray(0, 16)], [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0])
})

test('digits: mean and deviation in the source are those of the training part', async () => {
  const { train } = await digits()
  const pixels = new Uint8Array(64)
  let sum = 0
  let squares = 0
  for (let i = 0; i < train.length; i++) {
    train.pixels!.read(i, pixels)
    for (const value of pixels) {
      sum += value / 16
      squares += (value / 16) ** 2
    }
  }
  const count = train.length * 64
  const mean = sum / count
  assert.is(digitsNormalization.mean[0].toFixed(4), mean.toFixed(4))
  assert.is(
    digitsNormalization.std[0].toFixed(4),
    Math.sqrt(squares / count - mean * mean).toFixed(4),
  )
  const out = new Float32Array(64)
  train.read(0, out)
  assert.is(
    out[2],
    Math.fround((5 / 16 - digitsNormalization.mean[0]) / digitsNormalization.std[0]),
  )
})

test.run()
