/** What all ops have in common: arrays, own memory, threads, errors. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

const r = randomShapes(1)
const options = { input: [2, 4, 5, 6, 6], weight: [7, 5, 3, 3], padding: 1, spikes: true } as const
const x = r.spikes(4 * 2 * 5 * 36)
const w = r.floats(7 * 5 * 9)

/** What a call that must fail says. */
async function messageOf(pending: unknown): Promise<string> {
  try {
    await pending
  } catch (error) {
    return (error as Error).message
  }
  return 'no error'
}

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

test('plans on threads that are done: few of their memories wait for a collection', async () => {
  const memories: WeakRef<WebAssembly.Memory>[] = []
  for (let i = 0; i < 16; i++) {
    const conv = ops.conv2d.plan({ ...options, threads: 2 })
    await conv.run()
    memories.push(new WeakRef(OpPlan.insides(conv as unknown as OpPlan).memory))
    await conv.dispose()
  }
  await new Promise((resolve) => setImmediate(resolve))
  const left = memories.filter((memory) => memory.deref()).length
  assert.ok(left <= 8, `${left} of 16`)
})

test('threads: a promise of the same bits', async () => {
  const one = ops.conv2d.plan(options).run(x, w)
  const conv = ops.conv2d.plan({ ...options, threads: 2 })
  try {
    const running = conv.run(x, w)
    assert.instance(running, Promise)
    assert.match(await messageOf(conv.run(x, w)), /is still running/)
    expectSameBits('two threads', await running, one)
    expectSameBits('again', await conv.run(x, w), one)
  } finally {
    await conv.dispose()
  }
  assert.match(await messageOf(conv.run()), /was disposed/)
  assert.is(conv.output, undefined)
})

test('threads: failures are rejections, and leave nothing behind', async () => {
  const shapes = { input: [2, 3], threads: 2 } as const
  assert.match(await messageOf(ops.relu(shapes, new Float32Array(5))), /which are 6 numbers/)
  assert.throws(() => ops.sgd.plan({ shape: [2], lr: Number.NaN, threads: 2 }), /lr must be/)
  const relu = ops.relu.plan(shapes)
  assert.throws(() => relu.bare(), /runs on 2 threads/)
  await relu.dispose()
  assert.throws(() => ops.relu.plan({ ...shapes, engine: 'debug' }), /runs on one thread/)
})

test('a run that fails changes nothing', () => {
  const conv = ops.conv2d.plan(options)
  const y = conv.run(x, w)
  const others = x.map((v) => 1 - v)
  assert.throws(() => conv.run(others, w.slice(1)), /weight must be/)
  expectSameBits('a wrong array', conv.run(undefined, w), y)
  assert.throws(() => conv.run(others.fill(2, 7, 8), w), /got 2 at index 7/)
  expectSameBits('a wrong spike', conv.run(undefined, w), y)
})

test("a plan's own memory is no argument in PyTorch's order", () => {
  const [a, b] = [ops.relu.plan({ input: [1, 4, 2, 1] }), ops.relu.plan({ input: [1, 4, 2, 1] })]
  const values = Float32Array.of(1, -2, 3, 4, 5, 6, 7, 8)
  a.write('input', values)
  const y = Float32Array.of(1, 0, 3, 4, 5, 6, 7, 8)
  const own = a.run()
  assert.equal(a.read('output'), y)
  assert.throws(() => a.run(a.input.subarray(0)), /got a plan's own memory, which has the order/)
  assert.throws(() => b.run(own), /got a plan's own memory/)
  b.input.set(own)
  b.run()
  assert.equal(b.read('output'), y)
  assert.throws(() => a.read('nothing'), /the name must be one of input, output/)
  assert.throws(() => a.write('input', new Float32Array(3)), /which are 8 numbers/)
})

test('a single call', async () => {
  const y = ops.conv2d.plan(options).run(x, w)
  expectSameBits('once', ops.conv2d(options, x, w), y)
  expectSameBits('once, two threads', await ops.conv2d({ ...options, threads: 2 }, x, w), y)
})

test('a single call needs all arrays', () => {
  assert.throws(
    () => ops.conv2d(options, x),
    /weight is missing; a single call needs input, weight/,
  )
})

/** Kernels of about 50 µs, by what is done around them. */
const timed = {
  floats: () => ops.relu.plan({ input: [16, 64, 16, 16] }),
  counts: () =>
    ops.linearWeightGradient.plan({
      input: [64, 512],
      weight: [8, 512],
      counts: true,
      timeSteps: 4,
      algorithm: 'direct',
    }),
}

test('a call of the engine takes as long as run() without copies, nearly', () => {
  for (const [name, make] of Object.entries(timed)) {
    const relu = make()
    for (let i = 0; i < 2000; i++) {
      relu.run()
      relu.bare()
    }
    const time = (call: () => unknown): number => {
      const start = performance.now()
      for (let i = 0; i < 20; i++) call()
      return performance.now() - start
    }
    const ratio = (): number =>
      Array.from({ length: 101 }, () => time(() => relu.run()) / time(() => relu.bare())).sort(
        (a, b) => a - b,
      )[50]
    // Who else uses the machine may disturb a look, hardly all of them.
    let least = Number.POSITIVE_INFINITY
    for (let look = 0; look < 8 && least >= 1.05; look++) least = Math.min(least, ratio())
    assert.ok(least < 1.05, `${name}: run() takes ${least} of the bare call`)
  }
})

test.run()
