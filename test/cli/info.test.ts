import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { PrintedProgram } from '../../src/compile/print.js'
import type { WideVectors } from '../../src/engine/revectorize.js'
import {
  elementwise,
  flatten,
  integrateAndFire,
  type Layer,
  linear,
  neuron,
  neurons,
  plif,
  recurrent,
  sequential,
  stabilizedLif,
} from '../../src/index.js'
import { run as runProcess } from './command.js'
import { inFolder, lastOf, parseLines, succeed, tiny } from './in-process.js'

const { version } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { version: string }

test('--version', async () => {
  assert.equal(await runProcess(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('info: machine and support', async () => {
  const text = await runProcess(['info'])
  assert.is(text.code, 0, text.stderr)
  assert.match(text.stdout, `Node         ${process.versions.node}\n`)
  assert.match(text.stdout, /WebAssembly {2}SIMD yes, threads yes/)
  const [facts] = parseLines((await runProcess(['info', '--json'])).stdout)
  assert.equal(
    [facts.version, facts.node, facts.simd, facts.threads],
    [version, process.versions.node, true, true],
  )
  assert.is(facts.model, undefined)
  const { on, why } = facts.wideVectors as WideVectors
  assert.match(text.stdout, `\nwide vectors ${on ? 'on' : `off: ${why}`}\n`)
  assert.is(on, Number.parseInt(process.versions.node, 10) >= 24 && why === undefined)
})

test('--no-revectorize is taken by what computes, and no flag of V8 makes it complain', async () => {
  for (const more of [[], ['--no-revectorize']]) {
    const { code, stderr } = await runProcess(['train', ...tiny, '--json', ...more])
    assert.equal([code, stderr], [0, ''])
  }
})

test('info --model: layers and memory', async () => {
  const line = 'info --model cnn --dataset cifar10 --batch-size 3 --time-steps 6 --method bptt'
  const { stdout } = await succeed(line)
  assert.match(stdout, /input \[3, 32, 32\], batch 3, T 6, method bptt m/)
  const model = (await lastOf(line)).model as Record<string, unknown>
  // 3·16·9 + 2·16, 16·32·9 + 2·32, 32·8·8·10 + 10
  assert.equal(
    [model.parameters, model.batchSize, model.timeSteps, model.method],
    [25626, 3, 6, 'bptt'],
  )
  assert.ok((model.memoryBytes as { total: number }).total > 3 * 3 * 32 * 32 * 4)
})

test('info: the batch of a run, and frames for recordings', () =>
  inFolder(async (_, { succeed, lastOf }) => {
    const how = '--model mlp --batch-size 7 --limit-train 28 --epochs 1 --threads 1'
    await succeed(`train ${how} --out run`)
    const factsOf = async (args: string) =>
      (await lastOf(`info ${args}`)).model as {
        readonly batchSize: number
        readonly timeSteps: number
        readonly memoryBytes: { readonly input: number }
      }
    assert.is((await factsOf('--run run')).batchSize, 7)
    const recordings = '--model eventCnn --dataset nmnist --batch-size 2'
    const { timeSteps, memoryBytes } = await factsOf(recordings)
    assert.is(timeSteps, 10)
    assert.ok(memoryBytes.input >= 2 * 10 * 2 * 34 * 34 * 4, `${memoryBytes.input}`)
  }))

test('info: equations of the neurons, each kind once, with its layers and numbers', () =>
  inFolder(async (folder, { succeed }) => {
    const of = async (layers: readonly Layer[], method: string, more = '') => {
      const network = sequential(flatten(), ...layers.flatMap((layer) => [linear(4, 4), layer]))
      const model = await network.compile({ input: [4], timeSteps: 2, purpose: 'inference' })
      await model.save(join(folder, 'kinds.safetensors'))
      await model.dispose()
      const line = `info --weights kinds.safetensors --method ${method} --threads 1${more}`
      const { stdout, stderr } = await succeed(line)
      assert.is(stderr, '')
      return stdout
    }
    const solver = 'exponentialEuler'
    const options = { init: { v: -1 }, dt: 0.5, surrogate: '1/(1 + x^2)', solver } as const
    const own = neuron(
      'dv/dt = x - v # \u001b[2J\n\n   spike = v > b\n',
      { b: [1, 2, 3, 4] },
      options,
    )
    const plain = integrateAndFire()
    const all = [plif(), plif(), plain, recurrent(plain), own, elementwise('x*x')]
    const text = await of(all, 'bptt')
    const lif = `  spike = u >= vThreshold\n  u = u - vThreshold*detach(spike)\n`
    const numbers = 'vThreshold = 1, surrogate sigmoid, alpha = 4\n'
    assert.is(
      text.slice(text.indexOf('neurons of')),
      `neurons of 2, 4\n  tau > 1\n  u = u*(1 - 1/tau) + x\n${lif}  # tau = 2 (learnt), ${numbers}
neurons of 6\n  u = u + x\n${lif}  # ${numbers}
neurons of 8; their spikes come back at the next step\n  u = u + x\n${lif}  # ${numbers}
neurons of 10\n  dv/dt = x - v # \\u001b[2J\n  spike = v > b
  # b = 4 numbers, v starts at -1, dt = 0.5, exponentialEuler, surrogate 1/(1 + x^2), alpha = 1

neurons of 12\n  output = x*x\n`,
    )
    const stabilized = await of([stabilizedLif()], 'os')
    assert.match(stabilized, /\n\nneurons of 2\n {2}u = u\*\(1 - 1\/tau\) \+ x\n {2}spike/)
    const [{ model }] = parseLines(await of([recurrent(plain)], 'bptt', ' --json'))
    assert.equal((model as { neurons: object }).neurons, [
      { layers: ['2'], recurrent: true, ...neurons.of(plain) },
    ])
  }))

test('info --program: the records of a program, in their order', async () => {
  const line = 'info --model cnn --batch-size 3 --method bptt --program'
  const { stdout: text } = await succeed(`${line} train`)
  assert.match(text, /^program train: \d+ records\n/)
  const program = (await lastOf(`${line} train`)).program as PrintedProgram
  const records = program.sections.flatMap((section) => section.records)
  assert.match(text, `: ${records.length} records\n`)
  let at = 0
  for (const [i, { index, operation }] of records.entries()) {
    assert.is(index, i)
    const found = text.slice(at).search(new RegExp(`^ +${i}  .* ${operation}  `, 'm'))
    assert.ok(found >= 0, `record ${i}, ${operation}, stands behind those before it`)
    at += found + 1
  }
  assert.ok(records.some(({ operation }) => operation === 'NeuronBackwardTime'))
  for (const name of ['gradients', 'evaluate', 'single', 'stream']) {
    const { stdout } = await succeed(`${line} ${name}`)
    assert.match(stdout, new RegExp(`^program ${name}: `))
    assert.not.match(stdout, / Sgd /)
  }
})

test.run()
