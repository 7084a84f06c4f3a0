/**
 * Benchmarks of a user's own: loaded for two builds in one process, from a folder without
 * node_modules; mistakes in them are one message.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Build } from '../../src/bench/benchmark.js'
import { compareAgainst } from '../../src/bench/compare/against.js'
import { findBuild, loadBuild, ownRoot } from '../../src/bench/compare/builds.js'
import { bench, ownBenchmarks, type Side } from '../../src/bench/own.js'
import { mistakeOf } from './mistake.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-own-'))
test.after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

/** A made-up version of the package that says its name. */
async function fakeBuild(name: string, withOps: boolean): Promise<Side> {
  const exports = { '.': './index.js', ...(withOps && { './ops': './ops.js' }) }
  write(
    `${name}/package.json`,
    JSON.stringify({ name: 'spikewasm', version: '1.0.0', type: 'module', exports }),
  )
  write(`${name}/index.js`, `export const who = '${name}'\n`)
  write(`${name}/ops.js`, `export const who = '${name} ops'\n`)
  const files = await findBuild(join(folder, name), 'bench.against')
  return { files, build: await loadBuild(files, name) }
}

const heard = globalThis as { heard?: string[] }
const runOf = async (build: Build, benchmark: Awaited<ReturnType<typeof ownBenchmarks>>[0]) => {
  heard.heard = []
  const prepared = await benchmark.prepare(build)
  await prepared.run()
  await prepared.dispose?.()
  return heard.heard
}

test('the same file runs for two builds; its helpers too', async () => {
  const [a, b] = [await fakeBuild('one', true), await fakeBuild('two', true)]
  write('user/helper.js', "import { who } from 'spikewasm/ops'\nexport const ops = who\n")
  const path = write(
    'user/my.bench.js',
    `import { who } from 'spikewasm'
import { bench as imported } from 'spikewasm/bench'
import { ops } from './helper.js'
bench('global', () => void globalThis.heard.push(who))
imported('imported', async () => {
  await null
  globalThis.heard.push(ops)
}, {
  work: 2, unit: 'images',
  setup: () => void globalThis.heard.push('setup'),
  teardown: async () => void globalThis.heard.push('teardown'),
})
imported('thenable', () => ({ then: (done) => { globalThis.heard.push('then'); done() } }))
`,
  )
  const list = await ownBenchmarks([path], [a, b])
  assert.equal(
    list.map(({ name, section, work }) => [name, section, work]),
    [
      ['global', 'own', undefined],
      ['imported', 'own', { amount: 2, unit: 'images' }],
      ['thenable', 'own', undefined],
    ],
  )
  assert.equal(await runOf(a.build, list[0]), ['one'])
  assert.equal(await runOf(b.build, list[0]), ['two'])
  assert.equal(await runOf(a.build, list[1]), ['setup', 'one ops', 'teardown'])
  assert.equal(await runOf(b.build, list[1]), ['setup', 'two ops', 'teardown'])
  assert.equal(await runOf(a.build, list[2]), ['then'])
  assert.is((globalThis as { bench?: unknown }).bench, undefined, 'the global is gone again')
})

test('mistakes in files are one message that names the file', async () => {
  const side = await fakeBuild('one', true)
  const tell = (name: string, text: string) =>
    mistakeOf(ownBenchmarks([write(`user/${name}`, text)], [side]))
  for (const [name, text, pattern] of [
    ['empty.js', '', /empty\.js: must call bench\('name', fn\) at least once, got no call/],
    ['syntax.js', 'bench(\n}', /syntax\.js: .* got SyntaxError: .*\(line 2\)$/],
    ['throws.js', '\n\nnull.x', /throws\.js: .* got TypeError: .*\(line 3\)$/],
    ['missing.js', "import './nowhere.js'", /missing\.js: .* got Error: Cannot find module/],
    ['part.js', "import 'spikewasm/parts'", /spikewasm 1\.0\.0 in .*one has no spikewasm\/parts/],
    ['name.js', "bench('', () => {})", /bench\.name must be one line of 1 to 200 .*, got ""$/],
    ['lines.js', "bench('a\\nb', () => {})", /bench\.name must be one line/],
    ['no.js', "bench('a')", /bench "a" must have a function, got undefined$/],
    ['options.js', "bench('a', () => {}, { time: 1 })", /bench "a"\.time is not an option/],
    ['work.js', "bench('a', () => {}, { work: -1 })", /"a": work must be > 0, got -1$/],
    ['unit.js', "bench('a', () => {}, { unit: 'GB' })", /"a": unit must come with work/],
    ['twice.js', "bench('a', () => {}); bench('a', () => {})", /twice\.js: .* got "a" twice; /],
    ['cjs.cjs', "const { who } = require('spikewasm')", /cjs\.cjs: must be a file that loads/],
    ['old.js', "const fs = require('fs')", /require is not defined.*ES modules: use import$/],
  ] as const)
    assert.match(await tell(name, text), pattern)
  assert.match(
    await mistakeOf(ownBenchmarks([join(folder, 'none.js')], [side])),
    /^bench\.files must be files that call bench, got ".*none\.js": there is no such file$/,
  )
  const both = [write('user/a.js', "bench('x', () => {})"), write('user/b.js', "bench('x', Date)")]
  assert.match(
    await mistakeOf(ownBenchmarks(both, [side])),
    /b\.js: .* got "x" twice \(the other one is in .*a\.js\); rename one of them$/,
  )
})

test('without a loading file, bench says how to run one', () => {
  assert.throws(() => bench('late', () => {}), /got "late"; run npx spikewasm bench FILE/)
})

test('own files are compared like kernels; a build without kernels is skipped by name', async () => {
  for (const name of ['new', 'old']) await fakeBuild(name, false)
  const path = write(
    'user/plain.bench.mjs',
    `import * as sw from 'spikewasm'
console.log('text of a benchmark')
bench('sum', () => { let s = 0; for (let i = 0; i < 2e5; i++) s += i; return s })
bench('needs it', () => { if (sw.who === 'old') throw new Error('no lif here') })
`,
  )
  const { campaign } = await compareAgainst(join(folder, 'old'), {
    selection: {},
    root: join(folder, 'new'),
    own: [path],
    // A busy machine needs seconds to start a process; nothing is to look slower.
    ...{ seconds: 20, threshold: 0.9 },
    thorough: false,
  })
  assert.equal(
    campaign.rows.map(({ name }) => name),
    ['sum'],
  )
  assert.equal([...campaign.skipped], [['needs it', 'the other build: no lif here']])
  assert.is(campaign.failed.size, 0)
})

test('a file that does not load is a mistake of the user, not a crash of a child', async () => {
  const path = write('user/broken.mjs', 'bench(')
  const message = await mistakeOf(
    compareAgainst(ownRoot(), { selection: {}, own: [path], seconds: 2 }),
  )
  assert.match(message, /^.*broken\.mjs: must be a file that loads, got SyntaxError/)
})

test.run()
