/** A browser without a window: Chromium, Chrome, Edge or Firefox. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Job, Outcome } from '../job.js'
import * as processes from '../job.js'
import { numbersOf, programText } from './compiled.js'

const chromiums = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'microsoft-edge',
]
const firefoxes = ['firefox', 'firefox-esr', '/Applications/Firefox.app/Contents/MacOS/firefox']

/** Quiet, without a profile of its own, and without talk to the network. */
export const chromiumFlags = (profile: string, sandbox: boolean): string[] => [
  '--headless',
  ...(sandbox ? [] : ['--no-sandbox']),
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--disable-dev-shm-usage',
  `--user-data-dir=${profile}`,
]

const firefoxFlags = (profile: string): string[] => [
  '--headless',
  '--no-remote',
  '--profile',
  profile,
]

/** The page starts a worker: there modules of any size may be compiled at once. */
const page = `<!doctype html><meta charset="utf-8"><title>spikewasm verify</title>
<script type="module">
const answer = (text) => fetch('result', { method: 'POST', body: text })
const worker = new Worker('worker.js', { type: 'module' })
worker.onmessage = ({ data }) => answer(data)
worker.onerror = ({ message }) => answer('error: ' + (message || 'the worker did not start'))
</script>
`

const worker = `import { measure } from './program.js'
const bytes = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer())
const run = async () => {
  const job = await (await fetch('job.json')).json()
  const [wasm, input] = [await bytes('net.wasm'), await bytes('input')]
  const expected = new Uint32Array((await bytes('expected')).buffer)
  const surroundings = { now: () => performance.now(), resident: () => null }
  return JSON.stringify(measure(wasm, input, expected, job, surroundings))
}
run().then(postMessage, (error) => postMessage('error: ' + error.message))
`

type Content = readonly [type: string, content: () => string | Promise<Uint8Array>]

/** The two last give the page a clock of 5 µs instead of 100. */
const headers = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/** Serves a job on this machine alone; the result is what the page sends. */
async function serveJob(job: Job) {
  const prefix = `/${randomUUID()}/`
  const [script, binary] = ['text/javascript', 'application/octet-stream']
  const files: Readonly<Record<string, Content>> = {
    '': ['text/html; charset=utf-8', () => page],
    'worker.js': [script, () => worker],
    'program.js': [script, programText],
    'job.json': ['application/json', () => JSON.stringify(numbersOf(job))],
    'net.wasm': ['application/wasm', () => readFile(job.net)],
    input: [binary, () => readFile(job.input)],
    expected: [binary, () => readFile(job.expected)],
  }
  let settle: (text: string) => void = () => {}
  const result = new Promise<string>((resolve) => {
    settle = resolve
  })
  const server = createServer((request, response) => {
    const { url = '', method } = request
    const name = url.startsWith(prefix) ? url.slice(prefix.length) : undefined
    if (method === 'POST' && name === 'result') {
      let text = ''
      request.setEncoding('utf8').on('data', (more: string) => {
        if (text.length < 1 << 16) text += more
      })
      request.on('end', () => {
        response.writeHead(204).end()
        settle(text)
      })
    } else if (name !== undefined && Object.hasOwn(files, name)) {
      const [type, content] = files[name]
      Promise.resolve(content()).then(
        (body) => response.writeHead(200, { 'Content-Type': type, ...headers }).end(body),
        () => response.writeHead(500).end(),
      )
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`
  const stop = (): void => {
    server.closeAllConnections()
    server.close()
  }
  return { address, result, stop }
}

/** What Chromium says where its sandbox does not work, as root or by the kernel's settings. */
const NO_SANDBOX = /no usable sandbox|without --no-sandbox/i

/** What starts a browser, given a new folder for its profile, in its sandbox or without. */
type Flags = (profile: string, sandbox: boolean) => string[]

/**
 * In the browser's sandbox. Chromium has none as root, and in containers that forbid it: it says so
 * and ends at once. There alone it runs without.
 */
async function runBrowser(
  job: Job,
  program: string,
  flags: Flags,
  sandbox = true,
): Promise<Outcome> {
  const profile = await mkdtemp(join(job.folder, 'profile-'))
  const { address, result, stop } = await serveJob(job)
  try {
    const options = { cwd: job.folder, seconds: processes.patience(job), until: result }
    const ended = processes
      .runProgram(program, [...flags(profile, sandbox), address], options)
      .then(() => {
        throw new processes.HostFailure('ended before the page had answered')
      })
    const text = await Promise.race([result, ended])
    // Its files are removed next: it must have ended.
    await ended.catch(() => undefined)
    if (text.startsWith('error: ')) throw new processes.HostFailure(text.slice(7))
    return processes.readOutcome(text)
  } catch (error) {
    if (!sandbox || !(error instanceof processes.HostFailure && NO_SANDBOX.test(error.complaints)))
      throw error
    return runBrowser(job, program, flags, false)
  } finally {
    stop()
  }
}

const found = async (
  program: string,
  name: string,
  flags: Flags,
): Promise<processes.FoundHost> => ({
  version: `${name} ${await processes.versionOf(program)}`,
  run: (job) => runBrowser(job, program, flags),
})

/** CHROME_BIN, or Chromium or one of its kin on the path. */
export function findChromium(): Promise<string | undefined> {
  const { CHROME_BIN } = process.env
  return processes.findProgram(...(CHROME_BIN ? [CHROME_BIN] : []), ...chromiums)
}

export const browser: processes.Host = {
  name: 'browser',
  install: 'apt-get install chromium, or firefox; or CHROME_BIN=its path',
  find: async () => {
    const chromium = await findChromium()
    if (chromium !== undefined) return found(chromium, 'Chromium', chromiumFlags)
    const firefox = await processes.findProgram(...firefoxes)
    return firefox === undefined ? undefined : found(firefox, 'Firefox', firefoxFlags)
  },
}
