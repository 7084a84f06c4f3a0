/** Pages built by bundlers, in Chromium: an app that imports the package, and a server for it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { findChromium } from '../../src/verify/hosts/browser.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What of the package the tests need, as npm would install it. */
const packed = ['package.json', 'build/src', 'build/assembly', 'build/wasm', 'data']

/**
 * A project with the package in its node_modules.
 *
 * @param files by their names
 */
export function makeProject(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-web-'))
  for (const path of packed)
    cpSync(join(root, path), join(folder, 'node_modules/spikewasm', path), {
      recursive: true,
      filter: (source) => !/\.(d\.ts|map)$/.test(source),
    })
  write(folder, {
    'package.json': JSON.stringify({ name: 'app', private: true, type: 'module' }),
    ...files,
  })
  return folder
}

export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.gz': 'application/gzip',
}

const isolating = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/**
 * Serves a folder; what is not there is answered with the page, as many hosts do.
 *
 * @param isolated whether pages may share memory with workers
 */
export async function serve(
  folder: string,
  isolated = false,
): Promise<{ url: string; close(): void }> {
  const server = createServer(({ url = '/' }, response) => {
    const path = new URL(url, 'http://x').pathname
    const wanted = join(folder, path.endsWith('/') ? `${path}index.html` : path)
    const file = existsSync(wanted) ? wanted : join(folder, 'index.html')
    const type = types[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...(isolated && isolating), 'Content-Type': type })
    response.end(readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() }
}

/** The browser; undefined where there is none. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = process.env.SPIKEWASM_CHROMIUM ?? (await findChromium())
  if (executablePath === undefined) return undefined
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}

/** What a page sets `result` to; errors of its console are thrown. */
export async function resultOf(browser: Browser, url: string): Promise<string> {
  const page = await browser.newPage()
  try {
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(String(error)))
    await page.goto(url)
    const found = await page.waitForFunction(() => (globalThis as { result?: string }).result)
    const result = String(await found.jsonValue())
    if (errors.length > 0) throw new Error(errors.join('\n'))
    return result
  } finally {
    await page.close()
  }
}
