/** The charting library, which is an optional dependency. */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

/** What to install for pages. */
export const plotlyPackage = 'plotly.js-basic-dist-min'

/** The minified script; undefined where the package is not installed. */
export async function loadPlotly(): Promise<string | undefined> {
  let path: string
  try {
    path = createRequire(import.meta.url).resolve(plotlyPackage)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
  return readFile(path, 'utf8')
}
