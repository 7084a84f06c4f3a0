/**
 * Dense convolution against sums in float64: forward, gradient of the input, of the weight and of
 * the bias. Values are small integers, whose sums float32 holds exactly: results must be equal,
 * whatever the order of the sums. Memory and scratch have exactly the documented sizes and start as
 * NaN.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Geometry, sizesOf } from '../../src/compile/convolution/geometry.js'
import {
  biasGradient,
  convDense,
  convInputGradient,
  convWeightGradient,
  reduceSplits,
  transposeWeight,
} from '../../src/kernels/records/dense.js'
import type { RecordKind, Schema } from '../../src/kernels/records/schema.js'
import { isFor, TestEngine, testRandom, variants } from '../support/engine.js'
import { type Addressed, ascending, type Order, putRecord } from '../support/records.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 60
const NAN = 0xff
/**
 * Rows that the weight gradient gathers at a time, and depth of the forward's panels: see the
 * kernels' headers.
 */
const GRADIENT_ROWS = 128
const DEPTH = 256

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]
const up = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple

interface Shape extends Geometry {
  /** Steps of one call. */
  T: number
  /** Whether In is the same at every step of a call. */
  fixed: boolean
  /** Steps of a loop outside that In holds, and the one that runs. */
  loops: number
  t: number
  /** Floats between the channels of one row of In and the next that belong to nobody. */
  gap: number
  indirect: boolean
  bias: boolean
  rowsPerUnit: number
  splits: number
  kPerUnit: number
  accumulate: boolean
}

const kRowsOf = (s: Shape): number => up(s.kernelH * s.kernelW * s.inC + 1, 4)
const outRows = (s: Shape): number => s.images * s.outH * s.outW * s.T
const inputSteps = (s: Shape): number => (s.fixed ? 1 : s.T)
const inRow = (s: Shape): number => s.inC + s.gap
const inFloats = (s: Shape): number => s.images * s.inH * s.inW * s.loops * inputSteps(s) * inRow(s)
const weightIndex = (s: Shape, k: number, n: number): number =>
  (Math.floor(n / s.blockWidth) * kRowsOf(s) + k) * s.blockWidth + (n % s.blockWidth)

/**
 * Any convolution; every fifth one is a linear layer, whose kernel covers its whole input, every
 * fifth has many small images.
 */
function makeShape(random: Random, seed: number, channels: readonly number[]): Shape {
  for (;;) {
    const linear = seed % 5 === 0
    const blockWidth = one(random, [4, 8, 16, 32])
    const small = seed % 5 === 1
    const most = linear ? 5 : small ? 3 : 10
    const [inH, inW] = [integer(random, 1, most), integer(random, 1, most)]
    const [kernelH, kernelW] = linear ? [inH, inW] : [integer(random, 1, 5), integer(random, 1, 5)]
    const [strideH, strideW] = linear ? [1, 1] : [integer(random, 1, 3), integer(random, 1, 3)]
    const [padH, padW] = linear ? [0, 0] : [integer(random, 0, 2), integer(random, 0, 2)]
    const loops = one(random, [1, 1, 3])
    const shape: Shape = {
      images: integer(random, 1, linear ? 70 : small ? 30 : 3),
      T: integer(random, 1, 5),
      fixed: random() < 0.4,
      loops,
      t: integer(random, 0, loops - 1),
      gap: one(random, [0, 0, 4]),
      indirect: random() < 0.5,
      inH,
      inW,
      inC: one(random, channels),
      outH: Math.floor((inH + 2 * padH - kernelH) / strideH) + 1,
      outW: Math.floor((inW + 2 * padW - kernelW) / strideW) + 1,
      outC: blockWidth * integer(random, 1, Math.max(1, 40 / blockWidth)),
      blockWidth,
      kernelH,
      kernelW,
      strideH,
      strideW,
      padH,
      padW,
      bias: random() < 0.5,
      rowsPerUnit: 5 * integer(random, 1, 16),
      splits: one(random, [1, 1, 2, 3, 7]),
      kPerUnit: 4 * integer(random, 1, 20),
      accumulate: random() < 0.3,
    }
    if (shape.outH > 0 && shape.outW > 0) return shape
  }
}

const describe = (s: Shape): string =>
  `${s.images}×${s.inH}×${s.inW}×${s.inC} → ${s.outH}×${s.outW}×${s.outC} kernel ` +
  `${s.kernelH}×${s.kernelW} T=${s.T}`

interface Data {
  input: Float32Array
  weight: Float32Array
  bias: Float32Array
  delta: Float32Array
  /** What Out holds before a kernel that accumulates: enough for any of them. */
  before: Float32Array
}

/** Integers of a size, or fractions whose sums depend on their order. */
function makeData(s: Shape, random: Random, fractions: boolean): Data {
  const value = (size: number): number =>
    fractions ? (random() - 0.5) * size : integer(random, -size, size)
  const values = (length: number, size: number) => Float32Array.from({ length }, () => value(size))
  const weight = new Float32Array(kRowsOf(s) * s.outC)
  for (let k = 0; k < s.kernelH * s.kernelW * s.inC; k++)
    for (let n = 0; n < s.outC; n++) weight[weightIndex(s, k, n)] = value(4)
  return {
    input: values(inFloats(s), 4).map((x, i) => (i % inRow(s) < s.inC ? x : Number.NaN)),
    weight,
    bias: values(s.outC, 9),
    delta: values(outRows(s) * s.outC, 4),
    before: values(Math.max(weight.length, s.images * s.inH * s.inW * s.T * s.inC), 9),
  }
}

/**
 * Calls back for every product of the convolution: row of Out, place of the input in In, pixel of
 * the input, step, row of the weight for channel 0.
 */
function eachTap(
  s: Shape,
  visit: (row: number, input: number, pixel: number, step: number, k: number) => void,
): void {
  const steps = inputSteps(s)
  for (let b = 0; b < s.images; b++)
    for (let oy = 0; oy < s.outH; oy++)
      for (let ox = 0; ox < s.outW; ox++)
        for (let ky = 0; ky < s.kernelH; ky++)
          for (let kx = 0; kx < s.kernelW; kx++) {
            const y = oy * s.strideH - s.padH + ky
            const x = ox * s.strideW - s.padW + kx
            if (y < 0 || y >= s.inH || x < 0 || x >= s.inW) continue
            const pixel = (b * s.inH + y) * s.inW + x
            for (let step = 0; step < s.T; step++) {
              const input = ((pixel * s.loops + s.t) * steps + (s.fixed ? 0 : step)) * inRow(s)
              visit(
                ((b * s.outH + oy) * s.outW + ox) * s.T + step,
                input,
                pixel,
                step,
                (ky * s.kernelW + kx) * s.inC,
              )
            }
          }
}

/** Where [k][n] of the weight lie: to compute it in the loops takes most of their time. */
const weightIndices = (s: Shape): Int32Array =>
  Int32Array.from({ length: s.kernelH * s.kernelW * s.inC * s.outC }, (_, i) =>
    weightIndex(s, Math.floor(i / s.outC), i % s.outC),
  )

function forwardReference(s: Shape, { input, weight, bias }: Data): Float64Array {
  const { inC, outC } = s
  const out = Float64Array.from({ length: outRows(s) * outC }, (_, i) =>
    s.bias ? bias[i % outC] : 0,
  )
  const plain = Float64Array.from(weightIndices(s), (at) => weight[at])
  eachTap(s, (row, from, _pixel, _step, k) => {
    for (let c = 0; c < inC; c++) {
      const x = input[from + c]
      const at = (k + c) * outC
      for (let n = 0; n < outC; n++) out[row * outC + n] += x * plain[at + n]
    }
  })
  return out
}

function inputGradientReference(s: Shape, { weight, delta, before }: Data): Float64Array {
  const length = s.images * s.inH * s.inW * s.T * s.inC
  const { inC, outC } = s
  const out = Float64Array.from({ length }, (_, i) => (s.accumulate ? before[i] : 0))
  const plain = Float64Array.from(weightIndices(s), (at) => weight[at])
  eachTap(s, (row, _input, pixel, step, k) => {
    for (let c = 0; c < inC; c++) {
      const at = (k + c) * outC
      let sum = 0
      for (let n = 0; n < outC; n++) sum += delta[row * outC + n] * plain[at + n]
      out[(pixel * s.T + step) * inC + c] += sum
    }
  })
  return out
}

/** In the weight's layout, zero in the rows behind the last tap. */
function weightGradientReference(
  s: Shape,
  { input, delta, before }: Data,
  scale: number,
): Float64Array {
  const { inC, outC } = s
  const indices = weightIndices(s)
  const plain = new Float64Array(indices.length)
  eachTap(s, (row, from, _pixel, _step, k) => {
    for (let c = 0; c < inC; c++) {
      const x = scale * input[from + c]
      const at = (k + c) * outC
      for (let n = 0; n < outC; n++) plain[at + n] += x * delta[row * outC + n]
    }
  })
  const out = new Float64Array(kRowsOf(s) * outC)
  for (const [i, at] of indices.entries()) out[at] = plain[i]
  return s.accumulate ? out.map((x, i) => x + before[i]) : out
}

/** How a record says where its input is. */
function inputFields(engine: TestEngine, s: Shape, data: Data) {
  const row = inRow(s) * 4
  const address = engine.putFloats(data.input)
  return {
    in: s.indirect ? engine.putInts([address]) : address,
    inIndirect: s.indirect,
    inPixelBytes: s.loops * inputSteps(s) * row,
    inStepBytes: s.fixed ? 0 : row,
    inLoopBytes: s.loops > 1 ? inputSteps(s) * row : 0,
  }
}

/**
 * As many zeros as a kernel may read at once, a kernel row of In or a row of Delta, and NaN behind
 * them.
 */
function putZeros(engine: TestEngine, s: Shape): number {
  const count = Math.max(s.kernelW * s.inC, s.outC)
  const address = engine.alloc(count * 4 + 256, NAN)
  engine.floats(address, count).fill(0)
  return address
}

const shuffled =
  (random: Random): Order =>
  (units) => {
    const order = ascending(units)
    for (let i = units - 1; i > 0; i--) {
      const j = integer(random, 0, i)
      ;[order[i], order[j]] = [order[j], order[i]]
    }
    return order
  }

/** Runs every unit of a record with scratch that holds garbage. */
function execute<S extends Schema>(
  engine: TestEngine,
  kind: RecordKind<S>,
  units: number,
  fields: Addressed<S>,
  scratchBytes: number,
  order: Order,
  t = 0,
): void {
  const record = putRecord(engine, kind, units, fields)
  const scratch = engine.alloc(scratchBytes, NAN)
  for (const unit of order(units)) {
    engine.bytes(scratch, scratchBytes).fill(NAN)
    engine.exports.execute(record, unit, t, scratch)
  }
}

/** A result, NaN or what was there before. */
function putResult(engine: TestEngine, count: number, before: Float32Array | undefined): number {
  const address = engine.alloc(count * 4, NAN)
  if (before) engine.floats(address, count).set(before.subarray(0, count))
  return address
}

type Run = (engine: TestEngine, s: Shape, data: Data, order: Order) => Float32Array

const runForward: Run = (engine, s, data, order) => {
  const count = outRows(s) * s.outC
  const out = putResult(engine, count, undefined)
  const fields = {
    ...sizesOf(convDense, s, s.T),
    ...inputFields(engine, s, data),
    out,
    weight: engine.putFloats(data.weight),
    bias: s.bias ? engine.putFloats(data.bias) : undefined,
    zeros: putZeros(engine, s),
    rowsPerUnit: s.rowsPerUnit,
  }
  const depth = Math.min(DEPTH, s.kernelH * s.kernelW * s.inC)
  execute(
    engine,
    convDense,
    Math.ceil(outRows(s) / s.rowsPerUnit),
    fields,
    192 + s.rowsPerUnit * (16 + 4 * depth),
    order,
    s.t,
  )
  return engine.floats(out, count)
}

const runInputGradient: Run = (engine, s, data, order) => {
  const count = s.images * s.inH * s.inW * s.T * s.inC
  const out = putResult(engine, count, s.accumulate ? data.before : undefined)
  const blocks = Math.ceil(s.inC / 8)
  const transposed = engine.alloc(blocks * s.kernelH * s.kernelW * s.outC * 8 * 4, NAN)
  const weight = engine.putFloats(data.weight)
  const turn = { ...sizesOf(transposeWeight, s), weight, transposed }
  execute(engine, transposeWeight, blocks, turn, 0, order)
  let units = 0
  for (let y = 0; y < Math.min(s.strideH, s.inH); y++)
    for (let x = 0; x < Math.min(s.strideW, s.inW); x++)
      units += Math.ceil(
        (s.images * s.T * Math.ceil((s.inH - y) / s.strideH) * Math.ceil((s.inW - x) / s.strideW)) /
          s.rowsPerUnit,
      )
  execute(
    engine,
    convInputGradient,
    units,
    {
      ...sizesOf(convInputGradient, s, s.T),
      delta: engine.putFloats(data.delta),
      transposed,
      zeros: putZeros(engine, s),
      out,
      accumulate: s.accumulate,
      rowsPerUnit: s.rowsPerUnit,
    },
    192 + s.rowsPerUnit * (16 + 4 * s.outC),
    order,
  )
  return engine.floats(out, count)
}

const GRADIENT_SCALE = 0.5

const runWeightGradient: Run = (engine, s, data, order) => {
  const kRows = kRowsOf(s)
  const out = putResult(engine, kRows * s.outC, s.accumulate ? data.before : undefined)
  const { splits, kPerUnit, accumulate } = s
  const partial = splits > 1 ? engine.alloc(splits * kRows * s.outC * 4, NAN) : undefined
  const fields = {
    ...sizesOf(convWeightGradient, s, s.T),
    ...inputFields(engine, s, data),
    out,
    delta: engine.putFloats(data.delta),
    splits,
    partial,
    kPerUnit,
    scale: GRADIENT_SCALE,
    accumulate,
  }
  const blocks = Math.ceil(kRows / s.kPerUnit)
  const columns = up(s.outC, 8)
  const scratch =
    128 + GRADIENT_ROWS * (16 + 4 * s.kPerUnit + 4 * columns) + 4 * s.kPerUnit * columns
  execute(engine, convWeightGradient, splits * blocks, fields, scratch, order, s.t)
  if (partial) {
    const sums = { ...sizesOf(reduceSplits, s), partial, splits, kPerUnit, out, accumulate }
    execute(engine, reduceSplits, blocks, sums, 0, order)
  }
  return engine.floats(out, kRows * s.outC)
}

const runBiasGradient: Run = (engine, s, data, order) => {
  const out = putResult(engine, s.outC, s.accumulate ? data.before : undefined)
  const fields = {
    ...sizesOf(biasGradient, s, s.T),
    out,
    delta: engine.putFloats(data.delta),
    accumulate: s.accumulate,
  }
  execute(engine, biasGradient, Math.ceil(s.outC / 16), fields, 0, order)
  return engine.floats(out, s.outC)
}

function biasGradientReference(s: Shape, { delta, before }: Data): Float64Array {
  const out = Float64Array.from({ length: s.outC }, (_, n) => (s.accumulate ? before[n] : 0))
  for (let i = 0; i < delta.length; i++) out[i % s.outC] += delta[i]
  return out
}

const ANY = [1, 3, 4, 6, 12, 20]
const kernels: {
  name: string
  channels: number[]
  run: Run
  reference: (s: Shape, data: Data) => Float64Array
}[] = [
  { name: 'convDense', channels: ANY, run: runForward, reference: forwardReference },
  {
    name: 'convInputGradient',
    channels: ANY,
    run: runInputGradient,
    reference: inputGradientReference,
  },
  {
    name: 'convWeightGradient',
    channels: ANY,
    run: runWeightGradient,
    reference: (s, data) => weightGradientReference(s, data, GRADIENT_SCALE),
  },
  { name: 'biasGradient', channels: [4], run: runBiasGradient, reference: biasGradientReference },
]

for (const variant of variants) {
  const engine = new TestEngine(variant)

  for (let seed = base; seed < base + 10; seed++) {
    const random = testRandom(seed * 7919 + kernels.length)
    const shape = makeShape(random, seed, ANY)
    test(`${variant} transposeWeight ${describe(shape)} fills the last block with zeros (seed ${seed})`, () => {
      engine.reset()
      const { inC, outC, kernelH, kernelW } = shape
      const taps = kernelH * kernelW
      const { weight } = makeData(shape, random, true)
      const blocks = Math.ceil(inC / 8)
      const count = blocks * taps * outC * 8
      const transposed = engine.alloc(count * 4, NAN)
      const fields = {
        ...sizesOf(transposeWeight, shape),
        weight: engine.putFloats(weight),
        transposed,
      }
      execute(engine, transposeWeight, blocks, fields, 0, ascending)
      engine.checkGuards(`seed ${seed}`)
      const actual = engine.floats(transposed, count)
      for (let c = 0; c < blocks * 8; c++)
        for (let tap = 0; tap < taps; tap++)
          for (let n = 0; n < outC; n++)
            assert.is(
              actual[((Math.floor(c / 8) * taps + tap) * outC + n) * 8 + (c % 8)],
              c < inC ? weight[weightIndex(shape, tap * inC + c, n)] : 0,
              `channel ${c} tap ${tap} output ${n} seed ${seed}`,
            )
    })
  }

  for (const [index, { name, channels, run, reference }] of kernels.entries())
    for (let seed = base; seed < base + CASES; seed++) {
      if (!isFor(variant, seed)) continue
      const random = testRandom(seed * 7919 + index)
      const shape = makeShape(random, seed, channels)
      test(`${variant} ${name} ${describe(shape)} equals the sums, in any order of units (seed ${seed})`, () => {
        const message = `${JSON.stringify(shape)} seed ${seed}`
        const evaluate = (data: Data, order: Order): Float32Array => {
          engine.reset()
          const result = run(engine, shape, data, order)
          engine.checkGuards(message)
          return result.slice()
        }
        const integers = makeData(shape, random, false)
        const expected = reference(shape, integers)
        const actual = evaluate(integers, ascending)
        for (let i = 0; i < expected.length; i++)
          if (actual[i] !== expected[i])
            assert.unreachable(
              `element ${i}: got ${actual[i]}, expected ${expected[i]} (${message})`,
            )

        const fractions = makeData(shape, random, true)
        const inOrder = new Uint32Array(evaluate(fractions, ascending).buffer)
        const mixed = new Uint32Array(evaluate(fractions, shuffled(random)).buffer)
        for (let i = 0; i < inOrder.length; i++)
          if (inOrder[i] !== mixed[i])
            assert.unreachable(`element ${i} depends on the order of the units (${message})`)
      })
    }

  test(`${variant} convDense: a row alone has the bits that it has in a tile of five`, () => {
    const random = testRandom(base + 17)
    for (const blockWidth of [4, 8, 16, 32])
      for (const inC of [5, 256, 257, 700])
        for (const rows of [1, 6, 11]) {
          const one = { ...makeShape(random, 5, [inC]), inH: 1, inW: 1, outH: 1, outW: 1 }
          const shape: Shape = {
            ...one,
            ...{ kernelH: 1, kernelW: 1, T: 1, loops: 1, t: 0, gap: 0, rowsPerUnit: 15 },
            ...{ images: rows, blockWidth, outC: 2 * blockWidth },
          }
          const message = `${JSON.stringify(shape)}`
          const evaluate = (s: Shape, data: Data): Float32Array => {
            engine.reset()
            const result = runForward(engine, s, data, ascending)
            engine.checkGuards(message)
            return result.slice()
          }
          const integers = makeData(shape, random, false)
          assert.equal(
            [...evaluate(shape, integers)],
            [...forwardReference(shape, integers)],
            message,
          )
          // The same rows, and four more behind them: then the last one is in a tile.
          const data = makeData(shape, random, true)
          const more = { ...shape, images: rows + 4 }
          const input = new Float32Array((rows + 4) * inC)
          input.set(data.input.subarray(0, rows * inC))
          const whole = evaluate(more, { ...data, input })
          const alone = evaluate(shape, data)
          const bits = (x: Float32Array): Uint32Array => new Uint32Array(x.buffer, 0, alone.length)
          assert.equal(bits(alone), bits(whole), message)
        }
  })
}

test.run()
