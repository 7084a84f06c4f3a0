/** The history of benchmarks: appended safely, read with checks, drawn as a page. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nameOf, type Origin, obstacleBetween, originOf } from '../../src/bench/compare/origin.js'
import { appendHistory, MOST_RUNS, readHistory } from '../../src/bench/history.js'
import { historyPage, pageData, writeHistoryPage } from '../../src/bench/page.js'
import { mistakeOf } from './mistake.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-history-'))
test.after(() => rmSync(folder, { recursive: true }))

const origin: Origin = {
  date: '2024-05-01T10:00:00.000Z',
  version: '0.1.0',
  commit: { hash: '0123456789abcdef0123456789abcdef01234567', dirty: false },
  processor: 'Some <b>CPU</b>',
  processors: 2,
  platform: 'linux x64',
  node: '20.1.0',
  v8: '11.3',
  wide: false,
}
const figure = (value: number, marks?: string[]) => ({ name: 'lif 1', value, unit: 'ms', marks })

test('runs are appended, at the same time too, and read again', async () => {
  const path = join(folder, 'a.jsonl')
  await appendHistory(path, origin, [figure(1.23456789, ['busy'])], 'quick')
  await Promise.all(
    [2, 3, 4, 5].map((value) => appendHistory(path, origin, [figure(value)], 'quick')),
  )
  const runs = await readHistory(path)
  assert.equal(runs[0].figures, [{ name: 'lif 1', value: 1.2346, unit: 'ms', marks: ['busy'] }])
  assert.equal(runs.map(({ figures }) => figures[0].value).sort(), [1.2346, 2, 3, 4, 5])
  assert.equal(runs[4].origin, origin)
})

test('a figure that is no number is refused before anything is written', async () => {
  const path = join(folder, 'nan.jsonl')
  await appendHistory(path, origin, [figure(1)], 'quick')
  const before = readFileSync(path, 'utf8')
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    assert.match(
      await mistakeOf(appendHistory(path, origin, [figure(2), figure(value)], 'quick')),
      /nan\.jsonl: figures of a history must be numbers, got (NaN|Infinity) of "lif 1"/,
    )
  assert.is(readFileSync(path, 'utf8'), before)
})

test('quick runs, long ones and comparisons have curves of their own; dates for commits', () => {
  const { commit: _, ...installed } = origin
  const run = (value: number, mode: 'quick' | 'compared') => ({
    schema: 1 as const,
    origin: installed,
    mode,
    figures: [figure(value)],
  })
  const { series, runs } = pageData([run(1, 'quick'), run(2, 'compared'), run(3, 'quick')])
  assert.equal(
    series.map(({ name, points }) => [name, points.map(([, value]) => value)]),
    [
      ['lif 1 (quick)', [1, 3]],
      ['lif 1 (compared)', [2]],
    ],
  )
  assert.is(runs[0].name, '2024-05-01 10:00')
  assert.is(pageData([run(1, 'quick')]).series[0].name, 'lif 1', 'one mode needs no name')
})

test('a broken line is told by its number; a cut one does not swallow the next', async () => {
  const path = join(folder, 'b.jsonl')
  await appendHistory(path, origin, [figure(1)], 'quick')
  appendFileSync(path, '{"schema":1,"orig')
  await appendHistory(path, origin, [figure(2)], 'quick')
  assert.is(readFileSync(path, 'utf8').split('\n').length, 4)
  assert.match(await mistakeOf(readHistory(path)), /b\.jsonl: line 2 must be a run .*may be cut/)
  appendFileSync(path, '{"schema":7}\n')
  const good = readFileSync(path, 'utf8').split('\n').toSpliced(1, 1)
  writeFileSync(path, good.join('\n'))
  assert.match(
    await mistakeOf(readHistory(path)),
    /line 3 must be a run .* schema: .*remove the line/,
  )
})

test('another file is not written to', async () => {
  const path = join(folder, 'notes.txt')
  writeFileSync(path, 'my notes\n')
  assert.match(
    await mistakeOf(appendHistory(path, origin, [figure(1)], 'quick')),
    /line 1 must be a run/,
  )
  assert.is(readFileSync(path, 'utf8'), 'my notes\n')
  assert.match(await mistakeOf(appendHistory(folder, origin, [], 'quick')), /it is a folder/)
  assert.match(
    await mistakeOf(appendHistory(join(folder, 'no/where.jsonl'), origin, [], 'quick')),
    /could not be written/,
  )
})

test('a full history loses its oldest runs', async () => {
  const path = join(folder, 'c.jsonl')
  const line = (value: number) =>
    `${JSON.stringify({ schema: 1, origin, mode: 'quick', figures: [figure(value)] })}\n`
  writeFileSync(path, Array.from({ length: MOST_RUNS }, (_, i) => line(i + 1)).join(''))
  await appendHistory(path, origin, [figure(-1)], 'quick')
  const runs = await readHistory(path)
  assert.is(runs.length, 0.9 * MOST_RUNS + 1)
  assert.is(runs[runs.length - 1].figures[0].value, -1)
  assert.is(runs[runs.length - 2].figures[0].value, MOST_RUNS)
})

const hostile = '</script><img src=x onerror=alert(1)> & "quotes"'

test('the page holds curves by name and unit, marks and machines, and cannot be broken out of', () => {
  const other = { ...origin, processor: 'Other' }
  const mode = 'quick' as const
  const runs = [
    {
      schema: 1 as const,
      origin,
      mode,
      figures: [figure(1), { name: hostile, value: 9, unit: 'MB' }],
    },
    { schema: 1 as const, origin: other, mode, figures: [figure(2, ['busy', 'noisy'])] },
  ]
  const data = pageData(runs)
  assert.equal(data.series, [
    {
      name: 'lif 1',
      unit: 'ms',
      points: [
        [0, 1, ''],
        [1, 2, 'busy noisy'],
      ],
    },
    { name: hostile, unit: 'MB', points: [[0, 9, '']] },
  ])
  assert.is(data.machines.length, 2)
  assert.equal(
    data.runs.map(({ name, machine }) => [name, machine]),
    [
      ['0123456', 0],
      ['0123456', 1],
    ],
  )
  const html = historyPage(runs, 'window.Plotly = "</script>"')
  assert.is(html.match(/<\/script/g)?.length, 3, 'three scripts end')
  assert.match(html, /script-src 'sha256-[^']+' 'sha256-[^']+'; style-src 'sha256-/)
  assert.not.match(html, 'unsafe-inline')
  assert.not.match(html, '<img')
  assert.not.match(html, '<b>CPU')
  assert.match(html, 'prefers-color-scheme: dark')
  assert.match(html, 'name="viewport" content="width=device-width')
  const json = html.match(/id="data">(.*?)<\/script>/s)![1]
  assert.equal(JSON.parse(json), JSON.parse(JSON.stringify(data)))
  const script = html.match(/<script>\((.*)\)\(\)<\/script>/s)![1]
  // It runs in a page: nothing of a module may be left in it.
  assert.not.throws(() => new Function(`return (${script})`))
  assert.not.match(script, /import|exports\./)
})

test('the page is a file of its own', async () => {
  const path = join(folder, 'page.html')
  await writeHistoryPage(path, [{ schema: 1, origin, mode: 'quick', figures: [figure(1)] }])
  const html = readFileSync(path, 'utf8')
  assert.match(html, 'plotly.js')
  assert.not.match(html, /<(script|link|img)[^>]*(src|href)=/)
})

test('origins: commits in words, and what keeps runs apart', async () => {
  assert.is(nameOf(origin), '0123456')
  assert.is(
    nameOf({ ...origin, commit: { hash: '0123456789', dirty: true } }),
    '0123456 with changes',
  )
  assert.is(nameOf({ version: '0.1.0' }), '0.1.0')
  assert.is(obstacleBetween(origin, { ...origin, node: '20.9.9', date: 'x' }), undefined)
  assert.match(obstacleBetween(origin, { ...origin, wide: true })!, /^its wide vectors is "on"/)
  const made = await originOf(folder, '1.2.3', false)
  assert.is(made.commit, undefined, 'no checkout')
  assert.is(made.version, '1.2.3')
})

test.run()
