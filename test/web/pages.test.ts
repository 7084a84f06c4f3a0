/** Our pages in a real browser: no errors, no overflow on a phone, dark where that is asked for. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  liveSweepPage,
  type SweepRow,
  type SweepStatus,
  sweepBody,
  sweepPage,
} from '../../src/cli/sweep/page.js'
import { page as diagnosePage } from '../../src/diagnose/figures.js'
import { servePage, serveRun } from '../../src/watch/dashboard/server.js'
import { packBits } from '../../src/watch/pages/chart.js'
import { showPage } from '../../src/watch/pages/recording.js'
import { type RunReport, reportPage } from '../../src/watch/pages/report.js'
import { withFolder } from '../files/temporary.js'
import { browserPath, launch } from '../support/browser.js'
import { listen } from '../support/chromium.js'
import { made } from '../support/diagnosis.js'
import { testUnless } from '../support/runner.js'

const path = await browserPath()
const withBrowser = testUnless(path ? undefined : 'there is no Chromium')

let browser: Browser
test.before(async () => {
  if (path !== undefined) browser = await launch()
})
test.after(() => browser?.close())

const layers = Array.from({ length: 17 }, (_, i) => `layer${i >> 2}.${i & 3}.conv.sn`)

const rates = (epoch: number): Record<string, number> =>
  Object.fromEntries(layers.map((name, i) => [name, 0.05 + 0.02 * i + 0.01 * Math.sin(epoch + i)]))

const records = Array.from({ length: 30 }, (_, i) => ({
  epoch: i + 1,
  trainLoss: 2 / (i + 1),
  trainAccuracy: 1 - 1 / (i + 2),
  testLoss: 2.2 / (i + 1),
  testAccuracy: 1 - 1.1 / (i + 2),
  learningRate: 0.1 * (1 - i / 30),
  stepMs: 12 + (i % 3),
  samplesPerSecond: 2000 + i,
  firingRates: rates(i),
}))

const picture = {
  width: 8,
  height: 8,
  rgb: Uint8Array.from({ length: 192 }, (_, i) => (i * 37) % 256),
}

const report: RunReport = {
  title: 'resnet18 on cifar10',
  ending: 'Finished: 30 of 30 epochs.',
  records,
  examined: {
    count: 1000,
    of: 10_000,
    data: 'CIFAR-10 test',
    answers: {
      accuracy: 0.93,
      classNames: ['plane', 'car', 'a-very-long-name-of-a-class-without-any-space', 'cat'],
      confusion: [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 240 : i + j))),
      worst: Array.from({ length: 24 }, (_, i) => ({
        index: 41 * i,
        label: i % 4,
        answer: (i + 1) % 4,
        ofLabel: 0.01,
        ofAnswer: 0.9,
        picture,
      })),
    },
    spikes: {
      about: 'Sample 0 of CIFAR-10 test, label cat, answer cat.',
      picture,
      rasters: layers.map((name, i) => ({
        ...{ title: `${name}: 60 of 65536 neurons`, rows: 60, steps: 4, share: i / 16 },
        ...packBits(60, 4, (row, t) => (row * 7 + t * 3 + i) % 5 === 0),
      })),
    },
  },
  facts: [['layers', '20 × conv2d, 20 × norm, 17 × neuron, linear']],
  options: [
    ['dataset', 'cifar10'],
    ['a-long-option', 'x'.repeat(250)],
  ],
  origin: [['Node', '24.0.0']],
}

/** Width that is scrolled sideways, and the brightness of the background, 0…255. */
async function looks(page: Page): Promise<{ wide: number; back: number }> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    const [red] = getComputedStyle(document.body).backgroundColor.match(/\d+/g) ?? []
    return { wide: scrollWidth - clientWidth, back: Number(red) }
  })
}

const [PHONE, DESK] = [390, 1280]

/** Elements that reach over the right edge, but in a part that scrolls by itself. */
const outside = (): string[] =>
  Array.from(document.querySelectorAll('body *'))
    .filter((element) => {
      const { right, width } = element.getBoundingClientRect()
      return width > 0 && right > innerWidth + 0.5 && element.closest('.wide, .said') === null
    })
    .map((element) => `${element.tagName} ${element.getAttribute('class')}`)

/** For each legend its entries: the name, and how the mark looks. */
const legends = (): (readonly [name: string, mark: string])[][] =>
  Array.from(document.querySelectorAll('.legend, .kinds')).map((legend) =>
    Array.from(legend.querySelectorAll('li')).map(
      (item) =>
        [
          item.querySelector('button > span')?.textContent ?? item.textContent ?? '',
          item.querySelector('svg')?.innerHTML ?? '',
        ] as const,
    ),
  )

/** What is drawn or written in the red of errors, and marks of legends that are red. */
const red = (): string[] => {
  const isRed = (colour: string): boolean => {
    const [r, g, b] = (colour.match(/[\d.]+/g) ?? []).map(Number)
    return r > 120 && r - Math.max(g, b) > 80 && Math.abs(g - b) < 50
  }
  return Array.from(document.querySelectorAll('body *'))
    .filter((element) => {
      const { color, fill, stroke } = getComputedStyle(element)
      return [color, ...(element instanceof SVGElement ? [fill, stroke] : [])].some(isRed)
    })
    .map((element) => element.closest('.warn, .failed')?.getAttribute('class') ?? element.outerHTML)
}

/** Puts a script, a handler and a style into a page: what of them had an effect. */
const inject = async (): Promise<unknown[]> => {
  const script = document.createElement('script')
  script.textContent = 'globalThis.hit = "script"'
  document.body.append(script)
  const handler = `globalThis.hit = 'handler'`
  document.body.insertAdjacentHTML(
    'beforeend',
    `<img src="data:image/png,x" onerror="${handler}"><p id="styled" style="color: lime">x</p>` +
      '<style>#styled { background: lime }</style>',
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  const { color, backgroundColor } = getComputedStyle(document.getElementById('styled')!)
  const { hit } = globalThis as { hit?: unknown }
  return [hit, ...[color, backgroundColor].filter((colour) => colour === 'rgb(0, 255, 0)')]
}

/** How many pages have been looked at. */
let looked = 0
const schemes = { light: [PHONE, DESK], dark: [DESK, PHONE] } as const

/**
 * At phone and desk width, light and dark: loaded as one of the four, by turns, and made the others.
 * `SPIKEWASM_SHOTS` is a folder for pictures of them.
 */
async function check(name: string, url: string, charts: number, rasters = 0): Promise<void> {
  const order = looked++ % 2 === 0 ? (['light', 'dark'] as const) : (['dark', 'light'] as const)
  const ways = order.flatMap((scheme) => schemes[scheme].map((width) => [scheme, width] as const))
  const [colorScheme, width] = ways[0]
  const height = 900
  const context = await browser.newContext({ colorScheme, viewport: { width, height } })
  const page = await context.newPage()
  const faults = listen(page, url)
  await page.goto(url)
  if (charts > 0) await page.waitForSelector('.u-over')
  for (const [colorScheme, width] of ways) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height })
    // Charts follow a moment later.
    await page.waitForFunction(fits, width).catch(() => {})
    for (let i = 0; i < 40 && (await page.evaluate(outside)).length > 0; i++)
      await page.waitForTimeout(50)
    const where = `${url} at ${width}, ${colorScheme}`
    const { wide, back } = await looks(page)
    assert.is(wide, 0, `${where} overflows by ${wide}`)
    assert.ok(colorScheme === 'dark' ? back < 60 : back > 230, `${where}: background ${back}`)
    assert.is(await page.locator('.u-over').count(), charts, where)
    assert.is(await page.locator('canvas.raster').count(), rasters, where)
    assert.equal(await page.evaluate(outside), [], `${where}: outside of the page`)
    for (const entries of await page.evaluate(legends)) {
      const names = new Set(entries.map(([name]) => name))
      const marks = new Set(entries.map(([, mark]) => mark))
      assert.equal([names.size, marks.size], [entries.length, entries.length], `${where}: legend`)
    }
    for (const found of await page.evaluate(red)) assert.match(found, /warn|failed/, where)
    const labels = page.locator('[role=img]:not([aria-labelledby])')
    const texts = await labels.evaluateAll((all) => all.map((e) => e.getAttribute('aria-label')))
    for (const text of texts) assert.ok((text ?? '').length > 10, where)
    assert.equal(faults, [], where)
    const shots = process.env.SPIKEWASM_SHOTS
    if (shots !== undefined)
      await page.screenshot({
        path: join(shots, `${name}-${width}-${colorScheme}.png`),
        fullPage: true,
      })
  }
  assert.equal(await page.evaluate(inject), [undefined], `${url}: what was put in has no effect`)
  const refused = faults.filter((fault) => /Content Security Policy/.test(fault))
  assert.ok(refused.length >= 4, `${url}: ${faults}`)
  await context.close()
}

/** Runs in the page: whether it is as wide as it was made, and nothing is scrolled sideways. */
const fits = (width: number): boolean => {
  const { scrollWidth, clientWidth } = document.documentElement
  return innerWidth === width && scrollWidth === clientWidth
}

/** A test of a page that is opened from its file. */
const fromFile = (
  claim: string,
  html: () => Promise<string>,
  body: (url: string) => Promise<void>,
): void =>
  withBrowser(claim, () =>
    withFolder(async (folder) => {
      const file = join(folder, 'page.html')
      await writeFile(file, await html())
      await body(pathToFileURL(file).href)
    }),
  )

fromFile(
  'a report from its file',
  () => reportPage(report),
  (url) => check('report', url, 5, 17),
)

const origin = { version: '1.2.3', node: '20.0.0', processor: 'Some CPU', cores: 2 }
fromFile(
  'a diagnosis',
  () => diagnosePage(made({ layers: 9, spikes: true }), origin),
  (url) => check('diagnose', url, 26, 9),
)

const recording = {
  title: '00002.bin',
  summary: '34 × 34 pixels, 4000 events',
  width: 34,
  height: 34,
  counts: Uint8Array.from({ length: 24 * 34 * 34 * 2 }, (_, i) => (i % 13 === 0 ? 1 : 0)),
  begins: Array.from({ length: 24 }, (_, i) => i * 12_500),
  duration: 300_000,
}
fromFile(
  'a recording',
  () => showPage(recording),
  (url) => check('show', url, 0),
)

withBrowser(
  'a run that goes on: charts grow, keys read values, lines can be hidden, the end',
  async () => {
    const status = { epoch: 3, epochs: 10, step: 4, steps: 10, leftMs: 83_000 }
    const server = await serveRun({
      ...{ title: 'cnn on digits', status, records: records.slice(0, 3) },
      options: [['lr', '0.1']],
    })
    const step = (at: number): void =>
      server.step({
        point: {
          ...{ at, loss: 1 / (1 + at), accuracy: 0.9, learningRate: 0.1, stepMs: 12 },
          rates: Object.values(rates(at)),
        },
        status,
        layers,
      })
    for (let at = 0.1; at < 3.4; at += 0.1) step(at)
    await check('dashboard', server.url, 5)
    const page = await browser.newPage({ viewport: { width: 400, height: 900 } })
    const faults = listen(page, server.url)
    await page.goto(server.url)
    await page.waitForSelector('.u-over')
    assert.match((await page.textContent('#status')) ?? '', 'Epoch 4 of 10, 1:23 left')
    const chart = page.locator('[data-figure=learning] [role=img]').first()
    const before = await chart.getAttribute('aria-label')
    server.epoch({ record: { ...records[3], trainLoss: 0.123 }, status: { ...status, epoch: 4 } })
    await page.waitForFunction(
      (old) =>
        document.querySelector('[data-figure=learning] [role=img]')?.getAttribute('aria-label') !==
        old,
      before,
    )
    assert.match((await chart.getAttribute('aria-label')) ?? '', '0.123 at epoch 4')
    await chart.focus()
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(() =>
      /epoch .*train/.test(
        document.querySelector('[data-figure=learning] .said')?.textContent ?? '',
      ),
    )
    const button = page.locator('[data-figure=rates] button').first()
    await button.focus()
    await page.keyboard.press('Enter')
    assert.is(await button.getAttribute('aria-pressed'), 'false')
    // In other colours the line is still hidden, and its button has the focus.
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.waitForFunction(
      () =>
        matchMedia('(prefers-color-scheme: dark)').matches &&
        document.activeElement?.getAttribute('aria-pressed') === 'false',
    )
    // A second tab, and one that comes back, get all that has been.
    const second = await browser.newPage()
    await second.goto(server.url)
    await second.waitForSelector('.u-over')
    await server.close({ ...status, leftMs: undefined, ended: 'finished' })
    await page.waitForFunction(() =>
      /has ended/.test(document.getElementById('status')?.textContent ?? ''),
    )
    await page.waitForTimeout(1500)
    assert.equal(faults, [], 'nobody asks a server that is gone')
    await page.close()
    await second.close()
  },
)

/** Runs of three options, of which so many have ended; names are long, and one has failed. */
function sweepStatus(ended: number): SweepStatus {
  const rows = Array.from({ length: 24 }, (_, i): SweepRow => {
    const chosen = {
      lr: [0.01, 0.05, 0.1, 0.3][i % 4],
      method: ['bptt', 'rate', 'a-method-with-a-long-name'][(i >> 2) % 3],
      seed: 1 + (i >> 3),
      timeSteps: [2, 4][i % 2],
    }
    const known = {
      id: String(i).padStart(24, '0'),
      options: chosen,
      chosen,
      epochs: 20,
      tasks: [],
    }
    const testAccuracy = 0.9 - 0.02 * (i % 4) - 0.001 * i
    if (i === 5) {
      const error = `the run took 900 MB of memory, more than its limit of 800 MB ${'x'.repeat(90)}`
      return { ...known, state: 'failed', epoch: 2, share: 0.1, testAccuracy: null, error }
    }
    if (i < ended) return { ...known, state: 'finished', epoch: 20, share: 1, testAccuracy }
    if (i < ended + 2) return { ...known, state: 'running', epoch: 3, share: 0.17, testAccuracy }
    return { ...known, state: 'waiting', epoch: 0, share: 0, testAccuracy: null }
  })
  const varied = ['lr', 'method', 'seed', 'timeSteps']
  return { format: 1, title: 'Sweep lr.json', pid: null, varied, rows }
}

fromFile(
  'a sweep from its file',
  () => sweepPage(sweepStatus(20)),
  async (url) => {
    await check('sweep', url, 0)
    const page = await browser.newPage({ viewport: { width: PHONE, height: 900 } })
    await page.goto(url)
    // A chart for each option, and in it a point for each run that has a figure, or failed.
    const charts = page.locator('.chart > .scatter')
    assert.is(await charts.count(), 4)
    for (const chart of await charts.all()) {
      assert.is(await chart.locator('.point').count(), 22)
      assert.is(await chart.locator('.failed').count(), 1)
      const { x, width } = (await chart.boundingBox())!
      assert.ok(x >= 0 && x + width <= PHONE, `${x} + ${width}`)
    }
    const rows = page.locator('.runs tbody tr:visible')
    // Ten of the best, and the one that failed.
    assert.is(await rows.count(), 11)
    await page.locator('summary').click()
    assert.is(await rows.count(), 35)
    await page.close()
  },
)

const odd = records.map((one) => (one.epoch === 12 ? { ...one, trainLoss: 4.2e6 } : one))
fromFile(
  'a value far away: the curve is seen, and the chart says what is not',
  () => reportPage({ ...report, records: odd }),
  async (url) => {
    const page = await browser.newPage({ viewport: { width: DESK, height: 900 } })
    await page.goto(url)
    await page.waitForSelector('.u-over')
    const chart = page.locator('[data-figure=learning] .chart').first()
    assert.is(
      await chart.locator('.outside').textContent(),
      'Outside the chart: 1 value lies above, at 4.20e+6.',
    )
    assert.is(await page.locator('.outside:visible').count(), 1)
    await page.close()
  },
)

withBrowser('a sweep that goes on: what was scrolled stays so, and the end', async () => {
  let body = sweepBody(sweepStatus(8))
  const html = await liveSweepPage(sweepStatus(8))
  const server = await servePage({ html, whole: () => ['sweep', body] })
  await check('live-sweep', server.url, 0)
  const page = await browser.newPage({ viewport: { width: 400, height: 900 } })
  const faults = listen(page, server.url)
  await page.goto(server.url)
  const picture = page.locator('.runs .wide').last()
  await page.locator('summary').click()
  await picture.focus()
  await picture.evaluate((element) => element.scrollTo(120, 0))
  body = sweepBody(sweepStatus(12))
  server.send('sweep', body)
  await page.waitForFunction(() => document.body.textContent?.includes('11 finished'))
  assert.is(await picture.evaluate((element) => element.scrollLeft), 120)
  assert.ok(await picture.evaluate((element) => element === document.activeElement))
  assert.is(await page.locator('details').getAttribute('open'), '')
  await server.close('end', sweepBody(sweepStatus(24)))
  await page.waitForFunction(() =>
    /has ended/.test(document.getElementById('told')?.textContent ?? ''),
  )
  assert.match((await page.textContent('.status')) ?? '', '23 finished, 1 failed')
  // An end is no error.
  assert.is(await page.locator('#told').getAttribute('class'), 'note')
  assert.equal(faults, [])
  await page.close()
})

test.run()
