/** A real browser, driven by Playwright, which brings none of its own. */

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** Chromium's path: `SPIKEWASM_CHROMIUM`, or what is on the path; undefined where there is none. */
export function findChromium(): string | undefined {
  const { SPIKEWASM_CHROMIUM, PATH = '' } = process.env
  const places = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
  const isThere = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  }
  return [SPIKEWASM_CHROMIUM ?? '', ...places].find((path) => path !== '' && isThere(path))
}

export async function openBrowser(path: string): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  return chromium.launch({
    executablePath: path,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
}

/** Faults that a page has told of, and requests to elsewhere. */
export function listen(page: Page, own: string): string[] {
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(own) && !url.startsWith('data:')) faults.push(`requested ${url}`)
  })
  return faults
}
