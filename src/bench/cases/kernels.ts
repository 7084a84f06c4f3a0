/** Kernels at the shapes of the paper's networks on CIFAR images, or at shapes of one's own. */

import { sizeOf } from '../../network/value.js'
import type { Benchmark, Selection } from '../benchmark.js'
import { densityName, type KernelOptions, kernel, moved, type Spec, USUAL_DENSITY } from './op.js'
import {
  checkSize,
  IMAGES,
  type KernelShape,
  nameOf,
  parseShape,
  STEPS,
  type TensorShape,
} from './shape.js'
import * as weighted from './weighted.js'

// Passes over tensors: neurons forward and back, normalisation, pooling, losses, optimizers.

/** Makes passes over a tensor. */
function passOf(shape: TensorShape, options: KernelOptions) {
  const { C, H, W } = shape
  const { B, T } = options
  const neurons = B * C * H * W
  /**
   * Over all steps, or over one.
   * @param traffic numbers that are read and written of each neuron
   */
  return (
    title: string,
    traffic: readonly [read: number, written: number] | undefined,
    plan: Spec['options'] = {},
    { still = false, density }: { still?: boolean; density?: number } = {},
  ): Benchmark => {
    const input = still ? [B, C, H, W] : [B, T, C, H, W]
    const name = `${title} ${nameOf(shape)} B${B}${still ? '' : ` T${T}`}`
    const isUsual = density === undefined || density === USUAL_DENSITY
    const end = isUsual ? '' : ` ${densityName(density)}`
    return kernel(`${name}${end}`, title.split(' ', 1)[0], options, {
      options: (sw) => ({ input, ...(typeof plan === 'function' ? plan(sw) : plan) }),
      density,
      ...(traffic && { work: moved(neurons, ...traffic) }),
    })
  }
}
type Pass = ReturnType<typeof passOf>

function neuronCases(pass: Pass, T: number, densities: readonly number[]): Benchmark[] {
  // Currents are read; for each neuron masks, counts and a number, or one a step, are written.
  const lif = (variant: string, plan: object, read = T, density?: number): Benchmark => {
    const online = variant === ' online'
    const outputs = ['spikes', 'counts', online ? 'surrogates' : 'eligibilities']
    const traffic = [read, 0.5 + (online ? T : 1)] as const
    return pass(`lif${variant}`, traffic, { affine: true, outputs, ...plan }, { density })
  }
  return [
    lif('', {}),
    ...densities.map((density) => lif(' shortcut', { shortcut: true }, T + 0.25, density)),
    lif(' residual', { residual: true }, 2 * T),
    lif(' hard', { vReset: 0 }),
    ...['atan', 'triangle', 'rectangle'].map((surrogate) => lif(` ${surrogate}`, { surrogate })),
    lif(' plif', { learnable: true }),
    lif(' online', {}),
    pass('lifBackward rate', [2, 1], { mode: 'rate' }, { still: true }),
    pass('lifBackward time', [2 * T, T], { mode: 'time' }),
    pass('lifBackward online', [2 * T, T], { mode: 'online' }),
    ...(['cubaLif', 'alif', 'leakyIntegrator'] as const).flatMap((kind) => {
      const outputs = [kind === 'leakyIntegrator' ? 'potentials' : 'spikes']
      const traffic = [T, kind === 'leakyIntegrator' ? T : 0.5] as const
      return [
        pass(`cell ${kind}`, traffic, (sw) => ({ cell: sw[kind](), outputs })),
        pass(`cellBackward ${kind}`, [2 * T, T], (sw) => ({ cell: sw[kind]() })),
      ]
    }),
  ]
}

/** @param all variants of the neurons, and the passes that matter less */
export function tensorCases(shape: TensorShape, options: KernelOptions, all: boolean): Benchmark[] {
  const { C, H, W } = shape
  const { T, densities } = options
  const pass = passOf(shape, options)
  const onSpikes = (title: string, traffic: Parameters<Pass>[1], plan: object) =>
    densities.map((density) => pass(title, traffic, { spikes: true, ...plan }, { density }))
  const groups = C % 8 ? 1 : 8
  const norms = [
    // A network hands scale and shift to its neurons.
    pass('batchNorm', [T, 0], { outputs: ['scale', 'shift'] }),
    pass('batchNormBackward', [2, 1], { normalised: true }, { still: true }),
    pass('groupNorm', [T, T], { groups }),
    pass('groupNormBackward', [2 * T, T], { groups }),
  ]
  const neurons = neuronCases(pass, T, densities)
  if (!all) return [neurons[0], ...norms]
  const window = { kernelSize: 2 }
  const share = ((H >> 1) * (W >> 1)) / (H * W)
  const pools = [
    ...onSpikes('avgPool2d spikes', [0.25, T * share], window),
    ...onSpikes('maxPool2d spikes', undefined, window),
    pass('avgPool2dBackward', [share, 1], window, { still: true }),
  ]
  return [
    ...neurons,
    ...norms,
    ...(share > 0 ? pools : []),
    pass('trace', [T, 1]),
    pass('timeSum', [T, 1]),
    pass('relu', [T, T]),
    pass('reluBackward', [2 * T, T]),
    // Masks and counts, a byte each, are read and written.
    ...onSpikes('dropout', [0.5, 0.5], {}),
  ]
}

/** Scaled weight standardisation; and what ends a step: the loss, and optimizers. */
export function endCases(options: KernelOptions, channels: number, count: number): Benchmark[] {
  const { T } = options
  const [B, classes, weight] = [16 * options.B, 10, [channels, channels, 3, 3]]
  const of = (op: string, size: string | number, plan: object, work?: Spec['work']): Benchmark =>
    kernel(`${op} ${size}`, op, options, { options: plan, ...(work && { work }) })
  // So small a rate that all numbers stay normal.
  const step = { shape: [count], lr: 1e-6 }
  const sgd = { ...step, momentum: 0.9, weightDecay: 5e-4 }
  const weights = moved(sizeOf(weight), 1, 1)
  return [
    of('weightStandardise', `${channels}-${channels} k3`, { weight }, weights),
    of('crossEntropy', `${classes} B${B} T${T}`, { input: [B, T, classes] }),
    of('sgd', count, sgd, moved(count, 3, 2)),
    of('adam', count, { ...step, step: 1000 }, moved(count, 4, 3)),
  ]
}

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
    ...linears(quick).flatMap((shape) => weighted.linearCases(shape, few)),
    ...tensors(quick).flatMap((shape) => tensorCases(shape, few, shape.C === 256)),
    ...matmuls(quick).flatMap(weighted.matmulCases),
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
      return weighted.linearCases(shape, options)
    case 'matmul':
      return weighted.matmulCases(shape)
  }
}

/** Forward of all shapes, then the gradients of all of them: a table each. */
const convolutions = (
  shapes: readonly Shape<'convolution'>[],
  forward: KernelOptions,
  gradients: KernelOptions,
  kernels: weighted.Kernels,
): Benchmark[] => [
  ...shapes.flatMap((shape) => weighted.convolutionCases(shape, forward, kernels)),
  ...shapes.flatMap((shape) => weighted.gradientCases(shape, gradients, kernels)),
]
