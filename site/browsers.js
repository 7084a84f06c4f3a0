// Opens the built site in Chromium, Firefox and WebKit: no errors, no requests to elsewhere, nothing
// wider than a phone, texts that can be read, labels for all that is drawn or pressed. Networks that
// are trained in the page have the same bits as in Node.
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { browserPath, launch, listen } from '../build/test/support/browser.js'
import { engines } from '../build/test/support/engines.js'
import { checkEngine } from './engines.js'
import { serve } from './serve.js'
import { addresses } from './shelves.js'

const PHONE = 360
const WIDE = 1440
const own = Object.values(addresses).map((address) => `/${address}`)
const lessons = own.filter((path) => path.startsWith('/learn/'))
const paths = [...new Set(['/', ...lessons, ...own.slice(1), '/api/', '/play/'])]
const openedBy = (all) => (all ? paths : paths.slice(0, 2))

/** Runs in a page: what is wrong with how it looks, and with its labels. */
async function faultsOfPage() {
  // Sections of VitePress's sidebar are buttons that hold a button.
  const rules = { 'nested-interactive': { enabled: false } }
  const { violations } = await globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa'], rules })
  const faults = violations.flatMap(({ help, nodes }) =>
    nodes.map(({ html }) => `${help}: ${html.slice(0, 100)}`),
  )
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth > clientWidth) faults.push(`it is ${scrollWidth - clientWidth} px too wide`)
  for (const part of ['main', 'nav', 'h1'])
    if (!document.querySelector(part)) faults.push(`no ${part}`)
  return faults
}

/** The site's own pages have faults looked for; those of others only errors and requests. */
async function lookAt(browser, origin, colorScheme, opened, problems) {
  const page = await browser.newPage({ colorScheme })
  listen(page, origin, problems)
  for (const path of opened) {
    await page.setViewportSize({ width: WIDE, height: 900 })
    await page.goto(origin + path, { waitUntil: 'networkidle' })
    if (/^\/(api|play)\//.test(path)) continue
    // Vue labels it a moment after the page is there.
    await page.locator('.VPSwitchAppearance[title]').first().waitFor({ state: 'attached' })
    await page.addScriptTag({ path: fileURLToPath(import.meta.resolve('axe-core')) })
    for (const width of [WIDE, PHONE]) {
      await page.setViewportSize({ width, height: 900 })
      for (const fault of await page.evaluate(faultsOfPage))
        problems.push(`${path} at ${width} px, ${colorScheme}: ${fault}`)
    }
  }
  await page.close()
}

/** Every figure that can train does so; keys move every slider. */
async function useLesson(browser, origin, path, problems) {
  const page = await browser.newPage()
  listen(page, origin, problems)
  const scripts = []
  page.on('response', (response) => {
    if (/\.js$/.test(response.url()))
      scripts.push(response.body().then((body) => gzipSync(body).length / 1000))
  })
  const kB = async () => (await Promise.all(scripts)).reduce((a, b) => a + b, 0).toFixed(0)
  await page.goto(origin + path)
  // A figure comes to life in view; a click on trial waits for that.
  const live = async (control) => {
    await control.scrollIntoViewIfNeeded()
    await control.click({ trial: true })
    return control
  }
  const control = '.fig :is(.controls input, .go)'
  const controls = page.locator(control)
  if ((await controls.count()) > 0) await controls.first().scrollIntoViewIfNeeded()
  const ready = `${control}:enabled, #app:not(:has(${control}))`
  await page.waitForSelector(ready, { state: 'attached' })
  const seconds = await page.evaluate(() => (performance.now() / 1000).toFixed(2))
  await page.waitForLoadState('networkidle')
  const first = await kB()
  for (const control of await page.locator('.fig input[type=range]').all()) {
    const slider = await live(control)
    const before = await slider.inputValue()
    await slider.press('ArrowRight')
    if ((await slider.inputValue()) === before) problems.push(`${path}: a key moves no slider`)
  }
  for (const figure of await page.locator('.fig:has(.go)').all()) {
    await (await live(figure.locator('.go'))).press('Enter')
    const codes = figure.locator('figcaption code')
    await codes.nth(1).waitFor({ timeout: 120_000 })
    const [here, node] = await codes.allTextContents()
    if (here !== node) problems.push(`${path}: the fingerprint is ${here}, in Node it is ${node}`)
  }
  await page.waitForLoadState('networkidle')
  const all = await kB()
  await page.close()
  return `${path} live after ${seconds} s with ${first} kB of scripts; in the end ${all} kB`
}

/** Without scripts pictures and texts are there. */
async function withoutScripts(browser, origin, problems) {
  const page = await browser.newPage({ javaScriptEnabled: false })
  for (const path of lessons) {
    await page.goto(origin + path)
    // Two lines of an axis are no picture.
    for (const figure of await page.locator('.fig').all())
      if ((await figure.locator('svg *, td').count()) < 4) problems.push(`${path}: an empty figure`)
    if ((await page.locator('main').textContent()).length < 2000) problems.push(`${path}: no text`)
  }
  await page.close()
}

/** What is wrong goes into `problems`. @returns what was measured */
async function checkChromium(folder, { base, all }, problems) {
  if (!(await browserPath())) return ['skipped: there is no Chromium: apt-get install chromium']
  const browser = await launch()
  const { origin, close } = await serve(folder, { base })
  const measured = []
  try {
    for (const scheme of all ? ['light', 'dark'] : ['light'])
      await lookAt(browser, origin, scheme, openedBy(all), problems)
    // The first is the frame of all pages alone.
    for (const path of openedBy(all).slice(0, 1 + lessons.length))
      measured.push(await useLesson(browser, origin, path, problems))
    await withoutScripts(browser, origin, problems)
  } catch (error) {
    problems.push(error.message)
  } finally {
    await browser.close()
    await close()
  }
  return measured
}

/**
 * Opens the site in the browsers that are there.
 *
 * @param all every page, in light and dark; else home and the first lesson
 * @returns what is wrong, and what was measured or skipped
 */
export async function checkInBrowsers(folder, { base = '/', all = false }) {
  const problems = []
  const inEngines = async () => {
    const skipped = []
    for (const engine of engines)
      skipped.push(...(await checkEngine(engine, folder, { base, paths: openedBy(all) }, problems)))
    return skipped
  }
  const chromium = checkChromium(folder, { base, all }, problems)
  return { problems, measured: (await Promise.all([chromium, inEngines()])).flat() }
}
