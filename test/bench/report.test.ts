/** Tables for people: how wide they are, what is left out, and what markdown must not have. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ResultTable, time, toMarkdown, toText, wrap } from '../../src/bench/report.js'

const table: ResultTable = {
  title: 'A & B',
  notes: ['Words of a note that are many enough for more than one line of a terminal.'],
  head: ['benchmark', 'time', 'first', 'density'],
  rows: [['conv2d spikes 64x32x32-64 k3', '1.00 ms', '2.00 ms', 'rate 0.10, active <0.20|']],
  lesser: ['first', 'density'],
}
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length))

test('a table fits: lesser columns go first, then names are wrapped; files get all of it', () => {
  const full = toText(table)
  for (const word of ['first', 'density', 'Words of a note']) assert.ok(full.includes(word), word)
  assert.not.match(full, /narrow/)
  const narrower = toText(table, widest(full) - 1)
  assert.not.match(narrower, /2\.00 ms/)
  assert.match(narrower, /rate 0\.10.*/)
  assert.match(narrower, /Too narrow for: first\./)
  const narrow = toText(table, 34)
  assert.ok(widest(narrow) <= 34, narrow)
  assert.match(narrow, /1\.00 ms/)
  assert.match(narrow, /conv2d spikes/)
})

test('times have a unit that suits them', () => {
  const times = [5e-6, 0.00675, 0.9, 12.34, 12_345, Number.NaN].map(time)
  assert.equal(times, ['5.00 ns', '6.75 µs', '900 µs', '12.3 ms', '12.3 s', '–'])
  assert.is(wrap('aa bb cc dddddd', 5), 'aa bb\ncc\ndddddd')
})

test('markdown: no cell is taken for HTML or for two cells', () => {
  const text = toMarkdown(table)
  assert.match(text, /### A &amp; B/)
  assert.match(text, /active &lt;0\.20\\\| \|/)
})

test.run()
