/** Convolutions with their gradients, by each algorithm that computes them; linear; matmul. */

import { groupedStrategies, strategies } from '../../compile/convolution/index.js'
import { convSizes } from '../../ops/convolution.js'
import type { Benchmark, Limit, Work } from '../benchmark.js'
import type { SpikeTrain } from '../spikes.js'
import { densityName, type KernelOptions, kernel, type Spec } from './op.js'
import {
  type ConvolutionShape,
  LINEAR_ROWS,
  type LinearShape,
  type MatmulShape,
  nameOf,
  outputOf,
} from './shape.js'

/** Which kernels of a shape: all algorithms, those that the planner chooses, those of an image. */
export type Kernels = 'all' | 'chosen' | 'image'

/** Pairs of an output position and a tap of one axis that lie inside the image. */
function insideOf(
  size: number,
  out: number,
  { kernel, stride, padding }: ConvolutionShape,
): number {
  let inside = 0
  for (let o = 0; o < out; o++)
    for (let at = o * stride - padding; at < o * stride - padding + kernel; at++)
      if (at >= 0 && at < size) inside++
  return inside
}

/** Products of one image and channel pair, without those with the padding's zeros. */
function productsOf(shape: ConvolutionShape): number {
  const [outH, outW] = outputOf(shape)
  return insideOf(shape.H, outH, shape) * insideOf(shape.W, outW, shape)
}

/** Multiplications and additions of so many images; `least` leaves out what the padding adds. */
export function denseWork(shape: ConvolutionShape, images: number, share = 1): Work {
  const { C, N, kernel, groups } = shape
  const [outH, outW] = outputOf(shape)
  const pairs = (2 * images * C * N) / groups / 1e9
  return {
    amount: pairs * outH * outW * kernel ** 2,
    unit: 'GFLOP',
    limit: 'multiply-add',
    least: pairs * productsOf(shape) * share,
  }
}

/** Additions of weights: for each spike and each output that sees it. */
const additions = (train: SpikeTrain, fanOut: number, events = train.events): Work => ({
  amount: (train.rate * train.bytes.length * fanOut) / 1e9,
  unit: 'GSOP',
  limit: 'event-adds',
  least: (events * fanOut) / 1e9,
})

const fanOutOf = (shape: ConvolutionShape): number =>
  ((productsOf(shape) / (shape.H * shape.W)) * shape.N) / shape.groups

function sizesOf(
  { C, H, W, N, kernel, stride, padding, groups }: ConvolutionShape,
  B: number,
  T?: number,
) {
  const input = T === undefined ? [B, C, H, W] : [B, T, C, H, W]
  return { input, weight: [N, C / groups, kernel, kernel], stride, padding, groups }
}

export function convolutionCases(
  shape: ConvolutionShape,
  options: KernelOptions,
  kernels: Kernels,
): Benchmark[] {
  const { B, T, densities } = options
  const of = (kind: string, end: string, spec: Spec): Benchmark =>
    kernel(`conv2d ${kind} ${nameOf(shape)} B${B}${end}`, 'conv2d', options, spec)
  const on = (kind: string, density: number, plan = {}, limit: Limit = 'event-adds'): Benchmark =>
    of(kind, ` T${T} ${densityName(density)}`, {
      options: { ...sizesOf(shape, B, T), spikes: true, ...plan },
      density,
      work: (train) => ({ ...additions(train, fanOutOf(shape)), limit }),
    })
  const onFloats = (kind: string, steps?: number): Benchmark =>
    of(kind, stepsText(steps), {
      options: sizesOf(shape, B, steps),
      work: denseWork(shape, B * (steps ?? 1)),
    })
  // An image is the same at each step, and no spikes.
  if (kernels === 'image') return [onFloats('image')]
  const all = kernels === 'all'
  return [
    ...densities.map((density) => on('spikes', density)),
    ...(all && shape.groups === 1
      ? [on('int8', densities[densities.length - 1], { weightType: 'int8' }, 'byte-adds')]
      : []),
    ...(all ? [onFloats('dense', T)] : []),
  ]
}

const stepsText = (steps = 1): string => (steps > 1 ? ` T${steps}` : '')

/** Shares of the products that algorithms need. */
const shareOf = (algorithm: string): number => (algorithm.startsWith('winograd') ? 0.25 : 1)

type Part = 'inputGradient' | 'weightGradient'

/** By each algorithm, or the one that a network takes. @param T rows of the gradient */
function denseCases(
  shape: ConvolutionShape,
  options: KernelOptions,
  part: Part,
  T: number,
  byName: boolean,
): Benchmark[] {
  const { B } = options
  const sizes = sizesOf(shape, B, T > 1 ? T : undefined)
  const { g } = convSizes('bench', sizes)
  const list = (g.grouping ? groupedStrategies : strategies)[part]
  const fitting = list.filter((strategy) => strategy.fits({ g, steps: T })).map(({ name }) => name)
  const all = [...new Set<string>(fitting)]
  const least = Math.min(...all.map(shareOf))
  const op = part === 'inputGradient' ? 'conv2dInputGradient' : 'conv2dWeightGradient'
  const end = `${nameOf(shape)} B${B}${stepsText(T)}`
  return (byName ? all : ['auto']).map((algorithm) =>
    kernel(`${op} ${algorithm.replace(' ', '-')} ${end}`, op, options, {
      options: { ...sizes, algorithm },
      work: denseWork(shape, B * T, algorithm === 'auto' ? least : shareOf(algorithm)),
    }),
  )
}

/** From lists of the neurons that fire: rates of counts, or spikes of each step. */
function eventCase(
  shape: ConvolutionShape,
  options: KernelOptions,
  algorithm: 'lists' | 'patterns',
  density: number,
): Benchmark {
  const { B, T } = options
  const isLists = algorithm === 'lists'
  const reads = isLists ? { counts: true, timeSteps: T } : { spikes: true }
  const name = `${algorithm} ${nameOf(shape)} B${B} T${T} ${densityName(density)}`
  return kernel(`conv2dWeightGradient ${name}`, 'conv2dWeightGradient', options, {
    options: { ...sizesOf(shape, B, isLists ? undefined : T), ...reads, algorithm },
    density,
    work: (train) => {
      // Lists hold a neuron once, however often it fires.
      const events = isLists ? (train.active * train.bytes.length) / T : train.events
      return additions(train, fanOutOf(shape), events)
    },
  })
}

/** @param kernels all algorithms, and those on spikes; else what the planner takes */
export function gradientCases(
  shape: ConvolutionShape,
  options: KernelOptions,
  kernels: Kernels,
): Benchmark[] {
  const { T, quick, densities } = options
  const all = kernels === 'all'
  // Through time a stride has a kernel of its own.
  const timed = all || (kernels === 'chosen' && shape.stride > 1)
  const dense = (part: Part): Benchmark[] =>
    (timed && T > 1 ? [1, T] : [1]).flatMap((steps) =>
      denseCases(shape, options, part, steps, all && !quick),
    )
  return [
    // Nobody wants the gradient of an image.
    ...(kernels === 'image' ? [] : dense('inputGradient')),
    ...dense('weightGradient'),
    ...(all && shape.groups === 1
      ? densities.flatMap((density) => [
          eventCase(shape, options, 'lists', density),
          eventCase(shape, options, 'patterns', density),
        ])
      : []),
  ]
}

const products = (count: number): Work => ({
  amount: (2 * count) / 1e9,
  unit: 'GFLOP',
  limit: 'multiply-add',
})

export function linearCases(shape: LinearShape, options: KernelOptions): Benchmark[] {
  const { T, densities } = options
  const { C, N } = shape
  // The rows of a linear layer are few.
  const B = LINEAR_ROWS * options.B
  const [name, weight] = [nameOf(shape), [N, C]]
  const gradient = (op: string): Benchmark =>
    kernel(`${op} ${name} B${B}`, op, options, {
      options: { input: [B, C], weight },
      work: products(B * C * N),
    })
  return [
    ...densities.map((density) =>
      kernel(`linear spikes ${name} B${B} T${T} ${densityName(density)}`, 'linear', options, {
        options: { input: [B, T, C], weight, spikes: true },
        density,
        work: (train) => additions(train, N),
      }),
    ),
    gradient('linearInputGradient'),
    gradient('linearWeightGradient'),
  ]
}

export const matmulCases = (shape: MatmulShape): Benchmark[] =>
  ['NN', 'NT', 'TN'].map((transpose) => {
    const { m, n, k } = shape
    const [a, b] = [transpose === 'TN' ? [k, m] : [m, k], transpose === 'NT' ? [n, k] : [k, n]]
    const spec = { options: { a, b, transpose }, work: products(m * n * k) }
    // It has no work for more threads.
    return kernel(`matmul ${transpose} ${nameOf(shape)}`, 'matmul', { T: 1, threads: 1 }, spec)
  })
