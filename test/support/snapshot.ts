/** Whole texts against files of the repository; a change that is meant is taken over by `--update`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'

const update = Boolean(process.env.UPDATE_SNAPSHOTS)

/** The first line that differs, with its number. */
function difference(expected: string, actual: string): string | undefined {
  if (expected === actual) return undefined
  const [before, after] = [expected, actual].map((text) => text.split('\n'))
  const at = after.findIndex((line, i) => line !== before[i])
  const line = at < 0 ? after.length : at
  return `line ${line + 1}:\n  - ${before[line] ?? '(end)'}\n  + ${after[line] ?? '(end)'}`
}

/**
 * @param path below `test`
 * @param words of `npm test` that choose the test
 */
export function expectSnapshot(path: string, text: string, words: string): void {
  const updating = `if it is meant to change: npm test -- ${words} --update`
  const file = new URL(`../../../test/${path}`, import.meta.url)
  if (update) {
    mkdirSync(new URL('.', file), { recursive: true })
    writeFileSync(file, text)
  }
  assert.ok(existsSync(file), `test/${path} does not exist; to write it: ${updating}`)
  const wrong = difference(readFileSync(file, 'utf8'), text)
  assert.is(wrong, undefined, `test/${path} differs at ${wrong}\n${updating}`)
}
