/**
 * Comparisons as users run them, on loops of a known length: what is slower is found, what is not
 * is not, and what goes wrong is named. Times are never looked at.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CompareOptions, compareAgainst } from '../../src/bench/compare/against.js'
import {
  compareBaseline,
  effects,
  makeBaseline,
  readBaseline,
  writeBaseline,
} from '../../src/bench/compare/baseline.js'
import { findBuild, loadBuild, ownRoot } from '../../src/bench/compare/builds.js'
import type { Row } from '../../src/bench/compare/campaign.js'
import { runComparison } from '../../src/bench/compare/command.js'
import { change, resultOf } from '../../src/bench/compare/result.js'
import { readStandardInput } from '../../src/bench/compare/standard-input.js'
import type { LoopSelection } from './loops.js'

const folder = mkdtempSync(join(tmpdir(), 'bench-compare-'))
test.after(() => rmSync(folder, { recursive: true }))

/** Many times what it takes, for machines that are busy: the budget alone makes nothing longer. */
const optionsOf = (selection: LoopSelection, more: Partial<CompareOptions> = {}) => ({
  selection,
  cases: new URL('./loops.js', import.meta.url).href,
  seconds: 200,
  seed: 5,
  thorough: false,
  ...more,
})
const compareLoops = async (selection: LoopSelection, more: Partial<CompareOptions> = {}) =>
  (await compareAgainst(ownRoot(), optionsOf(selection, more))).campaign
const sides = { mine: 'new', other: 'old', threshold: 0.02 }
const verdictsOf = (rows: readonly Row[]) =>
  Object.fromEntries(rows.map(({ name, verdict }) => [name, verdict]))

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    assert.is((error as Error).name, 'SpikewasmError', String((error as Error).stack))
    return (error as Error).message
  }
  throw new Error('no error came')
}

test('a slower loop is found on fresh processes, and nothing else', async () => {
  const campaign = await compareLoops({ count: 2, slower: { 1: 0.3 } })
  const { 'loop 0': same, 'loop 1': slow } = verdictsOf(campaign.rows)
  assert.is(slow, 'slower')
  assert.ok(same === 'same' || same === 'undecided', same)
  const row = campaign.rows.find(({ name }) => name === 'loop 1')!
  assert.ok(row.measured.length >= 5, 'five fresh processes at least decide')
  assert.ok(row.interval!.low > 0.1 && row.interval!.high < 0.6, JSON.stringify(row.interval))
  const { exitCode, table, entries, notes } = resultOf(campaign, sides)
  assert.is(exitCode, 1)
  assert.is(table.rows[0][0], 'loop 1')
  assert.match(notes[0], /^1 slower, .* Slower by more than 2.00 %: loop 1\.$/)
  const ratio = entries.find(({ name }) => name === 'loop 1 | beside other')!
  assert.ok(ratio.unit === 'ratio' && ratio.value > 1.1, JSON.stringify(ratio))
  assert.is(new Set(entries.map(({ name }) => name)).size, entries.length)
  const others = campaign.rows.filter(({ verdict }) => verdict !== 'slower')
  assert.is(resultOf({ ...campaign, rows: others }, sides).exitCode, 0)
})

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
    [other, /its package\.json is that of "left-pad"; name a checkout/],
    [unbuilt, /it has not been built; run npm ci && npm run build in ".*unbuilt"$/],
  ] as const)
    assert.match(await messageOf(compareAgainst(path, optionsOf({ count: 1 }))), pattern)
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
    assert.match(await messageOf(compareAgainst(ownRoot(), optionsOf({ count: 1 }, more))), pattern)
  assert.match(
    await messageOf(runComparison({ against: 'a', baseline: 'b' }, optionsOf({ count: 1 }))),
    /one of --against, --baseline and --save-baseline at a time, got against and baseline$/,
  )
})

test('what is pasted into a terminal comes whole, however long its line is', async () => {
  const raw: boolean[] = []
  const terminal = (...keys: string[]) =>
    Object.assign(Readable.from(keys.map((key) => Buffer.from(key))), {
      isTTY: true,
      setRawMode: (isRaw: boolean) => raw.push(isRaw),
    })
  const long = `[${'1,'.repeat(5000)}1]`
  const bytes = await readStandardInput(20_000, terminal(long, '\r\x04', 'more'))
  assert.is(new TextDecoder().decode(bytes), `${long}\r`)
  assert.match(await messageOf(readStandardInput(99, terminal(long))), /at most 99 bytes/)
  assert.match(await messageOf(readStandardInput(99, terminal('{', '\x03'))), /got Ctrl\+C/)
  assert.match(await messageOf(readStandardInput(99, terminal('\x04'))), /got nothing/)
  assert.equal(raw, [true, false, true, false, true, false, true, false])
})

const baselinePath = join(folder, 'base.json')

test('a baseline is saved, read, and compared with: equal and slower', async () => {
  // Of three processes, one that is disturbed would leave it undecided.
  const made = await makeBaseline(optionsOf({ count: 2 }), 7)
  assert.equal(made.benchmarks.map(({ name }) => name).sort(), ['loop 0', 'loop 1'])
  assert.ok(made.benchmarks.every(({ processes }) => processes.length === 7))
  await writeBaseline(baselinePath, made)
  assert.equal(await readBaseline(baselinePath), made)
  const { campaign } = await compareBaseline(
    baselinePath,
    optionsOf({ count: 3, slower: { 1: 1 } }),
  )
  const verdicts = verdictsOf(campaign.rows)
  assert.is(verdicts['loop 1'], 'slower')
  assert.is.not(verdicts['loop 0'], 'slower')
  assert.is(verdicts['loop 2'], 'undecided', 'there is nothing to compare it with')
})

test('a baseline of another machine, another V8 or schema, and a broken one are refused', async () => {
  const base = await readBaseline(baselinePath)
  const path = join(folder, 'changed.json')
  const tell = async (text: string): Promise<string> => {
    writeFileSync(path, text)
    return messageOf(compareBaseline(path, optionsOf({ count: 1 })))
  }
  const withOrigin = (part: object) =>
    tell(JSON.stringify({ ...base, origin: { ...base.origin, ...part } }))
  assert.match(await withOrigin({ processor: 'Z80' }), /another one: its processor is "Z80", now/)
  assert.match(await withOrigin({ node: '1.2.3' }), /its Node is "1", now it is/)
  assert.match(await withOrigin({ v8: '0' }), /its V8 is "0", now it is .*--save-baseline/)
  assert.match(await tell(JSON.stringify({ ...base, schema: 2 })), /schema: .*make it anew/)
  assert.match(await tell('{'), /must be a baseline, got no JSON/)
  const benchmarks = [base.benchmarks[0], base.benchmarks[0]]
  assert.match(await tell(JSON.stringify({ ...base, benchmarks })), /got "loop \d" twice/)
  const empty = [{ name: 'x', processes: [{ ms: [], multiplyAdd: 0, eventAdds: 0, copy: 0 }] }]
  assert.match(
    await tell(JSON.stringify({ ...base, benchmarks: empty })),
    /benchmarks\.0\.processes\.0\.ms: /,
  )
  assert.match(
    await messageOf(compareBaseline(join(folder, 'none.json'), optionsOf({ count: 1 }))),
    /^bench\.baseline must be a readable file/,
  )
})

test('a slower machine is no slower build, and where limits disagree nothing is sure', () => {
  const times = (ms: number, slow: { compute: number; memory: number }) =>
    Array.from({ length: 6 }, (_, i) => ({
      ms: [ms * (1 + 0.002 * i), ms, ms * 1.001],
      multiplyAdd: -slow.compute,
      eventAdds: -slow.compute,
      copy: -slow.memory,
    }))
  const then = times(1, { compute: 0, memory: 0 })
  const throttled = effects(times(Math.exp(0.2), { compute: 0.2, memory: 0.2 }), then)
  assert.ok(
    throttled.every(({ effect }) => Math.abs(effect) < 1e-9),
    JSON.stringify(throttled),
  )
  const half = effects(times(Math.exp(0.2), { compute: 0.2, memory: 0 }), then)
  assert.ok(Math.abs(half[0].effect) < 1e-9 && Math.abs(half[2].effect - 0.2) < 1e-9)
})

test('changes in words', () => {
  assert.is(change(Math.log(1.05)), '+5.0 %')
  assert.is(change(Math.log(0.9)), '−10.0 %')
  assert.is(change(-0.0001), '0.0 %')
  assert.is(change(Number.POSITIVE_INFINITY), '?')
})

test.run()
