/** Gradients of convolutions, by each algorithm that can compute them. */
import { convSizes } from '../../ops/convolution.js'
import { groupedStrategies, strategies } from '../../plan/convolution/index.js'
import type { Build, Work } from '../benchmark.js'
import { makeTrain, type SpikeTrain } from '../spikes.js'
import { denseWork, densityName, describeTrain, sizesOf, spikeWork } from './convolutions.js'
import { type KernelOptions, normal, type OpCase, type Planned, sizeOf } from './op.js'
import { type ConvolutionShape, nameOf, outputOf } from './shape.js'

/** Shares of the products that algorithms need. */
const shares: Readonly<Record<string, number>> = { winograd: 0.25, 'winograd stride': 0.25 }

type Part = 'inputGradient' | 'weightGradient'

/** Names of what can compute a gradient; the first is what a network takes, of most shapes. */
function algorithmsOf(shape: ConvolutionShape, B: number, T: number, part: Part): string[] {
  const { g } = convSizes('bench', sizesOf(shape, B, T > 1 ? T : undefined))
  const list = (g.grouping ? groupedStrategies : strategies)[part]
  const names = list.filter((strategy) => strategy.fits({ g, steps: T })).map(({ name }) => name)
  return [...new Set<string>(names)]
}

const outputShape = ({ N, ...shape }: ConvolutionShape, B: number): number[] => [
  B,
  N,
  ...outputOf({ N, ...shape }),
]

/** Products of an algorithm; of `auto` as of the one that needs least. */
function workOf(shape: ConvolutionShape, rows: number, algorithm: string, all: string[]): Work {
  const share = (name: string): number => shares[name] ?? 1
  const least = algorithm === 'auto' ? Math.min(...all.map(share)) : share(algorithm)
  return denseWork(shape, rows, least)
}

/** A name of an algorithm that the op has: `algorithmsOf` says which. */
const named = (algorithm: string) => ({ algorithm: algorithm as 'auto' })

/** Rows of a gradient: one for all steps, or one for each. */
function denseCases(
  shape: ConvolutionShape,
  { B, threads }: KernelOptions,
  part: Part,
  T: number,
  byName: boolean,
): OpCase[] {
  const sizes = sizesOf(shape, B, T > 1 ? T : undefined)
  const [input, output, weight] = [
    sizeOf(sizes.input),
    T * sizeOf(outputShape(shape, B)),
    sizeOf(sizes.weight),
  ]
  const all = algorithmsOf(shape, B, T, part)
  const op = part === 'inputGradient' ? 'conv2dInputGradient' : 'conv2dWeightGradient'
  const name = `${nameOf(shape)} B${B}${T > 1 ? ` T${T}` : ''}`
  return (byName ? all : ['auto']).map((algorithm) => ({
    name: `${op} ${algorithm.replace(' ', '-')} ${name}`,
    threads,
    work: workOf(shape, B * T, algorithm, all),
    make: ({ ops }) =>
      part === 'inputGradient'
        ? ops.conv2dInputGradient.plan({ ...sizes, ...named(algorithm), threads })
        : ops.conv2dWeightGradient.plan({ ...sizes, ...named(algorithm), threads }),
    args: () =>
      part === 'inputGradient'
        ? [normal(weight, 3), normal(output, 2)]
        : [normal(input), normal(output, 2)],
  }))
}

/** Counts of spikes [B, …] of a train [B, T, …]. */
function countsOf({ bytes }: SpikeTrain, { B, T }: KernelOptions): Uint8Array {
  const own = bytes.length / (B * T)
  const counts = new Uint8Array(B * own)
  for (let i = 0; i < bytes.length; i++)
    counts[Math.floor(i / (T * own)) * own + (i % own)] += bytes[i]
  return counts
}

/** From lists of the neurons that fire: rates of counts, or spikes of each step. */
function eventCase(
  shape: ConvolutionShape,
  options: KernelOptions,
  algorithm: 'lists' | 'patterns',
  density: number,
): OpCase {
  const { B, T, threads } = options
  const sizes = sizesOf(shape, B, algorithm === 'lists' ? undefined : T)
  const neurons = B * shape.C * shape.H * shape.W
  const rows = algorithm === 'lists' ? 1 : T
  const name = `${nameOf(shape)} B${B} T${T}`
  return {
    name: `conv2dWeightGradient ${algorithm} ${name} ${densityName(density)}`,
    threads,
    plan({ ops }: Build): Planned {
      const train = makeTrain(neurons, { B, T }, density, 7)
      const reads =
        algorithm === 'lists' ? ({ counts: true, timeSteps: T } as const) : { spikes: true }
      const work = spikeWork(shape, B, T, train)
      return {
        make: () => ops.conv2dWeightGradient.plan({ ...sizes, ...reads, algorithm, threads }),
        args: [
          algorithm === 'lists' ? countsOf(train, options) : train.bytes,
          normal(rows * sizeOf(outputShape(shape, B)), 2),
        ],
        density: describeTrain(train),
        // Of counts one addition for each neuron that fires at all.
        work:
          algorithm === 'lists'
            ? { ...work, least: ((work.least ?? 0) * train.active * neurons) / train.events }
            : work,
      }
    },
  }
}

/**
 * @param all all algorithms, and those on spikes; else what the planner takes
 */
export function gradientCases(
  shape: ConvolutionShape,
  options: KernelOptions,
  kernels: 'all' | 'chosen' | 'image',
): OpCase[] {
  const { T, quick, densities } = options
  const byName = kernels === 'all' && !quick
  // Through time a stride has a kernel of its own.
  const timed = kernels === 'all' || (kernels === 'chosen' && shape.stride > 1)
  const rows = timed && T > 1 ? [1, T] : [1]
  const dense = (part: Part): OpCase[] =>
    rows.flatMap((steps) => denseCases(shape, options, part, steps, byName))
  return [
    // Nobody wants the gradient of an image.
    ...(kernels === 'image' ? [] : dense('inputGradient')),
    ...dense('weightGradient'),
    ...(kernels === 'all' && shape.groups === 1
      ? densities.flatMap((density) => [
          eventCase(shape, options, 'lists', density),
          eventCase(shape, options, 'patterns', density),
        ])
      : []),
  ]
}
