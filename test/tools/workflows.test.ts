/** Workflows run what was looked at: a tag of an action may be moved, a commit may not. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

test('actions of workflows are named by commit, with their version beside it', () => {
  const folder = fileURLToPath(new URL('../../../.github/workflows/', import.meta.url))
  const uses = readdirSync(folder).flatMap((file) =>
    readFileSync(folder + file, 'utf8')
      .split('\n')
      .filter((line) => /\buses:/.test(line)),
  )
  assert.ok(uses.length > 0)
  for (const line of uses)
    assert.match(line, /uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, line)
})

test.run()
