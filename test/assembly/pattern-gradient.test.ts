/**
 * Weight gradients through time from lists of spike patterns against sums in float64, as the
 * planner emits them: memory of exactly the planned size, units in any order.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pattern } from '../../assembly/opcodes.js'
import { type Geometry, kRowsOf, tapsOf } from '../../src/compile/convolution/geometry.js'
import {
  patternGradient,
  patternPlan,
  patternsApply,
} from '../../src/compile/convolution/patterns.js'
import { noPool, type Pool, type SpikeTensor } from '../../src/compile/tensors.js'
import { type Buffer, ref } from '../../src/kernels/records/words.js'
import { isFor, TestEngine, testRandom, variants } from '../support/engine.js'
import { summingError } from '../support/measure.js'
import { ascending, EnginePrograms, type Order } from '../support/records.js'

/** A convolution over sums of spikes at some steps. */
interface Shape extends Geometry {
  readonly steps: number
  readonly sources: number
  readonly pool: Pool
  /** Size of the sources before pooling. */
  readonly sourceH: number
  readonly sourceW: number
}

/** A value that several spikes of a sum add again and again is rounded the same way each time. */
const TOLERANCE = 1e-6
const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)
const SCALE = 0.75

type Random = () => number
type Pair = [number, number]
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const name = (s: Shape): string => `${JSON.stringify(s)} seed=${seed}`

const outputs = (input: number, kernel: number, stride: number, pad: number): number =>
  Math.floor((input + 2 * pad - kernel) / stride) + 1

interface Rest {
  blockWidth?: number
  sources?: number
  pool?: Pool
}

function convolution(
  images: number,
  steps: number,
  source: Pair,
  inC: number,
  outC: number,
  kernel: Pair,
  stride: Pair,
  pad: Pair,
  { blockWidth = 4, sources = 1, pool = noPool }: Rest = {},
): Shape {
  const [inH, inW] = source.map((size, i) =>
    outputs(size, pool.kernelSize[i]!, pool.stride[i]!, pool.padding[i]!),
  ) as Pair
  return {
    images,
    steps,
    inH,
    inW,
    inC,
    outC,
    kernelH: kernel[0],
    kernelW: kernel[1],
    strideH: stride[0],
    strideW: stride[1],
    padH: pad[0],
    padW: pad[1],
    outH: outputs(inH, kernel[0], stride[0], pad[0]),
    outW: outputs(inW, kernel[1], stride[1], pad[1]),
    blockWidth,
    sources,
    pool,
    sourceH: source[0],
    sourceW: source[1],
  }
}

const window = (kernelSize: Pair, stride: Pair, padding: Pair): Pool => ({
  kernelSize,
  stride,
  padding,
})

/** What networks have, and what is at an edge of the kernels. */
function fixedShapes(): Shape[] {
  const pooled = window([2, 2], [2, 2], [0, 0])
  const overlapping = window([3, 2], [2, 1], [1, 1])
  return [
    convolution(1, 1, [1, 1], 4, 4, [3, 3], [1, 1], [1, 1]),
    convolution(3, 4, [8, 8], 20, 24, [3, 3], [1, 1], [1, 1], { blockWidth: 8 }),
    convolution(2, 5, [9, 8], 12, 32, [3, 3], [2, 2], [1, 1], { blockWidth: 32 }),
    convolution(5, 6, [8, 7], 8, 16, [1, 1], [2, 2], [0, 0], { blockWidth: 16 }),
    convolution(2, 9, [7, 9], 40, 20, [4, 3], [3, 2], [0, 2]),
    convolution(7, 2, [4, 4], 4, 16, [4, 4], [1, 1], [0, 0], { blockWidth: 16 }),
    convolution(2, 3, [12, 11], 8, 12, [7, 7], [1, 1], [3, 3]),
    convolution(3, 4, [9, 9], 4, 36, [5, 4], [1, 2], [0, 1]),
    // Padding beyond the kernel: outputs that no pixel reaches, and images that grow.
    convolution(3, 4, [5, 4], 4, 4, [3, 3], [1, 1], [2, 4]),
    convolution(2, 7, [5, 6], 4, 8, [1, 2], [2, 1], [3, 3]),
    // Strips, one row of which is too large for the cache.
    convolution(2, 4, [40, 31], 8, 20, [3, 3], [1, 1], [1, 1]),
    convolution(1, 5, [33, 50], 4, 8, [5, 3], [2, 2], [2, 0]),
    convolution(1, 4, [3, 700], 4, 4, [3, 3], [1, 1], [1, 1]),
    // Sums: pooled, of several sources, both.
    convolution(3, 4, [8, 8], 16, 16, [3, 3], [1, 1], [1, 1], { pool: pooled }),
    convolution(2, 3, [7, 9], 20, 12, [3, 3], [2, 1], [1, 1], { sources: 3 }),
    convolution(2, 6, [9, 8], 8, 8, [2, 3], [1, 2], [0, 1], { sources: 2, pool: overlapping }),
    // Every step a byte of masks has, and more.
    convolution(1, 8, [3, 3], 4, 4, [3, 3], [1, 1], [1, 1]),
    convolution(1, 255, [2, 3], 4, 4, [2, 2], [1, 1], [1, 0]),
  ]
}

function randomShape(random: Random): Shape {
  const blockWidth = [4, 8, 16, 32][integer(random, 0, 3)]!
  const pair = (low: number, high: number): Pair => [
    integer(random, low, high),
    integer(random, low, high),
  ]
  const pool = random() < 0.4 ? window(pair(1, 3), pair(1, 3), pair(0, 1)) : noPool
  return convolution(
    integer(random, 1, 5),
    integer(random, 1, 9),
    pair(1, 14),
    4 * integer(random, 1, 10),
    blockWidth * integer(random, 1, Math.max(1, 40 / blockWidth)),
    pair(1, 7),
    pair(1, 3),
    pair(0, 3),
    { blockWidth, sources: integer(random, 1, 3), pool },
  )
}

function shapes(random: Random): Shape[] {
  const list = fixedShapes()
  while (list.length < 45) {
    const shape = randomShape(random)
    const { inH, inW, outH, outW } = shape
    if (Math.min(inH, inW, outH, outW) > 0) list.push(shape)
  }
  return list
}

interface Case {
  shape: Shape
  masks: Uint8Array[]
  delta: Float32Array
}

function makeCase(shape: Shape, random: Random, rate = random()): Case {
  const { images, sourceH, sourceW, inC, steps, outH, outW, outC, sources } = shape
  const neurons = images * sourceH * sourceW * inC
  // Bits of steps that do not exist are set as well: nobody may read them.
  const mask = (): number => {
    let bits = 0
    for (let t = 0; t < 8; t++) if (random() < rate) bits |= 1 << t
    return bits
  }
  return {
    shape,
    masks: Array.from({ length: sources }, () =>
      Uint8Array.from({ length: Math.ceil(steps / 8) * neurons }, mask),
    ),
    delta: Float32Array.from({ length: images * outH * outW * steps * outC }, () => normal(random)),
  }
}

/** The pooled sum at each step, [B][InH][InW][T][InC]. */
function inputOf({ shape: s, masks }: Case): Uint16Array {
  const sums = new Uint16Array(s.images * s.inH * s.inW * s.steps * s.inC)
  const neurons = s.images * s.sourceH * s.sourceW * s.inC
  const [[kernelH, kernelW], [strideH, strideW], [padH, padW]] = [
    s.pool.kernelSize,
    s.pool.stride,
    s.pool.padding,
  ]
  for (const source of masks)
    for (let pixel = 0; pixel < s.images * s.inH * s.inW; pixel++) {
      const b = Math.floor(pixel / (s.inH * s.inW))
      const top = (Math.floor(pixel / s.inW) % s.inH) * strideH - padH
      const left = (pixel % s.inW) * strideW - padW
      for (let y = Math.max(0, top); y < Math.min(s.sourceH, top + kernelH); y++)
        for (let x = Math.max(0, left); x < Math.min(s.sourceW, left + kernelW); x++)
          for (let t = 0; t < s.steps; t++)
            for (let c = 0; c < s.inC; c++) {
              const neuron = ((b * s.sourceH + y) * s.sourceW + x) * s.inC + c
              const mask = source[(t >> 3) * neurons + neuron]!
              sums[(pixel * s.steps + t) * s.inC + c]! += (mask >> (t & 7)) & 1
            }
    }
  return sums
}

function reference(data: Case): { sums: Float64Array; magnitudes: Float64Array } {
  const { shape: s, delta } = data
  const { outC } = s
  const input = inputOf(data)
  /** Of [k][n]: to look for its place in the loops takes most of their time. */
  const plain = new Float64Array(s.kernelH * s.kernelW * s.inC * outC)
  const plainMagnitudes = new Float64Array(plain.length)
  for (let b = 0; b < s.images; b++)
    for (let oy = 0; oy < s.outH; oy++)
      for (let ox = 0; ox < s.outW; ox++)
        for (let ky = 0; ky < s.kernelH; ky++)
          for (let kx = 0; kx < s.kernelW; kx++) {
            const y = oy * s.strideH + ky - s.padH
            const x = ox * s.strideW + kx - s.padW
            if (y < 0 || y >= s.inH || x < 0 || x >= s.inW) continue
            for (let t = 0; t < s.steps; t++)
              for (let c = 0; c < s.inC; c++) {
                const value =
                  SCALE * input[(((b * s.inH + y) * s.inW + x) * s.steps + t) * s.inC + c]!
                if (value === 0) continue
                const row = ((ky * s.kernelW + kx) * s.inC + c) * outC
                const from = (((b * s.outH + oy) * s.outW + ox) * s.steps + t) * outC
                for (let n = 0; n < outC; n++) {
                  const term = value * delta[from + n]!
                  plain[row + n]! += term
                  plainMagnitudes[row + n]! += Math.abs(term)
                }
              }
          }
  const sums = new Float64Array(outC * kRowsOf(s))
  const magnitudes = new Float64Array(sums.length)
  for (const i of plain.keys()) {
    const at = placeOf(s, Math.floor(i / outC), i % outC)
    sums[at] = plain[i]!
    magnitudes[at] = plainMagnitudes[i]!
  }
  return { sums, magnitudes }
}

/** Where the weight has row k of an output channel. */
const placeOf = (s: Shape, row: number, n: number): number =>
  (Math.floor(n / s.blockWidth) * kRowsOf(s) + row) * s.blockWidth + (n % s.blockWidth)

function emitGradient(
  b: EnginePrograms,
  { shape, masks, delta }: Case,
  out: Buffer,
  accumulate: boolean,
): void {
  const sources = masks.map((bytes) => {
    const tensor = { shape: [shape.inC, shape.sourceH, shape.sourceW] }
    return { ...tensor, masks: b.put('masks', bytes) } as unknown as SpikeTensor
  })
  patternGradient.emit(b, {
    name: 'test',
    g: shape,
    steps: shape.steps,
    spikes: { sources, pool: shape.pool, scale: SCALE },
    delta: b.put('delta', delta),
    out: ref(out),
    accumulate,
  })
}

function run(engine: TestEngine, data: Case, order: Order, initial?: Float32Array): Float32Array {
  engine.reset()
  const { shape } = data
  const b = new EnginePrograms(engine)
  const size = shape.outC * kRowsOf(shape)
  const out = initial ? b.put('out', initial) : b.buffer('out', size * 4)
  emitGradient(b, data, out, initial !== undefined)
  b.run(order)
  engine.checkGuards(name(shape))
  return engine.floats(out.address, size).slice()
}

function compare(data: Case, got: Float32Array): void {
  const error = summingError(got, reference(data))
  assert.ok(error <= TOLERANCE, `relative error ${error}, ${name(data.shape)}`)
}

/** Without the difference of two large arrays, which takes minutes. */
function sameBits(a: Float32Array, b: Float32Array, message: string): void {
  const first = a.findIndex((value, i) => !Object.is(value, b[i]))
  assert.ok(a.length === b.length && first < 0, `differs at ${first}: ${message}`)
}

const shuffled =
  (random: Random): Order =>
  (units) => {
    const order = ascending(units)
    for (let i = units - 1; i > 0; i--) {
      const j = integer(random, 0, i)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    return order
  }

function checkRest(shape: Shape, got: Float32Array): void {
  for (let n = 0; n < shape.outC; n++)
    for (let row = tapsOf(shape) * shape.inC; row < kRowsOf(shape); row++)
      assert.is(got[placeOf(shape, row, n)], 0, `rows behind the kernel are zero, ${name(shape)}`)
}

for (const variant of variants) {
  test(`${variant}: gradient from patterns equals the sum in float64 (seed ${seed})`, () => {
    const random = testRandom(seed)
    const engine = new TestEngine(variant)
    for (const [i, shape] of shapes(random).entries()) {
      if (!isFor(variant, i)) continue
      const data = makeCase(shape, random)
      const got = run(engine, data, ascending)
      compare(data, got)
      checkRest(shape, got)
      sameBits(
        run(engine, data, shuffled(random)),
        got,
        `bits do not depend on the order of units, ${name(shape)}`,
      )
    }
  })

  test(`${variant}: it accumulates, and silence and full activity are no special cases (seed ${seed})`, () => {
    const random = testRandom(seed + 1)
    const engine = new TestEngine(variant)
    // Of one split and of several.
    for (const outC of [20, 512]) {
      const shape = convolution(3, 6, [2, 60], 12, outC, [3, 3], [1, 1], [1, 1])
      const initial = new Float32Array(shape.outC * kRowsOf(shape))
      for (let n = 0; n < outC; n++)
        for (let row = 0; row < tapsOf(shape) * shape.inC; row++)
          initial[placeOf(shape, row, n)] = ((row + n) % 7) - 3
      const silent = run(engine, makeCase(shape, random, 0), ascending, initial)
      sameBits(silent, initial, `silence adds nothing seed=${seed}`)
      const full = makeCase(shape, random, 1)
      const written = run(engine, full, ascending)
      compare(full, written)
      const added = run(engine, full, ascending, initial)
      for (let i = 0; i < added.length; i++)
        assert.ok(Math.abs(added[i]! - initial[i]! - written[i]!) < 1e-3, `seed=${seed}`)
    }
  })
}

test('shapes of the tests have strips, several passes, splits and parts of the input channels', () => {
  const plan = (g: Geometry, steps = 4, neurons = 1) => patternPlan({ g, steps, neurons })
  const strips = plan(convolution(2, 4, [40, 31], 8, 20, [3, 3], [1, 1], [1, 1]))
  assert.ok(strips.grid.rowsPerGroup < 40 && strips.passes[0]!.splits > 1)
  const images = plan(convolution(3, 4, [8, 8], 20, 24, [3, 3], [1, 1], [1, 1]))
  assert.is(images.grid.rowsPerGroup, 8)
  assert.ok(images.grid.imagesPerGroup > 1)
  const wide = convolution(16, 4, [1, 1], 40000, 16, [1, 1], [1, 1], [0, 0])
  assert.ok(plan(wide).inCPerUnit < 40000)
  const long = convolution(16, 255, [32, 32], 64, 64, [3, 3], [1, 1], [1, 1])
  assert.ok(plan(long, 255).passes.length > 1)
})

for (const variant of variants)
  test(`${variant}: passes and parts of the input channels give the same sums (seed ${seed})`, () => {
    const random = testRandom(seed + 2)
    const engine = new TestEngine(variant, 4000)
    const features = convolution(3, 5, [1, 1], 10004, 4, [1, 1], [1, 1], [0, 0])
    const passes = convolution(9, 129, [30, 30], 16, 4, [1, 1], [1, 1], [0, 0])
    const planOf = (s: Shape) => patternPlan({ g: s, steps: s.steps, neurons: 1 })
    assert.ok(planOf(features).inCPerUnit < features.inC)
    assert.ok(planOf(passes).passes.length > 1, `${planOf(passes).passes.length} pass`)
    for (const shape of [features, passes]) {
      const data = makeCase(shape, random, 0.1)
      compare(data, run(engine, data, shuffled(random)))
    }
  })

test('a linear layer over an image is one over features', () => {
  const random = testRandom(seed + 3)
  const engine = new TestEngine('engine-debug')
  const shape = convolution(5, 6, [4, 3], 8, 20, [4, 3], [1, 1], [0, 0])
  const data = makeCase(shape, random)
  compare(data, run(engine, data, ascending))
  const b = new EnginePrograms(engine)
  emitGradient(b, data, b.buffer('out', 4 * shape.outC * kRowsOf(shape)), false)
  assert.is(b.records[0].fields.inC, 4 * 3 * 8)
})

test('rows of a grid that outrun 16 bits are refused, images are not', () => {
  const sized = (h: number, w: number) => convolution(1, 4, [h, w], 4, 4, [3, 3], [1, 1], [1, 1])
  assert.ok(patternsApply(sized(5000, 1000), 4))
  assert.not.ok(patternsApply(sized(1, 2000), 4))
  assert.ok(patternsApply(sized(1, 2000), 1), 'fewer steps have fewer patterns')
  const { grid } = patternPlan({ g: sized(5000, 1000), steps: 4, neurons: 1 })
  assert.is(grid.rowsPerGroup, 1)
  assert.ok(grid.rows <= Pattern.MostRows)
})

test('a layer of 64 channels has units for 16 workers', () => {
  const shape = convolution(16, 4, [32, 32], 64, 64, [3, 3], [1, 1], [1, 1])
  const [{ listUnits, sumUnits }] = patternPlan({ g: shape, steps: 4, neurons: 1 }).passes
  assert.ok(listUnits >= 32 && sumUnits >= 32)
})

test.run()
