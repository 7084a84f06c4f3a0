/** What comparisons choose, and name as faults; verdicts have `compare.test.ts`, which runs alone. */
import { tmpdir } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CompareOptions, compareAgainst } from '../../src/bench/compare/against.js'
import { ownRoot } from '../../src/bench/compare/builds.js'
import { runChild } from '../../src/bench/compare/process.js'
import { resultOf } from '../../src/bench/compare/result.js'
import { messageOf } from '../io/temporary.js'
import type { LoopSelection } from './loops.js'

const cases = new URL('./loops.js', import.meta.url).href
const compareLoops = async (selection: LoopSelection, more: Partial<CompareOptions>) =>
  (
    await compareAgainst(ownRoot(), {
      selection,
      cases,
      seconds: 1,
      seed: 5,
      thorough: false,
      ...more,
    })
  ).campaign
const sides = { mine: 'new', other: 'old', threshold: 0.02 }

test('the filter chooses; a filter that fits nothing is told', async () => {
  const { rows } = await compareLoops({ count: 12 }, { filter: 'loop 11', seconds: 1 })
  assert.equal(
    rows.map(({ name }) => name),
    ['loop 11'],
  )
  assert.match(
    await messageOf(() => compareLoops({ count: 2 }, { filter: 'nothing', seconds: 1 })),
    /^bench\.filter must be a part of the name of a benchmark, got "nothing", which is in none/,
  )
})

test('what throws, hangs or ends its process is named; the rest is measured', async () => {
  const failing = ['throw', 'throw in prepare', 'exit', 'reject', 'hang'] as const
  const odd = [
    ...failing.map((does, i) => ({ number: 2 * i + (does === 'reject' ? 1 : 0), does })),
  ].map((one) => ({ ...one, build: 'both' as const }))
  const onlyOther = [
    { number: 11, build: 'other', does: 'throw' },
    { number: 13, build: 'other', does: 'throw in prepare' },
  ] as const
  const campaign = await compareLoops(
    { count: 14, odd: [...odd, ...onlyOther] },
    { seconds: 40, patience: 2 },
  )
  const { failed, skipped, rows } = campaign
  for (const [name, pattern] of [
    ['loop 0', /^Error: cannot run \(at .*loops/],
    ['loop 2', /^Error: cannot be prepared \(at .*loops/],
    ['loop 4', /^ended its process \(exit code 3\)$/],
    ['loop 7', /^Error: cannot go on \(at .*loops/],
    ['loop 8', /^did not end within 2 s; its process was killed$/],
  ] as const)
    assert.match(failed.get(name) ?? 'nothing', pattern, name)
  assert.is(failed.size, 5)
  assert.match(skipped.get('loop 11')!, /^the other build: cannot run$/)
  assert.match(skipped.get('loop 13')!, /^the other build: cannot be prepared$/)
  assert.equal(
    rows.map(({ name }) => name),
    [1, 3, 5, 6, 9, 10, 12].map((number) => `loop ${number}`),
  )
  const { exitCode, notes } = resultOf(campaign, sides)
  assert.is(exitCode, 2)
  assert.ok(notes.some((note) => note.startsWith('failed: loop 8: did not end')))
  assert.ok(notes.some((note) => note.startsWith('skipped: loop 11: the other build')))
})

test('one benchmark is measured, however long a process took to start', async () => {
  const job = {
    ...{ weights: tmpdir(), cases, own: [] },
    ...{ selection: { count: 3 }, builds: [ownRoot()], calibrate: false, wide: false },
    ...{ filter: undefined, names: undefined, measured: {}, seconds: 1e-3, seed: 1 },
  }
  const { measured, isWhole } = await runChild(job, { patienceMs: 60_000 })
  assert.equal([measured.length, isWhole], [1, true])
})

test.run()
