import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Diagnosis } from '../../src/diagnose/diagnosis.js'
import { figures, page } from '../../src/diagnose/figures.js'
import { spread, tables, toJson } from '../../src/diagnose/report.js'
import { type Chart, type Figure, isRaster, type Raster } from '../../src/watch/pages/chart.js'
import { made } from '../support/diagnosis.js'
import { expectSnapshot } from '../support/snapshot.js'

const origin = { version: '1.2.3', node: '20.0.0', processor: 'Some <CPU>', cores: 2 }

/** Content of a script element. */
const scriptOf = (html: string, id: string): unknown =>
  JSON.parse(
    html.match(new RegExp(`<script type="application/json" id="${id}">(.*?)</script>`, 's'))![1],
  )

test('JSON: everything, in six digits', () => {
  const diagnosis = made()
  const parsed = JSON.parse(toJson(diagnosis, origin)) as Diagnosis & typeof origin
  assert.equal(Object.keys(parsed), [
    'version',
    'node',
    'processor',
    'cores',
    'setup',
    'training',
    'costs',
  ])
  assert.equal(parsed.setup, diagnosis.setup)
  assert.equal(parsed.costs, diagnosis.costs)
  assert.is(parsed.training[0].points[0].a3['block0.1'], 0.813346)
  assert.is(parsed.training[0].points[0].a3['block1.1'], null)
})

test('page: self-contained, and what it embeds cannot end its scripts', async () => {
  const html = await page(made(), origin)
  assert.is(html.match(/<\/script/gi)!.length, 3)
  assert.not.match(html, /<[a-z]+ [^>]*(src|href)=/i)
  assert.not.match(html, /@import|url\(/)
  assert.match(html, /content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/)
  assert.match(html, 'net &#60;/script&#62;&#60;b&#62;&#38;&#34;')
  assert.match(html, 'Some &#60;CPU&#62;')
  assert.equal(scriptOf(html, 'diagnosis'), JSON.parse(toJson(made(), origin)))
})

test('page: a place, a heading with a letter of its own and a sentence for every figure', async () => {
  const html = await page(made({ spikes: true }), origin)
  const embedded = scriptOf(html, 'figures') as ReturnType<typeof figures>
  assert.equal(
    embedded.map(({ id }) => id),
    ['assumptions', 'training', 'gradients', 'time', 'memory', 'rates', 'raster', 'activity'],
  )
  for (const [i, { id, charts }] of embedded.entries()) {
    const letter = 'abcdefgh'[i]
    assert.match(
      html,
      new RegExp(
        `<h2>\\(${letter}\\) [^<]+</h2>\\n<figure>\\n<div data-figure="${id}"></div>\\n` +
          '<figcaption>[^<]{40,}</figcaption>',
      ),
    )
    assert.ok(charts.length > 0, id)
  }
})

test('page: a raster by layer and rates over time, where spikes were recorded', async () => {
  const diagnosis = made({ spikes: true })
  const html = await page(diagnosis, origin)
  const embedded = scriptOf(html, 'figures') as ReturnType<typeof figures>
  assert.match(html, '<h2>(g) Spikes of one sample by layer, T 12</h2>')
  assert.match(html, 'the first sample of tests, class 3, for which it says 5')
  const parsed = scriptOf(html, 'diagnosis') as Diagnosis
  assert.equal(parsed.activity, diagnosis.activity)
  const [raster, activity] = embedded.slice(-2)
  const layers = raster.charts as Raster[]
  assert.equal(
    layers.map(({ title, rows, steps, count }) => [title, rows, steps, count]),
    [
      ['neurons block0.0, 50', 50, 12, 3],
      ['neurons block1.0, 100 of 150', 100, 12, 0],
      ['neurons block2.0, 100 of 250', 100, 12, 3],
    ],
  )
  const bits = Buffer.from(layers[2].bits, 'base64')
  const spikes = Array.from({ length: 1200 }, (_, at) => at).filter(
    (at) => ((bits[at >> 3] >> (at & 7)) & 1) === 1,
  )
  assert.equal(spikes, [0, 6 * 12 + 11, 49 * 12 + 2])
  const [all, one] = activity.charts as Chart[]
  assert.equal(all.x.range, [0.5, 12.5])
  const third = [all, one].map(({ series }) =>
    series.find(({ name }) => name === 'neurons block2.0'),
  )
  assert.equal(
    third.map((series) => series?.y[11]),
    [0.22, 0.11],
  )
})

for (const layers of [1, 3, 19])
  test(`figures of ${layers} layers: axes have titles, numbers are finite, places ascend`, () => {
    const seen = new Set<string>()
    for (const { id, charts } of figures(made({ layers, spikes: true }))) {
      assert.not(seen.has(id), id)
      seen.add(id)
      for (const chart of charts) {
        if (isRaster(chart)) continue
        assert.ok(chart.x.label.length > 3 && chart.y.label.length > 2, `${id}: ${chart.title}`)
        const names = chart.series.filter(({ quiet }) => !quiet).map(({ name }) => name)
        assert.equal([...new Set(names)], names, id)
        for (const { x, y } of chart.series) {
          assert.is(x.length, y.length, id)
          assert.ok(x.every(Number.isFinite) && x.every((at, i) => i === 0 || at > x[i - 1]), id)
          assert.ok(
            y.every((value) => value === null || Number.isFinite(value)),
            id,
          )
        }
      }
    }
  })

/** A line for each axis and series. */
const textOf = ({ charts, ...figure }: Figure): string[] => [
  JSON.stringify(figure),
  ...charts.flatMap((chart) => {
    if (isRaster(chart)) return [`  ${JSON.stringify(chart)}`]
    const { series, ...axes } = chart
    return [axes, ...series].map((part, i) => `${i > 0 ? '    ' : '  '}${JSON.stringify(part)}`)
  }),
]

test('figures and tables: every title, range, place, colour and value', () => {
  const cases = [
    { layers: 5, timeSteps: [1, 2, 12, 3, 4, 6], spikes: true, processes: true },
    { layers: 4, timeSteps: [9], spikes: true },
    { layers: 1, timeSteps: [1], spikes: true },
  ]
  const lines = cases
    .map(made)
    .flatMap((diagnosis) => [
      ...figures(diagnosis).flatMap(textOf),
      ...tables(diagnosis).flatMap(({ title, head, rows }) =>
        [`${title}`, head.join(' | '), ...rows.map((row) => row.join(' | '))].map(
          (line) => `| ${line}`,
        ),
      ),
    ])
  expectSnapshot('diagnose/figures.txt', `${lines.join('\n')}\n`, 'diagnose/page')
})

test('tables: as many cells as heads, and what one T leaves out', () => {
  for (const { title, head, rows } of tables(made())) {
    assert.ok(rows.length > 0, title)
    for (const row of rows) assert.is(row.length, head.length, title)
  }
  const [claims] = tables(made({ timeSteps: [4] }))
  assert.is(claims.rows.length, 3, 'growth needs two T')
})

test('learning rates that make methods comparable', () => {
  const found = tables(made()).find(({ title }) => title.startsWith('Learning rates'))
  const { setup } = made()
  const row = (method: string) =>
    found?.rows
      .find(([name]) => name === method)
      ?.slice(1)
      .map(Number)
  assert.equal(
    row('bptt'),
    setup.timeSteps.map(() => setup.learningRate),
  )
  assert.equal(
    row('rate'),
    setup.timeSteps.map((T) => Number((T * setup.learningRate).toPrecision(3))),
  )
  // SLTT that goes back from one step of T.
  assert.equal(row('sltt-1'), row('rate'))
})

test('spread: first and last always, order kept', () => {
  assert.equal(spread([1, 2, 3], 4), [1, 2, 3])
  assert.equal(spread([1, 2, 3, 4, 5, 6, 7], 4), [1, 3, 5, 7])
  for (let count = 2; count < 9; count++) {
    const items = Array.from({ length: 20 }, (_, i) => i)
    const chosen = spread(items, count)
    assert.equal([chosen.length, chosen[0], chosen[count - 1]], [count, 0, 19])
    assert.equal([...new Set(chosen)], chosen)
  }
})

test.run()
