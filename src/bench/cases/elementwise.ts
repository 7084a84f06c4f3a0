/** Passes over tensors. */
import type { Build, Work } from '../benchmark.js'
import { makeTrain } from '../spikes.js'
import { densityEnd, describeTrain } from './convolutions.js'
import { type KernelOptions, normal, type OpCase, type Planned, sizeOf } from './op.js'
import { nameOf, type TensorShape } from './shape.js'

/** Bytes of float32 that a pass reads and writes, in numbers for each element. */
export function moved(elements: number, read: number, written: number): Work {
  const all = read + written
  return {
    amount: (4 * elements * all) / 1e9,
    unit: 'GB',
    limit: 'memory',
    written: written / all,
  }
}

export function elementwiseCases(shape: TensorShape, options: KernelOptions): OpCase[] {
  const { B, T, threads, densities } = options
  const input = [B, T, shape.C, shape.H, shape.W]
  const count = sizeOf(input)
  const neurons = count / T
  const name = `${nameOf(shape)} B${B} T${T}`
  return [
    {
      name: `relu ${name}`,
      threads,
      work: moved(count, 1, 1),
      make: ({ ops }) => ops.relu.plan({ input, threads }),
      args: () => [normal(count)],
    },
    {
      name: `reluBackward ${name}`,
      threads,
      work: moved(count, 2, 1),
      make: ({ ops }) => ops.reluBackward.plan({ input, threads }),
      args: () => [normal(count), normal(count, 2)],
    },
    ...densities.map((density) => ({
      name: `dropout ${name}${densityEnd(density)}`,
      threads,
      // Masks and counts, a byte each, are read and written.
      work: moved(neurons, 0.5, 0.5),
      plan({ ops }: Build): Planned {
        const train = makeTrain(neurons, { B, T }, density, 7)
        return {
          make: () => ops.dropout.plan({ input, spikes: true, threads }),
          args: [train.bytes],
          density: describeTrain(train),
        }
      },
    })),
  ]
}

/** Statistics of a normalisation, and its gradient as the rate method has it. */
export function normCases(shape: TensorShape, { B, T, threads }: KernelOptions): OpCase[] {
  const { C, H, W } = shape
  const [one, timed] = [
    [B, C, H, W],
    [B, T, C, H, W],
  ]
  const [neurons, name] = [sizeOf(one), nameOf(shape)]
  const vector = (value: number): Float32Array => new Float32Array(C).fill(value)
  return [
    {
      name: `batchNorm ${name} B${B} T${T}`,
      threads,
      work: moved(neurons, T, 0),
      // A network hands scale and shift to its neurons.
      make: ({ ops }) => ops.batchNorm.plan({ input: timed, outputs: ['scale', 'shift'], threads }),
      args: () => [normal(neurons * T), vector(0), vector(1), vector(1), vector(0)],
    },
    {
      name: `batchNormBackward ${name} B${B}`,
      threads,
      work: moved(neurons, 2, 1),
      make: ({ ops }) => ops.batchNormBackward.plan({ input: one, normalised: true, threads }),
      args: () => [normal(neurons), normal(neurons, 2), vector(1), vector(1)],
    },
    {
      name: `groupNorm ${name} B${B} T${T}`,
      threads,
      work: moved(neurons, T, T),
      make: ({ ops }) => ops.groupNorm.plan({ input: timed, groups: C % 8 ? 1 : 8, threads }),
      args: () => [normal(neurons * T), vector(1), vector(0)],
    },
    {
      name: `groupNormBackward ${name} B${B} T${T}`,
      threads,
      work: moved(neurons, 2 * T, T),
      make: ({ ops }) =>
        ops.groupNormBackward.plan({ input: timed, groups: C % 8 ? 1 : 8, threads }),
      args: () => [normal(neurons * T, 2), normal(neurons * T), vector(1)],
    },
  ]
}

/** Pooling by windows of 2×2. */
export function poolCases(
  shape: TensorShape,
  { B, T, threads, densities }: KernelOptions,
): OpCase[] {
  const { C, H, W } = shape
  if (H < 2 || W < 2) return []
  const timed = [B, T, C, H, W]
  const [neurons, pooled] = [B * C * H * W, B * C * Math.floor(H / 2) * Math.floor(W / 2)]
  const name = `${nameOf(shape)} B${B} T${T}`
  const window = { kernelSize: 2, threads }
  const onSpikes = (op: 'avgPool2d' | 'maxPool2d', density: number): OpCase => ({
    name: `${op} spikes ${name}${densityEnd(density)}`,
    threads,
    ...(op === 'avgPool2d' && { work: moved(1, neurons / 4, T * pooled) }),
    plan({ ops }: Build): Planned {
      const train = makeTrain(neurons, { B, T }, density, 7)
      return {
        make: () =>
          op === 'avgPool2d'
            ? ops.avgPool2d.plan({ input: timed, spikes: true, ...window })
            : ops.maxPool2d.plan({ input: timed, spikes: true, ...window }),
        args: [train.bytes],
        density: describeTrain(train),
      }
    },
  })
  return [
    ...densities.map((density) => onSpikes('avgPool2d', density)),
    ...densities.map((density) => onSpikes('maxPool2d', density)),
    {
      name: `avgPool2dBackward ${nameOf(shape)} B${B}`,
      threads,
      work: moved(1, pooled, neurons),
      make: ({ ops }) => ops.avgPool2dBackward.plan({ input: [B, C, H, W], ...window }),
      args: () => [normal(pooled)],
    },
  ]
}
