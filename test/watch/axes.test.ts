/** Axes: what they show of values, and where they have texts. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Axis, linearTicks, logTicks } from '../../src/watch/pages/chart.js'
import { type ScatterPoint, scatterHtml } from '../../src/watch/pages/scatter.js'
import { type Shown, shownOf } from '../../src/watch/pages/shown.js'

const shown = (y: readonly (number | null)[], axis: Partial<Axis> = {}): Shown =>
  shownOf({
    y: { label: 'loss', log: true, robust: true, ...axis },
    series: [{ name: 'a', x: y.map((_, i) => i), y }],
  })!

const falling = Array.from({ length: 30 }, (_, i) => 2.3 * Math.exp(-i / 6))

test('one value far away does not flatten the others, and is told of', () => {
  for (const [far, text] of [
    [4.2e6, 'Outside the chart: 1 value lies above, at 4.20e+6.'],
    [1e-9, 'Outside the chart: 1 value lies below, at 1.00e-9.'],
    // A log axis has no place for these.
    [0, 'Outside the chart: 1 value lies below, at 0.'],
    [-3, 'Outside the chart: 1 value lies below, at -3.'],
  ] as const)
    for (const at of [0, 11, 29]) {
      const values = falling.with(at, far)
      const { low, high, isLog, outside } = shown(values)
      assert.ok(isLog)
      assert.is(outside, text)
      const others = values.filter((_, i) => i !== at)
      assert.equal([low, high], [Math.min(...others), Math.max(...others)], `${far} at ${at}`)
    }
  const slow = shown([12, 13, 3000, 12, 13, 2900, 14], { log: false })
  assert.equal([slow.low, slow.high], [12, 14])
  assert.is(slow.outside, 'Outside the chart: 2 values lie above, up to 3000.')
  assert.equal([slow.side(11), slow.side(12), slow.side(3000)], [-1, 0, 1])
})

test('a curve is shown as a whole: a start that falls, a plateau, few values, half that diverge', () => {
  const plateau = [2.3, ...Array.from({ length: 40 }, (_, i) => 0.03 + 0.001 * (i % 3))]
  const diverged = falling.map((value, i) => (i < 18 ? value : 10 ** i))
  for (const values of [falling, plateau, diverged, [2.3], [2, 1], [1e5, 1e-5], [null, 3, 1]]) {
    const { low, high, outside } = shown(values)
    const known = values.filter((value) => value !== null) as number[]
    assert.is(outside, '')
    assert.equal([low, high], [Math.min(...known), Math.max(...known)])
  }
  assert.is(shownOf({ y: { label: 'x' }, series: [{ name: 'a', x: [0], y: [null] }] }), undefined)
  // Nobody asked for another axis.
  assert.equal(shown([1, 1, 1, 1, 1e9], { robust: false, log: false }).high, 1e9)
  assert.is(shown([0, 0, 1, 2], {}).isLog, false)
})

test('ticks are round, ascend, and lie within', () => {
  for (const [low, high] of [
    [0, 1],
    [0.02, 2.3],
    [1e-6, 4e6],
    [1.9, 2.3],
    [0.1, 0.97],
    [-3, 12],
    [5, 5],
  ])
    for (const make of low > 0 ? [linearTicks, logTicks] : [linearTicks]) {
      const ticks = make(low, high)
      const where = `${make.name} ${low} ${high}: ${ticks}`
      assert.ok(ticks.length >= (low === high ? 1 : 2) && ticks.length <= 14, where)
      const slack = 1e-5 * (make === logTicks ? low : high - low)
      for (const [i, tick] of ticks.entries()) {
        assert.ok(tick >= low - slack && tick <= high * 1.00001 + slack, where)
        assert.ok(i === 0 || tick > ticks[i - 1], where)
        assert.ok(String(tick).length < 9, where)
      }
    }
  assert.equal(logTicks(0.02, 2.3), [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2])
})

const kinds = { best: 'the best', whole: 'others', part: 'so far', failed: 'failed' }

/** Where the points of a chart lie. */
const placesOf = (html: string): [number, number][] =>
  [...html.matchAll(/class="point \w+" transform="translate\(([\d.]+) ([\d.]+)\)"><title>/g)].map(
    ([, x, y]) => [Number(x), Number(y)],
  )

test('a scatter: a point for each run, numbers over decades evenly, higher is better', () => {
  const values = [0.001, 0.01, 0.1, 1, 10, 100, 1000, 1e4, 1e5]
  const points = values.map(
    (lr, i): ScatterPoint => ({ at: { lr }, y: i / 10, kind: 'whole', title: `run ${i}` }),
  )
  const html = scatterHtml(['lr'], points, kinds)!
  assert.match(html, 'lr, log scale')
  const places = placesOf(html).reverse()
  assert.is(places.length, values.length)
  const steps = places.slice(1).map(([x], i) => x - places[i][0])
  assert.ok(Math.max(...steps) - Math.min(...steps) < 0.2, `${steps}`)
  for (const [i, [, y]] of places.entries()) assert.ok(i === 0 || y < places[i - 1][1])
  const even = values.map((_, i) => ({ ...points[i], at: { lr: 0.05 + i / 10 } }))
  assert.not.match(scatterHtml(['lr'], even, kinds)!, 'log scale')
})

test('a scatter of a grid: each number has a place and its text, zero too', () => {
  const values = [0, 0.0001, 0.001, 0.01]
  const points = [...values, ...values].map(
    (decay, i): ScatterPoint => ({ at: { decay }, y: i / 10, kind: 'whole', title: 'run' }),
  )
  const html = scatterHtml(['decay'], points, kinds)!
  for (const text of ['0', '0.0001', '0.001', '0.01']) assert.match(html, `>${text}</text>`)
  const at = placesOf(html)
    .map(([x]) => x)
    .reverse()
  for (let i = 1; i < 4; i++)
    assert.ok(Math.min(at[i], at[i + 4]) - Math.max(at[i - 1], at[i + 3]) > 10, `${at}`)
})

test('a scatter of words: each in its place, equal runs apart, what failed at the edge', () => {
  const words = ['a', 'b', 'a', 'b', 'a', null, true]
  const points = words.map(
    (word, i): ScatterPoint => ({
      ...{ at: { word }, title: '</svg><script>' },
      ...(i === 6 ? { y: null, kind: 'failed' } : { y: 0.5, kind: 'whole' }),
    }),
  )
  const html = scatterHtml(['word'], points, kinds)!
  assert.not.match(html, '<script')
  const places = placesOf(html)
  assert.is(places.length, words.length)
  assert.is(new Set(places.map(([x]) => x)).size, words.length)
  assert.ok(
    places.every(([, y]) => y <= places[0][1]),
    'the failed one is drawn first, lowest',
  )
  assert.match(html, '1 of them failed')
  assert.is(scatterHtml(['word'], [points[6]], kinds), undefined, 'nothing was measured')
})

test.run()
