/** What tells the data of a run from others. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromArrays, fromBytes } from '../../src/index.js'
import { fingerprint } from '../../src/train/fingerprint.js'

const length = 50
const inputs = (): Float32Array => Float32Array.from({ length: 2 * length }, (_, i) => Math.sin(i))
const labels = (): number[] => Array.from({ length }, (_, i) => i % 3)
const shape = [2] as const

test('data sets of this package: each number and each label counts', () => {
  const of = (x: Float32Array, y: number[]): string =>
    fingerprint(fromArrays({ inputs: x, labels: y, shape, classes: 3 }))
  const usual = of(inputs(), labels())
  assert.match(usual, /^[0-9a-f]{16}$/)
  assert.is(of(inputs(), labels()), usual)
  const seen = new Set([usual])
  for (let i = 0; i < length; i++) {
    const [x, y] = [inputs(), labels()]
    x[2 * i + 1] = -x[2 * i + 1]
    y[i] = (y[i] + 1) % 3
    seen.add(of(x, labels())).add(of(inputs(), y))
  }
  assert.is(seen.size, 2 * length + 1)
})

test('targets count, and bytes of pictures', () => {
  const of = (change: number): string => {
    const targets = inputs()
    targets[7] += change
    return fingerprint(fromArrays({ inputs: inputs(), targets, shape }))
  }
  assert.is.not(of(0), of(1))
  const bytes = (last: number): string => {
    const images = new Uint8Array(4 * 40)
    images[4 * 37] = last
    const normalization = { scale: 255, mean: [0], std: [1] }
    const of = { images, labels: new Uint8Array(40), normalization }
    return fingerprint(fromBytes({ ...of, name: 'p', shape: [1, 2, 2], classes: 2 }))
  }
  assert.is.not(bytes(0), bytes(1))
})

test("one's own data: 16 samples are read", () => {
  const read: number[] = []
  const own = {
    name: 'own',
    length: 100,
    shape,
    classes: 3,
    read(index: number, out: Float32Array): number {
      read.push(index)
      out.fill(index)
      return 0
    },
  }
  fingerprint(own)
  assert.is(read.length, 16)
})

test.run()
