/**
 * Comparisons of `spikewasm bench`: exit codes, tables, JSON, files. That a slower build is found is
 * in test/bench/compare.test.ts.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { copyBuild } from '../../bench/slow-build.js'
import { ownRoot } from '../../src/bench/compare/builds.js'
import { folderFor } from '../files/temporary.js'
import { run } from './command.js'
import { run as runHere } from './in-process.js'

const folder = folderFor(test)
const copy = join(folder, 'copy')
test.before(async () => {
  copyBuild(copy)
  // A kernel does without the networks, which each process would load.
  const path = join(copy, 'package.json')
  const manifest = JSON.parse(await readFile(path, 'utf8'))
  manifest.exports['.'] = './empty.js'
  await writeFile(path, JSON.stringify(manifest))
  await writeFile(join(copy, 'empty.js'), 'export {}\n')
})

const NAME = 'relu 8x8x8 B4 T4'
const small = ['--shape', '8x8x8', '--filter', NAME]
const bench = (...args: string[]) => run(['bench', ...args], { cwd: folder })
/** Within this process: what is measured has its own in any case. V8's flags stay as they are. */
const benchHere = (...args: string[]) =>
  runHere(['bench', ...args, '--no-revectorize'], { cwd: folder })

test('--against an equal build elsewhere: 0, and a row with all columns', async () => {
  const args = ['--against', copy, ...small, '--seconds', '1', '--threshold', '7']
  const { code, stdout, stderr } = await bench(...args, '--json', 'out.json')
  assert.equal([code, stderr], [0, ''])
  assert.match(stdout, /effect .* interval .* verdict .* marks .* density/)
  assert.match(stdout, /Less than 7\.00 % counts as the same/)
  assert.match(stdout, /relu 8x8x8 B4 T4 .* %.*(same|undecided)/)
  assert.match(stdout, /0 slower, /)
  const entries = JSON.parse(await readFile(join(folder, 'out.json'), 'utf8'))
  assert.equal(
    entries.map(({ name, unit }: { name: string; unit: string }) => [name, unit]),
    [
      [NAME, 'ms'],
      [`${NAME} | beside other`, 'ratio'],
    ],
  )
})

test('networks: both builds get the same spikes, and the table says how many', async () => {
  const args = ['--against', ownRoot(), '--filter', 'predict mlp', '--model', 'mlp']
  const { code, stdout } = await benchHere(...args, '--seconds', '1')
  assert.is(code, 0)
  assert.match(stdout, /predict mlp B1 T4 .*rate 0\.\d\d \(0\.\d\d–0\.\d\d\)/)
  assert.not.match(stdout, /not the same spikes/)
})

test('--save-baseline, then --baseline: 0 both', async () => {
  const saved = await benchHere('--save-baseline', 'base.json', ...small, '--seconds', '1')
  assert.equal([saved.code, saved.stderr], [0, ''])
  assert.match(saved.stdout, /Saved as base\.json\./)
  const { code, stdout } = await benchHere('--baseline', 'base.json', ...small, '--seconds', '1')
  assert.is(code, 0, stdout)
  assert.match(stdout, /relu 8x8x8 B4 T4 /)
})

test('--list with a comparison names what it would measure', async () => {
  const list = async (...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await benchHere('--list', '--against', ownRoot(), ...args)
    assert.equal([code, stderr], [0, ''])
    return stdout.trimEnd().split('\n')
  }
  const names = await list()
  assert.ok(names.length < 90 && names.includes('predict cnn B1 T4'), `${names.length}`)
  assert.ok(!names.some((name) => name.startsWith('memory') || name.includes('resnet18')))
  assert.equal(await list('--filter', 'predict resnet18 B1 T4'), ['predict resnet18 B1 T4'])
})

test('mistakes end with 2', async () => {
  for (const [args, message] of [
    ['--threshold 101', /^spikewasm: --threshold must be a percentage .*got 101/],
    ['--seconds 0', /^spikewasm: --seconds must be /],
    ['--only memory --list', /^spikewasm: --only must be one of kernels, /],
    ['--filter nothing --list', /^spikewasm: --filter must be a part/],
    ['--against nowhere', /^spikewasm: --against must be a folder .*does not exist/],
  ] as const) {
    const { code, stderr } = await benchHere('--against', ownRoot(), ...args.split(' '))
    assert.is(code, 2, args)
    assert.match(stderr, message)
  }
})

test.run()
