/** Convolutions and linear layers forward: each kernel against a float64 reference. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import {
  expectNear,
  expectRounded,
  expectSameBits,
  forShapes,
  randomShapes,
} from '../support/ops.js'
import {
  averages,
  type ConvCase,
  type ConvLimits,
  expectKernels,
  forwardReference,
  forwardSizes,
  linearCase,
  type Reader,
  randomConv,
  readFloats,
  readMany,
  readSorted,
  readSpikes,
  readSummed,
  runWith,
  sameBits,
  shapesOf,
} from '../support/ops-convolution.js'
import { expectStrict, runStrictly } from '../support/strict.js'

/** A convolution of floats or spikes by an algorithm that calls these kernels. */
function forward(
  name: string,
  kernels: string,
  limits: ConvLimits,
  { algorithm = name, read = readSpikes }: { algorithm?: string; read?: Reader } = {},
): void {
  const onFloats = read === readFloats
  test(`${onFloats ? 'floats' : 'spikes'}: ${name}`, () => {
    forShapes(200, (r) => {
      const T = r.pick<ConvLimits['T']>(
        onFloats
          ? [undefined, [1, 3]]
          : [
              [1, 9],
              [1, 4],
            ],
      )
      const c = randomConv(r, { T, ...limits })
      const input = read(r, c)
      if (!input) return undefined
      const { options, weights } = shapesOf(c)
      const w = r.floats(weights)
      const b = r.chance(0.5) ? r.floats(c.N) : undefined
      const some = { algorithm: algorithm as 'auto', bias: b !== undefined, engine: r.engine }
      const given = { ...options, ...input.options, ...some }
      const arrays = [...input.given, w, ...(b ? [b] : [])]
      const y = runStrictly(r, () => ops.conv2d.plan(given), arrays, kernels)
      const expected = forwardReference(c, input.seen, w, b)
      // Products of transformed tiles round other numbers than the terms of the sum.
      if (algorithm === 'winograd') expectNear('output', y, expected, 2e-5)
      else expectRounded('output', y, expected, forwardSizes(c, input.seen, w, b))
      return { options: given }
    })
  })
}

const floats = { read: readFloats }
const wide = { C: [1, 20], N: [1, 36], kernel: [1, 5], stride: [1, 3] } as const
forward('direct', 'ConvDense', wide, floats)
const apart = { dilation: [1, 3] } as const
const byRows = { ...floats, algorithm: 'direct' }
forward('dilated', 'ConvDense', { ...wide, ...apart, stride: [1, 2] }, byRows)
const few = { B: [1, 2], C: [1, 4], N: [5, 12], H: [12, 14], W: [12, 14] } as const
forward('narrow', 'ConvNarrow', { ...few, kernel: [3, 4], same: true, stride: [1, 1] }, floats)
const groups = { count: [2, 5], C: [1, 5], N: [1, 6] } as const
forward('grouped', 'GroupedForward', { groups }, floats)
const depthwise = { count: [2, 20], C: [1, 1], N: [1, 1] } as const
const byGroups = { algorithm: 'grouped' }
forward('depthwise', 'GroupedForward', { groups: depthwise }, { ...floats, ...byGroups })
forward('dilated by groups', 'GroupedForward', { groups, ...apart }, { ...floats, ...byGroups })
forward(
  'dilated depthwise',
  'GroupedForward',
  { groups: depthwise, ...apart },
  { ...floats, ...byGroups },
)

const summed = { read: readSummed }
forward('lists', 'SpikeLists SpikeConv', { T: [1, 16], ...wide })
const byLists = { algorithm: 'lists' }
forward('lists of sums', 'SpikeLists SpikeConv', { T: [1, 2] }, { ...byLists, ...summed })
forward('lists of many', 'SpikeLists SpikeConv', { T: [1, 9] }, { ...byLists, read: readMany })
const sorted = { read: readSorted }
const byLevels = { ...byLists, ...sorted }
forward('lists of levels', 'SortSpikes SpikeLists SpikeConv', { T: [3, 9], ...wide }, byLevels)
const blocks = { T: [1, 6], C: [1, 6], N: [64, 96, 32], H: [2, 5], W: [2, 5] } as const
forward('lists, for several blocks', 'SpikeLists SpikeConv', blocks, { algorithm: 'lists' })
const manyRows = { B: [16, 18], C: [1, 5], N: [1, 40], H: [4, 6], W: [4, 6], same: true } as const
const rows: ConvLimits = { ...manyRows, T: [1, 5], kernel: [3, 3], stride: [1, 1] }
forward('rows', 'SpikeForward', rows)
forward('rows of sums', 'SpikeForward', { ...rows, T: [1, 2] }, { algorithm: 'rows', ...summed })
forward(
  'rows of levels',
  'SortSpikes SpikeForward',
  { ...rows, T: [3, 5] },
  { algorithm: 'rows', ...sorted },
)
/** 3×3 with padding 1 and channels enough for Winograd's kernels. */
const three = { kernel: [3, 3], stride: [1, 1], same: true, T: [3, 5] } as const
const tiles = { ...three, B: [1, 2], C: [7, 12], N: [7, 40], H: [3, 6], W: [3, 6] } as const
forward('winograd', 'SortSpikes Materialise WinogradInputTransform WinogradInputGradient', tiles, {
  ...sorted,
})
forward(
  'winograd, kernels first',
  'SortSpikes Materialise WinogradKernelTransform WinogradInputGradient',
  { ...tiles, B: [8, 9], H: [5, 8], W: [5, 8] },
  { algorithm: 'winograd', ...sorted },
)
forward('products', 'Materialise ConvDense', { C: [4, 9] }, summed)
/** Masks of four steps pay only where groups of steps are full. */
const full = { T: [4, 12, 4], same: true, kernel: [1, 3, 2], B: [1, 2] } as const
forward('grouped', 'GroupedSpikes', { ...full, groups: { ...groups, count: [2, 4], N: [5, 8] } })
forward('depthwise', 'GroupedSpikes', { ...full, groups: depthwise }, byGroups)
const eachApart = { groups: { ...groups, count: [2, 4], N: [5, 8] }, dilation: [2, 3] } as const
forward('dilated by groups', 'GroupedSpikes', { ...full, ...eachApart }, byGroups)
const two = { count: [2, 2], C: [10, 12], N: [14, 16] } as const
forward(
  'few groups as one',
  'GroupedExpand SpikeLists SpikeConv',
  { ...full, B: [1, 1], kernel: [3, 3], H: [1, 3], W: [1, 3], groups: two },
  { algorithm: 'dense' },
)
const products = { algorithm: 'products', ...summed }
forward('products by groups', 'Materialise GroupedForward', { groups }, products)

test('sums of spikes: the entries of a run choose between lists and products', () => {
  const shapes = { input: [2, 4, 16, 8, 8], weight: [16, 16, 3, 3], padding: 1 }
  const given = { ...shapes, spikes: true, sources: 3 } as const
  const plans = (['auto', 'lists', 'winograd'] as const).map((algorithm) =>
    ops.conv2d.plan({ ...given, training: true, algorithm }),
  )
  assert.is(plans[0].algorithm, 'lists | winograd')
  for (const [rate, kernel] of [
    [0.02, 'lists'],
    [0.9, 'winograd'],
  ] as const)
    forShapes(1, (r) => {
      const sources = Array.from({ length: 3 }, () => r.spikes(2 * 4 * 16 * 64, rate))
      const arrays = [...sources, r.floats(16 * 16 * 9)]
      const [auto, lists, winograd] = plans.map((plan) => runWith(plan, arrays).slice())
      assert.is(sameBits(auto, lists), kernel === 'lists', `${rate}: lists`)
      assert.is(sameBits(auto, winograd), kernel === 'winograd', `${rate}: products`)
      return { options: given }
    })
})

/** The largest whole number of weights of a type. */
const wholes = [
  ['int8', 127],
  ['int6', 31],
] as const

for (const [weightType, most] of wholes)
  test(`spikes: ${weightType}`, () => {
    forShapes(200, (r) => {
      const c = randomConv(r, { T: [1, 9], C: [1, 20], N: [1, 36] })
      const { options, weights } = shapesOf(c)
      const input = (r.chance(0.3) ? readSummed : readSpikes)(r, c)
      if (!input) return undefined
      const w = Int8Array.from({ length: weights }, () => r.int(-most, most))
      const scales = r.floats(c.N, 0.01)
      const b = r.floats(c.N)
      const given = {
        ...options,
        ...input.options,
        weightType,
        bias: true,
        engine: r.engine,
      } as const
      const arrays = [...input.given, w, scales, b]
      const y = runStrictly(r, () => ops.conv2d.plan(given), arrays)
      assert.is(ops.conv2d.plan(given).kernels.at(-1), 'SpikeForwardBytes')
      const floats = Float64Array.from(w, (q, i) => q * scales[Math.floor(i / (weights / c.N))])
      expectNear('output', y, forwardReference(c, input.seen, floats, b))
      return { options: given }
    })
  })

/** A convolution of padding 0 without groups. */
const plain = (of: Pick<ConvCase, 'T' | 'B' | 'C' | 'H' | 'W' | 'N' | 'kernel'>): ConvCase => ({
  ...of,
  timed: true,
  stride: [1, 1],
  padding: [0, 0],
  groups: 1,
})

for (const [claim, c] of [
  ['many channels and blocks', { T: 4, B: 2, C: 132, H: 3, W: 4, N: 96, kernel: [3, 3] }],
  ['the longest field', { T: 3, B: 1, C: 10912, H: 2, W: 3, N: 4, kernel: [2, 3] }],
] as const)
  test(`spikes: ${claim} that lists can number`, () => {
    const r = randomShapes(1)
    const { options, inputs, weights } = shapesOf(plain(c))
    const [x, w] = [r.spikes(inputs), r.floats(weights)]
    const given = { ...options, spikes: true, algorithm: 'lists' } as const
    const y = runStrictly(r, () => ops.conv2d.plan(given), [x, w], 'SpikeLists SpikeConv')
    expectRounded('output', y, forwardReference(plain(c), x, w), forwardSizes(plain(c), x, w))
  })

/** Up to 255 neurons are factors of a list's entries; of more each has an entry. */
const windows = [
  [1, 2],
  [7, 7],
  [16, 8],
  [1, 129],
  [10, 13],
  [15, 17],
  [16, 16],
] as const

for (const [weightType, most] of [['float32', 127], ...wholes] as const)
  test(`spikes: sums over windows of up to 256 neurons, weights ${weightType}`, () => {
    for (const [i, [h, w]] of windows.entries())
      for (const N of [4, 8, 16, 32])
        for (const [value, rate] of [
          [most, 1],
          [-most, 1],
          [-most, 0.5],
        ]) {
          const r = randomShapes(i)
          const x = r.spikes(5 * 20 * h * w, rate)
          const isWhole = weightType !== 'float32'
          const weights = new (isWhole ? Int8Array : Float32Array)(N * 20).fill(value)
          const scales = r.floats(N, 0.01)
          const given = {
            input: [1, 5, 20, h, w],
            weight: [N, 20, 1, 1],
            spikes: true,
            pool: { kernelSize: [h, w] },
            algorithm: isWhole ? 'auto' : 'lists',
            weightType,
          } as never
          const arrays = isWhole ? [x, weights, scales] : [x, weights]
          const y = runStrictly(r, () => ops.conv2d.plan(given), arrays)
          const mean = Math.fround(1 / (h * w))
          const expected = Array.from(y, (_, at) => {
            const step = x.subarray(Math.floor(at / N) * 20 * h * w).subarray(0, 20 * h * w)
            const sum = value * step.reduce((a, b) => a + b, 0)
            return Math.fround(sum * (isWhole ? Math.fround(scales[at % N] * mean) : mean))
          })
          assert.equal(Array.from(y), expected, `window ${h}×${w}, ${N} outputs`)
        }
  })

test('floats: an input that is the same at each step may lie there once', () => {
  const [T, H, W] = [3, 13, 12]
  for (const [algorithm, C, groups] of [
    ['direct', 8, 1],
    ['narrow', 3, 1],
    ['grouped', 12, 3],
  ] as const) {
    const r = randomShapes(C)
    const given = { input: [2, T, C, H, W], weight: [12, C / groups, 3, 3], padding: 1, groups }
    const size = C * H * W
    const x = r.floats(2 * T * size)
    const first = x.map((_, i) => x[Math.floor(i / (T * size)) * T * size + (i % size)])
    const [w, delta] = [r.floats((12 * C * 9) / groups), r.floats(2 * T * 12 * H * W)]
    const still = { inStepBytes: 0 }
    expectStrict(ops.conv2d.plan({ ...given, algorithm }), [first, w], r, still, [x, w])
    // By groups, lines of images that lie apart are summed apart.
    if (groups > 1) continue
    const back = ops.conv2dWeightGradient.plan({ ...given, algorithm })
    expectStrict(back, [first, delta], r, still, [x, delta])
  }
})

test('floats: a row alone has the bits that it has among others', () => {
  for (const N of [4, 8, 16, 64])
    for (const C of [5, 256, 257, 700])
      for (const rows of [1, 6, 11]) {
        const r = randomShapes(rows)
        const [x, w] = [r.floats((rows + 4) * C), r.floats(N * C)]
        const run = (B: number) =>
          ops.linear({ input: [B, C], weight: [N, C] }, x.slice(0, B * C), w)
        expectSameBits(`${rows} rows`, run(rows), run(rows + 4).slice(0, rows * N))
      }
})

for (const [weightType, most] of wholes)
  test(`${weightType}: as many of the largest as 16 bits can sum, and more`, () => {
    const held = Math.floor(32767 / most)
    const sizes = [held - 2, held - 1, held, held + 1, 2 * held, 4 * held]
    // Two blocks, one, and a narrow one.
    for (const N of [4, 8, 16, 32, 64])
      for (const [at, C] of [...sizes, ...sizes].entries())
        for (const [sources, value] of [
          [1, most],
          [1, -most],
          [2, -most],
        ] as const) {
          const given = { input: [1, 4, C], weight: [N, C], spikes: true, weightType, sources }
          // At one of the steps all fire; their lists are those of several patterns.
          const fires = (t: number, i: number): boolean => t === at % 4 || (i + t) % 3 === 0
          const spikes = Uint8Array.from({ length: 4 * C }, (_, i) =>
            fires(Math.floor(i / C), i % C) ? 1 : 0,
          )
          const w = new Int8Array(N * C).fill(value)
          const scales = Float32Array.from({ length: N }, (_, n) => 1 + (n % 3))
          const all = [...Array.from({ length: sources }, () => spikes), w, scales]
          const y = runWith(ops.linear.plan(given as never), all)
          const wanted = Array.from({ length: 4 * N }, (_, i) => {
            const step = spikes.subarray(Math.floor(i / N) * C).subarray(0, C)
            return scales[i % N] * value * sources * step.reduce((a, b) => a + b, 0)
          })
          assert.equal([...y], wanted, `${sources} times ${C} inputs, ${N} outputs`)
        }
  })

/** Mean and sum of squares about it, of each channel, from sums of chunks. */
function ofMoments(moments: Float32Array, [units, , C]: readonly number[], channel: number) {
  const [row, unit] = [C, 4 * C]
  const chunks = Array.from({ length: units }, (_, u) =>
    [0, 1, 2, 3].map((i) => moments[u * unit + i * row + channel]),
  ).filter(([count]) => count > 0)
  const count = chunks.reduce((sum, [n]) => sum + n, 0)
  const mean = chunks.reduce((sum, [n, first, d]) => sum + n * first + d, 0) / count
  const squares = chunks.reduce((sum, [n, first, d, dd]) => {
    const shift = first - mean
    return sum + dd + 2 * d * shift + n * shift * shift
  }, 0)
  return { count, mean, squares }
}

for (const [algorithm, limits] of [
  ['lists', { T: [1, 9] }],
  ['rows', rows],
  ['bytes', { ...rows, T: [1, 9] }],
] as const)
  test(`spikes: ${algorithm} with moments`, () => {
    forShapes(200, (r) => {
      const c = randomConv(r, limits)
      const { options, inputs, weights, outH, outW } = shapesOf(c)
      const isBytes = algorithm === 'bytes'
      const x = r.spikes(inputs)
      const whole = Int8Array.from({ length: weights }, () => r.int(-127, 127))
      const w = isBytes ? Float32Array.from(whole, (q) => q / 128) : r.floats(weights)
      const weightType = isBytes ? 'int8' : 'float32'
      const given = { ...options, spikes: true, algorithm, weightType, engine: r.engine } as const
      const conv = ops.conv2d.plan({ ...given, moments: true })
      const arrays = isBytes ? [x, whole, new Float32Array(c.N).fill(1 / 128)] : [x, w]
      const { output, moments } = runWith<ReturnType<typeof conv.run>>(conv, arrays)
      expectStrict(conv, arrays, r)
      expectSameBits('output', output, runWith(ops.conv2d.plan(given), arrays))
      const y = forwardReference(c, x, w)
      const found = Array.from({ length: c.N }, (_, n) =>
        ofMoments(moments, conv.tensors.moments.shape, n),
      )
      const count = c.T * c.B * outH * outW
      const pixels = outH * outW
      const sums = Array.from({ length: c.N }, () => [0, 0])
      y.forEach((v, i) => {
        sums[Math.floor(i / pixels) % c.N][0] += v / count
      })
      y.forEach((v, i) => {
        const of = sums[Math.floor(i / pixels) % c.N]
        of[1] += (v - of[0]) ** 2
      })
      for (const { count: n } of found) assert.is(n, count)
      const most = y.reduce((a, v) => Math.max(a, Math.abs(v)), 1)
      for (const [n, [mean, squares]] of sums.entries()) {
        assert.ok(Math.abs(found[n].mean - mean) < 1e-5 * most, `mean of channel ${n}`)
        assert.ok(Math.abs(found[n].squares - squares) < 1e-4 * most ** 2 * count, `squares ${n}`)
      }
      return { options: given }
    })
  })

test('in training the spikes of each run choose between sums and products', () => {
  let [few, many] = [0, 0]
  forShapes(200, (r) => {
    const T = r.int(1, 2)
    const kernel = [T, 4 - T] as [number, number]
    const c = randomConv(r, { T: [T, T], C: [8, 12], N: [8, 16], H: [2, 4], W: [2, 4], kernel })
    const { options, weights } = shapesOf(c)
    const input = [c.B, T, c.C, 2 * c.H, 2 * c.W]
    const pooled = { input, spikes: true, pool: { kernelSize: 2 } } as const
    const given = { ...options, ...pooled, engine: r.engine } as const
    const size = input.reduce((a, b) => a * b, 1)
    const w = r.floats(weights)
    const conv = ops.conv2d.plan({ ...given, training: true })
    const [event, products] = (['lists', 'products'] as const).map((algorithm) =>
      ops.conv2d.plan({ ...given, algorithm }),
    )
    if (conv.algorithm !== 'lists | products') return undefined
    expectKernels(conv, 'Choose SpikeLists SpikeConv Materialise ConvDense')
    for (const rate of [0, 0.15, 0.97]) {
      const x = r.spikes(size, rate)
      const y = conv.run(x, w)
      const [a, b] = [event.run(x, w), products.run(x, w)]
      const twos = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const
      const mean = averages(T * c.B * c.C, [2 * c.H, 2 * c.W], x, twos)
      expectNear('output', y, forwardReference(c, mean, w))
      const [isFew, isMany] = [sameBits(y, a), sameBits(y, b)]
      assert.ok(isFew || isMany)
      assert.ok(isFew || rate > 0, 'without spikes')
      assert.ok(isMany || rate < 0.9, 'with all of them')
      if (!isMany) few++
      if (!isFew) many++
      conv.output.fill(0)
      const own = conv.run()
      conv.output.fill(0)
      expectSameBits('without copies', conv.run(conv.input), own)
    }
    return { options: given }
  })
  assert.ok(few > 15 && many > 15, `${few} and ${many} runs tell the kernels apart`)
})

for (const onSpikes of [false, true])
  test(`linear on ${onSpikes ? 'spikes' : 'floats'}, flat and over images`, () => {
    forShapes(200, (r) => {
      const { c, shapes } = linearCase(r, onSpikes ? 9 : 2)
      const { inputs, weights, outputs } = shapesOf(c)
      const x = onSpikes ? r.spikes(inputs) : r.floats(inputs)
      const [w, b] = [r.floats(weights), r.floats(c.N)]
      const given = {
        ...shapes,
        bias: true,
        spikes: onSpikes,
        algorithm: onSpikes ? 'lists' : 'auto',
        engine: r.engine,
      } as const
      const plan = ops.linear.plan(given)
      const y = plan.run(x, w, b)
      assert.is(y.length, outputs)
      expectKernels(plan, onSpikes ? 'SpikeLists SpikeConv' : 'ConvDense')
      expectNear('output', y, forwardReference(c, x, w, b))
      return { options: given }
    })
  })

test('linear over features of few channels as a model reads them', () => {
  const r = { C: 3, features: 12 }
  const x = Float32Array.from({ length: 2 * r.features }, (_, i) => Math.sin(i))
  const w = Float32Array.from({ length: 5 * r.features }, (_, i) => Math.cos(i))
  const shapes = { weight: [5, r.features] }
  const plans = [
    ops.linear.plan({ ...shapes, input: [2, 3, 2, 2] }),
    ops.linear.plan({ ...shapes, input: [2, 3, 2, 2], image: false }),
    ops.linear.plan({ ...shapes, input: [2, r.features] }),
  ]
  assert.equal(
    plans.map((plan) => plan.input.length),
    [24, 32, 32],
  )
  const [first, ...others] = plans.map((plan) => plan.run(x, w))
  for (const other of others) expectNear('output', other, first)
})

test.run()
