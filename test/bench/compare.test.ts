// runs: alone
/**
 * Comparisons as users run them, on loops of a known length: what is slower is found, what is not
 * is not. What looks at no time is in `compare-faults.test.ts` and `baseline.test.ts`.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  compareBaseline,
  makeBaseline,
  readBaseline,
  writeBaseline,
} from '../../src/bench/compare/baseline.js'
import type { Row } from '../../src/bench/compare/campaign.js'
import { compareAgainst, resultOf } from '../../src/bench/compare/command.js'
import { emptyBuild, optionsOf } from './loops.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'))
test.after(() => rmSync(folder, { recursive: true }))
const root = emptyBuild(join(folder, 'empty'))

/** Many times what it takes, for machines that are busy: the budget alone makes nothing longer. */
const seconds = 200
// What others do to the machine moves a loop by less: who is equal is not looked at again.
const threshold = 0.1
const sides = { mine: 'new', other: 'old', threshold }
const verdictsOf = (rows: readonly Row[]) =>
  Object.fromEntries(rows.map(({ name, verdict }) => [name, verdict]))

test('a slower loop is found on fresh processes, and nothing else', async () => {
  const options = optionsOf({ count: 2, slower: { 1: 0.5 } }, { root, seconds, threshold })
  const { campaign } = await compareAgainst(root, options)
  const { 'loop 0': same, 'loop 1': slow } = verdictsOf(campaign.rows)
  assert.is(slow, 'slower')
  assert.ok(same === 'same' || same === 'undecided', same)
  const row = campaign.rows.find(({ name }) => name === 'loop 1')!
  assert.ok(row.measured.length >= 5, 'five fresh processes at least decide')
  assert.ok(row.interval!.low > 0.2 && row.interval!.high < 0.75, JSON.stringify(row.interval))
  const { exitCode, table, entries, notes } = resultOf(campaign, sides)
  assert.is(exitCode, 1)
  assert.is(table.rows[0][0], 'loop 1')
  assert.match(notes[0], /^1 slower, .* Slower by more than 10.0 %: loop 1\.$/)
  const ratio = entries.find(({ name }) => name === 'loop 1 | beside other')!
  assert.ok(ratio.unit === 'ratio' && ratio.value > 1.25, JSON.stringify(ratio))
  assert.is(new Set(entries.map(({ name }) => name)).size, entries.length)
  const others = campaign.rows.filter(({ verdict }) => verdict !== 'slower')
  assert.is(resultOf({ ...campaign, rows: others }, sides).exitCode, 0)
})

test('a baseline is saved, read, and compared with', async () => {
  // Among three processes, one that is disturbed would leave it undecided.
  const made = await makeBaseline(optionsOf({ count: 1 }, { root, seconds }), 5)
  assert.equal(
    made.benchmarks.map(({ name, processes }) => [name, processes.length]),
    [['loop 0', 5]],
  )
  const path = join(folder, 'base.json')
  await writeBaseline(path, made)
  assert.equal(await readBaseline(path), made)
  const { campaign } = await compareBaseline(
    path,
    // Now and then are not side by side: what the machine does meanwhile counts.
    optionsOf({ count: 2, slower: { 0: 5 } }, { root, seconds, threshold: 0.3 }),
  )
  const verdicts = verdictsOf(campaign.rows)
  assert.is(verdicts['loop 0'], 'slower')
  assert.is(verdicts['loop 1'], 'undecided', 'there is nothing to compare it with')
})

test.run()
