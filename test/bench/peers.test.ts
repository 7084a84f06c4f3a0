/**
 * Steps beside others' PyTorch code: what is measured, what is said where something is missing, and
 * quick runs. Those that need PyTorch and checkouts run where variables name them.
 */
import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
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
import { withFolder } from '../files/temporary.js'
import { skip } from '../support/runner.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))
/** What the bench prints, which must succeed. */
function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  return stdout
}

test('rows: of a network, of a T and batch, of the codes that are given, of a quick run', () => {
  const rowsOf = (text: string) =>
    chooseRows(parseOptions(`--only official ${text}`.trim().split(' '))).map(
      ({ model, timeSteps, batch, ours, against }) =>
        `${model} T${timeSteps} B${batch} ${ours.method}, ${describeAgainst(against)}`,
    )
  const all = rowsOf('')
  for (const [T, method, against] of [
    [4, 'rate', 'rate'],
    [4, 'rate', 'rate bf16'],
    [4, 'rate', 'rate compiled'],
    [4, 'rate', 'rate tuned'],
    [4, 'bptt', 'bptt'],
    [8, 'rate', 'bptt tuned'],
    [8, 'bptt', 'bptt'],
  ]) {
    const row = `resnet18 T${T} B16 ${method}, ${against}`
    assert.ok(all.includes(row), `${row} in ${all.join('; ')}`)
  }
  const online = ['their VGG T6 B32 ottt, ottt', 'their VGG T6 B32 sltt, sltt']
  const ways = (what: string): string[] =>
    ['rate, rate', 'rate, rate tuned', 'bptt, bptt'].map((way) => `${what} ${way}`)
  for (const [text, ...rows] of [
    ['--quick', 'resnet18 T4 B16 rate, rate', 'cnn T4 B64 rate, rate'],
    ['--model vgg11', 'vgg11 T4 B32 rate, rate'],
    ['--model vgg13 --time-steps 2', ...ways('vgg13 T2 B16')],
    ['--batch-size 8', ...ways('resnet18 T4 B8')],
    ['--ottt a --sltt b', ...online],
    ['--ottt a --quick', 'their VGG T6 B4 ottt, ottt'],
    ['--official a --sltt b', ...all, online[1]],
  ])
    assert.equal(rowsOf(text), rows, text)
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

/** Files that tell the checkouts, and options that name folders like them. */
const places = {
  paper: 'model/model_setting.py',
  jelly: 'spikingjelly/activation_based/__init__.py',
  ottt: 'models/spiking_vgg.py',
  sltt: 'models/spiking_vgg_bn.py',
}
const paper =
  /^spikewasm: --official must be a checkout of the paper's code, got .*; get it by git clone https.*\n$/
for (const [args, message] of [
  ['', paper],
  ['--official jelly --spikingjelly paper', paper],
  [
    '--official paper',
    /--spikingjelly must be a checkout of SpikingJelly 0\.0\.0\.0\.14, .* got none; get it by git clone .*\n$/,
  ],
  [
    '--official paper --spikingjelly jelly --model mlp',
    /^spikewasm: --model must be one of cnn, .*preactResnet34 for the official code, got "mlp"\n$/,
  ],
  [
    '--official paper --spikingjelly jelly --python nothing',
    /^spikewasm: bench\.python: .*nothing could not run the official code: .*ENOENT; .*PyTorch.*--python/,
  ],
  [
    '--ottt sltt',
    /^spikewasm: --ottt must be a checkout of its authors' code, got .*sltt; get it by git clone https:\/\/github\.com\/pkuxmq\/OTTT-SNN\n$/,
  ],
  [
    '--sltt sltt',
    /^spikewasm: --spikingjelly-12 must be a checkout of SpikingJelly 0\.0\.0\.0\.12, .*got none; get it by git clone .*1171f524\n$/,
  ],
  [
    '--ottt ottt --python nothing',
    /^spikewasm: bench\.python: .*nothing could not run the authors' code: .*ENOENT; .*PyTorch.*--python/,
  ],
] as const)
  test(`others' code: what is missing with "${args}", and where it comes from`, () =>
    withFolder(async (folder) => {
      for (const [name, file] of Object.entries(places)) {
        await mkdir(dirname(join(folder, name, file)), { recursive: true })
        await writeFile(join(folder, name, file), '')
      }
      const words = args.split(' ').filter(Boolean)
      const given = words.map((word, i) =>
        i % 2 && words[i - 1] !== '--model' ? join(folder, word) : word,
      )
      for (const section of ['official', 'agreement']) {
        const all = ['--only', section, ...given, '--no-revectorize']
        const { code, stderr } = await runHere(all, { program: runBench })
        assert.is(code, 2, section)
        assert.match(stderr, message, section)
      }
    }))

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
  const stdout = run('--only', 'official', '--quick', '--steps', '1', ...checkouts)
  for (const text of ['theirs ms', 'resnet18', 'cnn', 'Left out: ottt', 'Left out: sltt'])
    assert.ok(stdout.includes(text), text)
})

test('the networks of OTTT and SLTT are theirs, and so are their gradients', () => {
  if (ottt === undefined || sltt === undefined || spikingjelly12 === undefined)
    return skip('BENCH_OTTT, BENCH_SLTT and BENCH_SPIKINGJELLY_12 must name checkouts')
  const given = ['--ottt', ottt, '--sltt', sltt, '--spikingjelly-12', spikingjelly12]
  const report = run('--only', 'agreement', '--quick', '--python', python, '--json', ...given)
  const { smallerIsBetter } = JSON.parse(report) as {
    smallerIsBetter: { name: string; value: number }[]
  }
  const distances = smallerIsBetter.filter(({ name }) => name.includes('gradient'))
  assert.is(distances.length, 2)
  // A flipped spike moves a gradient by far more than rounding, and by far less than a mistake.
  for (const { name, value } of distances) assert.ok(value < 0.01, `${name}: ${value}`)
})

test.run()
