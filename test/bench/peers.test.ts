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
import { chooseRows, describeAgainst } from '../../bench/official.js'
import { onlineInput, onlineNetworks } from '../../bench/online-networks.js'
import { parseOptions } from '../../bench/options.js'
import { blasNotes, runPeer } from '../../bench/peers.js'
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
    'resnet18 4 rate m rate tuned',
    'resnet18 8 rate m bptt tuned',
  ])
    assert.ok(all.includes(row), `${row} in ${all.join(', ')}`)
  const quick = chooseRows(optionsOf('--only official --quick'))
  assert.equal(
    quick.map(({ model }) => model),
    ['resnet18', 'cnn'],
  )
})

test('rows: of a network, of a T and batch, and of the codes that are given', () => {
  const rowsOf = (text: string) =>
    chooseRows(optionsOf(`--only official ${text}`)).map(
      ({ model, timeSteps, batch, ours, against }) =>
        `${model} T${timeSteps} B${batch} ${ours.method}, ${describeAgainst(against)}`,
    )
  assert.equal(rowsOf('--model vgg11'), ['vgg11 T4 B32 rate, rate'])
  assert.equal(rowsOf('--model vgg13 --time-steps 2'), [
    'vgg13 T2 B16 rate, rate',
    'vgg13 T2 B16 bptt, bptt',
  ])
  assert.equal(rowsOf('--batch-size 8'), ['resnet18 T4 B8 rate, rate', 'resnet18 T4 B8 bptt, bptt'])
  const online = ['their VGG T6 B32 ottt, ottt', 'their VGG T6 B32 sltt, sltt']
  assert.equal(rowsOf('--ottt a --sltt b'), online)
  assert.equal(rowsOf('--ottt a --quick'), ['their VGG T6 B4 ottt, ottt'])
  assert.equal(rowsOf('--official a --sltt b').at(-1), online[1])
})

/** Runs a script of Node as a peer. */
const peer = (script: string, options = {}) => runPeer(process.execPath, ['-e', script], options)

test('a peer that ends badly is said to be so: by a signal, by its last words, by neither', () => {
  if (process.platform !== 'win32')
    for (const signal of ['SIGKILL', 'SIGSEGV'])
      assert.equal(peer(`process.kill(process.pid, '${signal}'); setTimeout(() => {}, 9e3)`), {
        why: `it was killed by ${signal}`,
      })
  assert.equal(peer("console.error('one\\nlast'); process.exitCode = 3"), { why: 'last' })
  assert.equal(peer('process.exitCode = 1'), { why: 'it failed' })
  assert.equal(peer("process.stdout.write('{}')"), { output: '{}' })
})

test('a peer chooses its OpenBLAS itself, and gets the tuned allocator where that is asked', () => {
  const names = ['OPENBLAS_CORETYPE', 'GOTO_NUM_THREADS', 'MALLOC_MMAP_THRESHOLD_', 'KEPT_BY_TEST']
  const tell = `console.log(${JSON.stringify(names)}.map((name) => process.env[name] ?? '-').join())`
  Object.assign(process.env, {
    OPENBLAS_CORETYPE: 'Haswell',
    GOTO_NUM_THREADS: '1',
    KEPT_BY_TEST: 'a',
  })
  try {
    assert.equal(peer(tell), { output: '-,-,-,a\n' })
    assert.equal(peer(tell, { tuned: true }), { output: '-,-,4294967296,a\n' })
  } finally {
    for (const name of names) delete process.env[name]
  }
})

test('a PyTorch without OpenBLAS is told, with what its matmul reaches', () => {
  assert.equal(blasNotes({ matmul: 17, peak: 130 }), [])
  assert.match(
    blasNotes({ matmul: 6.1, peak: 131 }).join(),
    /slow BLAS: 6\.10 GFLOP\/s of matmul .* reach 131; install OpenBLAS/,
  )
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
      input: onlineInput,
      method,
      timeSteps: 1,
      batchSize: 1,
    })
    assert.is(model.parameterCount, parameters, method)
    await model.dispose()
  }
})

test('the code of authors: it says which checkout is missing and where it comes from', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const [ottt, sltt] = ['ottt', 'sltt'].map((name) => join(folder, name))
    const file = (path: string): void => {
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, '')
    }
    file(join(ottt, 'models/spiking_vgg.py'))
    file(join(sltt, 'models/spiking_vgg_bn.py'))
    const python = join(folder, 'nothing')
    const noPython =
      /^spikewasm: bench\.python: .*nothing could not run the authors' code: .*ENOENT; .*PyTorch.*--python/
    for (const section of ['official', 'agreement'])
      for (const [args, message] of [
        [
          ['--ottt', sltt],
          /^spikewasm: --ottt must be a checkout of its authors' code, got .*sltt; get it by git clone https:\/\/github\.com\/pkuxmq\/OTTT-SNN\n$/,
        ],
        [
          ['--sltt', sltt],
          /^spikewasm: --spikingjelly-12 must be a checkout of SpikingJelly 0\.0\.0\.0\.12, .*got none; get it by git clone .*1171f524\n$/,
        ],
        [['--ottt', ottt, '--python', python], noPython],
      ] as const) {
        const { code, stderr } = await refused('--only', section, ...args)
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

test('official --quick: rows with both sides, and what was left out', () => {
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
  for (const text of ['theirs ms', 'resnet18', 'cnn', 'Left out: ottt', 'Left out: sltt'])
    assert.ok(stdout.includes(text), text)
})

test('the networks of OTTT and SLTT are theirs, and so are their gradients', () => {
  if (ottt === undefined || sltt === undefined || spikingjelly12 === undefined)
    return skip('BENCH_OTTT, BENCH_SLTT and BENCH_SPIKINGJELLY_12 must name checkouts')
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const json = join(folder, 'out.json')
    const given = ['--ottt', ottt, '--sltt', sltt, '--spikingjelly-12', spikingjelly12]
    const args = ['--only', 'agreement', '--quick', '--python', python, '--json', json]
    const { status, stderr } = run(...args, ...given)
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
