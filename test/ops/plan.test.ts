/** What all ops have in common: arrays, own memory, threads, errors. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

const r = randomShapes(1)
const options = { input: [4, 2, 5, 6, 6], weight: [7, 5, 3, 3], padding: 1, spikes: true } as const
const x = r.spikes(4 * 2 * 5 * 36)
const w = r.floats(7 * 5 * 9)

test('own arrays are not copied, and give the same bits', () => {
  const conv = ops.conv2d.plan(options)
  const y = conv.run(x, w)
  assert.is(y.length, 4 * 2 * 7 * 36)
  assert.is.not(y, conv.output)
  const own = conv.output.slice()
  conv.output.fill(0)
  assert.is(conv.run(), conv.output)
  expectSameBits('run()', conv.output, own)
  assert.is(conv.run(conv.input, conv.weight), conv.output)
  // What is left out stays.
  expectSameBits('run(x)', conv.run(x), y)
})

test('threads: a promise of the same bits', async () => {
  const one = ops.conv2d.plan(options).run(x, w)
  const conv = ops.conv2d.plan({ ...options, threads: 2 })
  try {
    const running = conv.run(x, w)
    assert.instance(running, Promise)
    assert.throws(() => conv.run(x, w), /is still running/)
    expectSameBits('two threads', await running, one)
    expectSameBits('again', await conv.run(x, w), one)
  } finally {
    await conv.dispose()
  }
  assert.throws(() => conv.run(), /was disposed/)
})

test('a single call', async () => {
  const y = ops.conv2d.plan(options).run(x, w)
  expectSameBits('once', ops.conv2d(options, x, w), y)
  expectSameBits('once, two threads', await ops.conv2d({ ...options, threads: 2 }, x, w), y)
})

test('wrong arrays and options are refused by name', () => {
  const conv = ops.conv2d.plan(options)
  const wrong: [() => unknown, RegExp][] = [
    [() => conv.run(x.slice(1)), /input must be a Uint8Array of shape \[4, 2, 5, 6, 6\].*1439/],
    [() => conv.run(Float32Array.from(x)), /input must be a Uint8Array.*got Float32Array of 1440/],
    [() => conv.run(x.map((v) => 2 * v)), /input must hold 0 \(no spike\) or 1, got 2 at index/],
    [() => (conv.run as (...all: unknown[]) => unknown)(x, w, w), /takes 2 arrays/],
    [() => (conv.run as (...all: unknown[]) => unknown)(x, w, { lr: 1 }), /takes no settings/],
    [() => ops.conv2d.plan({ ...options, weight: [7, 4, 3, 3] }), /takes 4 channels/],
    [() => ops.conv2d.plan({ ...options, weight: [7, 5, 3] }), /must be a shape \[N, C, kH, kW\]/],
    [() => ops.conv2d.plan({ ...options, input: [4, 0, 5, 6, 6] }), /integers >= 1/],
    [() => ops.conv2d.plan({ ...options, input: [256, 1, 5, 6, 6] }), /at most 255/],
    [() => ops.conv2d.plan({ ...options, padding: 3 }), /padding must be below/],
    [() => ops.conv2d.plan({ ...options, algorithm: 'magic' }), /must be one of auto, rows, lists/],
    [() => ops.conv2d.plan({ ...options, threads: 0 }), /threads must be an integer from 1/],
    [() => ops.conv2d.plan({ ...options, inptu: 1 } as never), /inptu is not an option/],
    [() => ops.conv2d.plan(undefined as never), /options must be an object/],
  ]
  for (const [call, message] of wrong) assert.throws(call, message)
})

test('a call of the engine takes as long as run() without copies, nearly', () => {
  const relu = ops.relu.plan({ input: [16, 64, 16, 16] })
  for (let i = 0; i < 2000; i++) {
    relu.run()
    relu.bare()
  }
  const time = (call: () => unknown): number => {
    const start = performance.now()
    for (let i = 0; i < 20; i++) call()
    return performance.now() - start
  }
  const ratios = Array.from(
    { length: 101 },
    () => time(() => relu.run()) / time(() => relu.bare()),
  ).sort((a, b) => a - b)
  assert.ok(ratios[50] < 1.05, `run() takes ${ratios[50]} of the bare call`)
})

test.run()
