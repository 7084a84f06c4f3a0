import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { digits, digitsNormalization } from '../../src/data/datasets/digits.js'

const pixels = new Uint8Array(64)

test('digits: 1,442 for training and 355 for testing, classes balanced', async () => {
  const { train, test } = await digits()
  assert.equal([train.length, test.length, train.classes, train.shape], [1442, 355, 10, [1, 8, 8]])
  const [trained, tested] = [train, test].map((part) => {
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < part.length; i++) counts[part.pixels!.read(i, pixels)]++
    return counts
  })
  const fifths = trained.map((count, digit) => Math.floor((count + tested[digit]) / 5))
  assert.equal(tested, fifths)
})

test('digits: mean and deviation in the source are those of the training part', async () => {
  const { train } = await digits()
  let [sum, squares] = [0, 0]
  for (let i = 0; i < train.length; i++) {
    train.pixels!.read(i, pixels)
    for (const value of pixels) {
      sum += value / 16
      squares += (value / 16) ** 2
    }
  }
  const count = train.length * 64
  const mean = sum / count
  const std = Math.sqrt(squares / count - mean * mean)
  const said = [digitsNormalization.mean[0], digitsNormalization.std[0]]
  assert.equal(
    said,
    [mean, std].map((value) => Number(value.toFixed(4))),
  )
})

test.run()
