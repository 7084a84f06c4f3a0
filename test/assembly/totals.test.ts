/** Totals of bytes: sums, bits, the largest. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testCases } from '../support/records.js'

const bitsOf = (byte: number): number => byte.toString(2).replaceAll('0', '').length
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

testCases('byteTotals, byteMax, bitSum are those of loops over bytes', 400, (r, engine) => {
  const { byteTotals, bitSum, byteMax } = engine.exports
  const count = 64 * r.int(0, 11)
  const bytes = [...r.bytes(count, r.chance(0.3) ? 255 : r.int(0, 255))]
  const at = engine.putBytes(bytes)
  const out = engine.alloc(8)
  const largest = Math.max(0, ...bytes)
  byteTotals(at, count, out)
  assert.equal([...engine.ints(out, 2)], [sum(bytes), largest], 'byteTotals')
  assert.is(bitSum(at, count), sum(bytes.map(bitsOf)), 'bitSum')
  assert.is(byteMax(at, count), largest, 'byteMax')
})

testCases('byteMax finds the largest byte at every place', 128, (r, engine) => {
  const bytes = Array.from({ length: 64 }, (_, i) => (i === (r.seed >> 1) % 64 ? 200 : 7))
  assert.is(engine.exports.byteMax(engine.putBytes(bytes), 64), 200)
})

testCases('maskCounts counts the bits of each neuron over planes', 400, (r, engine) => {
  const [neurons, planes] = [4 * r.int(1, 20), r.int(1, 31)]
  const bytes = [...r.bytes(neurons * planes, 255)]
  const counts = engine.alloc(neurons)
  engine.exports.maskCounts(engine.putBytes(bytes), neurons, planes, counts)
  const expected = Array.from({ length: neurons }, (_, i) =>
    sum(bytes.filter((_, at) => at % neurons === i).map(bitsOf)),
  )
  assert.equal([...engine.bytes(counts, neurons)], expected)
})

test.run()
