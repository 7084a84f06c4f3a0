/**
 * Which strategy computes each part of a convolution, and that costs decide between those that fit.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Geometry, geometryOf, sizesOf } from '../../src/compile/convolution/geometry.js'
import {
  fewForLists,
  fewForPatterns,
  fitsSpikes,
  groupedStrategies,
  patternsWithoutChoice,
  spikesForDense,
  spikesForPatterns,
  strategies,
  strategiesOf,
} from '../../src/compile/convolution/index.js'
import { cheapest, type Strategy, type Task } from '../../src/compile/convolution/strategy.js'
import { noPool, type Pool, type SpikeTensor, type UnitSums } from '../../src/compile/tensors.js'
import { conv2d, linear } from '../../src/index.js'
import { convDense, convNarrow } from '../../src/kernels/records/dense.js'
import { wordsOf } from '../../src/kernels/records/schema.js'

const layer = (inC: number, size: number, outC: number, kernel: number, stride = 1): Geometry => {
  const out = Math.ceil(size / stride)
  const padding = (kernel - 1) / 2
  const conv = conv2d(inC, outC, kernel, { stride, padding })
  return geometryOf(conv, [inC, size, size], inC, [outC, out, out], 16)
}
const features = (inputs: number, outputs: number): Geometry =>
  geometryOf(linear(inputs, outputs), [inputs, 1, 1], inputs, [outputs, 1, 1], 16)

const spikesOf = (g: Geometry, pool: Pool = noPool, count = 1) => {
  const tensor = { shape: [g.inC, g.inH, g.inW] } as unknown as SpikeTensor
  return { sources: Array.from({ length: count }, () => tensor), pool, scale: 1 }
}

test('forward on spikes: by rows while the weight is small and rows are many, else by lists', () => {
  const name = (g: Geometry): string =>
    cheapest(strategies.forwardOnSpikes, { g, steps: 4, spikes: spikesOf(g) }).name
  assert.is(name(layer(64, 32, 64, 3)), 'rows')
  assert.is(name(layer(256, 8, 256, 3)), 'lists')
  assert.is(name(features(512, 16)), 'lists')
  const wide = features(65536, 16)
  assert.not.ok(fitsSpikes({ g: wide, steps: 4, spikes: spikesOf(wide) }), 'beyond 16 bits')
})

test('forward on floats and gradients of a weight: narrow for first layers, else direct', () => {
  const names = (g: Geometry): string[] => [
    cheapest(strategies.forwardOnFloats, { g, steps: 1 }).name,
    cheapest(strategies.weightGradient, { g, steps: 1, indirect: true }).name,
  ]
  assert.equal(names(layer(3, 32, 64, 3)), ['narrow', 'narrow'])
  assert.equal(names(layer(3, 224, 64, 7, 2)), ['direct', 'narrow'])
  assert.equal(names(layer(1, 28, 16, 3)), ['narrow', 'narrow'])
  assert.equal(names(layer(64, 32, 64, 3)), ['direct', 'direct'])
  assert.equal(names(layer(64, 32, 64, 5)), ['direct', 'direct'])
  assert.equal(names(layer(3, 32, 64, 1)), ['direct', 'direct'], '1×1')
  assert.equal(names(layer(1, 28, 4, 3)), ['direct', 'direct'], 'few outputs')
  assert.equal(names(layer(3, 4, 64, 3)), ['direct', 'direct'], 'few pixels')
})

test('gradients: Winograd for 3×3 kernels of stride 1, whose input has an address and all steps', () => {
  const name = (list: 'inputGradient' | 'weightGradient', task: Task): string =>
    cheapest<never, Task, void>(strategies[list], task).name
  const g = layer(64, 32, 64, 3)
  for (const list of ['inputGradient', 'weightGradient'] as const) {
    assert.is(name(list, { g, steps: 1 }), 'winograd')
    assert.is(name(list, { g, steps: 5 }), 'winograd', 'a row for each step')
    assert.is(name(list, { g: layer(64, 32, 64, 3, 2), steps: 1 }), 'direct', 'stride 2')
  }
  assert.is(name('inputGradient', { g: layer(64, 32, 64, 3, 2), steps: 4 }), 'winograd stride')
  assert.is(name('inputGradient', { g: layer(64, 32, 64, 1, 2), steps: 4 }), 'direct', '1×1')
  assert.is(name('inputGradient', { g: layer(64, 10, 64, 3, 2), steps: 4 }), 'direct', '5×5 pixels')
  assert.is(name('weightGradient', { g, steps: 1, indirect: true }), 'direct')
  assert.is(name('weightGradient', { g, steps: 4, still: true }), 'direct', 'the same at each step')
  assert.is(name('inputGradient', { g: layer(4, 32, 64, 3), steps: 1 }), 'direct', 'few channels')
})

test('lists give a gradient of a weight until as many fire as the other strategy costs', () => {
  assert.is(fewForLists({ g: layer(64, 32, 64, 3), steps: 4 }), 0.16, 'beside Winograd')
  assert.is(fewForLists({ g: layer(64, 32, 64, 3, 2), steps: 4 }), 0.5, 'beside direct products')
  assert.is(fewForLists({ g: layer(64, 32, 64, 1), steps: 4 }), undefined, 'too few taps')
  assert.is(fewForLists({ g: layer(64, 32, 64, 3), steps: 256 }), undefined, 'counts beyond a byte')
})

test('lists of patterns give a gradient through time as far as the other strategy costs', () => {
  const few = (
    g: Geometry,
    steps: number,
    pool: Pool = noPool,
    count = 1,
    rows = steps,
  ): number => {
    const task = { g, steps, spikes: spikesOf(g, pool, count) }
    return fewForPatterns(task, { g, steps: rows }) ?? Number.NaN
  }
  const near = (value: number, low: number, high: number): void =>
    assert.ok(value > low && value < high, `${value} is not within ${low} and ${high}`)
  const g = layer(64, 32, 64, 3)
  near(few(g, 1, noPool, 1, 1), 0.13, 0.18)
  near(few(layer(64, 32, 64, 3, 2), 1), 0.45, 0.57)
  assert.ok(few(layer(64, 32, 64, 3, 2), 4) > 1, 'always, beside direct products')
  assert.ok(few(layer(64, 32, 128, 1, 2), 4) > 1, '1×1 as well')
  assert.ok(few(features(512, 512), 4) > 1, 'features')
  near(few(layer(64, 32, 64, 3, 2), 5) / few(layer(64, 32, 64, 3, 2), 4), 0.55, 0.7)
  const pooled: Pool = { kernelSize: [4, 4], stride: [4, 4], padding: [0, 0] }
  const strided = layer(64, 8, 64, 3, 2)
  near(few(strided, 4) / few(strided, 4, pooled), 15.99, 16.01)
  near(few(strided, 4) / few(strided, 4, noPool, 3), 2.99, 3.01)
  const valid = {
    ...layer(64, 8, 64, 3),
    outH: 2,
    outW: 2,
    kernelH: 7,
    kernelW: 7,
    padH: 0,
    padW: 0,
  }
  // Without padding a tap meets four of 64 pixels, and reads all.
  near(few(layer(64, 8, 64, 5), 4) / few(valid, 4), 16, 21)
  const grouped = { ...g, grouping: { groups: 4, groupIn: 16, groupOut: 16, depthwise: false } }
  assert.ok(Number.isNaN(few(grouped, 4)), 'groups have kernels of their own')
})

test('limits of spikes for lists of patterns: activity of a group of steps, of all sources', () => {
  const g = layer(64, 8, 64, 3)
  const neurons = 16 * 64 * 64
  const limit = (steps: number, active: number, count = 1): number =>
    spikesForPatterns({ g, steps, spikes: spikesOf(g, noPool, count) }, active)
  assert.is(limit(1, 0.5), neurons / 2)
  assert.is(limit(4, 0.5), Math.floor((neurons * 4 * 0.5) / 1.7))
  assert.is(limit(8, 0.5), Math.floor((neurons * 8 * 0.5) / 1.7))
  assert.is(limit(4, 0.5, 2), Math.floor((2 * neurons * 4 * 0.5) / 1.7))
  const levels = { ...spikesOf(g, noPool, 2), entries: {} as UnitSums }
  assert.is(spikesForPatterns({ g, steps: 5, spikes: levels }, 0.5), 2 * neurons, 'entries')
  const task = (steps: number) => ({ g, steps, spikes: spikesOf(g) })
  assert.ok(patternsWithoutChoice(task(4), 0.5))
  assert.not.ok(patternsWithoutChoice(task(4), 0.4), 'fewer are active than are expected')
  assert.ok(patternsWithoutChoice(task(1), 0.4))
})

test('dense products take over from spikes only where inputs are sums and steps are few', () => {
  const limit = (g: Geometry, steps: number, pool: Pool = noPool): number =>
    spikesForDense({ g, steps, spikes: spikesOf(g, pool) })
  const pooled: Pool = { kernelSize: [4, 4], stride: [4, 4], padding: [0, 0] }
  const g = layer(64, 8, 64, 3)
  assert.is(limit(g, 4), Number.POSITIVE_INFINITY, 'one neuron an input')
  assert.ok(Number.isFinite(limit(g, 1, pooled)), 'sums at one step')
  assert.is(limit(g, 4, pooled), Number.POSITIVE_INFINITY, 'sums at four steps')
})

test('products take over from levels of sums by their entries, early where Winograd has them', () => {
  const limit = (g: Geometry, steps: number, count: number): number => {
    const spikes = { ...spikesOf(g, noPool, count), entries: {} as UnitSums }
    return spikesForDense({ g, steps, spikes }) / (g.images * g.inH * g.inW * g.inC)
  }
  const within = (value: number, low: number, high: number): void =>
    assert.ok(value > low && value < high, `${value} is not within ${low} and ${high}`)
  const g = layer(128, 16, 128, 3)
  within(limit(g, 4, 4), 1, 1.3)
  within(limit(g, 8, 4) / limit(g, 4, 4), 1.99, 2.01)
  within(limit(layer(128, 4, 128, 3), 4, 4) / limit(g, 4, 4), 1.2, 1.5)
  assert.is(limit(layer(128, 16, 128, 1), 4, 2), Number.POSITIVE_INFINITY, '1×1 has no Winograd')
  within(limit(layer(128, 16, 128, 1), 4, 8), 2.7, 3.5)
})

test('by groups: kernels of groups, or for few large ones those without groups', () => {
  const grouped = (channels: number, groups: number, kernel = 3): Geometry => {
    const conv = conv2d(channels, channels, kernel, { groups, padding: (kernel - 1) / 2 })
    return geometryOf(conv, [channels, 16, 16], channels, [channels, 16, 16], 16)
  }
  const onSpikes = (g: Geometry, steps: number, pool: Pool = noPool): string => {
    const task = { g, steps, spikes: spikesOf(g, pool) }
    if (!fitsSpikes(task)) return 'written out'
    return cheapest(groupedStrategies.forwardOnSpikes, task).name
  }
  assert.equal(
    [64, 16, 8, 2].map((groups) => onSpikes(grouped(64, groups), 4)),
    ['grouped', 'written out', 'dense', 'dense'],
  )
  assert.is(onSpikes(grouped(64, 64), 1), 'written out', 'masks hold four steps')
  assert.is(onSpikes(grouped(256, 32), 4), 'grouped', 'a dense weight has 32 times as many')
  const pooled: Pool = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] }
  assert.is(onSpikes(grouped(64, 64), 4, pooled), 'written out', 'sums')
  for (const list of ['inputGradient', 'weightGradient'] as const) {
    const name = (g: Geometry, steps = 1): string =>
      cheapest<never, Task, void>(groupedStrategies[list], { g, steps }).name
    for (const steps of [1, 4])
      assert.equal(
        [64, 16, 8, 4, 2].map((groups) => name(grouped(64, groups), steps)),
        ['grouped', 'grouped', 'grouped', 'dense', 'dense'],
      )
    assert.is(name(grouped(64, 2, 1)), 'grouped', '1×1')
  }
  const few = { g: grouped(64, 8), steps: 1 }
  assert.is(cheapest(strategiesOf(few).inputGradient, few).name, 'grouped')
  assert.is(fewForLists({ g: grouped(64, 8), steps: 4 }), undefined)
})

test('the cheapest that fits is taken, of equals the first', () => {
  const made = (name: string, fits: boolean, cost: number): Strategy<Task> => ({
    name,
    fits: () => fits,
    cost: () => cost,
    emit: () => undefined,
  })
  const task = { g: features(4, 4), steps: 1 }
  const taken = (...list: Strategy<Task>[]): string => cheapest(list, task).name
  assert.is(taken(made('a', true, 2), made('b', true, 1), made('c', true, 1)), 'b')
  assert.is(taken(made('a', false, 0), made('b', true, 1)), 'b')
  assert.throws(() => taken(made('a', false, 0)), /no strategy fits/)
})

test('sizes are those that a kind names; a name that it has not is an error', () => {
  const size = { inH: 5, inW: 6, inC: 3, outH: 7, outW: 8, outC: 16, blockWidth: 16 }
  const window = { kernelH: 1, kernelW: 2, strideH: 3, strideW: 4, padH: 0, padW: 1 }
  const g = { images: 2, ...size, ...window }
  const all = { ...g, steps: 9, kRows: 8 }
  assert.equal(sizesOf(convDense, g, 9), all)
  const { images, ...narrow } = all
  assert.is(images, 2)
  assert.equal(sizesOf(convNarrow, g, 9), narrow)
  assert.throws(
    // @ts-expect-error a narrow record has no word for the images
    () => wordsOf(convNarrow.schema, { images: 2 }),
    /a record has no field images/,
  )
})

test('floats always have a strategy: the last of each list', () => {
  const size = { inH: 1, inW: 1, inC: 4, outH: 1, outW: 1, outC: 4, blockWidth: 4 }
  const window = { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0 }
  const task = { g: { images: 1, ...size, ...window }, steps: 3, indirect: true }
  const { forwardOnFloats, inputGradient, weightGradient } = strategies
  for (const list of [forwardOnFloats, inputGradient, weightGradient])
    assert.ok(list.at(-1)?.fits(task))
})

test.run()
