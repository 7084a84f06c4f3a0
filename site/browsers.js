// Opens the built site in Chromium and in Firefox: no errors, no requests to elsewhere, nothing
// wider than a phone, texts that can be read, labels for all that is drawn or pressed. Networks that
// are trained in the page have the same bits as in Node.
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { findProgram } from '../build/src/edge/verify/job.js'
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

/** Runs in a page: what is wrong with how it looks, and with its labels. */
function faultsOfPage() {
  const faults = []
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth > clientWidth) faults.push(`it is ${scrollWidth - clientWidth} px too wide`)
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number)
  const luminance = (rgb) =>
    rgb
      .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a))
  const backOf = (element) => {
    const layers = []
    for (let at = element; at; at = at.parentElement) {
      layers.unshift(numbers(getComputedStyle(at).backgroundColor))
      if ((layers[0][3] ?? 1) === 1) break
    }
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255])
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const poor = new Set()
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || element.closest('svg, [disabled], .visually-hidden'))
      continue
    const { color, visibility, backgroundClip } = getComputedStyle(element)
    const isHidden = !element.checkVisibility({ opacityProperty: true }) || visibility === 'hidden'
    if (isHidden || backgroundClip === 'text' || !element.getClientRects().length) continue
    const back = backOf(element)
    const [a, b] = [luminance(over(numbers(color), back)), luminance(back)]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (contrast < 4.5)
      poor.add(`contrast ${contrast.toFixed(1)}: ${element.tagName} .${element.className}`)
  }
  faults.push(...poor)
  for (const element of document.querySelectorAll(
    'button, input, select, a[href], [role=img], img',
  )) {
    if (!element.checkVisibility() || element.closest('[aria-hidden=true]')) continue
    const labels = [element.ariaLabel, element.title, element.alt, element.textContent]
    const named = [...(element.labels ?? [])].map(({ textContent }) => textContent)
    const isDecoration = element.getAttribute('alt') === ''
    if (!isDecoration && ![...labels, ...named].some((text) => text?.trim()))
      faults.push(`no label: ${element.outerHTML.slice(0, 100)}`)
  }
  for (const part of ['main, [role=main], .VPContent', 'nav', 'h1'])
    if (!document.querySelector(part)) faults.push(`no ${part}`)
  if (!document.documentElement.lang) faults.push('no language')
  return faults
}

/** Errors of a page, and its requests to elsewhere. */
function listen(page, origin, problems) {
  const tell = (text) => problems.push(`${page.url().replace(origin, '')}: ${text}`)
  page.on('console', (message) => message.type() === 'error' && tell(message.text()))
  page.on('pageerror', (error) => tell(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url()))
      tell(`requests ${request.url()}`)
  })
}

/** The site's own pages have faults looked for; those of others only errors and requests. */
async function lookAt(browser, origin, colorScheme, problems) {
  const context = await browser.newContext({ colorScheme })
  const page = await context.newPage()
  listen(page, origin, problems)
  for (const path of paths) {
    await page.setViewportSize({ width: WIDE, height: 900 })
    await page.goto(origin + path, { waitUntil: 'networkidle' })
    if (/^\/(api|play)\//.test(path)) continue
    // Vue labels it a moment after the page is there.
    await page.waitForFunction(() =>
      [...document.querySelectorAll('.VPSwitchAppearance')].every(({ title }) => title),
    )
    for (const width of [WIDE, PHONE]) {
      await page.setViewportSize({ width, height: 900 })
      for (const fault of new Set(await page.evaluate(faultsOfPage)))
        problems.push(`${path} at ${width} px, ${colorScheme}: ${fault}`)
    }
  }
  await context.close()
}

/** Every figure that can train does so; keys move every slider. */
async function useLesson(browser, origin, path, problems) {
  const page = await browser.newPage()
  listen(page, origin, problems)
  const sizes = []
  page.on('response', async (response) => {
    if (/\.js$/.test(response.url()))
      sizes.push(response.body().then((body) => gzipSync(body).length))
  })
  await page.goto(origin + path)
  const hasFigures = (await page.locator('.fig').count()) > 0
  const live = await page.waitForFunction(
    (selector) => document.querySelector(selector) && performance.now(),
    hasFigures ? '.fig .controls input:enabled, .fig .go:enabled' : '#app',
  )
  const milliseconds = await live.jsonValue()
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
  return `${path} live after ${(milliseconds / 1000).toFixed(2)} s, ${kB.toFixed(0)} kB of scripts`
}

/** Without scripts pictures and texts are there. */
async function withoutScripts(browser, origin, problems) {
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  for (const path of lessons) {
    await page.goto(origin + path)
    // Two lines of an axis are no picture.
    for (const figure of await page.locator('.fig').all())
      if ((await figure.locator('svg *').count()) < 4) problems.push(`${path}: an empty figure`)
    if ((await page.locator('main').textContent()).length < 2000) problems.push(`${path}: no text`)
  }
  await context.close()
}

async function checkChromium(folder, base, executablePath) {
  const isRoot = process.getuid?.() === 0
  const args = [...(isRoot ? ['--no-sandbox'] : []), '--disable-dev-shm-usage', '--disable-gpu']
  const browser = await chromium.launch({ executablePath, args })
  const { origin, close } = await serve(folder, { base })
  const problems = []
  const measured = []
  try {
    for (const scheme of ['light', 'dark']) await lookAt(browser, origin, scheme, problems)
    for (const path of lessons) measured.push(await useLesson(browser, origin, path, problems))
    await withoutScripts(browser, origin, problems)
  } catch (error) {
    problems.push(error.message)
  } finally {
    await browser.close()
    await close()
  }
  return { problems, measured }
}

/** Opens the site in the browsers that are there. @returns what was measured, or skipped */
export async function checkInBrowsers(folder, base = '/') {
  const found = []
  const problems = []
  const chromiumPath =
    process.env.SPIKEWASM_CHROMIUM || (await findProgram('chromium', 'google-chrome'))
  if (chromiumPath) {
    const result = await checkChromium(folder, base, chromiumPath)
    problems.push(...result.problems)
    found.push(...result.measured)
  } else found.push('skipped Chromium: apt-get install chromium')
  const firefoxPath = await findProgram('firefox', 'firefox-esr')
  if (firefoxPath) problems.push(...(await checkFirefox(folder, base, firefoxPath, paths)))
  else found.push('skipped Firefox: apt-get install firefox-esr')
  if (problems.length > 0) throw Object.assign(new Error(), { stderr: problems.join('\n') })
  return `\n  ${found.join('\n  ')}`
}
