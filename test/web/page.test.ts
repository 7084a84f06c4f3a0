/** The page to try the package in, built by Vite, in a real browser. */
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { build } from 'vite'
import {
  adex,
  type CompileOptions,
  cnn,
  datasets,
  type Model,
  neuron,
  neurons,
  ops,
} from '../../src/index.js'
import { folderFor, messageOf } from '../files/temporary.js'
import { hasBrowser, launch, open, type Site, serve } from '../support/browser.js'
import { netOf } from '../support/net.js'
import { allow } from '../support/runner.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const at = (path: string): string => join(root, path)

/** Builds a page as `npm run page` does, into a folder of the test. */
async function buildPage(config: string, outDir: string): Promise<void> {
  await build({ configFile: at(config), logLevel: 'error', build: { outDir, emptyOutDir: true } })
}

/** The text of an element. */
const textOf = async (page: Page, selector: string): Promise<string> =>
  (await page.textContent(selector)) ?? ''

/** Waits until the text of an element matches. */
const until = (page: Page, id: string, words: RegExp): Promise<unknown> =>
  page.waitForFunction(
    ([id, source]) => new RegExp(source).test(document.getElementById(id)?.textContent ?? ''),
    [id, words.source],
  )

/** The same of what an element is called for those who do not see it. */
const untilCalled = (page: Page, id: string, words: RegExp): Promise<unknown> =>
  page.waitForFunction(
    ([id, source]) => new RegExp(source).test(document.getElementById(id)?.ariaLabel ?? ''),
    [id, words.source],
  )

/** The page says that something is wrong. */
async function expectProblem(page: Page, words: RegExp | string): Promise<void> {
  await page.waitForSelector('#problem:not([hidden])')
  assert.match(await textOf(page, '#problem'), words)
}

/** Waits until a training or a file has come to its end, and tells the accuracy in the words. */
async function accuracyOf(page: Page, words: RegExp): Promise<number> {
  await page.waitForFunction((source) => {
    const [state, problem] = ['state', 'problem'].map((id) => document.getElementById(id)!)
    return new RegExp(source).test(state.textContent) || !problem.hidden
  }, words.source)
  const text = await textOf(page, '#state')
  assert.match(text, words, await textOf(page, '#problem'))
  return Number(/([\d.]+) %/.exec(text)?.[1])
}

/** Presses Tab until it is on the element. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if (await page.evaluate((wanted) => document.activeElement?.id === wanted, id)) return
    await page.keyboard.press('Tab')
  }
  assert.unreachable(`Tab does not come to ${id}`)
}

const press = async (page: Page, ...keys: readonly string[]): Promise<void> => {
  for (const key of keys) await page.keyboard.press(key)
}

/** What is downloaded when the button is pressed by a key. */
async function saved(page: Page, id: string): Promise<Uint8Array> {
  await page.focus(`#${id}`)
  const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Enter')])
  return readFile(await download.path())
}

/** The answer behind the last step, when nothing moves any more. */
async function answer(page: Page): Promise<string> {
  await until(page, 'step', /24/)
  return textOf(page, '#verdict')
}

/** What the page shows of the first test image: the class, and its share behind 24 steps. */
async function answerInNode(model: Model): Promise<string> {
  const { test: images } = await datasets.digits()
  const stream = await compileNode({ batchSize: 1, purpose: 'stream' })
  stream.loadStateDict(model.stateDict())
  const image = new Float32Array(64)
  images.read(0, image)
  let last = await stream.step(image)
  for (let step = 1; step < 24; step++) last = await stream.step(image)
  await stream.dispose()
  const powers = [...last.logits].map(Math.exp)
  const share = powers[last.classes[0]] / powers.reduce((a, b) => a + b)
  return `${last.classes[0]} ${(100 * share).toFixed(1)} %`
}

const options = { input: [1, 8, 8], timeSteps: 4, batchSize: 32 } as const
const compileNode = (more: Partial<CompileOptions> = {}): Promise<Model> =>
  cnn(options.input, 10, { tau: 2 }).compile({ ...options, ...more })

/** What the page says of its weights is what they do here, in per cent. */
async function expectAccuracy(model: Model, percent: number): Promise<void> {
  const { accuracy } = await model.evaluate((await datasets.digits()).test)
  assert.is((100 * accuracy!).toFixed(1), percent.toFixed(1))
}

/** The four files, of few images. */
function idxFiles(): { name: string; mimeType: string; buffer: Buffer }[] {
  const idx = (sizes: number[], value: (i: number) => number): Buffer => {
    const header = [0, 0, 8, sizes.length, ...sizes.flatMap((n) => [0, 0, n >> 8, n & 255])]
    const count = sizes.reduce((a, b) => a * b)
    return Buffer.from([...header, ...Array.from({ length: count }, (_, i) => value(i) & 255)])
  }
  const part = (name: string, count: number) => [
    { name: `${name}-images-idx3-ubyte.gz`, buffer: gzipSync(idx([count, 28, 28], (i) => i * 7)) },
    { name: `${name}-labels-idx1-ubyte`, buffer: idx([count], (i) => i % 10) },
  ]
  const all = [...part('t10k', 20), ...part('train', 130)]
  return all.map((file) => ({ ...file, mimeType: 'application/octet-stream' }))
}

async function withPage(
  browser: Browser,
  site: Site,
  hash: string,
  act: (page: Page) => Promise<void>,
): Promise<void> {
  const { page, problems } = await open(browser, site, `/index.html${hash}`)
  // The machine may be busy.
  allow(300)
  page.setDefaultTimeout(120_000)
  try {
    await act(page)
    assert.equal(problems, [])
  } finally {
    await page.close()
  }
}

/** The page, built once. */
const built = folderFor(test)
test.before(() => buildPage('examples/page/vite.config.js', built))

test('the page is small, and the field of equations comes when it is opened', () => {
  const bytes = readdirSync(built, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.js'))
    .map((name) => [/field/.test(name), gzipSync(readFileSync(join(built, name))).length] as const)
  const first = bytes.filter(([isField]) => !isField).reduce((sum, [, size]) => sum + size, 0)
  const all = bytes.reduce((sum, [, size]) => sum + size, 0)
  // The goal is 45 * 1024, with the library; a larger number than today's needs a reason.
  // Functions of at most 60 lines have raised it by 0.03 kB, what `web/size` tells by 15.8 kB.
  // The package in few files: the code of equations, 15 kB, does not wait for the field any more.
  // The warning that `validationSplit` holds back whole classes has raised it by 0.3 kB.
  assert.ok(first <= 146_100, `${first} bytes of JavaScript, gzipped`)
  // Messages that point at their place, and comparisons in any form, have raised it by 0.7 kB.
  assert.ok(all <= 148_900, `${all} bytes with the field`)
})

const isThere = await hasBrowser()
/** One for all tests. */
let browser: Browser
if (isThere) {
  test.before(async () => {
    browser = await launch()
  })
  test.after(() => browser.close())
}

if (isThere)
  test('the page trains, is drawn on and read by keys, and gives and takes weights', async () => {
    const isolated = await serve({ folder: built, isolated: true })
    const plain = await serve({ folder: built })
    try {
      await withPage(browser, isolated, '#epochs=3', async (page) => {
        const accuracy = await accuracyOf(page, /^Done after 3 epochs/)
        assert.ok(accuracy > 80, `${accuracy} %`)
        for (const chart of ['loss', 'accuracy', 'rates'])
          assert.match((await page.getAttribute(`#${chart}`, 'aria-label')) ?? '', /: .*\d/)
        assert.match(
          (await page.getAttribute('#raster', 'aria-label')) ?? '',
          /layer 2 [1-9].*24 steps/,
        )
        await traced(page)

        const weights = await saved(page, 'save')
        const model = await compileNode()
        await model.load(weights)
        await expectAccuracy(model, accuracy)
        assert.is((await answer(page)).replace(/\s+/, ' '), await answerInNode(model))

        await drawn(page)
        await trained(page, weights, accuracy)
        await fitsInto(page, [400, 360])
        await model.dispose()
      })
      await withPage(browser, plain, '#epochs=2&network=mlp', async (page) => {
        assert.match(await textOf(page, '#host'), /One thread/)
        const accuracy = await accuracyOf(page, /^Done after 2 epochs/)
        assert.ok(accuracy > 60, `${accuracy} %`)
        await otherData(page)
      })
    } finally {
      await Promise.all([isolated.close(), plain.close()])
    }
  })

/** A neuron that is clicked, and one that is chosen by keys; both of the second layer. */
async function traced(page: Page): Promise<void> {
  const label = (): Promise<string> =>
    page.getAttribute('#trace', 'aria-label').then((text) => text ?? '')
  assert.match(
    await label(),
    /neuron \d+ of layer 1: from -?\d.*threshold 1\.00, [1-9]\d* spikes in 24 steps/,
  )
  const canvas = page.locator('#layers canvas').nth(2)
  const { width, height } = (await canvas.boundingBox())!
  // The third of eight maps beside each other, second row of maps; pixel (1, 2) of 4 × 4.
  await canvas.click({ position: { x: (12.5 / 39) * width, y: (6.5 / 19) * height } })
  await untilCalled(page, 'trace', /neuron 166 of layer 2/)
  await page.fill('#trace-neuron', '7')
  await untilCalled(page, 'trace', /neuron 7 of layer 2/)
}

/** A nought by the mouse, a one by keys alone. */
async function drawn(page: Page): Promise<void> {
  const { x, y, width } = (await page.locator('#pad').boundingBox())!
  const points = Array.from({ length: 33 }, (_, i) => {
    const angle = (i * Math.PI) / 16
    return [x + width * (0.5 + 0.22 * Math.sin(angle)), y + width * (0.5 - 0.36 * Math.cos(angle))]
  })
  await page.mouse.move(points[0][0], points[0][1])
  await page.mouse.down()
  for (const [px, py] of points) await page.mouse.move(px, py)
  await page.mouse.up()
  await until(page, 'step', /^Spikes at step 24$/)
  assert.match(await textOf(page, '#verdict'), /^0/)
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())

  await tabTo(page, 'pad')
  await press(page, 'Delete', 'ArrowUp', 'ArrowUp', 'Space')
  for (let i = 0; i < 11; i++) await press(page, 'ArrowDown')
  await press(page, 'Space')
  await until(page, 'said', /says 1,/)
  // The pad does not hold the focus.
  await press(page, 'Tab')
  assert.is(await page.evaluate(() => document.activeElement?.id), 'clear')
}

/** Trains on, pauses, goes on, stops, begins anew and takes weights, by keys. */
async function trained(page: Page, weights: Uint8Array, accuracy: number): Promise<void> {
  // A short training could end between two keys; the keys would then mean something else.
  await page.fill('[name=epochs]', '500')
  await page.evaluate(() => document.getElementById('training-title')?.focus())
  await tabTo(page, 'start')
  await press(page, 'Enter')
  await until(page, 'start', /^Pause$/)
  await press(page, 'Enter')
  assert.is(await textOf(page, '#start'), 'Go on')
  await page.fill('[name=lr]', '0.02')
  assert.match(await textOf(page, '#changed'), /^Learning rate and epochs hold from the next/)
  await page.fill('[name=lr]', '0.01')
  assert.is(await textOf(page, '#changed'), '')
  await page.focus('#start')
  await press(page, 'Enter')
  await press(page, 'Tab', 'Enter')
  await accuracyOf(page, /^Stopped after \d+ epochs/)
  await until(page, 'start', /^Train on$/)
  await page.focus('#reset')
  await press(page, 'Enter')
  await until(page, 'start', /^Start$/)

  const file = (name: string, buffer: Uint8Array) =>
    page.setInputFiles('#weights-file', {
      name,
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(buffer),
    })
  await file('page.safetensors', weights)
  assert.is(await accuracyOf(page, /^Weights of page\.safetensors: /), accuracy)
  await file('broken.safetensors', weights.subarray(0, 1000))
  await expectProblem(page, /broken\.safetensors does not fit this network/)

  const model = await compileNode()
  await file('node.safetensors', model.toBytes())
  await expectAccuracy(model, await accuracyOf(page, /^Weights of node\.safetensors: /))
  await model.dispose()
}

async function fitsInto(page: Page, widths: readonly number[]): Promise<void> {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(wide <= width, `${wide} of ${width} pixels`)
  }
}

/** Lets go of files over the page. */
async function drop(page: Page, files: ReturnType<typeof idxFiles>): Promise<void> {
  const sent = files.map(({ name, buffer }) => ({ name, text: buffer.toString('base64') }))
  await page.evaluate((all) => {
    const dataTransfer = new DataTransfer()
    for (const { name, text } of all) {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
      dataTransfer.items.add(new File([bytes], name))
    }
    const at = document.getElementById('inside')!
    for (const type of ['dragover', 'drop'])
      at.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }))
  }, sent)
}

async function otherData(page: Page): Promise<void> {
  const files = idxFiles()
  await page.setInputFiles('#data-files', files.slice(1))
  await expectProblem(page, /needs a file t10k-images-idx3-ubyte/)
  await drop(page, files)
  await accuracyOf(page, /^Done after 2 epochs/)
  assert.match(await textOf(page, '#data'), /Fashion-MNIST, 28×28: 130 to train, 20 to test/)
  assert.is(await page.inputValue('[name=lr]'), '0.002')
}

/** Opens the field of equations by a key. */
async function openField(page: Page): Promise<void> {
  const loaded = (): Promise<boolean> =>
    page.evaluate(() => performance.getEntriesByType('resource').some((e) => /field/.test(e.name)))
  assert.not(await loaded())
  await page.focus('#own summary')
  await press(page, 'Enter')
  await until(page, 'own-figures', /./)
  assert.ok(await loaded())
}

/** What is drawn: the picture, and what is said about it. */
async function drawing(page: Page): Promise<{ pixels: string; figures: string; mistake: string }> {
  await page.evaluate(() => new Promise((frame) => requestAnimationFrame(frame)))
  const pixels = await page.evaluate(() =>
    (document.getElementById('own-trace') as HTMLCanvasElement).toDataURL(),
  )
  const mistake = (await page.isVisible('#own-problem')) ? await textOf(page, '#own-problem') : ''
  assert.is(await page.isDisabled('#own-use'), mistake !== '', 'a mistake trains nothing')
  return { pixels, figures: await textOf(page, '#own-figures'), mistake }
}

/** The figures of a neuron that gets a current in the steps of the field. */
function figuresInNode(entry: neurons.NeuronEntry, current: number, steps: number): string {
  const { learn: _, ...options } = entry
  const x = new Float32Array(steps).fill(current, Math.round(0.1 * steps), Math.round(0.8 * steps))
  const outputs = ['spikes', 'eligibilities'] as const
  const op = { ...options, input: [1, steps, 1], outputs } as const
  const { spikes, eligibilities } = ops.neuron(op, x)
  const count = spikes.reduce((sum, spike) => sum + spike, 0)
  return (
    `${count} spikes in ${steps} steps. Eligibility: with the current the rate grows by ` +
    `${Number(eligibilities[0].toPrecision(3))}.`
  )
}

/** How the message about a text begins; empty where there is nothing wrong. */
function mistakeInNode(text: string): string {
  try {
    neuron(text)
    return ''
  } catch (error) {
    return (error as Error).message.replace(/\s+/g, ' ').slice(0, 60)
  }
}

const hostile: readonly string[] = [
  ...['', ';;;', 'spike', 'spike =', 'spike = 1', 'spike = x > 1 and', '\u0000', 'ß = ∞', '#'],
  ...[
    '<img src=x onerror="document.title = 1">',
    'spike = spike > 1',
    'toString = x; spike = x > 1',
  ],
  ...['('.repeat(5000), 'x'.repeat(9000), '-'.repeat(9000), 'a = a*a + x;'.repeat(90)],
  ...['u = u/0; spike = u > 0/0', 'dv/dt = exp(exp(v)) + x; output = v', 'output = log(-1)'],
  ...['spike = ((x > 1))', 'spike = 1 < x < 2', 'fires = x; spike = fires > 1 # spike = 2 >'],
  ...['u = u + x; spike = u >= 1 and not (x > 3 or x < 0); u = where(spike, 0, u)'],
  `${Array.from({ length: 99 }, (_, i) => `a${i} = exp(a${i} + x)`).join('\n')}\nspike = a9 > 1`,
]

async function edited(page: Page): Promise<void> {
  await openField(page)
  assert.is((await drawing(page)).figures, figuresInNode(neurons.list().alif, 0.6, 60))
  const before = await drawing(page)
  await page.selectOption('#own-preset', 'adex')
  const drawn = await drawing(page)
  assert.is(drawn.figures, figuresInNode(neurons.of(adex({ inputScale: 1000 })), 1, 200))
  assert.is.not(drawn.pixels, before.pixels)

  // A word typed at its end, letter by letter: wrong until the last one.
  await page.selectOption('#own-preset', 'lif')
  await page.fill('#own-text', 'u = u*(1 - 1/tau) + x\nspike = u >= vThreshol')
  const wrong = await drawing(page)
  const parameters = { tau: 1.25, vThreshold: 1 }
  const told = await messageOf(async () => neuron(await page.inputValue('#own-text'), parameters))
  assert.is(wrong.mistake.replace(/\s+/g, ' '), told.replace(/\s+/g, ' '))
  assert.is(await textOf(page, '#own-problem pre'), told.slice(told.indexOf('\n') + 1))
  assert.match(told, /line 2, column 14[\s\S]*\n {15}\^$/)
  await page.focus('#own-text')
  await press(page, 'Control+End')
  await page.keyboard.type('d')
  const right = await drawing(page)
  assert.is(right.mistake, '')
  const own = { ...neurons.list().lif, text: await page.inputValue('#own-text') }
  assert.is(right.figures, figuresInNode(own, 0.9, 60))

  await page.fill('#own-parameters', '')
  // However a comparison is written, the picture is the same.
  const pictures = new Set<string>()
  for (const spike of [
    'u >= where(u > 9, 1, 1) and hand >= x',
    '((1 <= u) and hand > 0)',
    '(\n1) <= u',
  ]) {
    await page.fill(
      '#own-text',
      `hand = x + 1; u = u/2 + x; spike = ${spike}; u = u - detach(spike)`,
    )
    pictures.add((await drawing(page)).pixels)
  }
  assert.is(pictures.size, 1)
  for (const text of hostile) {
    await page.fill('#own-text', text)
    const { mistake } = await drawing(page)
    assert.is(mistake.replace(/\s+/g, ' ').slice(0, 60), mistakeInNode(text), text)
  }
  await page.selectOption('#own-preset', 'izhikevich')
  for (const [name, value] of [
    ...['tau', 'a = 1 = 2', 'a = x', '= 3', '<b>, a = 1', 'a = 1e999'].map((v) => [
      'parameters',
      v,
    ]),
    ...['v = ', 'w = 1', '__proto__ = 1'].map((v) => ['init', v]),
    ...[
      ['learn', 'zeta'],
      ['surrogate', 'x >'],
      ['alpha', '0'],
      ['dt', '-1'],
      ['alpha', ''],
    ],
  ]) {
    const { figures } = await drawing(page)
    await page.fill(`#own-${name}`, value)
    const { mistake } = await drawing(page)
    assert.match(
      mistake,
      /must|belong|unknown|is not|line|known|no state|no parameters/,
      `${name}: ${value}`,
    )
    await page.selectOption('#own-preset', 'lif')
    await page.selectOption('#own-preset', 'izhikevich')
    assert.is((await drawing(page)).figures, figures, 'all is well again')
  }
  for (const [name, value] of [
    ...[
      ['steps', '1e9'],
      ['steps', ''],
      ['current', '1e39'],
      ['current', ''],
      ['dt', '1e30'],
    ],
  ]) {
    await page.fill(`#own-${name}`, value)
    assert.is((await drawing(page)).mistake, '', `${name}: ${value}`)
  }
}

/** Trains with PLIF of equations; the weights do the same in Node. */
async function trainedWith(page: Page): Promise<void> {
  await page.selectOption('#own-preset', 'plif')
  await page.fill('[name=epochs]', '2')
  await page.click('#own-use')
  const accuracy = await accuracyOf(page, /^Done after 2 epochs/)
  assert.ok(accuracy > 40, `${accuracy} %`)
  const { text, parameters } = neurons.list().plif
  const plif = () => neuron(text, parameters as Record<string, number>, { learn: ['tau'] })
  const stage = 'conv 16 3 padding=1 bias=false, norm, plif, avgPool2d 2'
  const both = `${stage}, ${stage.replace('16', '32')}, flatten, linear 10`
  const model = await netOf(options.input, both, { plif }).compile(options)
  const weights = await saved(page, 'save')
  await model.load(weights)
  assert.is.not(model.stateDict()['2.raw_tau'].data[0], -Math.log(1))
  await expectAccuracy(model, accuracy)
  await model.dispose()

  // Neurons that give numbers have no spikes to show.
  await page.selectOption('#own-preset', 'leakyIntegrator')
  // What is read below is of this training, not of the one before.
  await page.evaluate(() => document.getElementById('state')!.replaceChildren())
  await page.click('#own-use')
  assert.ok((await accuracyOf(page, /^Done after 2 epochs/)) > 40)
  assert.not(await page.isVisible('#problem'))

  // What a method cannot do, it refuses; LIF is a press away.
  await page.selectOption('#own-preset', 'plif')
  await page.selectOption('[name=method]', 'sltt')
  await page.click('#own-use')
  await expectProblem(page, /no gradient of what it learns \(tau\); use 'rate' or 'bptt'/)
  await page.fill('[name=epochs]', '3')
  await page.click('#own-back')
  assert.ok((await accuracyOf(page, /^Done after 3 epochs/)) > 40)
  assert.not(await page.isVisible('#own-back'))
}

if (isThere)
  test('equations are edited: drawn or told what is wrong, and trained with', async () => {
    const site = await serve({ folder: built })
    try {
      await withPage(browser, site, '#epochs=1', async (page) => {
        await accuracyOf(page, /^Done after 1 epoch/)
        await edited(page)
        await trainedWith(page)
        await fitsInto(page, [1000, 400, 360])
      })
    } finally {
      await site.close()
    }
  })

test.run()
