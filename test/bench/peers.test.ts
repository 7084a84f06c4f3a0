/**
 * Steps beside others' PyTorch code: what is measured, what is said where something is missing, and
 * quick runs. Those that need PyTorch and checkouts run where variables name them.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from '../../bench/command.js'
import { chooseCurves, threadCounts } from '../../bench/curves.js'
import { chooseRows, describeAgainst } from '../../bench/official.js'
import { onlineInput, onlineNetworks } from '../../bench/online-networks.js'
import { parseOptions } from '../../bench/options.js'
import { compile } from '../../src/model/compile.js'
import { trace } from '../../src/network/trace.js'
import { run as runHere } from '../cli/in-process.js'
import { skip } from '../support/runner.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))
const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
/** Where nothing is measured; V8's flags stay as they are. */
const refused = (...args: string[]) => runHere([...args, '--no-revectorize'], { program: runBench })

const optionsOf = (text: string) => parseOptions(text.split(' '))

test('rows: the harder peers are there, a quick run has two rows', () => {
  const all = chooseRows(optionsOf('--only official')).map(({ ours, timeSteps, model, against }) =>
    [model, timeSteps, ours.method, ours.stepMode, describeAgainst(against)].join(' '),
  )
  for (const row of [
    'resnet18 4 rate m rate',
    'resnet18 4 rate m rate bf16',
    'resnet18 4 rate m rate compiled',
    'resnet18 8 rate m bptt',
    'resnet18 4 bptt m bptt',
    'resnet18 8 bptt m bptt',
    'resnet18 4 rate s our rate m',
  ])
    assert.ok(all.includes(row), `${row} in ${all.join(', ')}`)
  const quick = chooseRows(optionsOf('--only official --quick'))
  assert.equal(
    quick.map(({ model }) => model),
    ['resnet18', 'cnn'],
  )
})

test('curves: T 1–32, batch 1–64, width, and threads up to those of the options', () => {
  const curves = chooseCurves(optionsOf('--only curves --threads 3'))
  const values = Object.fromEntries(curves.map((curve) => [curve.axis, curve.values]))
  assert.equal(values.timeSteps, [1, 2, 4, 8, 16, 32])
  assert.equal(values.batch, [1, 2, 4, 8, 16, 32, 64])
  assert.equal(values.threads, [1, 2, 3])
  assert.equal(values.width, [8, 16, 32, 64, 128])
  assert.equal([1, 2, 4, 6].map(threadCounts), [[1], [1, 2], [1, 2, 4], [1, 2, 4, 6]])
  const [named] = chooseCurves(optionsOf('--only curves --model vgg11'))
  assert.is(named.setting.model, 'vgg11')
})

test('curves: ours alone without the checkouts, with densities and limits', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const json = join(folder, 'out.json')
    const { status, stdout, stderr } = run(
      ...['--only', 'curves', '--quick', '--threads', '1', '--json', json],
    )
    assert.is(status, 0, stderr)
    for (const text of ['over T', 'over batch', 'over threads', 'over width', 'Ours alone', 'rate'])
      assert.ok(stdout.includes(text), text)
    const entries = JSON.parse(readFileSync(json, 'utf8')) as { name: string; value: number }[]
    const names = new Set(entries.map(({ name }) => name))
    assert.is(names.size, entries.length, 'names must be unique')
    // Two methods on four curves of two points, of threads one.
    assert.is(entries.length, 2 * (2 + 2 + 1 + 2))
    assert.ok(entries.every(({ value }) => value > 0))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('networks of the authors of OTTT and SLTT: names, shapes and sizes', async () => {
  for (const [method, parameters, names] of [
    ['ottt', 9_228_362, ['features.0', 'features.3.op', 'features.24.op', 'classifier.0.op']],
    ['sltt', 9_231_114, ['layer1.0', 'layer3.4', 'layer5.4', 'classifier.1']],
  ] as const) {
    const { nodes } = trace(onlineNetworks[method](), onlineInput)
    for (const name of names)
      assert.ok(
        nodes.some((node) => node.name === name),
        `${method}: ${name}`,
      )
    const model = await compile(onlineNetworks[method](), {
      ...{ input: onlineInput, method, timeSteps: 1, batchSize: 1 },
    })
    assert.is(model.parameterCount, parameters, method)
    await model.dispose()
  }
})

test('online: it says which checkout is missing and where it comes from', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const [ottt, sltt, jelly] = ['ottt', 'sltt', 'jelly'].map((name) => join(folder, name))
    const file = (path: string): void => {
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, '')
    }
    file(join(ottt, 'models/spiking_vgg.py'))
    file(join(sltt, 'models/spiking_vgg_bn.py'))
    file(join(jelly, 'spikingjelly/clock_driven/neuron.py'))
    const python = join(folder, 'nothing')
    const noPython =
      /^spikewasm: bench\.python: .*nothing could not run the authors' code: .*ENOENT; .*PyTorch.*--python/
    for (const [args, message] of [
      [
        [],
        /^spikewasm: --ottt must be a checkout of its authors' code, got none; get it by git clone https:\/\/github\.com\/pkuxmq\/OTTT-SNN\n$/,
      ],
      [['--ottt', sltt], /^spikewasm: --ottt must be .*got .*sltt; get it by/],
      [['--ottt', ottt, '--python', python], noPython],
    ] as const) {
      const { code, stderr } = await refused('--only', 'online', ...args)
      assert.is(code, 2, args.join(' '))
      assert.match(stderr, message)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const {
  BENCH_OFFICIAL: official,
  BENCH_SPIKINGJELLY: spikingjelly,
  BENCH_OTTT: ottt,
  BENCH_SLTT: sltt,
  BENCH_SPIKINGJELLY_12: spikingjelly12,
  BENCH_PYTHON: python = 'python3',
} = process.env

test('official --quick: rows with ratio and limit, and what was left out', () => {
  if (official === undefined || spikingjelly === undefined)
    return skip('BENCH_OFFICIAL and BENCH_SPIKINGJELLY must name checkouts')
  const checkouts = ['--official', official, '--spikingjelly', spikingjelly, '--python', python]
  const { status, stdout, stderr } = run(
    '--only',
    'official',
    '--quick',
    '--steps',
    '1',
    ...checkouts,
  )
  assert.is(status, 0, stderr)
  for (const text of ['× limit', 'resnet18', 'cnn', 'Left out: ottt', 'Left out: sltt'])
    assert.ok(stdout.includes(text), text)
})

test('online --quick: both networks are theirs, and so are their gradients', () => {
  if (ottt === undefined || sltt === undefined || spikingjelly12 === undefined)
    return skip('BENCH_OTTT, BENCH_SLTT and BENCH_SPIKINGJELLY_12 must name checkouts')
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const json = join(folder, 'out.json')
    const checkouts = ['--ottt', ottt, '--sltt', sltt, '--spikingjelly-12', spikingjelly12]
    const { status, stderr } = run(
      ...['--only', 'online', '--quick', '--steps', '1', '--python', python, '--json', json],
      ...checkouts,
    )
    assert.is(status, 0, stderr)
    const entries = JSON.parse(readFileSync(json, 'utf8')) as { name: string; value: number }[]
    const distances = entries.filter(({ name }) => name.includes('gradient'))
    assert.is(distances.length, 2)
    // A flipped spike moves a gradient by far more than rounding, and by far less than a mistake.
    for (const { name, value } of distances) assert.ok(value < 0.01, `${name}: ${value}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
