/**
 * `spikewasm bench`: what it prints, writes and refuses; a run of kernels is a process of its own.
 */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { removeFolder } from '../io/temporary.js'
import { run } from './command.js'
import { run as runHere } from './in-process.js'

let folder = ''
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-bench-'))
})
test.after(() => removeFolder(folder))

const bench = (...args: string[]) => run(['bench', ...args], { cwd: folder })
/** V8's flags stay as they are. */
const benchHere = (...args: string[]) =>
  runHere(['bench', ...args, '--no-revectorize'], { cwd: folder })

interface Entry {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly range?: string
  readonly extra?: string
}

/** Checks the form that continuous-benchmark actions read. */
function checkEntries(entries: readonly Entry[], units: readonly string[]): void {
  assert.ok(entries.length > 0)
  for (const { name, unit, value, ...rest } of entries) {
    assert.ok(name.length > 0 && units.includes(unit), `${name}: ${unit}`)
    assert.ok(Number.isFinite(value) && value > 0, `${name}: ${value}`)
    for (const [key, text] of Object.entries(rest))
      assert.ok(['range', 'extra'].includes(key) && typeof text === 'string', `${name}: ${key}`)
  }
  const names = entries.map(({ name }) => name)
  assert.is(new Set(names).size, names.length, 'an action compares by names')
}

test('--list: a name a line and nothing else; --filter takes parts of names', async () => {
  const { code, stdout, stderr } = await benchHere('--list')
  assert.equal([code, stderr], [0, ''])
  const names = stdout.trimEnd().split('\n')
  assert.is(new Set(names).size, names.length)
  for (const start of ['conv2d ', 'lif ', 'matmul ', 'train ', 'predict ', 'start ', 'memory '])
    assert.ok(
      names.some((name) => name.startsWith(start)),
      start,
    )
  const filtered = await benchHere('--list', '--filter', 'lif hard')
  assert.equal(
    filtered.stdout.trimEnd().split('\n'),
    names.filter((name) => name.includes('lif hard')),
  )
})

test('a run: tables, JSON for actions, markdown', async () => {
  const files = ['--json', 'out.json', '--markdown', 'out.md']
  const kernels = ['--shape', '8x8x8-8', '--filter', 'conv2d spikes', '--density', '0.3,0.6']
  const { code, stdout, stderr } = await bench('--quick', ...kernels, ...files)
  assert.equal([code, stderr], [0, ''])
  const markdown = await readFile(join(folder, 'out.md'), 'utf8')
  for (const text of [stdout, markdown])
    for (const word of [
      'Node',
      'V8',
      'processors',
      'hand-over',
      'multiply-add',
      'event-adds',
      'copy 1 MiB',
      'conv2d spikes 8x8x8-8 k3 B4 T4 d0.30',
      'conv2d spikes 8x8x8-8 k3 B4 T4 d0.60',
      'of limit',
      'spread',
      'first',
      'cold',
      'limit beside',
      'rate 0.\\d\\d, active 0',
    ])
      assert.match(text, new RegExp(word), word)
  assert.not.match(stdout, /-\d+ %|NaN|Infinity/)
  assert.match(stdout, /wrote out\.json\nwrote out\.bigger\.json\nwrote out\.md\n$/)
  const read = async (name: string) =>
    JSON.parse(await readFile(join(folder, name), 'utf8')) as Entry[]
  checkEntries(await read('out.json'), ['ms', 'ns'])
  const rates = await read('out.bigger.json')
  checkEntries(rates, ['GFLOP/s', 'GSOP/s', 'GB/s'])
  assert.ok(rates.some(({ name }) => name === 'peak multiply-add'))
  assert.equal((await readdir(folder)).sort(), ['out.bigger.json', 'out.json', 'out.md'])
})

test('--json without a file: JSON on standard output and nothing else', async () => {
  const { code, stdout, stderr } = await benchHere('--quick', '--only', 'start', '--json')
  assert.equal([code, stderr], [0, ''])
  const report = JSON.parse(stdout) as Record<string, Entry[]>
  assert.equal(Object.keys(report).sort(), ['biggerIsBetter', 'machine', 'smallerIsBetter'])
  checkEntries(report.smallerIsBetter, ['ms', 'ns'])
  assert.equal(
    report.smallerIsBetter.map(({ name }) => name).filter((name) => name !== 'peak hand-over'),
    ['load', 'compile', 'first step', 'compile inference', 'first image'].map(
      (what) => `start cnn ${what} T4`,
    ),
  )
})

test('memory: above that of the package alone', async () => {
  const args = ['--quick', '--only', 'memory', '--filter', 'rate m', '--json']
  const { code, stdout } = await benchHere(...args, '--model', 'mlp', '--threads', '1')
  assert.is(code, 0)
  const { smallerIsBetter } = JSON.parse(stdout) as { smallerIsBetter: Entry[] }
  const entry = smallerIsBetter.find(({ unit }) => unit === 'MiB') as Entry
  const empty = Number(/without a model (\d+) MiB/.exec(entry.extra ?? '')?.[1])
  assert.ok(entry.value > empty && empty > 10, `${entry.value}, ${empty}`)
})

test('benchmarks of a file of one’s own', async () => {
  await writeFile(
    join(folder, 'my.bench.mjs'),
    `bench('sum of 10000', () => { let s = 0; for (let i = 0; i < 1e4; i++) s += i; return s })
bench('another one', async () => {}, { work: 2, unit: 'images' })\n`,
  )
  const { code, stdout } = await benchHere('my.bench.mjs', '--quick')
  assert.is(code, 0)
  assert.match(stdout, /\nown\n.*sum of 10000.*another one [^\n]* images\/s/s)
  assert.not.match(stdout, /conv2d/)
  const { stdout: list } = await benchHere('my.bench.mjs', '--list')
  assert.is(list, 'sum of 10000\nanother one\n')
  await writeFile(join(folder, 'wrong.bench.mjs'), `bench('wrong', () => nothing.at(0))\n`)
  const wrong = await benchHere('wrong.bench.mjs', '--quick')
  assert.is(wrong.code, 2)
  assert.match(
    wrong.stderr,
    /^spikewasm: bench "wrong" must run without .*nothing is not defined.*\n$/,
  )
})

test('mistakes: one line that names the option, exit code 2, nothing measured', async () => {
  await writeFile(join(folder, 'kept.bench.mjs'), 'kept')
  await writeFile(join(folder, 'text'), 'a letter\n')
  for (const [args, message] of [
    [['--only', 'kernel'], /^spikewasm: --only must be one of kernels, steps.*, got "kernel"\n$/],
    [['--threads', '0'], /^spikewasm: --threads must be an integer from 1 to 256, got "0"\n$/],
    [['--density', '0.1,2'], /^spikewasm: --density must be rates .* got "0\.1,2"\n$/],
    [['--shape', '64'], /^spikewasm: --shape must be like 64x32x32-128k3s2 .*; got "64"\n$/],
    [['--filter', 'nothing'], /^spikewasm: --filter must be a part .*"nothing".*--list.*\n$/],
    [['--model', 'lenet'], /^spikewasm: --model must be one of .*cnn.*, got "lenet"\n$/],
    [['--json', 'kept.bench.mjs'], /^spikewasm: --json must be a file for results, got .*\n$/],
    [
      ['--json', 'a.json', '--markdown', './a.json'],
      /^spikewasm: \.\/a\.json: .*same as "a\.json"/,
    ],
    [['--json', 'no/a.json'], /^spikewasm: no\/a\.json: .*"no" does not exist; make it first\n$/],
    [['--json', 'kept.bench.mjs/a.json'], /^spikewasm: .*is not a folder/],
    [['--markdown', '.'], /^spikewasm: \.: .*a folder of that name/],
    [['--history', 'text'], /^spikewasm: text: line 1 must be a run of a history/],
    [['kept.bench.mjs', '--density', '0.1'], /^spikewasm: --density must be left out with files/],
    [['kept.bench.mjs', '--only', 'steps'], /^spikewasm: --only must be left out with files/],
    [['--save-baseline', 'b.json', '--threshold', '5'], /^spikewasm: --threshold must come with/],
    [['.'], /^spikewasm: .*got "\.": it is a folder; name the files in it\n$/],
    [['--fast'], /^spikewasm: unknown option '--fast'.*--help\n$/],
    [['nothing.bench.js'], /^spikewasm: .*nothing\.bench\.js.*\n$/],
  ] as const) {
    const { code, stdout, stderr } = await benchHere(...args)
    assert.equal([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, message)
  }
  assert.is(await readFile(join(folder, 'kept.bench.mjs'), 'utf8'), 'kept')
  assert.is(await readFile(join(folder, 'text'), 'utf8'), 'a letter\n')
})

test('--help ends with 0', async () => {
  const { code, stdout } = await benchHere('--help')
  assert.is(code, 0)
  for (const option of ['--list', '--filter', '--shape', '--density', '--json', '--markdown'])
    assert.ok(stdout.includes(option), option)
})

test.run()
