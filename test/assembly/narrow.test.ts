/**
 * Convolutions of few input channels against sums in float64. Small integers, whose sums float32
 * holds exactly, must give equal results, fractions results within a relative root mean square of
 * 1e-5, bit for bit the same in any order of units. Memory and scratch have exactly the documented
 * sizes and start as NaN.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Geometry,
  geometryOf,
  narrowForwardPays,
  narrowGradientPays,
  narrowPlan,
  sizesOf,
} from '../../src/compile/convolution/geometry.js'
import { emitForwardOnFloats, emitWeightGradient } from '../../src/compile/convolution/index.js'
import { weightRows } from '../../src/compile/layout.js'
import { ProgramBuilder } from '../../src/compile/program.js'
import { conv2d } from '../../src/index.js'
import { convNarrow, narrowWeightGradient, reduceSplits } from '../../src/kernels/records/dense.js'
import type { RecordKind, Schema } from '../../src/kernels/records/schema.js'
import { ref } from '../../src/kernels/records/words.js'
import { isFor, TestEngine, testRandom, variants } from '../support/engine.js'
import { type Addressed, ascending, type Order, putRecord, scratchOf } from '../support/records.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 100
const NAN = 0xff
const TOLERANCE = 1e-5
const SCALE = 0.5

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]

interface Shape extends Geometry {
  /** Steps of one call; `fixed`: In is the same at every one. */
  T: number
  fixed: boolean
  /** Steps of a loop outside that In holds, and the one that runs. */
  loops: number
  t: number
  /** Floats behind the channels of each row of In that belong to nobody. */
  gap: number
  indirect: boolean
  bias: boolean
  rowsPerUnit: number
  pixelsPerChunk: number
  packed: boolean
  splits: number
  accumulate: boolean
}

const kOf = (s: Shape): number => s.kernelH * s.kernelW * s.inC
const kRowsOf = (s: Shape): number => weightRows(s.kernelH * s.kernelW, s.inC)
const outRows = (s: Shape): number => s.images * s.outH * s.outW * s.T
const inputSteps = (s: Shape): number => (s.fixed ? 1 : s.T)
const inRow = (s: Shape): number => s.inC + s.gap
const blocksOf = (s: Shape): number => s.images * Math.ceil(s.outH / s.rowsPerUnit)
const weightIndex = (s: Shape, k: number, n: number): number =>
  (Math.floor(n / s.blockWidth) * kRowsOf(s) + k) * s.blockWidth + (n % s.blockWidth)

/** A shape whose output exists. Every fourth image is large enough for several chunks of pixels. */
function makeShape(random: Random, seed: number): Shape {
  for (;;) {
    const blockWidth = one(random, [8, 16, 32])
    const [most, least] = seed % 4 === 0 ? [30, 20] : [11, 1]
    const [inH, inW] = [integer(random, least, most), integer(random, least, most)]
    const [kernelH, kernelW] = [integer(random, 1, 7), integer(random, 1, 7)]
    const [strideH, strideW] = [integer(random, 1, 3), integer(random, 1, 3)]
    const [padH, padW] = [integer(random, 0, 3), integer(random, 0, 3)]
    const loops = one(random, [1, 1, 3])
    const outH = Math.floor((inH + 2 * padH - kernelH) / strideH) + 1
    const shape: Shape = {
      images: integer(random, 1, 3),
      T: one(random, [1, 1, 2, 3, 4, 5]),
      fixed: random() < 0.4,
      loops,
      t: integer(random, 0, loops - 1),
      gap: one(random, [0, 0, 1, 4]),
      indirect: random() < 0.5,
      inH,
      inW,
      inC: integer(random, 1, 5),
      outH,
      outW: Math.floor((inW + 2 * padW - kernelW) / strideW) + 1,
      outC: blockWidth * integer(random, 1, Math.max(1, 80 / blockWidth)),
      blockWidth,
      kernelH,
      kernelW,
      strideH,
      strideW,
      padH,
      padW,
      bias: random() < 0.5,
      rowsPerUnit: integer(random, 1, Math.max(1, outH + 1)),
      splits: one(random, [1, 1, 2, 3, 7]),
      accumulate: random() < 0.3,
      pixelsPerChunk: 5 * integer(random, 1, seed % 2 ? 4 : 48),
      packed: random() < 0.5,
    }
    if (shape.outH > 0 && shape.outW > 0) return shape
  }
}

const describe = (s: Shape): string =>
  `${s.images}×${s.inH}×${s.inW}×${s.inC} → ${s.outH}×${s.outW}×${s.outC} kernel ` +
  `${s.kernelH}×${s.kernelW} stride ${s.strideH}×${s.strideW} T=${s.T}`

interface Data {
  input: Float32Array
  weight: Float32Array
  bias: Float32Array
  delta: Float32Array
  /** The weight's gradient before it is added to. */
  before: Float32Array
}

/** Integers of a size, or fractions. Inputs have a mean, as images do. */
function makeData(s: Shape, random: Random, fractions: boolean): Data {
  const value = (size: number): number =>
    fractions ? (random() - 0.5) * size : integer(random, -size, size)
  const values = (length: number, size: number): Float32Array =>
    Float32Array.from({ length }, () => value(size))
  const weight = new Float32Array(kRowsOf(s) * s.outC)
  for (let k = 0; k < kOf(s); k++)
    for (let n = 0; n < s.outC; n++) weight[weightIndex(s, k, n)] = value(4)
  const inFloats = s.images * s.inH * s.inW * s.loops * inputSteps(s) * inRow(s)
  return {
    input: values(inFloats, 4).map((x, i) => (i % inRow(s) < s.inC ? x + 1 : Number.NaN)),
    weight,
    bias: values(s.outC, 9),
    delta: values(outRows(s) * s.outC, 4),
    before: values(weight.length, 9),
  }
}

/**
 * Calls back for every tap that lies inside an image: row of Out, place in In of channel 0, row of
 * the weight for it.
 */
function eachTap(s: Shape, visit: (row: number, input: number, k: number) => void): void {
  for (let b = 0; b < s.images; b++)
    for (let oy = 0; oy < s.outH; oy++)
      for (let ox = 0; ox < s.outW; ox++)
        for (let ky = 0; ky < s.kernelH; ky++)
          for (let kx = 0; kx < s.kernelW; kx++) {
            const y = oy * s.strideH - s.padH + ky
            const x = ox * s.strideW - s.padW + kx
            if (y < 0 || y >= s.inH || x < 0 || x >= s.inW) continue
            for (let step = 0; step < s.T; step++) {
              const input =
                ((((b * s.inH + y) * s.inW + x) * s.loops + s.t) * inputSteps(s) +
                  (s.fixed ? 0 : step)) *
                inRow(s)
              visit(
                ((b * s.outH + oy) * s.outW + ox) * s.T + step,
                input,
                (ky * s.kernelW + kx) * s.inC,
              )
            }
          }
}

/** Where row k and channel n of [k][n] lie: to compute it in the loops takes most of their time. */
const weightIndices = (s: Shape): Int32Array =>
  Int32Array.from({ length: kOf(s) * s.outC }, (_, i) =>
    weightIndex(s, Math.floor(i / s.outC), i % s.outC),
  )

function forwardReference(s: Shape, { input, weight, bias }: Data): Float64Array {
  const { inC, outC } = s
  const out = Float64Array.from({ length: outRows(s) * outC }, (_, i) =>
    s.bias ? bias[i % outC] : 0,
  )
  const plain = Float64Array.from(weightIndices(s), (at) => weight[at])
  eachTap(s, (row, from, k) => {
    for (let c = 0; c < inC; c++) {
      const x = input[from + c]
      const at = (k + c) * outC
      for (let n = 0; n < outC; n++) out[row * outC + n] += x * plain[at + n]
    }
  })
  return out
}

/** In the weight's layout, zero in the rows behind the last tap. */
function gradientReference(s: Shape, { input, delta, before }: Data): Float64Array {
  const { inC, outC } = s
  const plain = new Float64Array(kOf(s) * outC)
  eachTap(s, (row, from, k) => {
    for (let c = 0; c < inC; c++) {
      const x = SCALE * input[from + c]
      const at = (k + c) * outC
      for (let n = 0; n < outC; n++) plain[at + n] += x * delta[row * outC + n]
    }
  })
  const out = new Float64Array(kRowsOf(s) * outC)
  for (const [i, at] of weightIndices(s).entries()) out[at] = plain[i]
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
    rowsPerUnit: s.rowsPerUnit,
  }
}

/** Bytes of a block's copied rows, as the kernels' headers say. */
function copyBytes(s: Shape): number {
  const columns = s.outW + Math.floor((s.kernelW - 1) / s.strideW)
  let lines = Math.ceil(((s.rowsPerUnit + Math.floor((s.kernelH - 1) / s.strideH)) * s.outW) / 16)
  if (lines % 2 === 0) lines++
  return (
    8 * Math.min(s.strideW, s.kernelW) * s.inC * columns +
    4 * Math.min(s.strideH, s.kernelH) * s.kernelW * s.inC * lines * 16 +
    16
  )
}
const forwardBytes = (s: Shape): number => 192 + 4 * kOf(s) + copyBytes(s)
function gradientBytes(s: Shape): number {
  const tiled = Math.ceil(kOf(s) / 5) * 5
  const packed = s.packed ? 4 * s.pixelsPerChunk * s.outC : 0
  return 4 * (tiled + (tiled + kRowsOf(s)) * s.outC) + packed + copyBytes(s)
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
  t: number,
): void {
  const record = putRecord(engine, kind, units, fields)
  const scratch = engine.alloc(scratchBytes, NAN)
  for (const unit of order(units)) {
    engine.bytes(scratch, scratchBytes).fill(NAN)
    engine.exports.execute(record, unit, t, scratch)
  }
}

type Run = (engine: TestEngine, s: Shape, data: Data, order: Order) => Float32Array

const runForward: Run = (engine, s, data, order) => {
  const count = outRows(s) * s.outC
  const out = engine.alloc(count * 4, NAN)
  const fields = {
    ...sizesOf(convNarrow, s, s.T),
    ...inputFields(engine, s, data),
    out,
    weight: engine.putFloats(data.weight),
    bias: s.bias ? engine.putFloats(data.bias) : undefined,
    zeros: engine.putFloats(new Float32Array(s.outC)),
    pixelsPerChunk: s.pixelsPerChunk,
  }
  execute(engine, convNarrow, blocksOf(s), fields, forwardBytes(s), order, s.t)
  return engine.floats(out, count)
}

const runGradient: Run = (engine, s, data, order) => {
  const count = kRowsOf(s) * s.outC
  const out = engine.alloc(count * 4, NAN)
  if (s.accumulate) engine.floats(out, count).set(data.before)
  const { splits, accumulate } = s
  const partial = splits > 1 ? engine.alloc(splits * count * 4, NAN) : undefined
  const fields = {
    ...sizesOf(narrowWeightGradient, s, s.T),
    ...inputFields(engine, s, data),
    out,
    delta: engine.putFloats(data.delta),
    splits,
    partial,
    scale: SCALE,
    accumulate,
    pixelsPerChunk: s.pixelsPerChunk,
    packed: s.packed,
  }
  execute(engine, narrowWeightGradient, splits, fields, gradientBytes(s), order, s.t)
  if (partial) {
    const sizes = sizesOf(reduceSplits, s)
    const sums = { ...sizes, partial, splits, kPerUnit: 8, out, accumulate }
    execute(engine, reduceSplits, Math.ceil(kRowsOf(s) / 8), sums, 0, order, s.t)
  }
  return engine.floats(out, count)
}

/** Root mean square of the difference over that of what is expected. */
function relativeError(actual: Float32Array, expected: Float64Array): number {
  let [error, size] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return size === 0 ? Math.sqrt(error) : Math.sqrt(error / size)
}

const kernels: { name: string; run: Run; reference: (s: Shape, data: Data) => Float64Array }[] = [
  { name: 'convNarrow', run: runForward, reference: forwardReference },
  { name: 'narrowWeightGradient', run: runGradient, reference: gradientReference },
]

for (const variant of variants) {
  const engine = new TestEngine(variant)
  const evaluate = (
    run: Run,
    s: Shape,
    data: Data,
    order: Order,
    message: string,
  ): Float32Array => {
    engine.reset()
    const result = run(engine, s, data, order)
    engine.checkGuards(message)
    return result.slice()
  }

  for (const [index, { name, run, reference }] of kernels.entries()) {
    for (let seed = base; seed < base + CASES; seed++) {
      if (!isFor(variant, seed)) continue
      const random = testRandom(seed * 7919 + index)
      const shape = makeShape(random, seed)
      test(`${variant} ${name} ${describe(shape)} gives the sums, in any order of units (seed ${seed})`, () => {
        const message = `${JSON.stringify(shape)} seed ${seed}`
        const integers = makeData(shape, random, false)
        const expected = reference(shape, integers)
        const actual = evaluate(run, shape, integers, ascending, message)
        for (let i = 0; i < expected.length; i++)
          if (actual[i] !== expected[i])
            assert.unreachable(
              `element ${i}: got ${actual[i]}, expected ${expected[i]} (${message})`,
            )

        const fractions = makeData(shape, random, true)
        const inOrder = evaluate(run, shape, fractions, ascending, message)
        const error = relativeError(inOrder, reference(shape, fractions))
        assert.ok(error <= TOLERANCE, `relative error ${error} (${message})`)
        const mixed = new Uint32Array(
          evaluate(run, shape, fractions, shuffled(random), message).buffer,
        )
        for (const [i, bits] of new Uint32Array(inOrder.buffer).entries())
          if (bits !== mixed[i])
            assert.unreachable(`element ${i} depends on the order of the units (${message})`)
      })
    }

    test(`${variant} ${name} sums many pixels with a relative error below ${TOLERANCE}`, () => {
      const random = testRandom(5)
      const size = {
        inH: 112,
        inW: 112,
        outH: 56,
        outW: 56,
        kernelH: 7,
        kernelW: 7,
        strideH: 2,
        strideW: 2,
        padH: 3,
        padW: 3,
      }
      const steps = { T: 1, fixed: false, loops: 1, t: 0, gap: 0, indirect: false }
      const rest = {
        images: 6,
        inC: 1,
        outC: 8,
        blockWidth: 8,
        bias: true,
        rowsPerUnit: 56,
        pixelsPerChunk: 240,
        packed: false,
        splits: 1,
        accumulate: false,
      }
      const shape: Shape = { ...size, ...steps, ...rest }
      const data = makeData(shape, random, true)
      const error = relativeError(
        evaluate(run, shape, data, ascending, name),
        reference(shape, data),
      )
      assert.ok(error <= TOLERANCE, `relative error ${error}`)
    })
  }
}

test('the plan reserves the scratch that the kernels state, for blocks that cover every row', () => {
  for (let seed = base; seed < base + 200; seed++) {
    const shape = makeShape(testRandom(seed), seed)
    const plan = narrowPlan(shape, shape.T)
    const planned = { ...shape, ...plan.gradient }
    const message = `${JSON.stringify(shape)} seed ${seed}`
    const fields = { ...planned, kRows: kRowsOf(shape), bias: undefined, accumulate: undefined }
    assert.is(scratchOf(convNarrow, fields), forwardBytes(planned), message)
    assert.is(scratchOf(narrowWeightGradient, fields), gradientBytes(planned), message)
    assert.is(plan.blocks, blocksOf(planned), message)
  }
})

test('copied rows fit the second-level cache wherever the kernels are chosen', () => {
  let chosen = 0
  for (const size of [7, 28, 32, 64, 224, 512])
    for (const kernel of [1, 3, 5, 7, 11])
      for (const stride of [1, 2, 4])
        for (let inC = 1; inC <= 16; inC++) {
          const out = Math.floor((size - 1) / stride) + 1
          const both = { kernelH: kernel, kernelW: kernel, strideH: stride, strideW: stride }
          const sizes = { inH: size, inW: size, inC, outH: out, outW: out, outC: 16 }
          const pad = { padH: 0, padW: 0 }
          const shape: Geometry = { images: 4, blockWidth: 16, ...sizes, ...both, ...pad }
          if (!narrowGradientPays(shape)) {
            assert.not(narrowForwardPays(shape))
            continue
          }
          chosen++
          assert.ok(kernel > stride && inC <= 8, JSON.stringify(shape))
          const { forward, gradient } = narrowPlan(shape, 4)
          const kRows = weightRows(kernel * kernel, inC)
          const forwardBytes = scratchOf(convNarrow, { ...shape, ...forward })
          const bytes = scratchOf(narrowWeightGradient, { ...shape, ...gradient, kRows })
          assert.ok(forwardBytes <= 300 * 1024 && bytes <= 600 * 1024, JSON.stringify(shape))
        }
  assert.ok(chosen > 50)
})

/** What the planner emits for a convolution of one step on stored channels. */
function emitted(inC: number, size: number, outC: number, kernel: number, stride = 1): string[] {
  const b = new ProgramBuilder()
  b.program('test')
  const [pad, out] = [(kernel - 1) / 2, Math.ceil(size / stride)]
  const layer = conv2d(inC, outC, kernel, { stride, padding: pad })
  const g = geometryOf(layer, [inC, size, size], inC, [outC, out, out], 16)
  const tensor = b.buffer('tensor', 64)
  const input = {
    address: ref(tensor),
    indirect: false,
    pixelBytes: inC * 4,
    stepBytes: 0,
    loopBytes: 0,
    meanSteps: 1,
  }
  const job = { name: 'test', g, steps: 1, input }
  const weight = ref(tensor)
  emitForwardOnFloats(b, { ...job, weight, bias: undefined, out: tensor, zeros: tensor })
  emitWeightGradient(b, { ...job, delta: tensor, out: weight, accumulate: false })
  return b.programs[0].sections[0].records.map(({ name }) => name)
}

test('the planner takes them for first layers and leaves wide, 1×1 and small ones', () => {
  assert.equal(emitted(1, 28, 16, 3), ['ConvNarrow', 'NarrowWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(3, 32, 64, 3), ['ConvNarrow', 'NarrowWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(3, 224, 64, 7, 2), ['ConvDense', 'NarrowWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(64, 32, 64, 5), ['ConvDense', 'ConvWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(3, 32, 64, 1), ['ConvDense', 'ConvWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(1, 28, 4, 3), ['ConvDense', 'ConvWeightGradient', 'ReduceSplits'])
  assert.equal(emitted(3, 4, 64, 3), ['ConvDense', 'ConvWeightGradient'])
})

test.run()
