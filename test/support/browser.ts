/** Pages in a real browser: the system's Chromium, and a small server on loopback. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize, sep } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findChromium } from '../../src/edge/verify/hosts/browser.js'
import { skip } from './runner.js'

/** SPIKEWASM_CHROMIUM, or a Chromium on the path. */
export async function browserPath(): Promise<string | undefined> {
  return process.env.SPIKEWASM_CHROMIUM || (await findChromium())
}

/** Whether tests can run in a browser. Where there is none it says so. */
export async function hasBrowser(): Promise<boolean> {
  if ((await browserPath()) !== undefined) return true
  skip('there is no Chromium: apt-get install chromium, or SPIKEWASM_CHROMIUM=its path')
  return false
}

export async function launch(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0
  return chromium.launch({
    executablePath: await browserPath(),
    args: [...(isRoot ? ['--no-sandbox'] : []), '--disable-dev-shm-usage', '--disable-gpu'],
  })
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.gz': 'application/gzip',
  '.svg': 'image/svg+xml',
}

export interface Site {
  readonly origin: string
  close(): Promise<void>
}

export interface SiteOptions {
  /** Whether pages may share memory with workers; default false. */
  readonly isolated?: boolean
  readonly headers?: Readonly<Record<string, string>>
  /** Bodies by path, before files of the folder. */
  readonly pages?: Readonly<Record<string, string>>
  /** Default: the built package. */
  readonly folder?: string
  /** The path below which the folder stands, with slashes at both ends. */
  readonly base?: string
  /** What answers for a file that is not there, as many hosts do. */
  readonly fallback?: string
  /** Gets what a page posts. */
  posted?(body: string): void
}

const built = fileURLToPath(new URL('../../', import.meta.url))

/**
 * What a page imports, as one script beside the file: a browser takes long to load some 200.
 *
 * @param entry a built file, below `src`
 */
export async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(built, entry)],
    ...{ bundle: true, write: false, format: 'esm', platform: 'browser', logLevel: 'error' },
  })
  return outputFiles[0].text
}

/** Serves a folder on loopback. */
export async function serve(options: SiteOptions = {}): Promise<Site> {
  const { isolated = false, folder = built, base = '/', fallback = '', pages = {} } = options
  const headers = {
    'Cache-Control': 'no-store',
    ...(isolated && {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    }),
    ...options.headers,
  }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)
    const send = (body: string | Uint8Array, type: string): void => {
      response.writeHead(200, { ...headers, 'Content-Type': type }).end(body)
    }
    const missing = (): void => {
      response.writeHead(404, headers).end()
    }
    if (request.method === 'POST' && options.posted)
      text(request).then((body) => {
        options.posted?.(body)
        response.writeHead(204, headers).end()
      }, missing)
    else if (path === '/favicon.ico') response.writeHead(204).end()
    else if (Object.hasOwn(pages, path)) send(pages[path], types[extname(path)] ?? types['.html'])
    else {
      const own = path.startsWith(base) ? path.slice(base.length - 1) : path
      const file = normalize(join(folder, own.endsWith('/') ? `${own}index.html` : own))
      if (!file.startsWith(join(folder, sep))) missing()
      else
        readFile(file)
          .catch(() => readFile(join(folder, fallback)))
          .then((body) => send(body, types[extname(file)] ?? 'application/octet-stream'), missing)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** A page that keeps what went wrong in it. */
export interface Opened {
  readonly page: Page
  /** Errors of the console and of scripts, failed requests, and requests to elsewhere. */
  readonly problems: string[]
  /** Texts of console.warn. */
  readonly warnings: string[]
}

/** Errors of a page, and its requests to elsewhere, go into `problems`. */
export function listen(page: Page, origin: string, problems: string[]): void {
  const tell = (text: string): void => {
    problems.push(`${page.url().replace(origin, '')}: ${text}`)
  }
  page.on('console', (message) => {
    if (message.type() === 'error') tell(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => tell(`error: ${error.message}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) tell(`request to ${url}`)
  })
}

export async function open(browser: Browser, site: Site, path = '/'): Promise<Opened> {
  const page = await browser.newPage()
  const problems: string[] = []
  const warnings: string[] = []
  listen(page, site.origin, problems)
  page.on('console', (message) => {
    if (message.type() === 'warning') warnings.push(message.text())
  })
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`))
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`)
  })
  await page.goto(site.origin + path)
  return { page, problems, warnings }
}
