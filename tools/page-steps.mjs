// Compares training steps in Chromium with the same steps in Node, both in turns on this machine:
// `npm run page:steps`. Prints milliseconds of a step, medians over the rounds, the ratio of the
// two, and long tasks of the page's thread.
//
//   --rounds N      rounds of each, default 5
//   --only TEXT     networks whose name contains the text
//   --json          one line of JSON instead
import { flag, integer, readOptions, text } from './options.mjs'

const built = (path) => import(new URL(`../build/${path}.js`, import.meta.url))
const api = await built('src/index')
const { median } = await built('src/base/numbers')

/** Networks on made-up data; `steps` are timed, behind as many that warm up. */
const networks = [
  { name: 'small cnn', shape: [1, 8, 8], batchSize: 64, timeSteps: 4, steps: 200 },
  { name: 'cnn', shape: [1, 28, 28], batchSize: 64, timeSteps: 4, steps: 30 },
  { name: 'resnet18', shape: [3, 32, 32], batchSize: 16, timeSteps: 4, steps: 4 },
]

/** Where steps run: threads, and in a page whether it is isolated. */
const places = [
  { name: '1 thread', threads: 1, isolated: true },
  { name: '2 threads', threads: 2, isolated: true },
  { name: '1 thread, not isolated', threads: 1, isolated: false },
]

/** Runs in Node and, as text, in a page. Warms up when `model` is made; see `networks`. */
async function prepare(api, { name, shape, batchSize, timeSteps, steps }, threads) {
  const network = name.endsWith('cnn') ? api.cnn(shape, 10) : api[name]({ classes: 10 })
  const model = await network.compile({ input: shape, batchSize, timeSteps, threads })
  const size = batchSize * shape.reduce((a, b) => a * b, 1)
  const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898) * 1.5)
  const y = Array.from({ length: batchSize }, (_, i) => i % 10)
  const round = async () => {
    const times = []
    for (let i = 0; i < steps; i++) {
      const from = performance.now()
      await model.trainStep(x, y)
      times.push(performance.now() - from)
    }
    return times.sort((a, b) => a - b)[times.length >> 1]
  }
  await round()
  return { round, dispose: () => model.dispose() }
}

async function inPage(network, { threads, isolated }, { browser, serve }) {
  const site = await serve({ isolated, pages: { '/': '<!doctype html><title>steps</title>' } })
  const page = await browser.newPage()
  await page.goto(site.origin)
  await page.evaluate(
    `import('/src/web/page.js').then(async (api) => {
      globalThis.longTasks = []
      globalThis.prepared = await (${prepare})(api, ${JSON.stringify(network)}, ${threads})
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longTasks.push(duration)
      }).observe({ type: 'longtask' })
    })`,
  )
  return {
    round: () => page.evaluate('prepared.round()'),
    async end() {
      const longTasks = await page.evaluate(
        'prepared.dispose().then(() => new Promise((done) => setTimeout(done, 100)))' +
          '.then(() => longTasks)',
      )
      await page.close()
      await site.close()
      return longTasks
    },
  }
}

/** Steps of a network at a place, in Node and in a page by turns. */
async function compared(network, place, rounds, opened) {
  const node = await prepare(api, network, place.threads)
  const page = await inPage(network, place, opened)
  const times = []
  for (let i = 0; i < rounds; i++) times.push([await node.round(), await page.round()])
  await node.dispose()
  const longTasks = await page.end()
  return {
    network: network.name,
    place: place.name,
    node: median(times.map(([node]) => node)),
    page: median(times.map(([, page]) => page)),
    ratio: median(times.map(([node, page]) => page / node)),
    longTasks: longTasks.length,
    longestMs: Math.max(0, ...longTasks),
  }
}

async function compareAll({ rounds, only, json }) {
  const { hasBrowser, launch, serve } = await built('test/support/browser')
  if (!(await hasBrowser())) return
  const browser = await launch()
  const chromium = browser.version()
  const found = []
  for (const network of networks.filter(({ name }) => name.includes(only)))
    for (const place of places) {
      const row = await compared(network, place, rounds, { browser, serve })
      found.push(row)
      const [inNode, inPage] = [row.node, row.page].map((ms) => `${ms.toFixed(2)} ms`)
      const longest = row.longTasks > 0 ? ` (≤ ${row.longestMs} ms)` : ''
      if (!json)
        console.log(
          `${network.name.padEnd(9)} ${place.name.padEnd(23)} Node ${inNode}, Chromium ${chromium} ` +
            `${inPage}, ratio ${row.ratio.toFixed(3)}, ${row.longTasks} long tasks${longest}`,
        )
    }
  if (json) console.log(JSON.stringify({ chromium, node: process.version, found }))
  await browser.close()
}

const only = { ...text, default: '' }
await compareAll(readOptions({ rounds: integer(5), only, json: flag }))
