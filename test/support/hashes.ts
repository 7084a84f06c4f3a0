/** Hashes of outcomes in a JSON file beside a test: any change of one shows. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'

const update = Boolean(process.env.UPDATE_SNAPSHOTS)

/** Outcomes of one test file. A change that is meant is taken over with `npm test -- … --update`. */
export class Hashes {
  private readonly file: URL
  private readonly expected: Record<string, string>
  private readonly found: Record<string, string> = {}

  /** @param path of the JSON file below `test` */
  constructor(private readonly path: string) {
    this.file = new URL(`../../../test/${path}`, import.meta.url)
    this.expected = existsSync(this.file) ? JSON.parse(readFileSync(this.file, 'utf8')) : {}
  }

  /** Compares the hash of outcomes with the one of this name. */
  is(name: string, outcomes: Iterable<string | Uint8Array>): void {
    const hash = createHash('sha256')
    for (const outcome of outcomes) hash.update(outcome).update('\n')
    this.found[name] = hash.digest('hex').slice(0, 12)
    if (!update) assert.is(this.found[name], this.expected[name], `${this.path}: ${name}`)
  }

  /** Asserts, when all names have come, that the file holds no others; or writes it. */
  finish(): void {
    if (update) writeFileSync(this.file, `${JSON.stringify(this.found, undefined, 2)}\n`)
    else assert.equal(Object.keys(this.found), Object.keys(this.expected), this.path)
  }
}
