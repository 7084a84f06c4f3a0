/**
 * `spikewasm bench`: what it prints and writes; a run of kernels is a process of its own.
 */
import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { folderFor } from '../files/temporary.js'
import { main, run } from './command.js'
import { run as runHere, succeed } from './in-process.js'

const folder = folderFor(test)

/** V8's flags stay as they are. */
const bench = async (line: string): Promise<string> => {
  const { code, stdout, stderr } = await runHere(`bench ${line} --no-revectorize`, { cwd: folder })
  assert.equal([code, stderr], [0, ''])
  return stdout
}

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
  const names = (await bench('--list')).trimEnd().split('\n')
  assert.is(new Set(names).size, names.length)
  for (const start of ['conv2d ', 'lif ', 'matmul ', 'train ', 'predict ', 'memory ']) {
    const has = names.some((name) => name.startsWith(start))
    assert.ok(has, start)
  }
  const filtered = await runHere(['bench', '--list', '--filter', 'lif hard'])
  const wanted = names.filter((name) => name.includes('lif hard'))
  assert.equal(filtered.stdout.trimEnd().split('\n'), wanted)
})

test('a run: tables, JSON for actions, markdown', async () => {
  const kernels = ['--shape', '8x8x8-8', '--filter', 'conv2d spikes', '--density', '0.3,0.6']
  const files = ['--json', 'out.json', '--markdown', 'out.md']
  const how = { cwd: folder }
  const { code, stdout, stderr } = await run(['bench', '--quick', ...kernels, ...files], how)
  assert.equal([code, stderr], [0, ''])
  const markdown = await readFile(join(folder, 'out.md'), 'utf8')
  const conv = 'conv2d spikes 8x8x8-8 k3 B4 T4'
  const words =
    /Node|V8|processors|multiply-add|event-adds|copy 1 MiB|of limit|spread|limit beside/g
  for (const text of [stdout, markdown]) {
    assert.is(new Set(text.match(words)).size, 9, text)
    assert.ok(text.includes(`${conv} d0.30`) && text.includes(`${conv} d0.60`), text)
    assert.match(text, /rate 0.\d\d, active 0/)
  }
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
  const text = await bench('--quick --only inference --model mlp --threads 1 --json')
  const report = JSON.parse(text) as Record<string, Entry[]>
  assert.equal(Object.keys(report).sort(), ['biggerIsBetter', 'machine', 'smallerIsBetter'])
  checkEntries(report.smallerIsBetter, ['ms'])
  assert.equal(
    report.smallerIsBetter.map(({ name }) => name),
    ['predict mlp B1 T4'],
  )
})

test('memory: above that of the package alone', async () => {
  const line = ['--quick', '--only', 'memory', '--filter', 'rate m', '--json', '--model', 'mlp']
  const { stdout } = await succeed(['bench', ...line, '--threads', '1', '--no-revectorize'])
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
  const { code, stderr } = await run(['bench', '--only', 'kernels', '--json', 'part.json'], {
    cwd: folder,
    interruptWhen: (stdout) => stdout.includes('multiply-add'),
  })
  assert.equal([code, stderr], [130, ''])
  const rates = await readFile(join(folder, 'part.bigger.json'), 'utf8')
  assert.ok(rates.includes('peak multiply-add') && !rates.includes('matmul'))
})

test.run()
