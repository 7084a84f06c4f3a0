/** Benchmarks of kernels, steps and predictions: each can be prepared, runs, and knows its work. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Benchmark, type SelectionArguments, selectionOf } from '../../src/bench/benchmark.js'
import { listBenchmarks } from '../../src/bench/cases/index.js'
import { findBuild, loadBuild, ownRoot } from '../../src/bench/compare/builds.js'
import { measureEach } from '../../src/bench/run.js'
import { ofLong } from '../support/long.js'

const thisBuild = async () => loadBuild(await findBuild(ownRoot(), 'this build'), 'this')

const listAll = (args: SelectionArguments): readonly Benchmark[] =>
  listBenchmarks(selectionOf({ threads: 1, timeSteps: 3, batchSize: 1, ...args }))

async function runAll(args: SelectionArguments): Promise<string[]> {
  const build = await thisBuild()
  const benchmarks = listAll(args)
  for (const benchmark of benchmarks) await runOnce(benchmark, build)
  return benchmarks.map(({ name }) => name)
}

async function runOnce(
  benchmark: Benchmark,
  build: Awaited<ReturnType<typeof thisBuild>>,
): Promise<void> {
  const { name } = benchmark
  const prepared = await benchmark.prepare(build)
  try {
    for (let i = 0; i < 2; i++) await prepared.run()
    const work = prepared.work ?? benchmark.work
    if (work) {
      const { amount, least = amount } = work
      assert.ok(amount > 0 && Number.isFinite(amount), `${name}: ${amount}`)
      assert.ok(least > 0 && Number.isFinite(least), `${name}: ${least}`)
      if (work.unit !== 'images')
        assert.ok(least <= amount * 1.0001, `${name}: ${least}, ${amount}`)
    }
    if (/ d0\.\d\d/.test(name))
      assert.match(
        prepared.density ?? '',
        /^(rate 0\.\d\d, shortcut )?rate 0\.\d\d, active 0\.\d\d$/,
        name,
      )
  } finally {
    await prepared.dispose?.()
  }
}

test('kernels of own shapes, with every algorithm that fits', async () => {
  const shape = '8x8x8-8k3,8x8x8-16k3s2,8x6x6-8k3g2,8x6x6-8g8,3x9x9-8k3,8x4x6,24-10,m5n6k7'
  const names = await runAll({ shape, density: [0.2] })
  const kinds = new Set(names.map((name) => name.replace(/ (m?\d).*/, '')))
  const all = (op: string, ...variants: string[]) => variants.map((one) => `${op} ${one}`)
  for (const kind of [
    ...all('conv2d', 'spikes', 'int8', 'dense'),
    ...all('conv2dInputGradient', 'winograd', 'winograd-stride', 'direct'),
    ...all('conv2dWeightGradient', 'winograd', 'direct', 'lists', 'patterns'),
    ...['linear spikes', 'linearInputGradient', 'linearWeightGradient', 'lif'],
    ...all('lif', 'hard', 'atan', 'shortcut', 'residual', 'plif'),
    ...all('lifBackward', 'rate', 'time', 'online'),
    ...['batchNorm', 'batchNormBackward', 'groupNorm', 'groupNormBackward'],
    ...all('cell', 'cubaLif', 'alif', 'leakyIntegrator'),
    ...['cellBackward alif', 'avgPool2d spikes', 'maxPool2d spikes', 'relu', 'dropout'],
    ...all('matmul', 'NN', 'NT', 'TN'),
  ])
    assert.ok(kinds.has(kind), `${kind} in\n${[...kinds].join('\n')}`)
})

test('the same on two threads', async () => {
  const build = await thisBuild()
  const all = listAll({ shape: '8x6x6-8,8x4x4', density: [0.3], threads: 2 })
  assert.ok(all.length > 40 && all.every(({ name }) => name.endsWith(' threads 2')))
  // Each starts a thread: one of each operation, and of each algorithm of a convolution, will do.
  const kinds = new Map(all.map((one) => [/^(conv\S+ \S+|\S+)/.exec(one.name)![0], one]))
  assert.ok(kinds.size > 24, [...kinds.keys()].join())
  for (const one of ofLong([...kinds.values()], all)) await runOnce(one, build)
})

test('steps of every method and predictions know their rates and work', async () => {
  const quick = { quick: true, model: 'mlp' }
  const names = [
    ...(await runAll({ ...quick, only: 'steps' })),
    ...(await runAll({ ...quick, only: 'inference' })),
  ]
  assert.equal(names, [
    'train mlp rate m B1 T3',
    'train mlp rate s B1 T3',
    'train mlp bptt m B1 T3',
    'train mlp ottt B1 T3',
    'train mlp sltt B1 T3',
    'train mlp os B1 T3',
    'predict mlp B1 T3',
  ])
})

test('a result is a row and entries that actions read', async () => {
  const selection = selectionOf({ shape: '8x4x4', batchSize: 1, threads: 1, quick: true })
  const name = listBenchmarks(selection).find((one) => one.name.startsWith('relu '))!.name
  const shared = { selection, weights: {}, progress: () => {}, note: [], label: 'a machine' }
  const report = await measureEach([name], { ...shared, title: 'title' })
  const [time] = report.smallerIsBetter
  const [rate] = report.biggerIsBetter
  assert.equal([time.name, time.unit, rate.name, rate.unit], [name, 'ms', name, 'GB/s'])
  assert.ok(time.value > 0 && rate.value > 0)
  const bytes = 4 * 2 * 4 * 8 * 4 * 4
  assert.ok(Math.abs(rate.value - bytes / 1e6 / time.value) < 1e-9 * rate.value)
  assert.match(time.extra ?? '', /fastest .* rounds\n(.*\n)*1 thread\na machine$/)
  assert.is(report.tables[0].rows[0][0], name)
})

test.run()
