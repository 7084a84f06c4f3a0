/**
 * What pages show cannot become a part of them, and stays small; what axes leave out they say. All
 * else of pages is in test/watch/written.txt.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { printable } from '../../src/base/errors.js'
import { type Axis, isRaster, packBits } from '../../src/watch/pages/chart.js'
import { optionRows } from '../../src/watch/pages/frame.js'
import { reportPage } from '../../src/watch/pages/report.js'
import { type EpochFigures, noSteps, runFigures } from '../../src/watch/pages/run.js'
import { scatterHtml } from '../../src/watch/pages/scatter.js'
import { type Shown, shownOf } from '../../src/watch/pages/shown.js'

const evil = `</script><img src=x onerror=alert(1)>"'&\``

const record = (epoch: number, more: Partial<EpochFigures> = {}): EpochFigures => ({
  epoch,
  trainLoss: 1 / epoch,
  testAccuracy: 0.9 - 1 / (10 * epoch),
  learningRate: 0.1,
  stepMs: 3,
  samplesPerSecond: 1000,
  firingRates: { 2: 0.2, [evil]: 0 },
  ...more,
})

const picture = { width: 1, height: 1, rgb: new Uint8Array([1, 2, 3]) }
const raster = { title: evil, rows: 2, steps: 2, share: 0, ...packBits(2, 2, (r, t) => r === t) }
const report = {
  title: evil,
  ending: evil,
  records: [1, 2, 3].map((epoch) => record(epoch)),
  examined: {
    count: 2,
    of: 5,
    data: evil,
    answers: {
      accuracy: 0.5,
      classNames: [evil, 'b'],
      confusion: [
        [1, 1],
        [0, 0],
      ],
      worst: [{ index: 3, label: 0, answer: 1, ofLabel: 0.1, ofAnswer: 0.9, picture }],
    },
    spikes: { about: evil, rasters: [raster] },
  },
  facts: [['layers', evil]] as const,
  options: optionRows({ data: evil, [evil]: 1 }),
  origin: [['processor', evil]] as const,
}

test('a report of hostile names: all of them are text, nothing is loaded', async () => {
  const html = await reportPage(report)
  // Only our own elements: each < of a name is written otherwise, in scripts too.
  assert.not.match(html.replace(/<script>[\s\S]*?<\/script>/g, ''), /<img src=x/)
  assert.is(html.match(/<\/script/gi)!.length, 2)
  for (const [, address] of html.matchAll(/\s(?:src|href)="([^"]*)"/g))
    assert.match(address, /^data:/)
  assert.not.match(html, /@import|url\(/)
  assert.match(html, /content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/)
  assert.not.match(html, 'unsafe-inline')
  // An attribute of style would need a hash of its own.
  assert.not.match(html.replace(/<script[\s\S]*?<\/script>/g, ''), / style=/)
  const json = html.match(/<script type="application\/json" id="figures">(.*?)<\/script>/s)![1]
  const ids = (JSON.parse(json) as { id: string }[]).map(({ id }) => id)
  assert.equal(ids, ['learning', 'rates', 'pace', 'raster'])
  for (const id of ids) assert.match(html, `data-figure="${id}"`)
  const point = { at: { [evil]: evil }, y: 0.5, kind: 'whole', title: evil } as const
  const kinds = { best: evil, whole: evil, part: evil, failed: evil }
  assert.not.match(scatterHtml([evil], [point], kinds)!, /<img|<\/script/)
  assert.is(scatterHtml([evil], [{ ...point, y: null }], kinds), undefined, 'nothing was measured')
})

test('no two entries of a legend are alike, by name or by look', () => {
  const names = ['2', 'layer 2', 'a\u202e', ...Array.from({ length: 60 }, (_, i) => `conv${i}.sn`)]
  const firingRates = Object.fromEntries(names.map((name, i) => [name, i / 100]))
  const records = [1, 2, 3].map((epoch) => record(epoch, { firingRates, testLoss: 1 }))
  const two = [0.5, 1]
  const some = { at: two, loss: two, accuracy: two, learningRate: two, stepMs: two }
  for (const steps of [{ ...some, rates: names.map(() => two) }, noSteps])
    for (const { id, charts } of runFigures({ layers: names, records, steps })) {
      const looks = new Map<string, string>()
      for (const chart of charts) {
        if (isRaster(chart)) continue
        const own = chart.series.map(({ name }) => name)
        assert.is(new Set(own).size, own.length, `${id}: names of lines`)
        for (const { name, x: _, y: __, ...look } of chart.series) {
          assert.is(name, printable(name))
          looks.set(name, JSON.stringify(look))
        }
      }
      assert.is(new Set(looks.values()).size, looks.size, `${id}: ${[...looks]}`)
      if (id === 'rates') assert.is(looks.size, names.length)
    }
})

test('a long run stays small: very many epochs of a deep network', async () => {
  const layers = Array.from({ length: 60 }, (_, i) => [`layer${i}.sn`, Math.random() * 0.3])
  const firingRates = Object.fromEntries(layers)
  const records = Array.from({ length: 130_000 }, (_, i) => record(i + 1, { firingRates }))
  const html = await reportPage({ ...report, records })
  assert.ok(html.length < 500_000, `${html.length} characters`)
})

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
    const known = values.filter((value) => value !== null)
    assert.is(outside, '')
    assert.equal([low, high], [Math.min(...known), Math.max(...known)])
  }
})

test.run()
