/**
 * `spikewasm bench`: what it prints, writes and refuses; a run of kernels is a process of its own.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { removeFolder } from '../files/temporary.js'
import { main, run } from './command.js'
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
  for (const start of ['conv2d ', 'lif ', 'matmul ', 'train ', 'predict ', 'memory '])
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
      'multiply-add',
      'event-adds',
      'copy 1 MiB',
      'conv2d spikes 8x8x8-8 k3 B4 T4 d0.30',
      'conv2d spikes 8x8x8-8 k3 B4 T4 d0.60',
      'of limit',
      'spread',
      'limit beside',
      'rate 0.\\d\\d, active 0',
    ])
      assert.match(text, new RegExp(word), word)
  assert.not.match(stdout, /-\d+ %|NaN|Infinity/)
  assert.match(stdout, /wrote out\.json\nwrote out\.bigger\.json\nwrote out\.md\n$/)
  const read = async (name: string) =>
    JSON.parse(await readFile(join(folder, name), 'utf8')) as Entry[]
  checkEntries(await read('out.json'), ['ms'])
  const rates = await read('out.bigger.json')
  checkEntries(rates, ['GFLOP/s', 'GSOP/s', 'GB/s'])
  assert.ok(rates.some(({ name }) => name === 'peak multiply-add'))
  assert.equal((await readdir(folder)).sort(), ['out.bigger.json', 'out.json', 'out.md'])
})

test('--json without a file: JSON on standard output and nothing else', async () => {
  const only = ['--quick', '--only', 'inference', '--model', 'mlp', '--threads', '1']
  const { code, stdout, stderr } = await benchHere(...only, '--json')
  assert.equal([code, stderr], [0, ''])
  const report = JSON.parse(stdout) as Record<string, Entry[]>
  assert.equal(Object.keys(report).sort(), ['biggerIsBetter', 'machine', 'smallerIsBetter'])
  checkEntries(report.smallerIsBetter, ['ms'])
  assert.equal(
    report.smallerIsBetter.map(({ name }) => name),
    ['predict mlp B1 T4'],
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

test('a reader that goes away: files are written', async () => {
  const small = ['--quick', '--shape', '8x8x8', '--filter', 'relu', '--json', 'gone.json']
  const { code } = await new Promise<{ code: number | null }>((resolve) => {
    const line = `"${process.execPath}" "${main}" bench ${small.join(' ')} | head -1`
    const shell = ['-o', 'pipefail', '-c', line]
    spawn('/bin/bash', shell, { cwd: folder }).on('close', (code) => resolve({ code }))
  })
  assert.is(code, 0)
  assert.ok((await readFile(join(folder, 'gone.json'), 'utf8')).includes('relu 8x8x8'))
})

test('Ctrl-C: what there is is written; 130', async () => {
  let isAsked = false
  const { code, stderr } = await run(['bench', '--only', 'kernels', '--json', 'part.json'], {
    cwd: folder,
    onOutput: (stdout, interrupt) => {
      if (isAsked || !stdout.includes('multiply-add')) return
      isAsked = true
      interrupt()
    },
  })
  assert.equal([code, stderr], [130, ''])
  const rates = await readFile(join(folder, 'part.bigger.json'), 'utf8')
  assert.ok(rates.includes('peak multiply-add') && !rates.includes('matmul'))
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
    [['kept.bench.mjs'], /^spikewasm: .*got "kept\.bench\.mjs"; time .* tinybench/],
    [['--save-baseline', 'b.json', '--threshold', '5'], /^spikewasm: --threshold must come with/],
    [['--fast'], /^spikewasm: unknown option '--fast'.*--help\n$/],
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
