/** Parts of pages: what they show cannot become a part of them, and they load nothing. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { printable } from '../../src/base/errors.js'
import {
  type Chart,
  type Figure,
  figureText,
  packBits,
  sayChart,
} from '../../src/watch/pages/chart.js'
import { embedJson, escapeHtml, optionRows, tableHtml } from '../../src/watch/pages/frame.js'
import { pictureAddress, pictureOf, reportPage } from '../../src/watch/pages/report.js'
import { bestOf, type EpochFigures, runFigures, thinned } from '../../src/watch/pages/run.js'

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

const examined = {
  ...{ count: 2, of: 5, data: evil },
  answers: {
    accuracy: 0.5,
    classNames: [evil, 'b'],
    confusion: [
      [1, 1],
      [0, 0],
    ],
    worst: [
      {
        ...{ index: 3, label: 0, answer: 1, ofLabel: 0.1, ofAnswer: 0.9 },
        picture: { width: 1, height: 1, rgb: new Uint8Array([1, 2, 3]) },
      },
    ],
  },
  spikes: {
    about: evil,
    rasters: [{ title: evil, rows: 2, steps: 2, share: 0, ...packBits(2, 2, (r, t) => r === t) }],
  },
}

const report = {
  title: evil,
  ending: evil,
  records: [1, 2, 3].map((epoch) => record(epoch)),
  examined,
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
  const figures = JSON.parse(
    html.match(/<script type="application\/json" id="figures">(.*?)<\/script>/s)![1],
  ) as { id: string }[]
  assert.equal(
    figures.map(({ id }) => id),
    ['learning', 'rates', 'pace', 'raster'],
  )
  for (const { id } of figures) assert.match(html, `data-figure="${id}"`)
  assert.match(html, '2 of the 5 samples')
  assert.match(html, 'Never fired')
})

/** Names that the legend of a figure would have. */
const legendOf = ({ charts }: Figure): string[] => [
  ...new Set(
    charts.flatMap((chart) =>
      'series' in chart ? chart.series.filter((one) => !one.quiet).map(({ name }) => name) : [],
    ),
  ),
]

test('no two entries of a legend are alike, by name or by look', () => {
  const names = ['2', 'layer 2', 'a\u202e', ...Array.from({ length: 60 }, (_, i) => `conv${i}.sn`)]
  const firingRates = Object.fromEntries(names.map((name, i) => [name, i / 100]))
  const records = [1, 2, 3].map((epoch) => record(epoch, { firingRates, testLoss: 1 }))
  const steps = {
    ...{ at: [0.5, 1], loss: [1, 1], accuracy: [0.1, 0.2], learningRate: [1, 1], stepMs: [1, 1] },
    rates: names.map(() => [0.1, 0.2]),
  }
  for (const state of [
    { layers: names, records, steps },
    { layers: names, records, steps: noSteps },
  ])
    for (const figure of runFigures(state)) {
      const looks = new Map<string, string>()
      for (const chart of figure.charts) {
        if (!('series' in chart)) continue
        const own = chart.series.map(({ name }) => name)
        assert.is(new Set(own).size, own.length, `${figure.id}: names of lines`)
        for (const { name, colour, share, dash, pattern, mode } of chart.series)
          looks.set(name, JSON.stringify({ colour, share, dash, pattern, mode }))
      }
      assert.is(new Set(looks.values()).size, looks.size, `${figure.id}: ${[...looks]}`)
      if (figure.id === 'rates') assert.is(legendOf(figure).length, names.length)
      for (const name of legendOf(figure)) assert.is(name, printable(name))
    }
})

test('a report without samples, and without a complete epoch', async () => {
  const why = 'the run was stopped <here>'
  const html = await reportPage({ ...report, records: [], examined: why })
  assert.match(html, 'the run was stopped &#60;here&#62;')
  assert.match(html, 'No epoch is complete')
})

test('a long run stays small: very many epochs of a deep network', async () => {
  const firingRates = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`layer${i}.sn`, Math.random() * 0.3]),
  )
  const records = Array.from({ length: 130_000 }, (_, i) => record(i + 1, { firingRates }))
  const html = await reportPage({ ...report, records })
  assert.ok(html.length < 500_000, `${html.length} characters`)
})

test('thinned: the first, the last and the best stay, in order', () => {
  const records = Array.from({ length: 1000 }, (_, i) =>
    record(i + 1, { testAccuracy: i === 357 ? 0.99 : 0.5 }),
  )
  const kept = thinned(records, 100)
  assert.ok(kept.length <= 101)
  assert.equal([kept[0].epoch, kept.at(-1)!.epoch, bestOf(kept)!.epoch], [1, 1000, 358])
  assert.equal(
    [...kept].sort((a, b) => a.epoch - b.epoch),
    kept,
  )
  assert.is(bestOf([record(1, { testAccuracy: undefined, testLoss: Number.NaN })]), undefined)
})

test('charts in words', () => {
  const chart = (series: Chart['series']): Chart => ({
    title: 'Loss',
    x: { label: 'epoch' },
    y: { label: 'loss' },
    series,
  })
  assert.is(sayChart(chart([])), 'Loss, loss by epoch: no values yet')
  assert.is(
    sayChart(chart([{ name: 'train', x: [1, 2, 3], y: [2, null, 0.5] }])),
    'Loss, loss by epoch. train from 2 to 0.5 at epoch 3, lowest 0.5, highest 2',
  )
  assert.is(figureText(0.12345, true), '12.3 %')
  assert.is(figureText(0.0999, true), '9.99 %')
  assert.is(figureText(0.1 - 1e-9, true), figureText(0.1, true))
  assert.is(figureText(123456.7), '123500')
})

const noSteps = { at: [], loss: [], accuracy: [], learningRate: [], stepMs: [], rates: [] }

test('figures of a run: a line for each layer, no number that is not finite', () => {
  const records = [record(1), record(2, { trainLoss: Number.NaN, testLoss: null as never })]
  const figures = runFigures({ layers: ['2', 'conv.sn'], records, steps: noSteps })
  const series = figures.flatMap(({ charts }) =>
    charts.flatMap((c) => ('series' in c ? c.series : [])),
  )
  for (const { y, name } of series)
    assert.ok(
      y.every((value) => value === null || Number.isFinite(value)),
      name,
    )
  assert.ok(series.some(({ name }) => name === 'layer 2'))
  // A caption tells of nothing that is not there.
  assert.not.match(figures[0].caption, 'dotted')
  assert.match(runFigures({ layers: [], records, steps: noSteps }, true)[0].caption, 'dotted')
})

test('options as rows: nested ones by their path, a network by its layers', () => {
  assert.equal(
    optionRows({
      lr: 0.1,
      loss: { kind: 'mse', of: undefined },
      mean: [1, 2],
      network: { nodes: [{}] },
    }),
    [
      ['lr', '0.1'],
      ['loss.kind', 'mse'],
      ['mean', '1, 2'],
      ['network', '1 layers'],
    ],
  )
})

test('escapes', () => {
  assert.is(escapeHtml(`<a b="c" d='e'>&`), '&#60;a b=&#34;c&#34; d=&#39;e&#39;&#62;&#38;')
  assert.not.match(embedJson(JSON.stringify('<!--<script>')), '<')
  assert.match(tableHtml({ title: '<', head: ['<'], rows: [['<', '1']] }), '<td>1</td>')
})

test('pictures: grey, colours, events, large ones smaller, vectors as rows', () => {
  const grey = pictureOf({ values: [0, 1, 2, 4], shape: [1, 2, 2], frames: 1 })
  assert.equal(
    [...grey.rgb],
    [0, 64, 128, 255].flatMap((value) => [value, value, value]),
  )
  const normalization = { mean: [0.5, 0, 0], std: [0.5, 1, 1] }
  const colour = pictureOf({ values: [1, 0, 0.5], shape: [3, 1, 1], frames: 1, normalization })
  assert.is(colour.rgb.length, 9, 'a vector of three')
  const events = pictureOf({ values: [0, 0, 9, 0, 0, 9, 0, 0], shape: [2, 2, 2], frames: 1 })
  assert.equal([...events.rgb.subarray(0, 6)], [255, 255, 255, 230, 159, 0])
  const large = pictureOf({ values: new Float32Array(3 * 96 * 64), shape: [3, 96, 64], frames: 1 })
  assert.ok(large.width <= 40 && large.height <= 40)
  assert.equal([large.width, large.height], [22, 32])
  const series = pictureOf({ values: [1, 2, 3, 4, 5, 6], shape: [2, 1, 3], frames: 1 })
  assert.equal([series.width, series.height], [3, 2])
  const bytes = Buffer.from(pictureAddress(grey).split(',')[1], 'base64')
  assert.equal(
    [bytes.subarray(0, 2).toString(), bytes.readInt32LE(18), bytes.readInt32LE(22)],
    ['BM', 2, -2],
  )
  // Rows are whole words; pixels are blue, green, red.
  assert.equal([bytes.length, ...bytes.subarray(57, 60)], [54 + 16, 64, 64, 64])
})

test.run()
