/** Stack traces that show lines of TypeScript. The package has no source maps, a clone has. */

import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

/** A line of a built file. */
const PLACE = /(file:\/\/[^\s():]+\.js):(\d+):(\d+)/g

/**
 * A stack trace with the lines of TypeScript that built lines come from. Node does the same with
 * `process.setSourceMapsEnabled`, but reads the maps of all modules for it, trace or not: an eighth
 * of the time that the command line takes to start.
 *
 * @param stack lines that have no map stay as they are
 */
export function typescriptLines(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>()
  return stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    if (!maps.has(url)) maps.set(url, mapOf(url))
    // Counted from 0, but in traces from 1.
    const entry = maps.get(url)?.findEntry(Number(line) - 1, Number(column) - 1)
    if (!entry || !('originalSource' in entry)) return place
    const source = fileURLToPath(new URL(entry.originalSource, url))
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
  })
}

/** What stands beside a file; undefined where there is none, as in the package. */
function mapOf(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8')))
  } catch {
    return undefined
  }
}
