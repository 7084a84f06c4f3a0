/** Linear layers and products of matrices; losses and the optimizer. */
import type { Build, Work } from '../benchmark.js'
import { makeTrain } from '../spikes.js'
import { densityName, describeTrain } from './convolutions.js'
import { moved } from './elementwise.js'
import { type KernelOptions, normal, type OpCase, type Planned, sizeOf } from './op.js'
import { LINEAR_ROWS, type LinearShape, type MatmulShape, nameOf } from './shape.js'

const products = (count: number): Work => ({
  amount: (2 * count) / 1e9,
  unit: 'GFLOP',
  limit: 'multiply-add',
})

export function linearCases(shape: LinearShape, options: KernelOptions): OpCase[] {
  const { T, threads, densities } = options
  const { C, N } = shape
  // The rows of a linear layer are few.
  const B = LINEAR_ROWS * options.B
  const [name, weight] = [nameOf(shape), [N, C]]
  const input = [B, T, C]
  const onSpikes = (density: number): OpCase => ({
    name: `linear spikes ${name} B${B} T${T} ${densityName(density)}`,
    threads,
    plan({ ops }: Build): Planned {
      const train = makeTrain(B * C, { B, T }, density, 7)
      return {
        make: () => ops.linear.plan({ input, weight, spikes: true, threads }),
        args: [train.bytes, normal(N * C, 3)],
        density: describeTrain(train),
        work: {
          amount: (train.rate * T * B * C * N) / 1e9,
          unit: 'GSOP',
          limit: 'event-adds',
          least: (train.events * N) / 1e9,
        },
      }
    },
  })
  return [
    ...densities.map(onSpikes),
    {
      name: `linearInputGradient ${name} B${B}`,
      threads,
      work: products(B * C * N),
      make: ({ ops }) => ops.linearInputGradient.plan({ input: [B, C], weight, threads }),
      args: () => [normal(N * C, 3), normal(B * N, 2)],
    },
    {
      name: `linearWeightGradient ${name} B${B}`,
      threads,
      work: products(B * C * N),
      make: ({ ops }) => ops.linearWeightGradient.plan({ input: [B, C], weight, threads }),
      args: () => [normal(B * C), normal(B * N, 2)],
    },
  ]
}

export function matmulCases(shape: MatmulShape): OpCase[] {
  const { m, n, k } = shape
  return (['NN', 'NT', 'TN'] as const).map((transpose) => ({
    name: `matmul ${transpose} ${nameOf(shape)}`,
    // It has no work for more.
    threads: 1,
    work: products(m * n * k),
    make: ({ ops }) =>
      ops.matmul.plan({
        a: transpose === 'TN' ? [k, m] : [m, k],
        b: transpose === 'NT' ? [n, k] : [k, n],
        transpose,
      }),
    args: () => [normal(m * k), normal(k * n, 2)],
  }))
}

/** What ends a step: the loss, and the optimizer on so many parameters. */
export function endCases(options: KernelOptions, parameters: number): OpCase[] {
  const { T, threads } = options
  const [B, classes] = [16 * options.B, 10]
  return [
    {
      name: `crossEntropy ${classes} B${B} T${T}`,
      threads,
      make: ({ ops }) => ops.crossEntropy.plan({ input: [B, T, classes], threads }),
      args: () => [normal(T * B * classes), Int32Array.from({ length: B }, (_, b) => b % classes)],
    },
    {
      name: `sgd ${parameters}`,
      threads,
      work: moved(parameters, 3, 2),
      // So small a rate that all numbers stay normal.
      make: ({ ops }) =>
        ops.sgd.plan({
          shape: [parameters],
          lr: 1e-6,
          momentum: 0.9,
          weightDecay: 5e-4,
          threads,
        }),
      args: () => [normal(parameters), normal(parameters, 2), new Float32Array(parameters)],
    },
    {
      name: `adam ${parameters}`,
      threads,
      work: moved(parameters, 4, 3),
      // A step of later, and as small.
      make: ({ ops }) => ops.adam.plan({ shape: [parameters], step: 1000, lr: 1e-6, threads }),
      args: () => [
        normal(parameters),
        normal(parameters, 2),
        new Float32Array(parameters),
        new Float32Array(parameters).fill(1e-3),
      ],
    },
  ]
}

/** Scaled weight standardisation of a 3×3 convolution. */
export function standardiseCases(channels: number, { threads }: KernelOptions): OpCase[] {
  const weight = [channels, channels, 3, 3]
  return [
    {
      name: `weightStandardise ${channels}-${channels} k3`,
      threads,
      work: moved(sizeOf(weight), 1, 1),
      make: ({ ops }) => ops.weightStandardise.plan({ weight, threads }),
      args: () => [normal(sizeOf(weight), 3)],
    },
  ]
}
