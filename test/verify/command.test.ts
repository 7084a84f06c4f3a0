/** `spikewasm verify`: exported networks against the models that they came from. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { compile } from '../../src/index.js'
import { models } from '../../src/models/registry.js'
import { main, parseLines, run } from '../cli/command.js'

const [input, classes] = [[1, 8, 8] as const, 10]
let folder = ''

/** Folders of runs, trained for a moment. */
const runOf = (name: string): string => join(folder, name)

async function train(name: string, model: string, seed: string): Promise<void> {
  const limits = ['--limit-train', '640', '--epochs', '1', '--threads', '1', '--json']
  const args = ['train', '--model', model, '--seed', seed, ...limits, '--out', runOf(name)]
  const { code, stderr } = await run(args)
  assert.is(code, 0, stderr)
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-test-'))
  process.env.XDG_CACHE_HOME = folder // compiled hosts stay here
  await Promise.all([
    train('cnn', 'cnn', '1'),
    train('mlp', 'mlp', '1'),
    train('other', 'mlp', '2'),
  ])
})

test.after(() => rm(folder, { recursive: true, force: true }))

/** Exports the network of a run and returns the path of the file. */
async function exportRun(name: 'mlp' | 'cnn', options: ExportOptions = {}): Promise<string> {
  const network = models[name]([...input], classes, { tau: 1.25 })
  const model = await compile(network, { input, purpose: 'inference' })
  await model.load(join(runOf(name), 'weights.safetensors'))
  const path = join(folder, 'net.wasm')
  await writeFile(path, (await exportWasm(model, options)) as Uint8Array)
  await model.dispose()
  return path
}

interface Summary {
  exact: boolean
  samples: number
  hosts: { host: string; call: string; samples: number; differ: number; us: number }[]
}

const summaryOf = (stdout: string): Summary => parseLines(stdout)[0] as unknown as Summary
const quick = ['--hosts', 'node', '--seconds', '1']

test('a table of all hosts: no float differs from predict', async () => {
  const net = await exportRun('cnn')
  const args = ['verify', net, '--run', runOf('cnn'), '--samples', '40', '--seconds', '1']
  const { code, stdout, stderr } = await run(args)
  assert.is(code, 0, stdout + stderr)
  assert.match(stdout, /host .* version .* floats differ .* µs\/sample .* memory .* cold/)
  assert.match(stdout, /│ node +│ [\d.]+ +│ infer │ +40 │ +0 │ +[\d.]+ │ [\d.]+ MB │ +[\d.]+ ms │/)
  assert.match(stdout, /^every host gives the same bits$/m)
  assert.match(stdout, /^wasm3: it has no SIMD; export with --target scalar$/m)
})

const scaling = { inputType: 'u8', mean: [0.3051], std: [0.3762] } as const
const kinds: Record<string, ExportOptions> = {
  'bytes, scaled inside': scaling,
  'steps of frames': { mode: 'step' },
  'steps of bytes': { mode: 'step', ...scaling },
}
for (const [what, options] of Object.entries(kinds))
  test(`${what}: as JSON, more samples than the test part has`, async () => {
    const net = await exportRun('mlp', options)
    const args = ['verify', net, '--run', runOf('mlp'), '--samples', '400', '--json', ...quick]
    const { code, stdout, stderr } = await run(args)
    assert.is(code, 0, stdout + stderr)
    const { exact, samples, hosts } = summaryOf(stdout)
    assert.ok(exact)
    assert.is(samples, 400)
    assert.is(hosts[0].samples, 400)
    assert.is(hosts[0].differ, 0)
    assert.is(hosts[0].call, options.mode === 'step' ? 'step' : 'infer')
  })

test('other weights end in a clear line and exit code 1', async () => {
  const net = await exportRun('mlp')
  const weights = join(runOf('other'), 'weights.safetensors')
  const options = ['--weights', weights, '--model', 'mlp', '--samples', '5', ...quick]
  const { code, stdout } = await run(['verify', net, ...options])
  assert.is(code, 1)
  assert.match(
    stdout,
    /^FAIL: node, infer: \d+ floats of 5 samples differ; the first: sample 0, output \d: \S+ instead of \S+$/m,
  )
  assert.not.match(stdout, /same bits/)
})

// Windows has no signal that could be sent.
const signals = process.platform === 'win32' ? test.skip : test
signals('Ctrl-C ends the hosts and removes their files', async () => {
  const net = await exportRun('mlp')
  const own = join(folder, 'temporary')
  await mkdir(own)
  const args = ['verify', net, '--run', runOf('mlp'), '--hosts', 'node', '--seconds', '60']
  const env = { ...process.env, TMPDIR: own }
  const child = spawn(process.execPath, [main, ...args, '--samples', '1797'], { env })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  while ((await readdir(own)).length === 0) await setTimeout(5)
  child.kill('SIGINT')
  assert.is(await ended, 130)
  assert.equal(await readdir(own), [])
})

test('what cannot be verified is refused in one line', async () => {
  const net = await exportRun('mlp')
  const cut = join(folder, 'cut.wasm')
  await writeFile(cut, (await readFile(net)).subarray(0, 5000))
  const fromRun = ['--run', runOf('mlp')]
  const mistakes: [string[], RegExp][] = [
    [[net], /either --run <folder> or --weights <file> must be given, got neither/],
    [[cut, ...fromRun], /an exported network must .*got .*; is it a file that/],
    [[join(runOf('mlp'), 'weights.safetensors'), ...fromRun], /an exported network must/],
    [[net, ...fromRun, '--hosts', 'toaster'], /--hosts must be all or any of .*"toaster"/],
    [[net, ...fromRun, '--samples', '0'], /--samples must be an integer ≥ 1, got "0"/],
    [[net, '--run', join(folder, 'no')], /options.json/],
    [[net, ...fromRun, '--model', 'cnn'], /weights\.safetensors: /],
    [[join(folder, 'no.wasm'), ...fromRun], /no\.wasm/],
  ]
  const results = await Promise.all(mistakes.map(([args]) => run(['verify', ...args])))
  for (const [i, { code, stdout, stderr }] of results.entries()) {
    const [args, message] = mistakes[i]
    assert.is(code, 1, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr, /^spikewasm: [^\n]+\n$/)
    assert.match(stderr, message)
  }
})

test.run()
