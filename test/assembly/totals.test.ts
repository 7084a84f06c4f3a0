/** Totals of bytes: sums, bits, the largest. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestEngine, testRandom, variants } from '../support/engine.js'

for (const variant of variants)
  test(`${variant}: byteSum, bitSum, byteMax are those of loops over bytes`, () => {
    const engine = new TestEngine(variant)
    const { byteSum, bitSum, byteMax } = engine.exports
    for (let seed = 1; seed <= 200; seed++) {
      const random = testRandom(seed)
      engine.reset()
      const most = seed % 3 === 0 ? 255 : Math.floor(random() * 256)
      const count = 16 * Math.floor(random() * 40)
      const bytes = Array.from({ length: count }, () => Math.floor(random() * (most + 1)))
      const at = engine.putBytes(bytes)
      const [sum, bits, largest] = bytes.reduce(
        ([s, b, m], v) => [s + v, b + v.toString(2).replaceAll('0', '').length, Math.max(m, v)],
        [0, 0, 0],
      )
      assert.is(byteSum(at, count), sum, `byteSum ${seed}`)
      assert.is(bitSum(at, count), bits, `bitSum ${seed}`)
      assert.is(byteMax(at, count), largest, `byteMax ${seed}`)
      engine.checkGuards(String(seed))
    }
    // The largest byte at every place.
    for (let place = 0; place < 32; place++) {
      engine.reset()
      const at = engine.putBytes(Array.from({ length: 32 }, (_, i) => (i === place ? 200 : 7)))
      assert.is(byteMax(at, 32), 200, `place ${place}`)
    }
  })

test.run()
