/** Pages built by bundlers, in Chromium: an app that imports the package, and a server for it. */
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { browserPath, launch, serve as serveFolder } from '../support/browser.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What of the package the tests need, as npm would install it. */
const packed = ['package.json', 'build/dist', 'build/wasm', 'data']

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

/** @param isolated whether pages may share memory with workers */
export async function serve(
  folder: string,
  isolated = false,
): Promise<{ url: string; close(): void }> {
  const { origin, close } = await serveFolder({ folder, isolated, fallback: 'index.html' })
  return { url: `${origin}/`, close }
}

/** The browser; undefined where there is none. */
export async function openBrowser(): Promise<Browser | undefined> {
  return (await browserPath()) === undefined ? undefined : launch()
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
