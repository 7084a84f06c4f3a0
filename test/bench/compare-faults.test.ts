/**
 * What comparisons choose, refuse, and name as faults; verdicts have `compare.test.ts`, which runs
 * alone.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeBaseline } from '../../src/bench/compare/baseline.js'
import { findBuild, loadBuild, ownRoot } from '../../src/bench/compare/builds.js'
import { compareAgainst, runComparison } from '../../src/bench/compare/command.js'
import type { CompareOptions } from '../../src/bench/compare/options.js'
import { runChild } from '../../src/bench/compare/process.js'
import { resultOf } from '../../src/bench/compare/result.js'
import { emptyBuild } from './empty-build.js'
import type { LoopSelection } from './loops.js'
import { mistakeOf } from './mistake.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'))
test.after(() => rmSync(folder, { recursive: true }))
const root = emptyBuild(join(folder, 'empty'))

const cases = new URL('./loops.js', import.meta.url).href
const optionsOf = (selection: LoopSelection, more: Partial<CompareOptions> = {}) => ({
  selection,
  root,
  cases,
  seconds: 1,
  seed: 5,
  thorough: false,
  ...more,
})
const compareLoops = async (selection: LoopSelection, more: Partial<CompareOptions>) =>
  (await compareAgainst(root, optionsOf(selection, more))).campaign
const sides = { mine: 'new', other: 'old', threshold: 0.02 }

/** A folder with a package.json. */
function packageFolder(name: string, manifest: object): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest))
  return path
}

test('builds: missing, another package, not built, installed, without kernels', async () => {
  const other = packageFolder('other', { name: 'left-pad' })
  const unbuilt = packageFolder('unbuilt', {
    name: 'spikewasm',
    exports: { '.': { types: './x.d.ts', default: './build/src/index.js' } },
  })
  for (const [path, pattern] of [
    [join(folder, 'nowhere'), /^bench\.against must be a folder of spikewasm, .*does not exist$/],
    [import.meta.filename ?? join(other, 'package.json'), /it is a file$/],
    [other, /it holds none that has been built; name a checkout where npm ci && npm run build/],
    [unbuilt, /it holds none that has been built/],
  ] as const)
    assert.match(await mistakeOf(compareAgainst(path, optionsOf({ count: 1 }))), pattern)
  const project = packageFolder('project', { name: 'my-project' })
  const old = packageFolder('project/node_modules/spikewasm', {
    name: 'spikewasm',
    version: '0.0.9',
    exports: { '.': './index.js', './package.json': './package.json' },
  })
  writeFileSync(join(old, 'index.js'), 'export const old = true\n')
  const files = await findBuild(project, 'bench.against')
  assert.is(files.root, old)
  const build = await loadBuild(files, 'other')
  assert.is(build.version, '0.0.9')
  assert.is((build.sw as unknown as { old: boolean }).old, true)
  assert.throws(() => build.ops.load, /^spikewasm 0\.0\.9 has no spikewasm\/ops$/)
})

test('options out of range are one message', async () => {
  for (const [more, pattern] of [
    [{ threshold: -0.1 }, /^bench\.threshold must be a percentage from 0 to 100, got -10$/],
    [{ seconds: 0 }, /^bench\.seconds must be a number of seconds above 0, got 0$/],
  ] as const)
    assert.match(await mistakeOf(compareAgainst(ownRoot(), optionsOf({ count: 1 }, more))), pattern)
  assert.match(
    await mistakeOf(runComparison({ against: 'a', baseline: 'b' }, optionsOf({ count: 1 }))),
    /one of --against, --baseline and --save-baseline at a time, got against and baseline$/,
  )
})

test('the filter chooses; a filter that fits nothing is told', async () => {
  const { rows } = await compareLoops({ count: 12 }, { filter: 'loop 11', seconds: 1 })
  assert.equal(
    rows.map(({ name }) => name),
    ['loop 11'],
  )
  assert.match(
    await mistakeOf(compareLoops({ count: 2 }, { filter: 'nothing', seconds: 1 })),
    /^bench\.filter must be a part of the name of a benchmark, got "nothing", which is in none/,
  )
})

test('what throws, hangs or ends its process is named; the rest is measured', async () => {
  // Those of odd numbers return promises.
  const failing = ['throw', 'reject', 'throw in prepare', 'hang', 'exit'] as const
  const odd = failing.map((does, number) => ({ number, does, build: 'both' as const }))
  const onlyOther = [
    { number: 5, build: 'other', does: 'throw' },
    { number: 6, build: 'other', does: 'throw in prepare' },
  ] as const
  const campaign = await compareLoops(
    { count: 9, odd: [...odd, ...onlyOther] },
    { seconds: 40, patience: 2 },
  )
  const { failed, skipped, rows } = campaign
  for (const [name, pattern] of [
    ['loop 0', /^Error: cannot run \(at .*loops/],
    ['loop 1', /^Error: cannot go on \(at .*loops/],
    ['loop 2', /^Error: cannot be prepared \(at .*loops/],
    ['loop 4', /^ended its process \(exit code 3\)$/],
    ['loop 3', /^did not end within 2 s; its process was killed$/],
  ] as const)
    assert.match(failed.get(name) ?? 'nothing', pattern, name)
  assert.is(failed.size, 5)
  assert.match(skipped.get('loop 5')!, /^the other build: cannot run$/)
  assert.match(skipped.get('loop 6')!, /^the other build: cannot be prepared$/)
  assert.equal(
    rows.map(({ name }) => name),
    ['loop 7', 'loop 8'],
  )
  const { exitCode, notes } = resultOf(campaign, sides)
  assert.is(exitCode, 2)
  assert.ok(notes.some((note) => note.startsWith('failed: loop 3: did not end')))
  assert.ok(notes.some((note) => note.startsWith('skipped: loop 5: the other build')))
})

test('a baseline with a benchmark that fails is none', async () => {
  const odd = [{ number: 0, does: 'throw', build: 'both' }] as const
  const failing = makeBaseline(optionsOf({ count: 1, odd }))
  assert.match(await mistakeOf(failing), /^benchmark "loop 0" failed: Error: cannot run/)
})

test('one benchmark is measured, however long a process took to start', async () => {
  const job = {
    weights: {},
    cases,
    selection: { count: 3 },
    builds: [ownRoot()],
    calibrate: false,
    wide: false,
    measured: {},
    seconds: 1e-3,
    seed: 1,
  }
  const { measured, isWhole } = await runChild(job, { patienceMs: 60_000 })
  assert.equal([measured.length, isWhole], [1, true])
})

test.run()
