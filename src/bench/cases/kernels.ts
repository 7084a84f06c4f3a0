/** Kernels at the shapes of the paper's networks on CIFAR images, or at shapes of one's own. */
import type { Benchmark } from '../benchmark.js'
import type { Selection } from '../options.js'
import { convolutionCases } from './convolutions.js'
import { elementwiseCases } from './elementwise.js'
import { neuronCases, onlineCases } from './neurons.js'
import { type KernelOptions, type OpCase, opBenchmark } from './op.js'
import { type ConvolutionShape, convolution, type TensorShape, tensor } from './shape.js'

const [DENSITIES, QUICK_DENSITIES] = [
  [0.05, 0.1, 0.2, 0.4],
  [0.1, 0.4],
]
/** Density where one is enough. */
export const USUAL_DENSITY = 0.2

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

export function kernelBenchmarks(selection: Selection): Benchmark[] {
  const { quick, shapes, densities, batchSize, timeSteps, kernelThreads } = selection
  const options: KernelOptions = {
    B: batchSize ?? 4,
    T: timeSteps ?? 4,
    threads: kernelThreads,
    densities: densities ?? (quick ? QUICK_DENSITIES : DENSITIES),
    quick,
  }
  // Densities that were asked for are measured everywhere.
  const few = { ...options, densities: densities ?? [USUAL_DENSITY] }
  const cases = shapes
    ? shapes.flatMap((shape) => [
        ...(shape.kind === 'convolution' ? convolutionCases(shape, options, 'all') : []),
        ...(shape.kind === 'tensor' ? tensorCases(shape, options, true) : []),
      ])
    : [
        ...(quick ? main.slice(1, 3) : main).flatMap((s) => convolutionCases(s, options, 'all')),
        ...(quick ? [] : more).flatMap((s) => convolutionCases(s, few, 'chosen')),
        ...(quick ? first.slice(1, 2) : first).flatMap((s) => convolutionCases(s, few, 'image')),
        ...(quick ? grouped.slice(2) : grouped).flatMap((s) => convolutionCases(s, few, 'chosen')),
        ...(quick ? tensors.slice(1, 2) : tensors).flatMap((s, i) =>
          tensorCases(s, options, quick || i === 1),
        ),
      ]
  return cases.map(opBenchmark)
}

/** @param all variants of the neurons, and the passes that matter less */
function tensorCases(shape: TensorShape, options: KernelOptions, all: boolean): OpCase[] {
  return [
    ...neuronCases(shape, options, all),
    ...(all ? [...onlineCases(shape, options), ...elementwiseCases(shape, options)] : []),
  ]
}
