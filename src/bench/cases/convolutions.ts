/** Convolutions: forward on spikes, floats and images. */
import type { Build, Work } from '../benchmark.js'
import { makeTrain, type SpikeTrain } from '../spikes.js'
import { type KernelOptions, normal, type OpCase, type Planned, sizeOf } from './op.js'
import { type ConvolutionShape, nameOf, outputOf } from './shape.js'

/** Density where one is enough. */
export const USUAL_DENSITY = 0.2

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
    for (let tap = 0; tap < kernel; tap++) {
      const at = o * stride - padding + tap
      if (at >= 0 && at < size) inside++
    }
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
export function spikeWork(shape: ConvolutionShape, B: number, T: number, train: SpikeTrain): Work {
  const { C, H, W, N, groups } = shape
  const fanOut = ((productsOf(shape) / (H * W)) * N) / groups / 1e9
  return {
    amount: train.rate * T * B * C * H * W * fanOut,
    unit: 'GSOP',
    limit: 'event-adds',
    least: train.events * fanOut,
  }
}

/** Two digits behind the point, or two that are not 0. */
const rateText = (rate: number): string =>
  rate === 0 || rate >= 0.05 ? rate.toFixed(2) : String(Number(rate.toPrecision(2)))

export const describeTrain = ({ rate, active }: SpikeTrain): string =>
  `rate ${rateText(rate)}, active ${rateText(active)}`

interface Sizes {
  readonly input: readonly number[]
  readonly weight: readonly number[]
  readonly stride: number
  readonly padding: number
  readonly groups: number
}

export function sizesOf(shape: ConvolutionShape, B: number, T: number | undefined): Sizes {
  const { C, H, W, N, kernel, stride, padding, groups } = shape
  return {
    input: T === undefined ? [B, C, H, W] : [B, T, C, H, W],
    weight: [N, C / groups, kernel, kernel],
    stride,
    padding,
    groups,
  }
}

/** `d0.10`; with more digits where more were given. */
export function densityName(density: number): string {
  const text = density.toFixed(2)
  return `d${Number(text) === density ? text : density}`
}

/** The same at the end of names that need none at the usual density. */
export const densityEnd = (density: number): string =>
  density === USUAL_DENSITY ? '' : ` ${densityName(density)}`

export function convolutionCases(
  shape: ConvolutionShape,
  { B, T, threads, densities }: KernelOptions,
  kernels: Kernels,
): OpCase[] {
  const name = nameOf(shape)
  const { groups } = shape
  const sizes = sizesOf(shape, B, T)
  const weightOf = (): Float32Array => normal(sizeOf(sizes.weight), 3)
  const onSpikes = (density: number): OpCase => ({
    name: `conv2d spikes ${name} B${B} T${T} ${densityName(density)}`,
    threads,
    plan({ ops }: Build): Planned {
      const train = makeTrain(sizeOf(sizes.input) / T, { B, T }, density, 7)
      return {
        make: () => ops.conv2d.plan({ ...sizes, spikes: true, threads }),
        args: [train.bytes, weightOf()],
        density: describeTrain(train),
        work: spikeWork(shape, B, T, train),
      }
    },
  })
  const onBytes = (density: number): OpCase => ({
    name: `conv2d int8 ${name} B${B} T${T} ${densityName(density)}`,
    threads,
    plan({ ops }: Build): Planned {
      const train = makeTrain(sizeOf(sizes.input) / T, { B, T }, density, 7)
      // Any bytes take the same time.
      const bytes = Int8Array.from(weightOf(), (value) => Math.max(-127, Math.min(127, 40 * value)))
      return {
        make: () => ops.conv2d.plan({ ...sizes, spikes: true, weightType: 'int8', threads }),
        args: [train.bytes, bytes, new Float32Array(shape.N).fill(0.025)],
        density: describeTrain(train),
        work: { ...spikeWork(shape, B, T, train), limit: 'byte-adds' },
      }
    },
  })
  const onFloats = (kind: string, steps: number | undefined): OpCase => {
    const dense = sizesOf(shape, B, steps)
    return {
      name: `conv2d ${kind} ${name} B${B}${steps === undefined ? '' : ` T${steps}`}`,
      threads,
      work: denseWork(shape, B * (steps ?? 1)),
      make: ({ ops }) => ops.conv2d.plan({ ...dense, threads }),
      args: () => [normal(sizeOf(dense.input)), weightOf()],
    }
  }
  // An image is the same at each step, and no spikes.
  if (kernels === 'image') return [onFloats('image', undefined)]
  const all = kernels === 'all'
  return [
    ...densities.map(onSpikes),
    ...(all && groups === 1 ? densities.slice(-1).map(onBytes) : []),
    ...(all ? [onFloats('dense', T)] : []),
  ]
}
