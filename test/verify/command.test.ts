/** `spikewasm verify`: exported networks against the models that they came from. */
import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { compile } from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { main, run as runProcess } from '../cli/command.js'
import { parseLines, run, succeed } from '../cli/in-process.js'
import { folderFor } from '../files/temporary.js'
import { ofLong } from '../support/long.js'
import { testUnless } from '../support/runner.js'
import { tinyNet } from '../support/tiny-net.js'

const [input, classes] = [[1, 8, 8] as const, 10]
const folder = folderFor(test)

/** Folders of runs, trained for a moment. */
const runOf = (name: string): string => join(folder, name)

async function train(name: string, model: string, seed: string): Promise<void> {
  const limits = ['--limit-train', '640', '--epochs', '1', '--threads', '1', '--json']
  const args = ['train', '--model', model, '--seed', seed, ...limits, '--out', runOf(name)]
  await succeed(args)
}

test.before(async () => {
  process.env.XDG_CACHE_HOME = folder // compiled hosts stay here
  await Promise.all([
    train('cnn', 'cnn', '1'),
    train('mlp', 'mlp', '1'),
    train('other', 'mlp', '2'),
  ])
})

const exported = new Map<string, Promise<string>>()

/** Exports the network of a run, once, and returns the path of the file. */
function exportRun(name: 'mlp' | 'cnn', options: ExportOptions = {}): Promise<string> {
  const key = JSON.stringify([name, options])
  const path =
    exported.get(key) ?? exportTo(join(folder, `net${exported.size}.wasm`), name, options)
  exported.set(key, path)
  return path
}

async function exportTo(
  path: string,
  name: 'mlp' | 'cnn',
  options: ExportOptions,
): Promise<string> {
  const network = models[name]([...input], classes, { tau: 1.25 })
  const model = await compile(network, { input, purpose: 'inference' })
  await model.load(join(runOf(name), 'weights.safetensors'))
  await writeFile(path, (await exportWasm(model, options)) as Uint8Array)
  await model.dispose()
  return path
}

interface Summary {
  exact: boolean
  precision: string
  samples: number
  hosts: { host: string; call: string; samples: number; differ: number; us: number }[]
}

const summaryOf = (stdout: string): Summary => parseLines(stdout)[0] as unknown as Summary
const quick = ['--hosts', 'node', '--seconds', '1']

test('a table of all hosts: no float differs from predict', async () => {
  const net = await exportRun('cnn')
  const args = ['verify', net, '--run', runOf('cnn'), '--samples', '40', '--seconds', '1']
  const { code, stdout, stderr } = await runProcess(args)
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

test('cnn, bytes scaled inside: every sample of the data set gives the bits of predict', async () => {
  const net = await exportRun('cnn', scaling)
  const args = ['verify', net, '--run', runOf('cnn'), '--samples', '1797', '--json']
  const { code, stdout, stderr } = await run([...args, '--hosts', 'node'])
  assert.is(code, 0, stdout + stderr)
  const { samples, differ } = summaryOf(stdout).hosts[0]
  assert.equal([samples, differ], [1797, 0])
})

test('a float model in whole numbers: the bits of what it became, on every host', async () => {
  // Each call is compiled by itself, which takes longer than all else.
  for (const [weights, target, mode] of [
    ['int8', 'simd', 'infer'],
    ['int6', 'scalar', 'step'],
  ] as const) {
    const net = await exportRun('cnn', { weights, target, mode })
    const fromRun = ['--run', runOf('cnn'), '--samples', '100', '--seconds', '1']
    const { code, stdout, stderr } = await run(['verify', net, ...fromRun, '--json'])
    assert.is(code, 0, stdout + stderr)
    const { exact, precision } = summaryOf(stdout)
    assert.equal([exact, precision], [true, weights])
  }
})

test('a train build: it is said that infer alone is compared', async () => {
  const network = models.mlp([...input], classes, { tau: 1.25 })
  const model = await compile(network, { input })
  await model.load(join(runOf('mlp'), 'weights.safetensors'))
  const path = join(folder, 'train.wasm')
  await writeFile(path, await exportWasm(model, { mode: 'train', batchSize: 2 }))
  await model.dispose()
  const { code, stdout } = await run(['verify', path, '--run', runOf('mlp'), ...quick])
  assert.is(code, 0, stdout)
  assert.match(stdout, /^infer alone is compared, not train_step$/m)
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
const signals = testUnless(process.platform === 'win32' && 'Windows has no signals')
const ends: readonly [NodeJS.Signals, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]
for (const [signal, status] of ofLong(ends.slice(0, 2), ends))
  signals(`${signal} ends the hosts and removes their files`, async () => {
    const net = await exportRun('mlp')
    const own = join(folder, signal)
    await mkdir(own)
    const args = ['verify', net, '--run', runOf('mlp'), '--hosts', 'node', '--seconds', '60']
    const env = { ...process.env, TMPDIR: own }
    const child = spawn(process.execPath, [main, ...args, '--samples', '1797'], { env })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    while ((await readdir(own)).length === 0) await setTimeout(5)
    child.kill(signal)
    assert.is(await ended, status)
    assert.equal(await readdir(own), [])
  })

test('what cannot be verified is refused in one line', async () => {
  const net = await exportRun('mlp')
  const cut = join(folder, 'cut.wasm')
  await writeFile(cut, (await readFile(net)).subarray(0, 5000))
  const fromRun = ['--run', runOf('mlp')]
  const mistakes: [string[], RegExp][] = [
    [
      [net],
      /either --run <folder>, --weights <file> or --pretrained <name> must be given, got none/,
    ],
    [[cut, ...fromRun], /cut\.wasm: an exported network must .*got .*; is it a file that/],
    [[join(runOf('mlp'), 'weights.safetensors'), ...fromRun], /an exported network must/],
    [[net, ...fromRun, '--hosts', 'toaster'], /--hosts must be all or any of .*"toaster"/],
    [[net, ...fromRun, '--samples', '0'], /--samples must be an integer ≥ 1, got "0"/],
    [[net, '--run', join(folder, 'no')], /options.json/],
    [
      [net, ...fromRun, '--model', 'cnn'],
      /the state dict does not match the network; missing: 0\.weight/,
    ],
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

test('an endless file is given 10 s, or --seconds, 5 at least, and named', async () => {
  const endless = join(folder, 'endless.wasm')
  const forever = { infer: [0x03, 0x40, 0x0c, 0, 0x0b] }
  const info = { input: [1, 8, 8] as const, classes }
  await writeFile(endless, tinyNet({ info, flaws: { bodies: forever } }))
  const { setTimeout: real } = globalThis
  for (const [seconds, limit] of [
    [[], 10],
    [['--seconds', '1'], 5],
    [['--seconds', '7'], 7],
  ] as const) {
    // Its loop keeps a processor busy: a part of its time passes, once it is open.
    let waits = 0
    const sooner = (body: () => void, ms?: number, ...more: unknown[]) =>
      real(body, ms === 1000 * limit && waits++ > 0 ? 200 : ms, ...(more as []))
    globalThis.setTimeout = Object.assign(sooner, real)
    try {
      const args = ['verify', endless, '--run', runOf('mlp'), ...seconds]
      const { code, stdout, stderr } = await run(args)
      assert.equal([code, stdout], [1, ''])
      const task = `endless\\.wasm: an exported network must answer infer\\(\\) within ${limit} s`
      assert.match(stderr, new RegExp(`^spikewasm: [^\n]*${task}, got no answer[^\n]+\n$`))
    } finally {
      globalThis.setTimeout = real
    }
  }
})

test.run()
