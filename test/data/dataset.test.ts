import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { augment } from '../../src/data/augment.js'
import { fromBytes } from '../../src/data/bytes.js'
import { openPlain } from '../../src/data/open.js'
import { plainOf } from '../../src/data/plain.js'

const sizes = fc.record({
  n: fc.integer({ min: 1, max: 5 }),
  c: fc.integer({ min: 1, max: 4 }),
  h: fc.integer({ min: 1, max: 5 }),
  w: fc.integer({ min: 1, max: 5 }),
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

test('a normalisation is copied: changing it later changes nothing', () => {
  const normalization = { scale: 1, mean: [0], std: [1] }
  const images = Uint8Array.of(4, 5)
  const given = { images, labels: [0, 0], shape: [1] as const, classes: 1, normalization }
  const data = fromBytes(given)
  normalization.mean[0] = 100
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
