/** Kernels at the shapes of the paper's networks on CIFAR images, or at shapes of one's own. */
import type { Benchmark } from '../benchmark.js'
import type { Selection } from '../options.js'
import { convolutionCases, type Kernels, USUAL_DENSITY } from './convolutions.js'
import { elementwiseCases, normCases, poolCases } from './elementwise.js'
import { gradientCases } from './gradients.js'
import { neuronCases, onlineCases } from './neurons.js'
import { type KernelOptions, type OpCase, opBenchmark } from './op.js'
import { endCases, linearCases, matmulCases, standardiseCases } from './products.js'
import {
  type ConvolutionShape,
  checkSize,
  convolution,
  IMAGES,
  type KernelShape,
  type LinearShape,
  type MatmulShape,
  STEPS,
  type TensorShape,
  tensor,
} from './shape.js'

const [DENSITIES, QUICK_DENSITIES] = [
  [0.05, 0.1, 0.2, 0.4],
  [0.1, 0.4],
]
/** Blocks of ResNet-18: every kernel and density. */
const main: readonly ConvolutionShape[] = [
  convolution([64, 32, 32], 64),
  convolution([128, 16, 16], 128),
  convolution([256, 8, 8], 256),
  convolution([512, 4, 4], 512),
]

/** Its strides and shortcuts, and VGG-11: the kernels that the planner takes, at one density. */
const more: readonly ConvolutionShape[] = [
  convolution([64, 32, 32], 128, 3, 2),
  convolution([64, 32, 32], 128, 1, 2),
  convolution([128, 16, 16], 256, 3, 2),
  convolution([256, 8, 8], 512, 3, 2),
  convolution([64, 16, 16], 128),
  convolution([256, 4, 4], 512),
  convolution([512, 2, 2], 512),
]

/** First layers, which read an image. */
const first: readonly ConvolutionShape[] = [
  convolution([1, 28, 28], 16),
  convolution([3, 32, 32], 64),
  convolution([3, 224, 224], 64, 7, 2),
]

/** By groups of channels, depthwise last. */
const grouped: readonly ConvolutionShape[] = [
  convolution([64, 16, 16], 64, 3, 1, 2),
  convolution([64, 16, 16], 64, 3, 1, 16),
  convolution([64, 16, 16], 64, 3, 1, 64),
]

const tensors: readonly TensorShape[] = [tensor(64, 32), tensor(256, 8), tensor(512, 4)]

/** Behind the last pooling of ResNet-18 and VGG-11, of `cnn`, and a larger one. */
const linears: readonly LinearShape[] = [
  { kind: 'linear', C: 512, N: 10 },
  { kind: 'linear', C: 2048, N: 10 },
  { kind: 'linear', C: 1024, N: 1024 },
]

const square = (n: number): MatmulShape => ({ kind: 'matmul', m: n, n, k: n })
const [MATMULS, QUICK_MATMULS] = [[128, 256, 512], [128]]
/** Of ResNet-18. */
const [PARAMETERS, QUICK_PARAMETERS] = [11_173_962, 2 ** 18]

export function kernelBenchmarks(selection: Selection): Benchmark[] {
  const { quick, shapes, densities, batchSize, timeSteps, kernelThreads } = selection
  const options: KernelOptions = {
    B: batchSize ?? IMAGES,
    T: timeSteps ?? STEPS,
    threads: kernelThreads,
    densities: densities ?? (quick ? QUICK_DENSITIES : DENSITIES),
    quick,
  }
  if (batchSize !== undefined && !shapes)
    for (const shape of tensors) checkSize(shape, batchSize * options.T, 'batchSize')
  const usual = densities ?? [USUAL_DENSITY]
  const cases = shapes
    ? shapes.flatMap((shape) => ownCases(shape, { ...options, quick: false }, usual))
    : defaultCases(options, usual)
  return cases.map(opBenchmark)
}

function ownCases(shape: KernelShape, options: KernelOptions, usual: readonly number[]): OpCase[] {
  switch (shape.kind) {
    case 'convolution':
      return convolutionsOf([shape], options, options, 'all')
    case 'tensor':
      return tensorCases(shape, { ...options, densities: usual }, true)
    case 'linear':
      return linearCases(shape, options)
    case 'matmul':
      return matmulCases(shape)
  }
}

/** @param usual densities where one is enough; those that were asked for are measured everywhere */
function defaultCases(options: KernelOptions, usual: readonly number[]): OpCase[] {
  const { quick } = options
  const few = { ...options, densities: usual }
  const part = <V>(list: readonly V[], from: number, to: number): readonly V[] =>
    quick ? list.slice(from, to) : list
  return [
    ...convolutionsOf(part(main, 1, 3), options, few, 'all'),
    ...convolutionsOf(part(more, 0, 0), few, few, 'chosen'),
    ...convolutionsOf(part(first, 1, 2), few, few, 'image'),
    ...convolutionsOf(part(grouped, 2, 3), few, few, 'chosen'),
    ...part(linears, 0, 1).flatMap((shape) => linearCases(shape, few)),
    ...part(tensors, 1, 2).flatMap((shape) => tensorCases(shape, few, shape === tensors[1])),
    ...(quick ? QUICK_MATMULS : MATMULS).flatMap((n) => matmulCases(square(n))),
    ...standardiseCases(quick ? 64 : 256, options),
    ...endCases(options, quick ? QUICK_PARAMETERS : PARAMETERS),
  ]
}

/** Forward of all shapes, then the gradients of all of them: a table each. */
function convolutionsOf(
  shapes: readonly ConvolutionShape[],
  forward: KernelOptions,
  gradients: KernelOptions,
  kernels: Kernels,
): OpCase[] {
  return [
    ...shapes.flatMap((shape) => convolutionCases(shape, forward, kernels)),
    ...shapes.flatMap((shape) => gradientCases(shape, gradients, kernels)),
  ]
}

/** @param all variants of the neurons, and the passes that matter less */
function tensorCases(shape: TensorShape, options: KernelOptions, all: boolean): OpCase[] {
  return [
    ...neuronCases(shape, options, all),
    ...normCases(shape, options),
    ...(all
      ? [
          ...poolCases(shape, options),
          ...onlineCases(shape, options),
          ...elementwiseCases(shape, options),
        ]
      : []),
  ]
}
