// Opens the built site in Chromium and in Firefox: no errors, no requests to elsewhere, nothing
// wider than a phone, texts that can be read, labels for all that is drawn or pressed. Networks that
// are trained in the page have the same bits as in Node.
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { findProgram } from '../build/src/edge/verify/job.js'
import { browserPath, launch, listen } from '../build/test/support/browser.js'
import { checkFirefox } from './firefox.js'
import { serve } from './serve.js'
import { addresses } from './shelves.js'

const PHONE = 360
const WIDE = 1440
const lessons = Object.values(addresses)
  .filter((address) => address.startsWith('learn/'))
  .map((address) => `/${address}`)
// Of each kind of page one, and every lesson.
const references = ['/reference/networks', '/reference/exported-file', '/api/']
const rest = ['/how-to/data', ...references, '/inside/architecture', '/play/']
const paths = ['/', ...lessons, ...rest]
const openedBy = (quick) => (quick ? paths.slice(0, 2) : paths)

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
  for (const part of ['main, .VPContent', 'nav', 'h1'])
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
  const sizes = []
  page.on('response', (response) => {
    if (/\.js$/.test(response.url()))
      sizes.push(response.body().then((body) => gzipSync(body).length))
  })
  await page.goto(origin + path)
  const hasFigures = (await page.locator('.fig').count()) > 0
  const live = await page.waitForFunction(
    (selector) => document.querySelector(selector) && performance.now(),
    hasFigures ? '.fig .controls input:enabled, .fig .go:enabled' : '#app',
  )
  const seconds = (await live.jsonValue()) / 1000
  await page.waitForLoadState('networkidle')
  for (const slider of await page.locator('.fig input[type=range]').all()) {
    const before = await slider.inputValue()
    await slider.press('ArrowRight')
    if ((await slider.inputValue()) === before) problems.push(`${path}: a key moves no slider`)
  }
  for (const figure of await page.locator('.fig:has(.go)').all()) {
    await figure.locator('.go:enabled').press('Enter')
    const codes = figure.locator('figcaption code')
    await codes.nth(1).waitFor({ timeout: 120_000 })
    const [here, node] = await codes.allTextContents()
    if (here !== node) problems.push(`${path}: the fingerprint is ${here}, in Node it is ${node}`)
  }
  await page.waitForLoadState('networkidle')
  const kB = (await Promise.all(sizes)).reduce((a, b) => a + b, 0) / 1000
  await page.close()
  return `${path} live after ${seconds.toFixed(2)} s, ${kB.toFixed(0)} kB of scripts`
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
async function checkChromium(folder, { base, quick }, problems) {
  const browser = await launch()
  const { origin, close } = await serve(folder, { base })
  const measured = []
  try {
    for (const scheme of quick ? ['light'] : ['light', 'dark'])
      await lookAt(browser, origin, scheme, openedBy(quick), problems)
    for (const path of quick ? lessons.slice(0, 1) : lessons)
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
 * @param quick home and the first lesson alone, in light
 * @returns what is wrong, and what was measured or skipped
 */
export async function checkInBrowsers(folder, { base = '/', quick = false }) {
  const problems = []
  const found = (await browserPath())
    ? await checkChromium(folder, { base, quick }, problems)
    : ['skipped Chromium: apt-get install chromium']
  const firefoxPath = await findProgram('firefox', 'firefox-esr')
  if (firefoxPath)
    problems.push(...(await checkFirefox(folder, base, firefoxPath, openedBy(quick))))
  else found.push('skipped Firefox: apt-get install firefox-esr')
  return { problems, measured: found }
}
