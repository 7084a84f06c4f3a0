/**
 * What comparisons choose, refuse, and name as faults; verdicts have `compare.test.ts`, which runs
 * alone.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeBaseline } from '../../src/bench/compare/baseline.js'
import { findBuild, loadBuild, ownRoot } from '../../src/bench/compare/builds.js'
import { compareAgainst, resultOf, runComparison } from '../../src/bench/compare/command.js'
import type { CompareOptions } from '../../src/bench/compare/options.js'
import { runChild } from '../../src/bench/compare/process.js'
import { expectRefusals } from '../files/temporary.js'
import { cases, emptyBuild, type LoopSelection, optionsOf, packageFolder } from './loops.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'))
test.after(() => rmSync(folder, { recursive: true }))
const root = emptyBuild(join(folder, 'empty'))
const compare = async (selection: LoopSelection, more: Partial<CompareOptions> = {}, path = root) =>
  (await compareAgainst(path, optionsOf(selection, { root, seconds: 1, ...more }))).campaign
const one = { count: 1 }
const throws = { number: 0, does: 'throw', build: 'both' } as const

test('builds: missing, another package, not built, installed, without kernels', async () => {
  const other = packageFolder(join(folder, 'other'), { name: 'left-pad' })
  const unbuilt = packageFolder(join(folder, 'unbuilt'), {
    name: 'spikewasm',
    exports: { '.': { types: './x.d.ts', default: './build/src/index.js' } },
  })
  await expectRefusals([
    [
      () => compare(one, {}, join(folder, 'nowhere')),
      /^bench\.against must be a folder of spikewasm, .*does not exist$/,
    ],
    [() => compare(one, {}, join(other, 'package.json')), /it is a file$/],
    [
      () => compare(one, {}, other),
      /it holds none that has been built; name a checkout where npm ci && npm run build/,
    ],
    [() => compare(one, {}, unbuilt), /it holds none that has been built/],
  ])
  const project = packageFolder(join(folder, 'project'), { name: 'my-project' })
  const old = packageFolder(
    join(project, 'node_modules/spikewasm'),
    {
      ...{ name: 'spikewasm', version: '0.0.9', type: 'module' },
      exports: { '.': './index.js', './package.json': './package.json' },
    },
    'index.js',
  )
  const files = await findBuild(project, 'bench.against')
  assert.is(files.root, old)
  const build = await loadBuild(files, 'other')
  assert.is(build.version, '0.0.9')
  assert.is((build.sw as unknown as { old: boolean }).old, true)
  assert.throws(() => build.ops.load, /^spikewasm 0\.0\.9 has no spikewasm\/ops$/)
})

test('options out of range, a filter that fits nothing and a failing baseline are one message', () =>
  expectRefusals([
    [
      () => compare(one, { threshold: -0.1 }),
      /^bench\.threshold must be a percentage from 0 to 100, got -10$/,
    ],
    [
      () => compare(one, { seconds: 0 }),
      /^bench\.seconds must be a number of seconds above 0, got 0$/,
    ],
    [
      () => runComparison({ against: 'a', baseline: 'b' }, optionsOf(one, { root })),
      /one of --against, --baseline and --save-baseline at a time, got against and baseline$/,
    ],
    [
      () => compare({ count: 2 }, { filter: 'nothing' }),
      /^bench\.filter must be a part of the name of a benchmark, got "nothing", which is in none/,
    ],
    [
      () => makeBaseline(optionsOf({ ...one, odd: [throws] }, { root, seconds: 1 })),
      /^benchmark "loop 0" failed: Error: cannot run/,
    ],
  ]))
test('the filter chooses', async () => {
  const { rows } = await compare({ count: 12 }, { filter: 'loop 11' })
  assert.equal(
    rows.map(({ name }) => name),
    ['loop 11'],
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
  const campaign = await compare(
    { count: 9, odd: [...odd, ...onlyOther] },
    { seconds: 40, patience: 2 },
  )
  const { failed, skipped, rows } = campaign
  const { exitCode, notes } = resultOf(campaign, { mine: 'new', other: 'old', threshold: 0.02 })
  for (const [list, name, pattern] of [
    [failed, 'loop 0', /^Error: cannot run \(at .*loops/],
    [failed, 'loop 1', /^Error: cannot go on \(at .*loops/],
    [failed, 'loop 2', /^Error: cannot be prepared \(at .*loops/],
    [failed, 'loop 4', /^ended its process \(exit code 3\)$/],
    [failed, 'loop 3', /^did not end within 2 s; its process was killed$/],
    [skipped, 'loop 5', /^the other build: cannot run$/],
    [skipped, 'loop 6', /^the other build: cannot be prepared$/],
  ] as const) {
    assert.match(list.get(name) ?? 'nothing', pattern, name)
    const note = `${list === failed ? 'failed' : 'skipped'}: ${name}: ${list.get(name)}`
    assert.ok(notes.includes(note), note)
  }
  assert.equal([failed.size, skipped.size, exitCode], [5, 2, 2])
  assert.equal(
    rows.map(({ name }) => name),
    ['loop 7', 'loop 8'],
  )
})

test('one benchmark is measured, however long a process took to start', async () => {
  const shared = { cases, weights: {}, measured: {}, calibrate: false, wide: false, seed: 1 }
  const job = { ...shared, selection: { count: 3 }, builds: [ownRoot()], seconds: 1e-3 }
  const { measured, isWhole } = await runChild(job, { patienceMs: 60_000 })
  assert.equal([measured.length, isWhole], [1, true])
})

test.run()
