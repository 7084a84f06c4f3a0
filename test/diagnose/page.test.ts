/** A diagnosis as JSON and a page; its figures and tables, whole, are in test/diagnose/figures.txt. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Diagnosis } from '../../src/diagnose/diagnosis.js'
import { figures, page } from '../../src/diagnose/figures.js'
import { tables, toJson } from '../../src/diagnose/report.js'
import { type Figure, isRaster } from '../../src/watch/pages/chart.js'
import { made } from '../support/diagnosis.js'
import { expectSnapshot } from '../support/snapshot.js'

const origin = { version: '1.2.3', node: '20.0.0', processor: 'Some <CPU>', cores: 2 }

test('JSON: everything, in six digits', () => {
  const { setup, training, costs } = made()
  const parsed: Diagnosis = JSON.parse(toJson(made(), origin))
  const [point] = parsed.training[0].points
  assert.equal([point.a3['block0.1'], point.a3['block1.1']], [0.813346, null])
  const digits = training.map(({ timeSteps }, i) => ({ ...parsed.training[i], timeSteps }))
  assert.equal(parsed, { ...origin, setup, training: digits, costs })
})

test('page: self-contained, a place and a sentence for every figure, nothing ends its scripts', async () => {
  const diagnosis = made({ spikes: true })
  const html = await page(diagnosis, origin)
  assert.is(html.match(/<\/script/gi)!.length, 3)
  assert.not.match(html, /<[a-z]+ [^>]*(src|href)=/i)
  assert.not.match(html, /@import|url\(/)
  assert.match(html, /content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/)
  assert.match(html, 'net &#60;/script&#62;&#60;b&#62;&#38;&#34;')
  assert.match(html, 'Some &#60;CPU&#62;')
  const [figuresJson, json] = ['figures', 'diagnosis'].map(
    (id) =>
      html.match(new RegExp(`<script type="application/json" id="${id}">(.*?)</script>`, 's'))![1],
  )
  assert.equal(JSON.parse(json), JSON.parse(toJson(diagnosis, origin)))
  const ids = (JSON.parse(figuresJson) as Figure[]).map(({ id }) => id)
  assert.equal(
    ids,
    figures(diagnosis).map(({ id }) => id),
  )
  for (const [i, id] of ids.entries())
    assert.match(
      html,
      new RegExp(
        `<h2>\\(${'abcdefgh'[i]}\\) [^<]+</h2>\\n<figure>\\n<div data-figure="${id}"></div>\\n` +
          '<figcaption>[^<]{40,}</figcaption>',
      ),
    )
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

test.run()
