// Compares training steps in Chromium with the same steps in Node, both in turns on this machine:
// `npm run page:steps`. Prints milliseconds of a step, medians over the rounds, the ratio of the
// two, and long tasks of the page's thread.
//
//   --rounds N      rounds of each, default 5
//   --only TEXT     networks whose name contains the text
//   --json          one line of JSON instead
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const self = fileURLToPath(import.meta.url)
const built = new URL('../build/', import.meta.url)

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

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

/** The child: prepares in Node, then a round for each line that comes. */
async function serveRounds(network, threads) {
  const api = await import(new URL('src/index.js', built))
  const { round } = await prepare(api, network, threads)
  console.log('ready')
  process.stdin.on('data', async () => console.log(await round()))
  process.stdin.on('end', () => process.exit(0))
}

/** Steps in Node, in a process of their own as those of a page are. */
async function inNode(network, { threads }) {
  const args = [self, '--child', JSON.stringify({ network, threads })]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]()
  await lines.next()
  return {
    async round() {
      child.stdin.write('\n')
      return Number((await lines.next()).value)
    },
    end: () => child.stdin.end(),
  }
}

async function inPage(network, { threads, isolated }, { browser, serve }) {
  const pages = { '/': '<!doctype html><title>steps</title>' }
  const site = await serve({ isolated, pages })
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

async function compare({ rounds, only, json }) {
  const { hasBrowser, launch, serve } = await import(new URL('test/support/browser.js', built))
  if (!(await hasBrowser())) return
  const browser = await launch()
  const found = []
  for (const network of networks.filter(({ name }) => name.includes(only)))
    for (const place of places) {
      const [node, page] = [
        await inNode(network, place),
        await inPage(network, place, { browser, serve }),
      ]
      const times = []
      for (let i = 0; i < rounds; i++) times.push([await node.round(), await page.round()])
      node.end()
      const longTasks = await page.end()
      const row = {
        network: network.name,
        place: place.name,
        node: median(times.map(([node]) => node)),
        page: median(times.map(([, page]) => page)),
        ratio: median(times.map(([node, page]) => page / node)),
        longTasks: longTasks.length,
        longestMs: Math.max(0, ...longTasks),
      }
      found.push(row)
      if (!json)
        console.log(
          `${network.name.padEnd(9)} ${place.name.padEnd(23)} Node ${row.node.toFixed(2)} ms, ` +
            `Chromium ${browser.version()} ${row.page.toFixed(2)} ms, ratio ${row.ratio.toFixed(3)}, ` +
            `${row.longTasks} long tasks${row.longTasks > 0 ? ` (≤ ${row.longestMs} ms)` : ''}`,
        )
    }
  if (json)
    console.log(JSON.stringify({ chromium: browser.version(), node: process.version, found }))
  await browser.close()
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    child: { type: 'string' },
  },
})
if (values.child) {
  const { network, threads } = JSON.parse(values.child)
  await serveRounds(network, threads)
} else await compare({ ...values, rounds: Number(values.rounds) })
