/** Passes over tensors: neurons forward and back, normalisation, pooling, losses, optimizers. */
import { sizeOf } from '../../network/value.js'
import type { Benchmark } from '../benchmark.js'
import { densityName, type KernelOptions, kernel, moved, type Spec, USUAL_DENSITY } from './op.js'
import { nameOf, type TensorShape } from './shape.js'

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
