// runs: waits
/**
 * Training in browsers with other engines than Chromium's: Firefox, and WebKit as GTK has it. They
 * need no driver: a page trains when it is opened, and posts what it has found. It takes the package
 * from another origin, as from a mirror of packages.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findProgram, firstPath } from '../../src/edge/verify/job.js'
import * as spikewasm from '../../src/index.js'
import { type Site, type SiteOptions, serve } from '../support/browser.js'
import { allow, skip } from '../support/runner.js'

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

/** What opens a page: called with its address behind the arguments. */
interface Program {
  readonly path: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

interface Browser {
  readonly name: string
  readonly mend: string
  /** @param folder an empty one, for what it keeps. Undefined where the browser is missing. */
  find(folder: string): Promise<Program | undefined>
}

/** WebKit's own small browser, which no folder of programs holds. */
async function findMiniBrowser(): Promise<string | undefined> {
  const below = async (folder: string): Promise<string[]> =>
    (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
  const folders = (await below('/usr/lib')).filter((name) => /linux-gnu$/.test(name))
  const kits = (await Promise.all(['/usr/lib', '/usr/libexec', ...folders].map(below))).flat()
  const found = kits.filter((path) => /\/webkit2?gtk-[\d.]+$/.test(path))
  return firstPath(...found.map((path) => join(path, 'MiniBrowser')))
}

const browsers: readonly Browser[] = [
  {
    name: 'Firefox',
    mend: 'apt-get install firefox-esr',
    async find(folder) {
      const path = await findProgram('firefox', 'firefox-esr')
      const args = ['--headless', '--no-remote', '--profile', folder]
      return path ? { path, args } : undefined
    },
  },
  {
    name: 'WebKitGTK',
    mend: 'apt-get install webkit2gtk-driver xvfb xauth',
    async find(folder) {
      const [path, browser] = [await findProgram('xvfb-run'), await findMiniBrowser()]
      if (!path || !browser || !(await findProgram('xauth'))) return undefined
      // Its sandbox needs what containers seldom allow. Only the pages of this test are opened.
      const sandbox = { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' }
      const env = { ...sandbox, WEBKIT_DISABLE_COMPOSITING_MODE: '1', XDG_CACHE_HOME: folder }
      return { path, args: ['-a', browser], env }
    },
  },
]

const PATIENCE_MS = 120_000

/** Ends a browser with all that it has started. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('exit', resolve))
  process.kill(-child.pid, 'SIGKILL')
  await closed
}

/** Opens a page that is isolated, which opens one that is not; resolves with what both post. */
async function foundBy({ path, args, env }: Program): Promise<Found[]> {
  const found: Found[] = []
  let child: ChildProcess | undefined
  let timer: NodeJS.Timeout | undefined
  const sites: Site[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('pages posted nothing')), PATIENCE_MS)
      const posted = (body: string): void => {
        found.push(JSON.parse(body) as Found)
        if (found.length === 2 || found[0].error) resolve()
      }
      const open = async (): Promise<void> => {
        const site = async (options: SiteOptions): Promise<string> => {
          sites.push(await serve({ posted, ...options }))
          return sites.at(-1)!.origin
        }
        const mirror = await site({ folder: root, headers: { 'Access-Control-Allow-Origin': '*' } })
        const last = await site({ pages: { '/': pageOf(mirror, 'about:blank') } })
        const pages = { '/': pageOf(mirror, `${last}/`) }
        const first = await site({ isolated: true, pages })
        child = spawn(path, [...args, `${first}/`], {
          detached: true,
          stdio: 'ignore',
          env: { ...process.env, ...env },
        })
        child.on('error', reject)
        child.on('exit', (code) => reject(new Error(`${path} ended with ${code}`)))
      }
      open().catch(reject)
    })
    return found
  } finally {
    clearTimeout(timer)
    if (child) await end(child)
    for (const site of sites) await site.close()
  }
}

const inNode = Promise.all([1, 2].map((threads) => trainWaves(spikewasm, threads)))

for (const { name, mend, find } of browsers) {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-engines-'))
  test.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const program = await find(folder)
  if (!program) {
    skip(`there is no ${name}: ${mend}`)
    continue
  }
  test(`${name}, isolated and not: the bits of Node`, async () => {
    allow(2 * (PATIENCE_MS / 1000))
    const found = await foundBy(program)
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
}

test('Node: the same bits on one thread and two', async () => {
  const [one, two] = await inNode
  assert.equal({ ...two, threads: 1 }, one)
  assert.ok(one.losses[1] < one.losses[0])
})

test.run()
