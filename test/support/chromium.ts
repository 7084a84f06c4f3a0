/** What goes wrong in a page of a real browser. */

import type { Page } from 'playwright-core'

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
