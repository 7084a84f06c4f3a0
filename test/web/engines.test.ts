// runs: waits
/**
 * Training in browsers with other engines than Chromium's. The page takes the package from another
 * origin, as from a mirror of packages.
 */
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as spikewasm from '../../src/index.js'
import { type Site, type SiteOptions, serve } from '../support/browser.js'
import { type Engine, engines, missing, openIn } from '../support/engines.js'
import { allow, testUnless } from '../support/runner.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

type Api = Pick<typeof spikewasm, 'cnn' | 'compile' | 'fromArrays' | 'adam'>

/** Runs in Node and, as text, in a page: an epoch of waves, and what has come of it. */
async function trainWaves(api: Api, threads: number) {
  const input = [1, 9, 9] as const
  const images = Float32Array.from({ length: 330 * 81 }, (_, i) => (((i * i) % 251) - 100) / 100)
  const labels = Array.from({ length: 330 }, (_, i) => i % 10)
  const data = api.fromArrays({ name: 'waves', images, labels, shape: input, classes: 10 })
  const model = await api.cnn(input, 10).compile({ input, batchSize: 32, threads })
  const { epochs } = await model.fit(data, { epochs: 2, optimizer: api.adam({ lr: 0.01 }) })
  let hash = 0
  for (const byte of model.toBytes()) hash = (Math.imul(hash, 31) + byte) >>> 0
  const found = { threads: model.threads, hash, losses: epochs.map((epoch) => epoch.trainLoss) }
  await model.dispose()
  return found
}

type Trained = Awaited<ReturnType<typeof trainWaves>>

/** What a page posts. */
interface Found {
  readonly isolated: boolean
  /** Whether the browser gives pages memory that several threads share. */
  readonly shares: boolean
  readonly warnings: readonly string[]
  readonly trained: readonly Trained[]
  /** What went wrong, instead of all others. */
  readonly error?: string
}

/**
 * With all threads, however small a network is.
 *
 * @param mirror the origin of the package
 * @param next where it goes when it has posted
 */
const pageOf = (
  mirror: string,
  next: string,
): string => `<!doctype html><meta charset="utf-8"><title>test</title>
<script type="module">
globalThis.process = { env: { SPIKEWASM_ALL_THREADS: '1' } }
const post = (found) => fetch('/found', { method: 'POST', body: JSON.stringify(found) })
const failed = (error) => post({ error: String(error?.stack ?? error) })
addEventListener('error', (event) => failed(event.error ?? event.message))
addEventListener('unhandledrejection', (event) => failed(event.reason))
const warnings = []
console.warn = (message) => warnings.push(String(message))
try {
  const api = await import('${mirror}/build/dist/page.js')
  const trainWaves = ${trainWaves.toString()}
  const trained = [await trainWaves(api, 1), await trainWaves(api, 2)]
  const shares = typeof SharedArrayBuffer === 'function'
  await post({ isolated: crossOriginIsolated, shares, warnings, trained })
  location.href = ${JSON.stringify(next)}
} catch (error) {
  failed(error)
}
</script>`

/** Seconds. */
const PATIENCE = 120

/** Opens a page that is isolated, which opens one that is not; resolves with what both post. */
async function foundBy(engine: Engine): Promise<Found[]> {
  const found: Found[] = []
  const over = new EventEmitter()
  const posted = (body: string): void => {
    found.push(JSON.parse(body) as Found)
    if (found.length === 2 || found[0].error) over.emit('over')
  }
  const sites: Site[] = []
  const site = async (options: SiteOptions): Promise<string> => {
    sites.push(await serve({ posted, ...options }))
    return sites.at(-1)!.origin
  }
  try {
    const mirror = await site({ folder: root, headers: { 'Access-Control-Allow-Origin': '*' } })
    const last = await site({ pages: { '/': pageOf(mirror, 'about:blank') } })
    const first = await site({ isolated: true, pages: { '/': pageOf(mirror, `${last}/`) } })
    await openIn(engine, `${first}/`, once(over, 'over'), PATIENCE)
    return found
  } finally {
    for (const { close } of sites) await close()
  }
}

const inNode = Promise.all([1, 2].map((threads) => trainWaves(spikewasm, threads)))

for (const engine of engines)
  testUnless(await missing(engine))(`${engine.name}: the bits of Node`, async () => {
    allow(2 * PATIENCE)
    const found = await foundBy(engine)
    assert.equal(
      found.map(({ error, isolated }) => error ?? isolated),
      [true, false],
    )
    for (const { isolated, shares, trained, warnings } of found) {
      const [one, two] = await inNode
      const threads = isolated && shares ? 2 : 1
      assert.equal(trained, [one, { ...two, threads }])
      assert.is(warnings.length, 2 - threads)
      const why = isolated ? /has no SharedArrayBuffer/ : /Cross-Origin-Opener-Policy: same-origin/
      if (threads === 1) assert.match(warnings[0], why)
    }
  })

test('Node: the same bits on one thread and two', async () => {
  const [one, two] = await inNode
  assert.equal({ ...two, threads: 1 }, one)
  assert.ok(one.losses[1] < one.losses[0])
})

test.run()
