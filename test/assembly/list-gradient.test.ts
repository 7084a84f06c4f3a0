/**
 * Weight gradients from lists of active neurons against sums in float64, with memory of exactly the
 * planned size, units in any order.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RateList } from '../../assembly/opcodes.js'
import { type Geometry, sizesOf } from '../../src/compile/convolution/geometry.js'
import { fewForLists } from '../../src/compile/convolution/index.js'
import { listPlan, listsApply } from '../../src/compile/convolution/patterns.js'
import { listWeightGradient, rateLists } from '../../src/kernels/records/lists.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { summingError } from '../support/measure.js'
import { ascending, type Order, putRecord } from '../support/records.js'

/** A convolution over counts 0 … maxCount, 1 … 255. */
interface ListShape extends Geometry {
  readonly maxCount: number
}

const TOLERANCE = 5e-7
const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const kRows = (s: ListShape): number => Math.ceil((s.kernelH * s.kernelW * s.inC + 1) / 4) * 4
const name = (s: ListShape): string => `${JSON.stringify(s)} seed=${seed}`

function convolution(
  images: number,
  size: [number, number],
  inC: number,
  outC: number,
  kernel: [number, number],
  stride: [number, number],
  pad: [number, number],
  blockWidth: number,
  maxCount: number,
): ListShape {
  return {
    images,
    inH: size[0],
    inW: size[1],
    inC,
    outC,
    kernelH: kernel[0],
    kernelW: kernel[1],
    strideH: stride[0],
    strideW: stride[1],
    padH: pad[0],
    padW: pad[1],
    outH: Math.floor((size[0] + 2 * pad[0] - kernel[0]) / stride[0]) + 1,
    outW: Math.floor((size[1] + 2 * pad[1] - kernel[1]) / stride[1]) + 1,
    blockWidth,
    maxCount,
  }
}

function shapes(random: Random): ListShape[] {
  const list = [
    convolution(1, [1, 1], 4, 4, [3, 3], [1, 1], [1, 1], 4, 1),
    convolution(3, [8, 8], 20, 24, [3, 3], [1, 1], [1, 1], 8, 4),
    convolution(2, [9, 8], 12, 32, [3, 3], [2, 2], [1, 1], 32, 4),
    convolution(5, [8, 7], 8, 16, [1, 1], [2, 2], [0, 0], 16, 6),
    convolution(2, [7, 9], 40, 20, [4, 3], [3, 2], [0, 2], 4, 10),
    convolution(7, [4, 4], 4, 16, [4, 4], [1, 1], [0, 0], 16, 2),
    convolution(3, [28, 28], 4, 8, [5, 5], [1, 1], [2, 2], 8, 4),
  ]
  while (list.length < 20) {
    const blockWidth = [4, 8, 16, 32][integer(random, 0, 3)]!
    const shape = convolution(
      integer(random, 1, 5),
      [integer(random, 1, 12), integer(random, 1, 12)],
      4 * integer(random, 1, 10),
      blockWidth * integer(random, 1, Math.max(1, 40 / blockWidth)),
      [integer(random, 1, 5), integer(random, 1, 5)],
      [integer(random, 1, 3), integer(random, 1, 3)],
      [integer(random, 0, 3), integer(random, 0, 3)],
      blockWidth,
      integer(random, 1, 12),
    )
    if (shape.outH > 0 && shape.outW > 0) list.push(shape)
  }
  return list
}

interface Case {
  shape: ListShape
  counts: Uint8Array
  delta: Float32Array
}

function makeCase(shape: ListShape, random: Random, active = random()): Case {
  return {
    shape,
    counts: Uint8Array.from({ length: shape.images * shape.inH * shape.inW * shape.inC }, () =>
      random() < active ? integer(random, 1, shape.maxCount) : 0,
    ),
    delta: Float32Array.from({ length: shape.images * shape.outH * shape.outW * shape.outC }, () =>
      normal(random),
    ),
  }
}

function reference({ shape: s, counts, delta }: Case): {
  sums: Float64Array
  magnitudes: Float64Array
} {
  const sums = new Float64Array(s.outC * kRows(s))
  const magnitudes = new Float64Array(sums.length)
  for (let b = 0; b < s.images; b++)
    for (let oy = 0; oy < s.outH; oy++)
      for (let ox = 0; ox < s.outW; ox++)
        for (let ky = 0; ky < s.kernelH; ky++)
          for (let kx = 0; kx < s.kernelW; kx++) {
            const y = oy * s.strideH + ky - s.padH
            const x = ox * s.strideW + kx - s.padW
            if (y < 0 || y >= s.inH || x < 0 || x >= s.inW) continue
            for (let c = 0; c < s.inC; c++) {
              const rate = counts[((b * s.inH + y) * s.inW + x) * s.inC + c]! / s.maxCount
              const row = (ky * s.kernelW + kx) * s.inC + c
              if (rate === 0) continue
              for (let n = 0; n < s.outC; n++) {
                const block = Math.floor(n / s.blockWidth) * kRows(s) + row
                const at = block * s.blockWidth + (n % s.blockWidth)
                const term = rate * delta[((b * s.outH + oy) * s.outW + ox) * s.outC + n]!
                sums[at]! += term
                magnitudes[at]! += Math.abs(term)
              }
            }
          }
  return { sums, magnitudes }
}

function run(engine: TestEngine, data: Case, order: Order, initial?: Float32Array): Float32Array {
  engine.reset()
  const { shape } = data
  const size = shape.outC * kRows(shape)
  const plan = listPlan(shape, shape.maxCount)
  const shared = {
    imagesPerGroup: plan.imagesPerGroup,
    grids: engine.alloc(plan.gridBytes),
    lists: engine.alloc(plan.listBytes),
    listPointers: engine.alloc(plan.pointerBytes),
  }
  const out = initial ? engine.putFloats(initial) : engine.alloc(size * 4)
  const phases = shape.strideH * shape.strideW
  const bytes = Math.max(
    RateList.HeadBytes * RateList.Channels * shape.maxCount * phases,
    RateList.GridBytes * (plan.inCPerUnit * shape.kernelH * shape.kernelW + RateList.TapsAtOnce),
  )
  const scratch = [engine.alloc(bytes), engine.alloc(bytes)]
  const runUnits = (record: number, units: number): void => {
    for (const [i, unit] of order(units).entries())
      engine.exports.execute(record, unit, 0, scratch[i % 2]!)
  }
  const lists = putRecord(engine, rateLists, plan.listUnits, {
    ...sizesOf(rateLists, shape, shape.maxCount),
    ...shared,
    counts: engine.putBytes(data.counts),
    // Lines of pixels are counted in parts.
    mostCounted: shape.inW % 2 === 0 ? 255 : 3,
    delta: engine.putFloats(data.delta),
  })
  runUnits(lists, plan.listUnits)
  const sums = putRecord(engine, listWeightGradient, plan.sumUnits, {
    ...sizesOf(listWeightGradient, shape, shape.maxCount),
    ...shared,
    inCPerUnit: plan.inCPerUnit,
    scale: 1 / shape.maxCount,
    out,
    accumulate: initial !== undefined,
  })
  runUnits(sums, plan.sumUnits)
  engine.checkGuards(name(shape))
  return engine.floats(out, size).slice()
}

function compare(data: Case, got: Float32Array): void {
  const error = summingError(got, reference(data))
  assert.ok(error <= TOLERANCE, `relative error ${error}, ${name(data.shape)}`)
}

const shuffled =
  (random: Random) =>
  (units: number): number[] => {
    const order = ascending(units)
    for (let i = units - 1; i > 0; i--) {
      const j = integer(random, 0, i)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    return order
  }

for (const variant of variants) {
  test(`${variant}: weight gradient from lists equals the sum in float64 (seed ${seed})`, () => {
    const random = testRandom(seed)
    const engine = new TestEngine(variant)
    for (const shape of shapes(random)) {
      const data = makeCase(shape, random)
      const got = run(engine, data, ascending)
      compare(data, got)
      assert.equal(
        run(engine, data, shuffled(random)),
        got,
        `bits do not depend on the order of units, ${name(shape)}`,
      )
      const rows = kRows(shape)
      for (let block = 0; block < shape.outC / shape.blockWidth; block++)
        for (
          let i = shape.kernelH * shape.kernelW * shape.inC * shape.blockWidth;
          i < rows * shape.blockWidth;
          i++
        )
          assert.is(
            got[block * rows * shape.blockWidth + i],
            0,
            `rows behind the kernel are zero, ${name(shape)}`,
          )
    }
  })

  test(`${variant}: it accumulates, and silence and full activity are no special cases (seed ${seed})`, () => {
    const random = testRandom(seed + 1)
    const engine = new TestEngine(variant)
    // Rows of more than 255 active pixels: counts of a row do not fit a byte.
    const shape = convolution(3, [2, 600], 12, 20, [3, 3], [1, 1], [1, 1], 4, 1)
    const initial = Float32Array.from({ length: shape.outC * kRows(shape) }, (_, i) => (i % 7) - 3)
    for (let i = 0; i < initial.length; i++)
      if (Math.floor(i / 4) % kRows(shape) >= 9 * shape.inC) initial[i] = 0
    assert.equal(
      run(engine, makeCase(shape, random, 0), ascending, initial),
      initial,
      `silence adds nothing seed=${seed}`,
    )
    const full = makeCase(shape, random, 1)
    const written = run(engine, full, ascending)
    compare(full, written)
    assert.equal(
      run(engine, full, ascending, initial),
      initial.map((value, i) => value + written[i]!),
      `seed=${seed}`,
    )
  })
}

test('images whose pixels outrun a list entry of 16 bits are refused', () => {
  const sized = (size: number) => convolution(1, [size, size], 4, 4, [3, 3], [1, 1], [1, 1], 4, 4)
  assert.ok(listsApply(sized(224), 4))
  assert.not.ok(listsApply(sized(256), 4))
  assert.not.ok(listsApply(sized(8), 256))
})

test('lists pay when few neurons fire and the kernel has several taps', () => {
  const shape = convolution(16, [32, 32], 64, 64, [3, 3], [1, 1], [1, 1], 32, 4)
  const few = (g: Geometry) => fewForLists({ g, steps: 4 })
  assert.is(few(shape), 0.16, 'beside Winograd')
  assert.is(few({ ...shape, strideH: 2, strideW: 2 }), 0.5, 'beside direct products')
  assert.is(few({ ...shape, kernelH: 1, kernelW: 1 }), undefined)
})

test('a layer of 64 channels has units for 16 workers', () => {
  const shape = convolution(16, [32, 32], 64, 64, [3, 3], [1, 1], [1, 1], 32, 4)
  const { listUnits, sumUnits } = listPlan(shape, 4)
  assert.ok(listUnits >= 32 && sumUnits >= 32)
})

test.run()
