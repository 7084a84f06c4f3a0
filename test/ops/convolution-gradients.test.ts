/** Gradients of convolutions and linear layers: each kernel against a float64 reference. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { sumOverTime } from '../support/frames.js'
import { expectNear, forShapes, type RandomShapes, randomShapes } from '../support/ops.js'
import {
  type ConvCase,
  type ConvLimits,
  expectKernels,
  inputGradientReference,
  linearCase,
  type Reader,
  randomConv,
  readBytes,
  readFloats,
  readSorted,
  readSpikes,
  readSummed,
  sameBits,
  shapesOf,
  weightGradientReference,
} from '../support/ops-convolution.js'
import { expectStrict, runStrictly } from '../support/strict.js'

/** Gradients of which most are 0, where the reference would take long. */
function sparse(r: RandomShapes, count: number, some: number): Float32Array {
  if (some === 1) return r.floats(count)
  const values = new Float32Array(count)
  for (const v of r.floats(Math.ceil(some * count))) values[r.int(0, count - 1)] = v
  return values
}

interface Kind {
  /** As ops name it; default: as the test. */
  readonly algorithm?: string
  /** Fraction of the gradient that is not 0. */
  readonly some?: number
}

function inputGradient(
  name: string,
  kernels: string,
  limits: ConvLimits,
  { algorithm = name, some = 1 }: Kind = {},
): void {
  test(`input gradient: ${name}`, () => {
    forShapes(200, (r) => {
      const c = randomConv(r, limits)
      const { options, outputs, weights } = shapesOf(c)
      const [w, dy] = [r.floats(weights), sparse(r, outputs, some)]
      const given = { ...options, algorithm: algorithm as 'auto', engine: r.engine } as const
      const make = () => ops.conv2dInputGradient.plan(given)
      const dx = runStrictly(r, make, [w, dy], kernels)
      expectNear('gradient', dx, inputGradientReference(c, w, dy))
      return { options: given }
    })
  })
}

const direct = { C: [1, 20], N: [1, 20], kernel: [1, 4], stride: [1, 3] } as const
/** 3×3 with padding 1 and channels enough for Winograd's kernels. */
const three = { kernel: [3, 3], stride: [1, 1], same: true, C: [7, 12], N: [7, 12] } as const
const tiles = { T: [1, 4], B: [1, 2], H: [3, 6], W: [3, 6] } as const
const halved = { ...three, stride: [2, 2], T: [2, 9], B: [1, 2], H: [7, 8], W: [7, 8] } as const
const middle = { T: [2, 5], B: [8, 9], H: [5, 8], W: [5, 8] } as const
const groups = { count: [2, 4], C: [1, 5], N: [2, 6] } as const
const depthwise = { count: [2, 20], C: [1, 1], N: [1, 1] } as const
const two = { T: [1, 2], B: [1, 2], H: [3, 5], W: [3, 5] } as const
const wide = { ...three, ...two, groups: { count: [2, 3], C: [4, 6], N: [4, 6] } } as const
const [byGroups, asOne] = [{ algorithm: 'grouped' }, { algorithm: 'dense' }]

inputGradient('direct', 'TransposeWeight ConvInputGradient', direct)
inputGradient('direct', 'TransposeWeight ConvInputGradient', { ...direct, T: [1, 9] })
inputGradient('winograd', 'WinogradInputTransform WinogradInputGradient', { ...three, ...tiles })
inputGradient(
  'winograd, kernels first',
  'WinogradKernelTransform WinogradInputGradient',
  { ...three, ...middle },
  { algorithm: 'winograd', some: 0.1 },
)
inputGradient('winograd stride', 'WinogradStrideKernels WinogradStrideGradient', halved)
const apart = { dilation: [1, 3], stride: [1, 3], H: [1, 9], W: [1, 9] } as const
const ofDirect = { algorithm: 'direct' }
const kernels = 'TransposeWeight ConvInputGradient'
inputGradient('dilated', kernels, { ...direct, T: [1, 5], ...apart }, ofDirect)
inputGradient(
  'dilated by groups',
  'GroupedTranspose GroupedInputGradient',
  { groups, ...apart },
  byGroups,
)
inputGradient(
  'dilated depthwise',
  'GroupedInputGradient',
  { groups: depthwise, ...apart },
  byGroups,
)
inputGradient('grouped', 'GroupedTranspose GroupedInputGradient', { T: [1, 5], groups })
inputGradient('depthwise', 'GroupedInputGradient', { T: [1, 5], groups: depthwise }, byGroups)
inputGradient(
  'few groups as one',
  'GroupedExpand WinogradInputTransform WinogradInputGradient',
  wide,
  asOne,
)

const readCounts =
  (summed: boolean): Reader =>
  (r, c) => {
    const timeSteps = r.pick([1, 2, 4, 6, 20])
    const silent = r.pick([0, 0.5, 0.9, 1])
    const draw = (count: number): Uint8Array =>
      r.bytes(count, timeSteps).map((n) => (r.chance(silent) ? 0 : n))
    const read = readBytes(r, c, summed, draw, 1 / timeSteps)
    return read && { ...read, options: { ...read.options, counts: true, timeSteps } }
  }

function weightGradient(
  name: string,
  kernels: string,
  limits: ConvLimits,
  { algorithm = name, some = 1 }: Kind = {},
  read: Reader = readFloats,
): void {
  test(`weight gradient: ${name}`, () => {
    forShapes(200, (r) => {
      const c = randomConv(r, limits)
      const { options, outputs, weights } = shapesOf(c)
      const accumulate = algorithm !== 'lists' && r.chance(0.3)
      const x = read(r, c)
      if (!x) return undefined
      const given = { ...options, ...x.options, algorithm, accumulate, engine: r.engine } as never
      const dy = sparse(r, outputs, some)
      const sum = r.floats(weights)
      const before = accumulate ? sum.slice() : undefined
      const make = () => ops.conv2dWeightGradient.plan(given)
      const dw = runStrictly(r, make, [...x.given, dy, ...(accumulate ? [sum] : [])], kernels)
      if (accumulate) assert.is(dw, sum)
      expectNear('gradient', dw, weightGradientReference(c, x.seen, dy, before), 2e-5)
      return { options: given }
    })
  })
}

weightGradient('direct', 'ConvWeightGradient', direct)
weightGradient('direct through time', 'ConvWeightGradient', { ...direct, T: [1, 9] }, ofDirect)
weightGradient('dilated', 'ConvWeightGradient', { ...direct, T: [1, 5], ...apart }, ofDirect)
const long = { T: [8, 9], B: [2, 3], H: [8, 9], W: [8, 9], C: [1, 5], N: [1, 9] } as const
const lines = { ...long, kernel: [1, 3], stride: [1, 1], same: true } as const
const inSplits = { ...ofDirect, some: 0.05 }
weightGradient('direct in splits', 'ConvWeightGradient ReduceSplits', lines, inSplits)
const few = { N: [5, 12], H: [7, 9], W: [7, 9], C: [1, 4], stride: [1, 1], same: true } as const
const half = { some: 0.5 }
weightGradient('narrow', 'NarrowWeightGradient', { ...few, B: [1, 2], kernel: [3, 4] }, half)
weightGradient(
  'narrow in splits',
  'NarrowWeightGradient ReduceSplits',
  { ...few, ...long, N: [5, 12], kernel: [3, 3] },
  { algorithm: 'narrow', some: 0.05 },
)
weightGradient(
  'winograd',
  'WinogradWeightTransform WinogradWeightGradient',
  { ...three, ...tiles, T: [1, 3], B: [1, 3] },
  half,
)
weightGradient(
  'winograd, tiles of its own',
  'WinogradWeightGradient ReduceSplits',
  { ...three, T: [8, 8], B: [16, 17], H: [7, 8], W: [7, 8], C: [7, 8], N: [7, 8] },
  { algorithm: 'winograd', some: 0.01 },
)
weightGradient('grouped', 'GroupedWeightGradient', { T: [1, 5], groups })
weightGradient('dilated by groups', 'GroupedWeightGradient', { groups, ...apart }, byGroups)
weightGradient(
  'dilated depthwise',
  'GroupedWeightGradient',
  { groups: depthwise, ...apart },
  byGroups,
)
weightGradient(
  'grouped in splits',
  'GroupedWeightGradient ReduceSplits',
  { ...lines, groups },
  { ...byGroups, some: 0.02 },
)
weightGradient('depthwise', 'GroupedWeightGradient', { T: [1, 5], groups: depthwise }, byGroups)
weightGradient(
  'few groups as one',
  'WinogradWeightTransform WinogradWeightGradient GroupedExtract',
  wide,
  asOne,
)
const listed = { ...direct, H: [2, 6], W: [2, 6], kernel: [2, 3] } as const
weightGradient('lists', 'RateLists ListWeightGradient', listed, {}, readCounts(false))
weightGradient('rates', 'Materialise ConvWeightGradient', {}, ofDirect, readCounts(true))
const patterns = { ...direct, kernel: [1, 3] } as const
weightGradient(
  'patterns',
  'PatternLists PatternWeightGradient',
  { ...patterns, T: [1, 2], B: [1, 1] },
  {},
  readSummed,
)
weightGradient(
  'patterns of levels',
  'SortSpikes PatternLists PatternWeightGradient',
  { ...patterns, T: [3, 4], B: [1, 1] },
  { algorithm: 'patterns' },
  readSorted,
)
weightGradient(
  'patterns in splits',
  'PatternLists PatternWeightGradient ReduceSplits',
  { ...patterns, T: [5, 9] },
  { algorithm: 'patterns' },
  readSpikes,
)
const written = 'Materialise ConvWeightGradient'
weightGradient('spikes written out', written, { T: [1, 9] }, ofDirect, readSummed)

/** B, T, C, N, and sizes of the image, the kernel, the stride and the padding. */
type Edge = readonly [number, number, number, number, Pair, Pair?, Pair?, Pair?]
type Pair = readonly [number, number]

/** Shapes at the edges of tiles, chunks of channels, strips and lists, which few random ones have. */
const edges: Record<string, readonly Edge[]> = {
  winograd: [
    [17, 1, 36, 48, [4, 4]],
    [2, 1, 8, 32, [24, 27]],
    [11, 1, 12, 20, [29, 26]],
    [70, 1, 20, 8, [3, 13]],
    [3, 1, 20, 132, [5, 6]],
    [1, 1, 8, 160, [67, 66]],
    [2, 1, 256, 512, [4, 4]],
    [9, 2, 36, 48, [4, 4]],
    [5, 5, 12, 136, [13, 14]],
    [2, 7, 20, 132, [5, 6]],
  ],
  'winograd stride': [
    [2, 3, 44, 12, [16, 15], [3, 3], [2, 2]],
    [2, 5, 36, 160, [16, 18], [3, 3], [2, 2]],
    [3, 2, 20, 132, [7, 16], [3, 3], [2, 2]],
    [1, 9, 8, 16, [33, 31], [3, 3], [2, 2]],
  ],
  direct: [
    [3, 1, 40, 20, [7, 9], [4, 3], [3, 2], [0, 2]],
    [30, 2, 3, 5, [2, 3], [2, 2], [1, 1], [1, 0]],
    [2, 3, 12, 40, [10, 9], [5, 5], [1, 3], [2, 2]],
  ],
  narrow: [
    [6, 1, 1, 8, [112, 112], [7, 7], [2, 2], [3, 3]],
    [2, 2, 3, 40, [30, 21], [7, 4], [2, 1], [3, 2]],
    [2, 2, 5, 40, [30, 21], [7, 4], [2, 2], [3, 2]],
  ],
  lists: [
    [3, 4, 4, 8, [28, 28], [5, 5], [1, 1], [2, 2]],
    [2, 10, 40, 20, [7, 9], [4, 3], [3, 2], [0, 2]],
    [7, 2, 4, 16, [4, 4], [4, 4], [1, 1], [0, 0]],
    [3, 1, 12, 20, [2, 600]],
  ],
  patterns: [
    [2, 9, 40, 40, [7, 9], [4, 3], [3, 2], [0, 2]],
    [2, 3, 8, 12, [12, 11], [7, 7], [1, 1], [3, 3]],
    [2, 4, 8, 20, [40, 31]],
    [1, 5, 4, 8, [33, 50], [5, 3], [2, 2], [2, 0]],
    [1, 4, 4, 4, [3, 700]],
    [3, 6, 12, 512, [2, 60]],
    [1, 255, 4, 4, [2, 3], [2, 2], [1, 1], [1, 0]],
    [3, 5, 10004, 4, [1, 1], [1, 1], [1, 1], [0, 0]],
  ],
}

for (const [algorithm, shapes] of Object.entries(edges))
  test(`${algorithm}: shapes at the edges of what it divides into units`, () => {
    const onWeight = algorithm !== 'winograd stride'
    for (const [i, [B, T, C, N, [H, W], ...window]] of shapes.entries()) {
      const [kernel = [3, 3], stride = [1, 1], padding = [1, 1]] = window
      const byCounts = algorithm === 'lists'
      const isTimed = T > 1 && !byCounts
      const sizes = { B, C, N, H, W, kernel, stride, padding, groups: 1 }
      const c: ConvCase = { ...sizes, T: isTimed ? T : 1, timed: isTimed }
      const r = randomShapes(i)
      const { options, inputs, outputs, weights } = shapesOf(c)
      const dy = r.floats(outputs)
      const given = { ...options, algorithm } as never
      if (algorithm.startsWith('winograd') || algorithm === 'direct') {
        const w = r.floats(weights)
        const dx = runStrictly(r, () => ops.conv2dInputGradient.plan(given), [w, dy])
        expectNear('input', dx, inputGradientReference(c, w, dy))
      }
      if (!onWeight) continue
      const spikes = byCounts ? r.bytes(inputs, T) : r.spikes(inputs)
      const reads = byCounts ? { counts: true, timeSteps: T } : { spikes: algorithm === 'patterns' }
      const isFloats = !byCounts && !reads.spikes
      const x = isFloats ? r.floats(inputs) : spikes
      const make = () => ops.conv2dWeightGradient.plan(Object.assign(reads, given))
      const dw = runStrictly(r, make, [x, dy])
      const seen = byCounts ? Float64Array.from(x, (n) => n / T) : x
      expectNear('weight', dw, weightGradientReference(c, seen, dy))
    }
  })

test('weight gradient: of an input that counts by a factor', () => {
  for (const [algorithm, C, N, groups, batch] of [
    ['winograd', 16, 32, 1, 2],
    ['winograd', 8, 8, 1, 64],
    ['direct', 16, 20, 1, 2],
    ['narrow', 3, 20, 1, 2],
    ['grouped', 12, 12, 3, 2],
    ['grouped', 12, 12, 12, 2],
  ] as const) {
    const r = randomShapes(C)
    const shapes = { input: [batch, C, 13, 12], weight: [N, C / groups, 3, 3], groups, algorithm }
    const plan = ops.conv2dWeightGradient.plan({ ...shapes, padding: 1 })
    const [x, delta] = [C, N].map((channels) => r.floats(batch * channels * 13 * 12))
    expectStrict(plan, [x, delta], r, { scale: 0.5 })
  }
})

test('weight gradient: with the mean of floats over time', () => {
  forShapes(200, (r) => {
    const c = randomConv(r, { T: [2, 9] })
    const one = { ...c, T: 1, timed: false }
    const { options, inputs, weights } = shapesOf(c)
    const { outputs, inputs: pixels } = shapesOf(one)
    const [x, dy] = [r.floats(inputs), r.floats(outputs)]
    const given = { ...options, mean: true, engine: r.engine } as const
    const plan = ops.conv2dWeightGradient.plan(given)
    expectKernels(plan, 'Materialise ConvWeightGradient')
    const mean = sumOverTime(x, c.T, pixels / c.B, 1 / c.T)
    const dw = plan.run(x, dy)
    assert.is(dw.length, weights)
    expectNear('gradient', dw, weightGradientReference(one, mean, dy))
    return { options: given }
  })
})

for (const [name, steps, kernels] of [
  ['lists', [1, 1], 'RateLists ListWeightGradient Materialise'],
  ['patterns', [4, 4], 'PatternLists PatternWeightGradient'],
] as const)
  test(`weight gradient: spikes of each run choose between ${name} and products`, () => {
    let [few, many] = [0, 0]
    forShapes(200, (r) => {
      const limits = { C: [8, 9], N: [12, 16], H: [5, 6], W: [5, 6], kernel: [3, 3] } as const
      const c = randomConv(r, {
        ...limits,
        stride: [1, 1],
        same: true,
        ...(steps[0] > 1 && { T: steps }),
      })
      const { options, outputs } = shapesOf(c)
      const counts = name === 'lists'
      const shared = { ...options, ...(counts ? { counts, timeSteps: 4 } : { spikes: true }) }
      const given: ops.OptionsOf<typeof ops.conv2dWeightGradient> = { ...shared, engine: r.engine }
      const plan = ops.conv2dWeightGradient.plan(given)
      const other = plan.algorithm?.split(' | ')[1]
      if (other === undefined) return undefined
      assert.ok(plan.kernels.join(' ').startsWith(`Choose ${kernels}`))
      const both = [name, other].map((algorithm) =>
        ops.conv2dWeightGradient.plan({ ...given, algorithm: algorithm as 'auto' }),
      )
      const dy = r.floats(outputs)
      const size = options.input.reduce((a, b) => a * b, 1)
      for (const rate of [0, 0.03, 0.95]) {
        const x = counts ? r.spikes(size, rate).map((s) => 4 * s) : r.spikes(size, rate)
        const dw = plan.run(x, dy)
        const [a, b] = both.map((one) => one.run(x, dy))
        const seen = counts ? x.map((n) => n / 4) : x
        expectNear('gradient', dw, weightGradientReference(c, seen, dy), 2e-5)
        const [isFew, isMany] = [sameBits(dw, a), sameBits(dw, b)]
        assert.ok(isFew || isMany)
        assert.ok(isFew || rate > 0, 'without spikes')
        assert.ok(isMany || rate < 0.9, 'with all of them')
        if (!isMany) few++
        if (!isFew) many++
      }
      return { options: given }
    })
    assert.ok(few > 20 && many > 50, `${few} and ${many} runs tell the kernels apart`)
  })

const { conv2dBiasGradient, linearBiasGradient } = ops
const biasGradients = { conv2dBiasGradient, linearBiasGradient }

for (const op of ['conv2dBiasGradient', 'linearBiasGradient'] as const)
  test(`${op}: sums over images, pixels and steps`, () => {
    forShapes(200, (r) => {
      const [T, B, N] = [r.int(1, 9), r.int(1, 5), r.int(1, 40)]
      const [H, W] = op === 'conv2dBiasGradient' ? [r.int(1, 6), r.int(1, 6)] : [1, 1]
      const timed = T > 1 || r.chance(0.5)
      const image = op === 'conv2dBiasGradient' ? [H, W] : []
      const accumulate = r.chance(0.3)
      const delta = [B, ...(timed ? [T] : []), N, ...image]
      const given = { delta, accumulate, engine: r.engine } as const
      const dy = r.floats(T * B * N * H * W)
      const sum = r.floats(N)
      const expected = Float64Array.from(accumulate ? sum : new Float32Array(N))
      dy.forEach((v, i) => {
        expected[Math.floor(i / (H * W)) % N] += v
      })
      const plan = biasGradients[op].plan(given)
      expectKernels(plan, 'BiasGradient')
      const db = accumulate ? plan.run(dy, sum) : plan.run(dy)
      if (accumulate) assert.is(db, sum)
      expectNear('gradient', db, expected)
      return { options: given }
    })
  })

test('linear: gradients of input and weight, flat and over images', () => {
  forShapes(200, (r) => {
    const { c, shapes } = linearCase(r, 3)
    const { inputs, weights, outputs } = shapesOf(c)
    const given = { ...shapes, engine: r.engine } as const
    const [x, w, dy] = [r.floats(inputs), r.floats(weights), r.floats(outputs)]
    const back = ops.linearInputGradient.plan(given)
    expectKernels(back, 'TransposeWeight ConvInputGradient')
    expectNear('input', back.run(w, dy), inputGradientReference(c, w, dy))
    const products = ops.linearWeightGradient.plan(given)
    expectKernels(products, 'ConvWeightGradient')
    expectNear('weight', products.run(x, dy), weightGradientReference(c, x, dy))
    const spikes = r.spikes(inputs, 0.2)
    const reference = weightGradientReference(c, spikes, dy)
    for (const algorithm of ['auto', 'patterns', 'direct'] as const) {
      const plan = ops.linearWeightGradient.plan({ ...given, spikes: true, algorithm })
      expectNear(algorithm, plan.run(spikes, dy), reference)
    }
    if (c.T === 1) {
      const input = [c.B, ...shapes.input.slice(c.timed ? 2 : 1)]
      const counts = { ...given, input, counts: true } as const
      const plan = ops.linearWeightGradient.plan({ ...counts, timeSteps: 1 })
      expectNear('counts', plan.run(spikes, dy), reference)
    }
    return { options: given }
  })
})

test('counts above the number of steps are refused', () => {
  const shapes = { input: [1, 4, 2, 2], weight: [8, 4, 2, 2], counts: true } as const
  for (const timeSteps of [1, 4, 126, 127, 128, 129, 254, 255]) {
    const plan = ops.conv2dWeightGradient.plan({ ...shapes, timeSteps })
    for (let at = 0; at < 4; at++) {
      const counts = new Uint8Array(16)
      const delta = new Float32Array(8).fill(1)
      counts[at] = timeSteps
      const sum = plan.run(counts, delta).reduce((a, b) => a + b, 0)
      assert.ok(Math.abs(sum - 8) < 1e-5, `${timeSteps}: ${sum}`)
      for (const most of [timeSteps + 1, 128, 255]) {
        if (most <= timeSteps || most > 255) continue
        counts[at] = most
        const more = new RegExp(`input must hold counts .* ${timeSteps} steps, got ${most}`)
        assert.throws(() => plan.run(counts, delta), more)
        assert.throws(() => plan.run(), more)
      }
    }
  }
})

test.run()
