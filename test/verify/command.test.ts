/** `spikewasm verify`: exported networks against the models that they came from. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { compile } from '../../src/index.js'
import { models } from '../../src/models/registry.js'
import { parseLines, run } from '../cli/command.js'
import { withFolder } from '../io/temporary.js'

/** Trains for a moment and writes the run to a folder. */
async function train(folder: string, model: string, seed: number): Promise<void> {
  const limits = ['--limit-train', '640', '--epochs', '1', '--threads', '1']
  const args = ['train', '--model', model, '--seed', String(seed), ...limits, '--out', folder]
  const { code, stderr } = await run(args)
  assert.is(code, 0, stderr)
}

async function exportRun(
  folder: string,
  name: 'mlp' | 'cnn',
  options: ExportOptions & { target?: 'simd' | 'scalar' } = {},
): Promise<string> {
  const input = [1, 8, 8] as const
  const network = models[name]([...input], 10, { tau: 1.25 })
  const stepMode = options.mode === 'step' ? 's' : 'm'
  const model = await compile(network, { input, stepMode, purpose: 'inference' })
  await model.load(join(folder, 'weights.safetensors'))
  const path = join(folder, 'net.wasm')
  await writeFile(path, await exportWasm(model, options))
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

test('a table of all hosts: no float differs from predict', () =>
  withFolder(async (folder) => {
    process.env.XDG_CACHE_HOME = folder
    await train(folder, 'cnn', 1)
    const net = await exportRun(folder, 'cnn')
    const args = ['verify', net, '--run', folder, '--samples', '40', '--seconds', '1']
    const { code, stdout, stderr } = await run(args)
    assert.is(code, 0, stdout + stderr)
    assert.match(stdout, /host .* version .* floats differ .* µs\/sample .* memory .* cold/)
    assert.match(
      stdout,
      /│ node +│ [\d.]+ +│ infer │ +40 │ +0 │ +[\d.]+ │ [\d.]+ MB │ +[\d.]+ ms │/,
    )
    assert.match(stdout, /^every host gives the same bits$/m)
    assert.match(stdout, /^wasm3: it has no SIMD; export with --target scalar$/m)
  }))

const kinds: Record<string, ExportOptions> = {
  'bytes, scaled inside': { inputType: 'u8', mean: [0.3051], std: [0.3762] },
  'steps of frames': { mode: 'step' },
  'steps of bytes': { mode: 'step', inputType: 'u8', mean: [0.3051], std: [0.3762] },
}
for (const [what, options] of Object.entries(kinds))
  test(`${what}: as JSON, more samples than the test part has`, () =>
    withFolder(async (folder) => {
      await train(folder, 'mlp', 2)
      const net = await exportRun(folder, 'mlp', options as { target?: 'simd' })
      const args = ['verify', net, '--run', folder, '--samples', '400', '--json', ...quick]
      const { code, stdout, stderr } = await run(args)
      assert.is(code, 0, stdout + stderr)
      const { exact, samples, hosts } = summaryOf(stdout)
      assert.ok(exact)
      assert.is(samples, 400)
      assert.is(hosts[0].differ, 0)
      assert.is(hosts[0].call, options.mode === 'step' ? 'step' : 'infer')
    }))

test('other weights end in a clear line and exit code 1', () =>
  withFolder(async (folder) => {
    const [own, other] = [join(folder, 'own'), join(folder, 'other')]
    await train(own, 'mlp', 1)
    await train(other, 'mlp', 2)
    const net = await exportRun(own, 'mlp')
    const weights = join(other, 'weights.safetensors')
    const options = ['--weights', weights, '--model', 'mlp', '--samples', '5', ...quick]
    const { code, stdout } = await run(['verify', net, ...options])
    assert.is(code, 1)
    assert.match(
      stdout,
      /^FAIL: node, infer: \d+ floats of 5 samples differ; the first: sample 0, output \d: \S+ instead of \S+$/m,
    )
    assert.not.match(stdout, /same bits/)
  }))

test('what cannot be verified is refused in one line', () =>
  withFolder(async (folder) => {
    await train(folder, 'mlp', 1)
    const net = await exportRun(folder, 'mlp')
    const cut = join(folder, 'cut.wasm')
    await writeFile(cut, (await readFile(net)).subarray(0, 5000))
    const mistakes: [string[], RegExp][] = [
      [[net], /either --run <folder> or --weights <file> must be given, got neither/],
      [[cut, '--run', folder], /an exported network must .*got .*; is it a file that/],
      [[join(folder, 'weights.safetensors'), '--run', folder], /an exported network must/],
      [[net, '--run', folder, '--hosts', 'toaster'], /--hosts must be all or any of .*"toaster"/],
      [[net, '--run', folder, '--samples', '0'], /--samples must be an integer ≥ 1, got "0"/],
      [[net, '--run', join(folder, 'no')], /options.json/],
      [[net, '--run', folder, '--model', 'cnn'], /weights\.safetensors: /],
      [[join(folder, 'no.wasm'), '--run', folder], /no\.wasm/],
    ]
    for (const [args, message] of mistakes) {
      const { code, stdout, stderr } = await run(['verify', ...args])
      assert.is(code, 1, args.join(' '))
      assert.is(stdout, '')
      assert.match(stderr, /^spikewasm: [^\n]+\n$/)
      assert.match(stderr, message)
    }
  }))

test.run()
