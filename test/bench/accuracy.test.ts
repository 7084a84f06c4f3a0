/** Time to accuracy: what does not need PyTorch; and a tiny run where that and code are given. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  commonAccuracy,
  type Epoch,
  packImages,
  timeTo,
  trainingTimes,
} from '../../bench/accuracy.js'
import { accuracySvg } from '../../bench/chart.js'
import { runBench } from '../../bench/command.js'
import { fromBytes } from '../../src/index.js'
import { run as runHere } from '../cli/in-process.js'
import { skip } from '../support/runner.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))
const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, '--only', 'accuracy', ...args], { encoding: 'utf8' })
/** Where nothing is measured; V8's flags stay as they are. */
const refused = (...args: string[]) =>
  runHere(['--only', 'accuracy', '--no-revectorize', ...args], { program: runBench })

const epochsOf = (...accuracies: number[]): Epoch[] =>
  accuracies.map((testAccuracy, i) => ({
    trainSeconds: 10 + i,
    testSeconds: 100,
    trainLoss: 1,
    firstLoss: 2,
    testAccuracy,
  }))

test('times are those of training alone, up to the first epoch that is good enough', () => {
  const [ours, theirs] = [epochsOf(0.7, 0.89, 0.88, 0.9), epochsOf(0.8, 0.85, 0.87, 0.89)]
  assert.equal(trainingTimes(ours), [10, 21, 33, 46])
  assert.is(timeTo(ours, 0.88), 21)
  assert.is(timeTo(theirs, 0.88), 46)
  assert.is(timeTo(ours, 0.95), undefined)
  assert.is(commonAccuracy(ours, theirs), 0.89)
  assert.is(commonAccuracy(theirs, ours), 0.89)
})

test('images are packed as rows of a label and planes', () => {
  const data = fromBytes({
    images: Uint8Array.from({ length: 2 * 12 }, (_, i) => i),
    labels: [3, 1],
    shape: [3, 2, 2],
    classes: 4,
    normalization: { scale: 255, mean: [0, 0, 0], std: [1, 1, 1] },
  })
  const expected = [3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  const second = expected.map((value, i) => (i === 0 ? 1 : value + 12))
  assert.equal([...packImages(data)], [...expected, ...second])
})

test('the chart draws each curve and the target of each task', () => {
  const chart = (title: string) => ({
    title,
    target: 0.88,
    curves: [
      { name: 'spikewasm', points: [[1, 0.8] as const, [2, 0.9] as const] },
      { name: 'official code', points: [[5, 0.8] as const, [10, 0.9] as const] },
    ],
  })
  const svg = accuracySvg([chart('first'), chart('second')])
  assert.match(svg, /^<svg [\s\S]*<\/svg>\s*$/)
  const times = (text: string): number => svg.split(`>${text}</text>`).length - 1
  for (const text of ['first', 'second']) assert.is(times(text), 1, text)
  for (const text of ['spikewasm', 'official code', '88 %', 'seconds of training'])
    assert.is(times(text), 2, text)
  assert.ok(!svg.includes('NaN'))
})

/** Folders that look like the checkouts, and a command that answers as official.py's check does. */
async function withFakes(body: (args: string[], folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'accuracy-'))
  try {
    const [official, jelly, python] = ['official', 'jelly', 'python'].map((n) => join(folder, n))
    mkdirSync(join(official, 'model'), { recursive: true })
    writeFileSync(join(official, 'model/model_setting.py'), '')
    mkdirSync(join(jelly, 'spikingjelly/activation_based'), { recursive: true })
    writeFileSync(python, '#!/bin/sh\necho \'{"torch": "0", "bfloat16": "none"}\'\n', {
      mode: 0o755,
    })
    await body(['--official', official, '--spikingjelly', jelly, '--python', python], folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('it says what is missing and where it comes from', async () => {
  if (process.platform === 'win32') return skip('it takes a shell script')
  await withFakes(async (args, folder) => {
    for (const [more, message] of [
      [
        ['--fashion', folder],
        /^spikewasm: --fashion must be the folder with train-images-idx3-ubyte\.gz .*got .*; get them by apt-get install dataset-fashion-mnist or /,
      ],
      [
        ['--model', 'resnet18'],
        /^spikewasm: --model must be cnn or vgg11 for accuracy, got "resnet18"/,
      ],
      [
        ['--model', 'vgg11'],
        /^spikewasm: --data must be cifar-10-binary\.tar\.gz or its folder for vgg11, got none/,
      ],
      [['--model', 'vgg11', '--data', join(folder, 'none')], /CIFAR-10.*none/],
    ] as const) {
      const { code, stderr } = await refused(...args, ...more)
      assert.is(code, 2, more.join(' '))
      assert.match(stderr, message, more.join(' '))
    }
  })
})

const { BENCH_OFFICIAL: official, BENCH_SPIKINGJELLY: jelly, BENCH_PYTHON: python } = process.env

test('a tiny training beside the official code begins with the same loss', () => {
  const fashion = '/usr/share/datasets/fashion-mnist'
  if (official === undefined || jelly === undefined)
    return skip('BENCH_OFFICIAL and BENCH_SPIKINGJELLY must name checkouts')
  if (!existsSync(fashion)) return skip(`${fashion} is not there`)
  const folder = mkdtempSync(join(tmpdir(), 'accuracy-'))
  try {
    const [svg, markdown] = [join(folder, 'chart.svg'), join(folder, 'out.md')]
    const options = `--quick --limit 256 --epochs 1 --threads 1 --official ${official} --spikingjelly ${jelly}`
    const { status, stderr } = run(
      ...options.split(' '),
      ...['--python', python ?? 'python3', '--svg', svg, '--markdown', markdown],
    )
    assert.is(status, 0, stderr)
    const [line] = readFileSync(markdown, 'utf8').match(/^\| 1 \|.*$/m) ?? []
    const cells = line?.split('|').map((cell) => cell.trim()) ?? []
    const [ours, theirs] = cells.slice(-3, -1).map(Number)
    assert.ok(ours > 1 && Math.abs(ours - theirs) < 2e-4, `first losses: ${line}`)
    assert.match(readFileSync(svg, 'utf8'), /Fashion-MNIST, cnn/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
