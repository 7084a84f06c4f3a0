/** The engine's functions for exported networks alone, against loops in float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { Purpose, RandomStream } from '../../src/base/random.js'
import { blockWidth } from '../../src/compile/layout.js'
import { stepMask } from '../../src/engine/run/run-words.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'

type Shape = readonly [columns: number, width: number, groups: number, taps: number, inRows: number]

/** Numbers of a weight as it is stored: for each tap `inC` rows, of which `inRows` hold some. */
function spread(numbers: ArrayLike<number>, shape: Shape, inC: number, more: number, by = [1]) {
  const [columns, width, groups, taps, inRows] = shape
  const blockRows = groups * taps * inC + more
  const wanted = new Float32Array(Math.ceil(columns / width) * blockRows * width)
  let i = 0
  for (let block = 0; block * width < columns; block++)
    for (let tap = 0; tap < groups * taps; tap++)
      for (let row = 0; row < inRows; row++)
        for (let n = 0; n < Math.min(width, columns - block * width); n++) {
          const channel = Math.floor(tap / taps) * columns + block * width + n
          const at = (block * blockRows + tap * inC + row) * width + n
          wanted[at] = numbers[i++] * by[channel % by.length]
        }
  return { wanted, words: [columns, width, groups * taps, inRows, inC, blockRows] }
}

/** Shapes of weights with the rows that a tap and a block have. */
const shapes: readonly (readonly [Shape, inC: number, more: number])[] = [
  [[10, 16, 1, 9, 3], 4, 3],
  [[40, 16, 1, 5, 5], 5, 0],
  [[8, 4, 1, 2, 1], 4, 1],
  [[32, 32, 1, 4, 5], 8, 3],
  [[3, 4, 5, 9, 2], 2, 0],
]
const countOf = ([columns, , groups, taps, inRows]: Shape): number =>
  columns * groups * taps * inRows

for (const variant of variants) {
  test(`edgeExpand ${variant}: several tensors, in place`, () => {
    const random = testRandom(3)
    const engine = new TestEngine(variant, 20)
    const table: number[] = []
    const tensors = shapes.map(([shape, ...rows]) => {
      const numbers = Float32Array.from({ length: countOf(shape) }, random)
      const { wanted, words } = spread(numbers, shape, ...rows)
      const to = engine.alloc(4 * wanted.length)
      const from = to + 4 * (wanted.length - numbers.length)
      engine.floats(from, numbers.length).set(numbers)
      table.push(from, to, ...words, 0, 0, 2, 0)
      return { to, wanted }
    })
    engine.exports.edgeExpand(engine.putInts(table), tensors.length)
    engine.checkGuards()
    for (const { to, wanted } of tensors) assert.equal(engine.floats(to, wanted.length), wanted)
  })

  for (const kind of ['floats', 'bytes', 'words'])
    test(`edgeExpandBytes ${variant}: in place, to ${kind}`, () => {
      const random = testRandom(5)
      const scaled = kind === 'floats'
      for (const [[columns, width, ...counts], ...rows] of shapes)
        for (const most of kind === 'words' ? [127, 31] : [127]) {
          // Blocks of whole numbers have one of four widths.
          const shape: Shape = [columns, kind === 'words' ? blockWidth(columns) : width, ...counts]
          const engine = new TestEngine(variant, 20)
          const numbers = Int8Array.from(
            { length: countOf(shape) },
            () => (2 * most + 1) * random() - most,
          )
          const [, , groups, taps] = shape
          const scales = Float32Array.from({ length: columns * groups }, random)
          const { wanted, words } = spread(
            numbers,
            shape,
            ...rows,
            scaled ? [...scales] : undefined,
          )
          const bytes = wanted.length * (scaled ? 4 : 1)
          const to = engine.alloc(bytes)
          const from = to + bytes - numbers.length
          engine.bytes(from, numbers.length).set(new Uint8Array(numbers.buffer))
          const offset = kind === 'words' ? most + 1 : 0
          const at = scaled ? engine.putFloats(scales) : 0
          const table = [from, to, ...words, at, taps, 0, offset]
          engine.exports.edgeExpandBytes(engine.putInts(table), 1)
          engine.checkGuards()
          if (kind === 'words')
            for (let i = 0; i < wanted.length; i += shape[1]) {
              const row = wanted.slice(i, i + shape[1])
              const half = shape[1] / 2
              for (const [j, q] of row.entries())
                wanted[i + (j < half ? 2 * j : 2 * (j - half) + 1)] =
                  j < half ? ((q + offset + 128) & 255) - 128 : q
            }
          const got = scaled
            ? engine.floats(to, wanted.length)
            : Float32Array.from(new Int8Array(engine.memory.buffer, to, wanted.length))
          assert.equal(got, wanted, shape.join())
        }
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
          assert.is(found, wanted[0], `${count} of ${total}`)
        }
      }
  })
}

test.run()
