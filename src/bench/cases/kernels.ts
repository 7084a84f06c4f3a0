/** Kernels at the shapes of the paper's networks on CIFAR images, or at shapes of one's own. */

import type { Benchmark, Selection } from '../benchmark.js'
import { type KernelOptions, USUAL_DENSITY } from './op.js'
import { endCases, tensorCases } from './passes.js'
import { checkSize, IMAGES, type KernelShape, parseShape, STEPS } from './shape.js'
import {
  convolutionCases,
  gradientCases,
  type Kernels,
  linearCases,
  matmulCases,
} from './weighted.js'

/** Shapes, and how many of them a quick list has, from which one on. */
const shapesOf = <S extends KernelShape>(text: string, from: number, to: number) => {
  const all = text.split(' ').map((one) => parseShape(one) as S)
  return (quick: boolean): readonly S[] => (quick ? all.slice(from, to) : all)
}
type Shape<Kind> = Extract<KernelShape, { kind: Kind }>

/** Blocks of ResNet-18: every kernel and density. */
const main = shapesOf<Shape<'convolution'>>(
  '64x32x32-64 128x16x16-128 256x8x8-256 512x4x4-512',
  1,
  3,
)
/** Its strides and shortcuts, and VGG-11: the kernels that the planner takes, at one density. */
const more = shapesOf<Shape<'convolution'>>(
  '64x32x32-128s2 64x32x32-128k1s2 128x16x16-256s2 256x8x8-512s2 64x16x16-128 ' +
    '256x4x4-512 512x2x2-512',
  3,
  4,
)
/** First layers, which read an image. */
const first = shapesOf<Shape<'convolution'>>('1x28x28-16 3x32x32-64 3x224x224-64k7s2', 1, 2)
/** By groups of channels, depthwise last. */
const grouped = shapesOf<Shape<'convolution'>>('64x16x16-64g16 64x16x16-64g2 64x16x16-64g64', 1, 3)
const tensors = shapesOf<Shape<'tensor'>>('64x32x32 256x8x8 512x4x4', 1, 2)
/** Behind the last pooling of ResNet-18 and VGG-11, of `cnn`, and a larger one. */
const linears = shapesOf<Shape<'linear'>>('512-10 2048-10 1024-1024', 0, 1)
const matmuls = shapesOf<Shape<'matmul'>>('m128n128k128 m256n256k256 m512n512k512', 0, 1)

const [DENSITIES, QUICK_DENSITIES] = [
  [0.05, 0.1, 0.2, 0.4],
  [0.1, 0.4],
]
/** As many as ResNet-18 has. */
const PARAMETERS = 11_173_962

export function kernelBenchmarks(selection: Selection): Benchmark[] {
  const { shapes, densities, batchSize, timeSteps, kernelThreads } = selection
  const quick = selection.quick && !shapes
  const options: KernelOptions = {
    B: batchSize ?? IMAGES,
    T: timeSteps ?? STEPS,
    threads: kernelThreads,
    densities: densities ?? (quick ? QUICK_DENSITIES : DENSITIES),
    quick,
  }
  // Where one is enough; those that were asked for are measured everywhere.
  const few = { ...options, densities: densities ?? [USUAL_DENSITY] }
  if (shapes) return shapes.flatMap((shape) => ownCases(shape, options, few))
  if (batchSize !== undefined)
    for (const shape of tensors(false)) checkSize(shape, batchSize * options.T, 'batchSize')
  return [
    ...convolutions(main(quick), options, few, 'all'),
    ...convolutions(more(quick), few, few, 'chosen'),
    ...convolutions(first(quick), few, few, 'image'),
    ...convolutions(grouped(quick), few, few, 'chosen'),
    ...linears(quick).flatMap((shape) => linearCases(shape, few)),
    ...tensors(quick).flatMap((shape) => tensorCases(shape, few, shape.C === 256)),
    ...matmuls(quick).flatMap(matmulCases),
    ...(quick ? endCases(options, 64, 2 ** 18) : endCases(options, 256, PARAMETERS)),
  ]
}

function ownCases(shape: KernelShape, options: KernelOptions, few: KernelOptions): Benchmark[] {
  switch (shape.kind) {
    case 'convolution':
      return convolutions([shape], options, options, 'all')
    case 'tensor':
      return tensorCases(shape, few, true)
    case 'linear':
      return linearCases(shape, options)
    case 'matmul':
      return matmulCases(shape)
  }
}

/** Forward of all shapes, then the gradients of all of them: a table each. */
const convolutions = (
  shapes: readonly Shape<'convolution'>[],
  forward: KernelOptions,
  gradients: KernelOptions,
  kernels: Kernels,
): Benchmark[] => [
  ...shapes.flatMap((shape) => convolutionCases(shape, forward, kernels)),
  ...shapes.flatMap((shape) => gradientCases(shape, gradients, kernels)),
]
