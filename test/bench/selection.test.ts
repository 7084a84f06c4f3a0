/** What is measured: shapes, options, names, and what counts as work. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type SelectionArguments, sections, selectionOf } from '../../src/bench/benchmark.js'
import { listBenchmarks } from '../../src/bench/cases/index.js'
import { convolution, nameOf, parseShape } from '../../src/bench/cases/shape.js'
import { denseWork } from '../../src/bench/cases/weighted.js'
import { makeTrain } from '../../src/bench/spikes.js'

test('shapes are read as they are written, and written as they are read', () => {
  for (const [text, name] of [
    ['64x32x32-128k3s2', '64x32x32-128 k3s2'],
    ['64x32x32-128 k3s2', '64x32x32-128 k3s2'],
    ['3x32x32-64', '3x32x32-64 k3'],
    ['8x9x10-16k5p0g4', '8x9x10-16 k5p0g4'],
    ['64x32x32', '64x32x32'],
    ['512-10', '512-10'],
    ['m128n256k512', 'm128n256k512'],
  ])
    assert.is(nameOf(parseShape(text)), name)
  assert.equal(parseShape('64x32x32-128k3s2'), convolution([64, 32, 32], 128, 3, 2))
})

for (const [args, reason] of [
  [{ shape: '64' }, /^bench\.shape must be like .*got "64"$/],
  [{ shape: '64x32' }, /^bench\.shape must be like .*got "64x32"$/],
  [{ shape: '64x32x32-' }, /got "64x32x32-"$/],
  [{ shape: '64x32x32-128k3s2q1' }, /^bench\.shape must be like .*got/],
  [{ shape: '0x32x32' }, /size is 0/],
  [{ shape: '64x32x32-128k3s0' }, /size is 0/],
  [{ shape: '64x99999x1' }, /99999 is above 65536/],
  [{ shape: '8x2x2-8k7p0' }, /kernel is larger/],
  [{ shape: '8x8x8-8k3p3' }, /padding is not below/],
  [{ shape: '8x8x8-8g3' }, /groups do not divide/],
  [{ shape: '65536x65536x65536' }, /^bench\.shape must give tensors of at most 1 GiB/],
  [{ shape: '65536-65536' }, /^bench\.shape .*"65536-65536" with 16 images/],
  [
    { shape: '512x64x64-512', batchSize: 8 },
    /got "512x64x64-512 k3" with 32 .*: 1 GiB and 619 GFLOP; choose/,
  ],
  [{ shape: '8x8x8', only: 'steps' }, /^bench\.shape must be left out with --only steps/],
  [
    { only: 'kernels', batchSize: 65536 },
    /^bench\.batchSize must give tensors of at most 1 GiB .* choose a smaller/,
  ],
] as const)
  test(`${JSON.stringify(args)} is one error that says why`, () =>
    assert.throws(
      () => listBenchmarks(selectionOf(args)),
      (error: Error) => error.name === 'SpikewasmError' && reason.test(error.message),
    ))

test('options: what is chosen by default', () => {
  const plain = selectionOf({})
  assert.equal([plain.sections, plain.quick, plain.kernelThreads], [sections, false, 1])
  assert.equal(selectionOf({ only: 'steps' }).sections, ['steps'])
  assert.equal(selectionOf({ shape: '8x8x8,16-4' }).sections, ['kernels'])
  assert.is(selectionOf({ threads: 3 }).kernelThreads, 3)
})

const namesOf = (options: SelectionArguments): string[] =>
  listBenchmarks(selectionOf(options)).map(({ name }) => name)

test('names begin with the op, are ASCII, one line and unique', () => {
  for (const options of [
    {},
    { quick: true },
    { shape: '8x8x8-8,16x4x4' },
    { density: [0.1, 0.101, 0.001, 0.2] },
    { shape: '512-10,512-10,8x8x8,8x8x8-8,8x8x8-8k3p1', density: [0.1, 0.101] },
  ]) {
    const names = namesOf({ threads: 2, ...options })
    assert.ok(names.length > 3, `${names.length}`)
    assert.is(new Set(names).size, names.length)
    for (const name of names) assert.match(name, /^[a-zA-Z][a-zA-Z0-9]* [ -~]+$/, name)
  }
})

test('densities and sizes that are asked for are in the names', () => {
  const passes = ['dropout', 'avgPool2d spikes', 'maxPool2d spikes', 'lif shortcut']
  for (const [options, names] of [
    [
      { shape: '8x8x8-8k3', density: [0.3, 0.5], batchSize: 2, timeSteps: 6 },
      ['d0.30', 'd0.50'].map((density) => `conv2d spikes 8x8x8-8 k3 B2 T6 ${density}`),
    ],
    [{ shape: '8x8x8', density: [0.123] }, passes.map((op) => `${op} 8x8x8 B4 T4 d0.123`)],
  ] as const) {
    const found = namesOf({ threads: 1, ...options })
    for (const name of names) assert.ok(found.includes(name), `${name} in\n${found.join('\n')}`)
  }
})

test('work of a convolution: all products, and those that do not fall on the padding', () => {
  // 4×4 pixels, 3×3 taps: of 144 pairs (4·3 − 2)² lie inside.
  const { amount, least } = denseWork(convolution([2, 4, 4], 3), 5)
  assert.is(Math.round(amount * 1e9), 2 * 5 * 2 * 3 * 144)
  assert.is(Math.round((least ?? 0) * 1e9), 2 * 5 * 2 * 3 * 100)
  const strided = denseWork(convolution([1, 6, 6], 1, 3, 2), 1)
  assert.is(Math.round(strided.amount * 1e9), 2 * 3 * 3 * 9)
  assert.is(Math.round((strided.least ?? 0) * 1e9), 2 * 8 * 8)
})

test('trains of spikes have the rate that was asked for, and events count groups (seeds 1–4)', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const [T, wanted] = (
      [
        [4, 0.1],
        [6, 0.4],
        [12, 0.2],
        [1, 0.05],
      ] as const
    )[seed - 1]
    const [own, neurons] = [2000, 6000]
    const { bytes, rate, active, events } = makeTrain(neurons, { B: 3, T }, wanted, seed)
    let [spikes, firing, groups] = [0, 0, 0]
    for (let i = 0; i < neurons; i++) {
      const at = Math.floor(i / own) * T * own + (i % own)
      const fired = Array.from({ length: T }, (_, t) => bytes[at + t * own])
      spikes += fired.filter((s) => s === 1).length
      firing += fired.includes(1) ? 1 : 0
      for (let t = 0; t < T; t += 4) groups += fired.slice(t, t + 4).includes(1) ? 1 : 0
    }
    assert.ok(bytes.every((s) => s <= 1))
    assert.ok(Math.abs(rate - wanted) < 0.03, `seed ${seed}: ${rate}`)
    assert.equal([rate, active, events], [spikes / (neurons * T), firing / neurons, groups])
    // Neurons keep their ways: fewer fire at all than if steps were independent.
    if (T > 1) assert.ok(active < 1 - (1 - rate) ** T - 0.01, `seed ${seed}: ${active} of ${rate}`)
  }
})

test.run()
