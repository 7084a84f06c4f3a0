/** Totals of bytes: sums, bits, the largest. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestEngine, testRandom, variants } from '../support/engine.js'

for (const variant of variants)
  test(`${variant}: byteTotals, byteMax, bitSum are those of loops over bytes`, () => {
    const engine = new TestEngine(variant)
    const { byteTotals, bitSum, byteMax } = engine.exports
    for (let seed = 1; seed <= 200; seed++) {
      const random = testRandom(seed)
      engine.reset()
      const most = seed % 3 === 0 ? 255 : Math.floor(random() * 256)
      const count = 64 * Math.floor(random() * 12)
      const bytes = Array.from({ length: count }, () => Math.floor(random() * (most + 1)))
      const at = engine.putBytes(bytes)
      const [sum, bits, largest] = bytes.reduce(
        ([s, b, m], v) => [s + v, b + v.toString(2).replaceAll('0', '').length, Math.max(m, v)],
        [0, 0, 0],
      )
      const out = engine.alloc(8)
      byteTotals(at, count, out)
      assert.equal([...engine.ints(out, 2)], [sum, largest], `byteTotals ${seed}`)
      assert.is(bitSum(at, count), bits, `bitSum ${seed}`)
      assert.is(byteMax(at, count), largest, `byteMax ${seed}`)
      engine.checkGuards(String(seed))
    }
    // The largest byte at every place.
    for (let place = 0; place < 64; place++) {
      engine.reset()
      const at = engine.putBytes(Array.from({ length: 64 }, (_, i) => (i === place ? 200 : 7)))
      assert.is(byteMax(at, 64), 200, `place ${place}`)
    }
  })

for (const variant of variants)
  test(`${variant}: maskCounts counts the bits of each neuron over planes`, () => {
    const engine = new TestEngine(variant)
    for (let seed = 1; seed <= 200; seed++) {
      const random = testRandom(seed)
      engine.reset()
      const [neurons, planes] = [4 * (1 + Math.floor(random() * 20)), 1 + Math.floor(random() * 31)]
      const bytes = Array.from({ length: neurons * planes }, () => Math.floor(random() * 256))
      const masks = engine.putBytes(bytes)
      const counts = engine.alloc(neurons)
      engine.exports.maskCounts(masks, neurons, planes, counts)
      const expected = Array.from({ length: neurons }, (_, i) => {
        let count = 0
        for (let at = i; at < bytes.length; at += neurons)
          count += bytes[at].toString(2).replaceAll('0', '').length
        return count
      })
      assert.equal([...engine.bytes(counts, neurons)], expected, `seed ${seed}`)
      engine.checkGuards(String(seed))
    }
  })

test.run()
