/**
 * Winograd's gradients against sums in float64, with scratch of exactly the planned size and units
 * in any order.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { budgets } from '../../src/compile/budgets.js'
import type { Geometry } from '../../src/compile/convolution/geometry.js'
import {
  emitInputGradient,
  emitOwnTiles,
  emitSharedTiles,
  ownTilesPlan,
  sharedTilesPlan,
  winogradApplies,
  winogradInputPlan,
  winogradPays,
} from '../../src/compile/convolution/winograd.js'
import { ProgramBuilder } from '../../src/compile/program.js'
import { winogradWeightGradient } from '../../src/kernels/records/winograd.js'
import { ref } from '../../src/kernels/records/words.js'
import { withBudgets } from '../support/budgets.js'
import { isFor, TestEngine, testRandom, variants } from '../support/engine.js'
import { ascending, EnginePrograms, type Order } from '../support/records.js'

const TOLERANCE = 1e-5
const SCALE = 0.375
const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** A convolution 3×3 of stride 1 and padding 1. */
interface WinogradShape {
  images: number
  /** Rows per pixel. */
  steps: number
  height: number
  width: number
  inC: number
  outC: number
  blockWidth: number
}

const geometryOf = ({ images, height, width, inC, outC, blockWidth }: WinogradShape): Geometry => ({
  images,
  inH: height,
  inW: width,
  inC,
  outH: height,
  outW: width,
  outC,
  blockWidth,
  kernelH: 3,
  kernelW: 3,
  strideH: 1,
  strideW: 1,
  padH: 1,
  padW: 1,
})

/** Rows (pixel, step) of a tensor. */
const rowsOf = ({ images, height, width, steps }: WinogradShape): number =>
  images * height * width * steps

const kRows = (shape: WinogradShape): number => Math.ceil((9 * shape.inC + 1) / 4) * 4

/**
 * Fixed shapes: one pixel, one tile, tails in every size; kernels first and units with tiles of
 * their own, more than a chunk of channels, both ways; more tiles than a product sums at a time;
 * several steps of each; then random ones.
 */
function shapes(random: Random): WinogradShape[] {
  const list: WinogradShape[] = [
    { images: 1, steps: 1, height: 1, width: 1, inC: 4, outC: 4, blockWidth: 4 },
    { images: 3, steps: 1, height: 4, width: 4, inC: 12, outC: 8, blockWidth: 8 },
    { images: 2, steps: 1, height: 5, width: 3, inC: 20, outC: 12, blockWidth: 4 },
    { images: 17, steps: 1, height: 4, width: 4, inC: 36, outC: 48, blockWidth: 16 },
    { images: 2, steps: 1, height: 24, width: 27, inC: 8, outC: 32, blockWidth: 32 },
    { images: 11, steps: 1, height: 29, width: 26, inC: 12, outC: 20, blockWidth: 4 },
    { images: 70, steps: 1, height: 3, width: 13, inC: 20, outC: 8, blockWidth: 8 },
    { images: 7, steps: 1, height: 13, width: 14, inC: 12, outC: 136, blockWidth: 8 },
    { images: 3, steps: 1, height: 5, width: 6, inC: 20, outC: 132, blockWidth: 4 },
    { images: 1, steps: 1, height: 67, width: 66, inC: 8, outC: 160, blockWidth: 32 },
    { images: 1, steps: 9, height: 1, width: 1, inC: 4, outC: 4, blockWidth: 4 },
    { images: 3, steps: 4, height: 4, width: 4, inC: 12, outC: 8, blockWidth: 8 },
    { images: 9, steps: 2, height: 4, width: 4, inC: 36, outC: 48, blockWidth: 16 },
    { images: 2, steps: 3, height: 24, width: 27, inC: 8, outC: 32, blockWidth: 32 },
    { images: 5, steps: 5, height: 13, width: 14, inC: 12, outC: 136, blockWidth: 8 },
    { images: 2, steps: 7, height: 5, width: 6, inC: 20, outC: 132, blockWidth: 4 },
  ]
  for (let i = 0; i < 12; i++) {
    const blockWidth = [4, 8, 16, 32][integer(random, 0, 3)]!
    list.push({
      images: integer(random, 1, 4),
      steps: integer(random, 1, 9),
      height: integer(random, 1, 13),
      width: integer(random, 1, 13),
      inC: 4 * integer(random, 1, 11),
      outC: blockWidth * integer(random, 1, Math.max(1, 44 / blockWidth)),
      blockWidth,
    })
  }
  return list
}

const shapeName = (s: WinogradShape): string =>
  `B=${s.images} T=${s.steps} H=${s.height} W=${s.width} C=${s.inC} N=${s.outC} ` +
  `block=${s.blockWidth} seed=${seed}`

/** Index of W[n][c][tap] in the weight's layout. */
function weightIndex(shape: WinogradShape, n: number, c: number, tap: number): number {
  const { blockWidth, inC } = shape
  return (Math.floor(n / blockWidth) * kRows(shape) + tap * inC + c) * blockWidth + (n % blockWidth)
}

/**
 * Calls `visit` with indices of rows of one kernel tap: output (b, y, x, t) and input (b, y + ky −
 * 1, x + kx − 1, t), both inside.
 */
function forTaps(
  shape: WinogradShape,
  visit: (tap: number, output: number, input: number) => void,
): void {
  const { images, steps, height, width } = shape
  for (let b = 0; b < images; b++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let tap = 0; tap < 9; tap++) {
          const iy = y + Math.floor(tap / 3) - 1
          const ix = x + (tap % 3) - 1
          if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue
          const output = ((b * height + y) * width + x) * steps
          const input = ((b * height + iy) * width + ix) * steps
          for (let t = 0; t < steps; t++) visit(tap, output + t, input + t)
        }
}

/** Where W[n][c][tap] of [tap][c][n] lies: to compute it in the loops takes most of their time. */
function weightIndices(shape: WinogradShape): Int32Array {
  const { inC, outC } = shape
  return Int32Array.from({ length: 9 * inC * outC }, (_, i) =>
    weightIndex(shape, i % outC, Math.floor(i / outC) % inC, Math.floor(i / (outC * inC))),
  )
}

function referenceInputGradient(
  shape: WinogradShape,
  delta: Float32Array,
  weight: Float32Array,
): Float64Array {
  const { inC, outC } = shape
  const out = new Float64Array(rowsOf(shape) * inC)
  const plain = Float64Array.from(weightIndices(shape), (at) => weight[at]!)
  forTaps(shape, (tap, output, input) => {
    for (let c = 0; c < inC; c++) {
      const row = (tap * inC + c) * outC
      let sum = 0
      for (let n = 0; n < outC; n++) sum += delta[output * outC + n]! * plain[row + n]!
      out[input * inC + c]! += sum
    }
  })
  return out
}

function referenceWeightGradient(
  shape: WinogradShape,
  delta: Float32Array,
  rate: Float32Array,
): Float64Array {
  const { inC, outC } = shape
  const plain = new Float64Array(9 * inC * outC)
  forTaps(shape, (tap, output, input) => {
    for (let c = 0; c < inC; c++) {
      const row = (tap * inC + c) * outC
      const x = SCALE * rate[input * inC + c]!
      for (let n = 0; n < outC; n++) plain[row + n]! += delta[output * outC + n]! * x
    }
  })
  const out = new Float64Array(outC * kRows(shape))
  for (const [i, at] of weightIndices(shape).entries()) out[at] = plain[i]!
  return out
}

function relativeError(got: Float32Array, expected: Float64Array): number {
  let error = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    error += (got[i]! - expected[i]!) ** 2
    size += expected[i]! ** 2
  }
  return Math.sqrt(error / (size || 1))
}

function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = integer(random, 0, i)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

interface Case {
  shape: WinogradShape
  delta: Float32Array
  rate: Float32Array
  weight: Float32Array
}

function makeCase(shape: WinogradShape, random: Random): Case {
  const delta = Float32Array.from({ length: rowsOf(shape) * shape.outC }, () => normal(random))
  const rate = Float32Array.from({ length: rowsOf(shape) * shape.inC }, () =>
    random() < 0.6 ? 0 : integer(random, 1, 4) / 4,
  )
  const weight = new Float32Array(shape.outC * kRows(shape))
  for (let n = 0; n < shape.outC; n++)
    for (let c = 0; c < shape.inC; c++)
      for (let tap = 0; tap < 9; tap++) weight[weightIndex(shape, n, c, tap)] = normal(random) * 0.2
  return { shape, delta, rate, weight }
}

type Kind = 'input' | 'weight'

/**
 * Emits a gradient. `most`: images of a pass, where it runs in passes; else as many as the planner
 * takes.
 */
function emit(
  b: ProgramBuilder,
  kind: Kind,
  shape: WinogradShape,
  tensors: Record<'delta' | 'input' | 'weight' | 'out', ReturnType<ProgramBuilder['buffer']>>,
  accumulate = false,
  most?: number,
): void {
  const g = geometryOf(shape)
  const { delta, input, weight, out } = tensors
  const { steps } = shape
  const job = { name: 'test', g, steps, delta }
  const bytes = (most ?? 0) * tileBytes(shape, kind)
  const few = most ? { tileBytes: bytes, weightTileBytes: bytes, leastTiles: 1 } : {}
  if (kind === 'input') {
    const gradient = { ...job, weight: ref(weight), out, zeros: out }
    withBudgets(few, () => emitInputGradient(b, gradient))
    return
  }
  const row = shape.inC * 4
  const place = { address: ref(input), indirect: false, pixelBytes: steps * row, stepBytes: row }
  const read = { ...place, loopBytes: 0, meanSteps: 1, scale: SCALE }
  const gradient = { ...job, input: read, out: ref(out), accumulate }
  const own = most ? undefined : ownTilesPlan(g, steps)
  const shared = withBudgets(few, () => sharedTilesPlan(g, steps))
  if (own) emitOwnTiles(b, gradient, own)
  else emitSharedTiles(b, gradient, shared)
}

/** Bytes of the transformed tiles of one image. */
function tileBytes({ steps, height, width, inC, outC }: WinogradShape, kind: Kind): number {
  const tiles = Math.ceil(height / 4) * Math.ceil(width / 4) * steps
  return kind === 'input'
    ? 36 * tiles * Math.ceil(outC / 128) * 512
    : 36 * tiles * (Math.ceil(inC / 16) + Math.ceil(outC / 16)) * 64
}

/** Runs a gradient by two workers, units in the given order, and returns a copy of the result. */
function runGradient(
  engine: TestEngine,
  data: Case,
  kind: Kind,
  order: Order,
  initial?: Float32Array,
  most?: number,
): Float32Array {
  engine.reset()
  const { shape } = data
  const b = new EnginePrograms(engine)
  const outputs = kind === 'input' ? data.rate.length : data.weight.length
  const tensors = {
    delta: b.put('delta', data.delta),
    input: b.put('in', data.rate),
    weight: b.put('weight', data.weight),
    out: initial ? b.put('out', initial) : b.buffer('out', outputs * 4),
  }
  emit(b, kind, shape, tensors, initial !== undefined, most)
  b.run(order)
  engine.checkGuards(`${kind} ${shapeName(shape)}`)
  for (const [{ name, address }, values] of [
    [tensors.delta, data.delta],
    [tensors.input, data.rate],
    [tensors.weight, data.weight],
  ] as const)
    assert.equal(
      engine.floats(address, values.length),
      values,
      `${name} is only read, ${shapeName(shape)}`,
    )
  return engine.floats(tensors.out.address, outputs).slice()
}

/** The records of a gradient. */
function recordsOf(kind: Kind, shape: WinogradShape) {
  const b = new ProgramBuilder()
  b.program('test')
  const buffer = b.buffer('tensor', 64)
  emit(b, kind, shape, { delta: buffer, input: buffer, weight: buffer, out: buffer })
  return b.programs[0]!.sections[0]!.records
}

for (const variant of variants) {
  test(`${variant}: input gradient equals the sum in float64 (seed ${seed})`, () => {
    const random = testRandom(seed)
    const engine = new TestEngine(variant)
    for (const [i, shape] of shapes(random).entries()) {
      if (!isFor(variant, i)) continue
      const data = makeCase(shape, random)
      const got = runGradient(engine, data, 'input', ascending)
      const error = relativeError(got, referenceInputGradient(shape, data.delta, data.weight))
      assert.ok(error < TOLERANCE, `relative error ${error}, ${shapeName(shape)}`)
      const again = runGradient(engine, data, 'input', (units) => shuffled(units, random))
      assert.equal(again, got, `bits do not depend on the order of units, ${shapeName(shape)}`)
    }
  })

  test(`${variant}: weight gradient equals the sum in float64 (seed ${seed})`, () => {
    const random = testRandom(seed + 1)
    const engine = new TestEngine(variant)
    for (const [i, shape] of shapes(random).entries()) {
      if (!isFor(variant, i)) continue
      const data = makeCase(shape, random)
      const expected = referenceWeightGradient(shape, data.delta, data.rate)
      const got = runGradient(engine, data, 'weight', ascending)
      const error = relativeError(got, expected)
      assert.ok(error < TOLERANCE, `relative error ${error}, ${shapeName(shape)}`)
      const again = runGradient(engine, data, 'weight', (units) => shuffled(units, random))
      assert.equal(again, got, `bits do not depend on the order of units, ${shapeName(shape)}`)
      const rows = kRows(shape)
      for (let block = 0; block < shape.outC / shape.blockWidth; block++)
        for (let i = 9 * shape.inC * shape.blockWidth; i < rows * shape.blockWidth; i++)
          assert.is(
            got[block * rows * shape.blockWidth + i],
            0,
            `rows behind the kernel are zero, ${shapeName(shape)}`,
          )
    }
  })

  test(`${variant}: weight gradient accumulates (seed ${seed})`, () => {
    const random = testRandom(seed + 2)
    const engine = new TestEngine(variant)
    for (const shape of [
      { images: 3, steps: 1, height: 7, width: 6, inC: 12, outC: 40, blockWidth: 8 },
      { images: 40, steps: 1, height: 15, width: 9, inC: 8, outC: 12, blockWidth: 4 },
      { images: 2, steps: 3, height: 7, width: 6, inC: 12, outC: 40, blockWidth: 8 },
      { images: 11, steps: 4, height: 15, width: 9, inC: 8, outC: 12, blockWidth: 4 },
    ]) {
      const data = makeCase(shape, random)
      const written = runGradient(engine, data, 'weight', ascending)
      const added = runGradient(engine, data, 'weight', ascending, data.weight)
      const most = Math.max(...written.map(Math.abs))
      for (let i = 0; i < added.length; i++) {
        const error = Math.abs(added[i]! - (written[i]! + data.weight[i]!))
        assert.ok(error < 1e-6 * most, `element ${i} ${shapeName(shape)}`)
      }
    }
  })

  test(`${variant}: passes over groups of images give the same gradients (seed ${seed})`, () => {
    const random = testRandom(seed + 3)
    const engine = new TestEngine(variant)
    const one = { images: 5, steps: 1, height: 6, width: 9, inC: 16, outC: 20, blockWidth: 4 }
    const cases = [one, { ...one, steps: 3 }].flatMap((shape) => {
      const data = makeCase(shape, random)
      return [1, 2, 4].map((size) => ({ shape, data, size }))
    })
    for (const { shape, data, size } of cases) {
      const input = runGradient(engine, data, 'input', ascending, undefined, size)
      assert.ok(
        relativeError(input, referenceInputGradient(shape, data.delta, data.weight)) < TOLERANCE,
        `input, ${size} images ${shapeName(shape)}`,
      )
      const weight = runGradient(engine, data, 'weight', ascending, undefined, size)
      assert.ok(
        relativeError(weight, referenceWeightGradient(shape, data.delta, data.rate)) < TOLERANCE,
        `weight, ${size} images ${shapeName(shape)}`,
      )
    }
  })

  test(`${variant}: a layer of 512 channels keeps its accuracy (seed ${seed})`, () => {
    const random = testRandom(seed + 4)
    const engine = new TestEngine(variant)
    const shape = { images: 2, steps: 1, height: 4, width: 4, inC: 256, outC: 512, blockWidth: 32 }
    const data = makeCase(shape, random)
    const input = relativeError(
      runGradient(engine, data, 'input', ascending),
      referenceInputGradient(shape, data.delta, data.weight),
    )
    assert.ok(input < TOLERANCE, `input, relative error ${input} seed=${seed}`)
    const weight = relativeError(
      runGradient(engine, data, 'weight', ascending),
      referenceWeightGradient(shape, data.delta, data.rate),
    )
    assert.ok(weight < TOLERANCE, `weight, relative error ${weight} seed=${seed}`)
  })
}

test('large batches run in passes that cover every image once, within the budget', () => {
  for (const [images, steps] of [
    [431, 1],
    [108, 4],
  ]) {
    const shape = { images, steps, height: 8, width: 8, inC: 256, outC: 256, blockWidth: 32 }
    const g = geometryOf(shape)
    const plans = { input: winogradInputPlan(g, steps), weight: sharedTilesPlan(g, steps) }
    for (const plan of Object.values(plans)) {
      assert.ok(plan.passes.length > 1)
      assert.ok(plan.sharedBytes < budgets.tileBytes * 1.01, `${plan.sharedBytes} bytes`)
      let next = 0
      for (const pass of plan.passes) {
        assert.is(pass.firstImage, next)
        next += pass.images
      }
      assert.is(next, shape.images)
    }
    for (const kind of ['input', 'weight'] as const)
      assert.equal(
        recordsOf(kind, shape).map(({ fields }) => fields.images),
        plans[kind].passes.flatMap(({ images }) => [images, images]),
      )
    assert.equal(
      recordsOf('weight', shape).flatMap(({ op, fields }) =>
        op === winogradWeightGradient.op ? [fields.accumulate] : [],
      ),
      plans.weight.passes.map((_, i) => i > 0),
    )
  }
})

test('layers of few channels have tiles in each unit, layers of few tiles have kernels there', () => {
  const ops = (kind: Kind, shape: WinogradShape): string[] =>
    recordsOf(kind, shape).map(({ name }) => name)
  const few = { images: 64, steps: 1, height: 14, width: 14, inC: 16, outC: 32, blockWidth: 32 }
  assert.equal(ops('input', few), ['WinogradKernelTransform', 'WinogradInputGradient'])
  assert.equal(ops('weight', few), ['WinogradWeightGradient', 'ReduceSplits'])
  const many = { images: 16, steps: 1, height: 4, width: 4, inC: 512, outC: 512, blockWidth: 32 }
  assert.equal(ops('input', many), ['WinogradInputTransform', 'WinogradInputGradient'])
  assert.equal(ops('weight', many), ['WinogradWeightTransform', 'WinogradWeightGradient'])
})

test('every layer of a ResNet-18 at batch 16 has units for 16 workers', () => {
  for (const [channels, size] of [
    [64, 32],
    [128, 16],
    [256, 8],
    [512, 4],
  ] as const) {
    const shape = {
      images: 16,
      steps: 1,
      height: size,
      width: size,
      inC: channels,
      outC: channels,
      blockWidth: 32,
    }
    assert.ok(winogradPays(geometryOf(shape)))
    for (const kind of ['input', 'weight'] as const)
      for (const [i, { name, units }] of recordsOf(kind, shape).entries())
        if (i % 2 === 1) assert.ok(units >= 32, `${name} C=${channels}: ${units} units`)
  }
})

test('winograd is for 3×3 kernels with stride 1 and padding 1 on images that fill their tiles', () => {
  const shape = { images: 4, steps: 1, height: 8, width: 8, inC: 64, outC: 64, blockWidth: 32 }
  const g = geometryOf(shape)
  assert.ok(winogradApplies(g))
  for (const [key, value] of [
    ['kernelH', 1],
    ['kernelW', 5],
    ['strideH', 2],
    ['strideW', 2],
    ['padH', 0],
    ['padW', 2],
    ['inC', 6],
  ] as const)
    assert.not.ok(winogradApplies({ ...g, [key]: value }), key)
  assert.ok(winogradPays(g))
  assert.not.ok(winogradPays({ ...g, inH: 1, inW: 1 }))
  assert.not.ok(winogradPays({ ...g, inC: 4 }))
})

test.run()
