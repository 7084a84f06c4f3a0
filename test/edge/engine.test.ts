/** The engine's functions for exported networks alone, against loops in float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { stepMask } from '../../src/engine/run/run-words.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'

for (const variant of variants) {
  test(`edgeExpand ${variant}: two tensors, in place`, () => {
    const random = testRandom(3)
    const engine = new TestEngine(variant, 20)
    const table: number[] = []
    const wanted: [at: number, numbers: Float32Array][] = []
    for (const [columns, width, taps, inRows, inC, more] of [
      [10, 16, 9, 3, 4, 3],
      [40, 16, 1, 5, 5, 0],
      [8, 4, 2, 1, 4, 1],
    ]) {
      const blockRows = taps * inC + more
      const stored = Math.ceil(columns / width) * blockRows * width
      const numbers = Float32Array.from({ length: columns * taps * inRows }, random)
      const to = engine.alloc(4 * stored)
      const from = to + 4 * (stored - numbers.length)
      engine.floats(from, numbers.length).set(numbers)
      table.push(from, to, columns, width, taps, inRows, inC, blockRows, 0, 0)
      const spread = new Float32Array(stored)
      let i = 0
      for (let block = 0; block * width < columns; block++)
        for (let tap = 0; tap < taps; tap++)
          for (let row = 0; row < inRows; row++)
            for (let n = 0; n < Math.min(width, columns - block * width); n++)
              spread[(block * blockRows + tap * inC + row) * width + n] = numbers[i++]
      wanted.push([to, spread])
    }
    engine.exports.edgeExpand(engine.putInts(table), wanted.length)
    engine.checkGuards()
    for (const [at, numbers] of wanted) assert.equal(engine.floats(at, numbers.length), numbers)
  })

  test(`edgeFloats and edgeBytes ${variant}: channels last, bytes scaled`, () => {
    const random = testRandom(4)
    for (const [B, T, C, P] of [
      [1, 1, 3, 4],
      [2, 3, 2, 5],
      [3, 1, 1, 7],
    ]) {
      const engine = new TestEngine(variant, 20)
      const count = B * T * C * P
      const mean = Float32Array.from({ length: C }, random)
      const std = Float32Array.from({ length: C }, () => random() + 0.5)
      const x = Float32Array.from({ length: count }, random)
      const bytes = Uint8Array.from(x, (value) => 256 * value)
      const order = (of: (i: number, c: number) => number): Float32Array => {
        const out = new Float32Array(count)
        for (let i = 0; i < count; i++) {
          const [b, t, c, p] = [T * C * P, C * P, P, 1].map(
            (n, k) => Math.floor(i / n) % [B, T, C, P][k],
          )
          out[((b * P + p) * T + t) * C + c] = of(i, c)
        }
        return out
      }
      const [floats, scaled] = [engine.alloc(4 * count), engine.alloc(4 * count)]
      engine.exports.edgeFloats(engine.putFloats(x), floats, B, T, C, P)
      const places = [engine.putFloats(mean), engine.putFloats(std)]
      engine.exports.edgeBytes(engine.putBytes(bytes), scaled, B, T, C, P, ...places)
      engine.checkGuards()
      assert.equal(
        engine.floats(floats, count).slice(),
        order((i) => x[i]),
      )
      const wanted = order((i, c) => (bytes[i] / 255 - mean[c]) / std[c])
      assert.equal(engine.floats(scaled, count).slice(), wanted)
    }
  })

  test(`edgeMean ${variant}: the mean over the steps so far, which it counts`, () => {
    const engine = new TestEngine(variant, 20)
    const raw = Float32Array.of(1, -2, 0.3)
    const [from, out] = [engine.putFloats(raw), engine.alloc(12)]
    const steps = engine.ints(Control.FirstStep, 1)
    for (const before of [0, 1, 6]) {
      steps[0] = before
      engine.exports.edgeMean(from, out, 3, 5)
      assert.is(steps[0], before + 1)
      const wanted = raw.map((value) => value * (5 / (before + 1)))
      assert.equal(engine.floats(out, 3).slice(), wanted)
    }
    engine.checkGuards()
  })

  test(`labels ${variant}: all from 0 to classes − 1, or a step that is none`, () => {
    const engine = new TestEngine(variant, 20)
    for (const [labels, fit] of [
      [[0, 3, 9], 1],
      [[10, 0, 0], 0],
      [[0, 0, 10], 0],
      [[0, -1, 0], 0],
    ] as const)
      assert.is(engine.exports.edgeLabels(engine.putInts(labels), 3, 10), fit, labels.join())
    assert.is(engine.exports.edgeLabels(engine.putInts([0, 0, 10]), 2, 10), 1)
    engine.ints(Control.Correct, 1)[0] = 5
    engine.exports.edgeRefuse()
    const [loss, correct] = [engine.floats(Control.Loss, 1)[0], engine.ints(Control.Correct, 1)[0]]
    assert.equal([loss, correct], [Number.NaN, 0])
  })

  test(`edgeSeed and edgeStepMask ${variant}: the numbers of the runtime`, () => {
    const engine = new TestEngine(variant, 20)
    const stream = new RandomStream(Purpose.Dropout)
    for (const seed of [0, 1, 77, 2 ** 32 - 1])
      for (const step of [0, 1, 2, 1000]) {
        stream.start(seed, 0, step)
        engine.exports.edgeSeed(seed, step)
        assert.is(engine.ints(Control.Seed, 1)[0] >>> 0, stream.next())
        for (const [total, count] of [
          [6, 3],
          [32, 5],
          [31, 30],
          [32, 32],
          [1, 1],
        ]) {
          engine.exports.edgeStepMask(seed, step, total, count)
          const found = engine.ints(Control.StepMask, 1)[0] >>> 0
          const plan = { options: { backwardSteps: count } }
          const wanted = stepMask({ plan } as never, { timeSteps: total, seed, steps: step })
          assert.is(found, wanted >>> 0, `${count} of ${total}`)
        }
      }
  })
}

test.run()
