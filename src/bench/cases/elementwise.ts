/** Passes over tensors. */
import type { Build, Work } from '../benchmark.js'
import { makeTrain } from '../spikes.js'
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
  const { B, T, threads } = options
  const input = [T, B, shape.C, shape.H, shape.W]
  const count = sizeOf(input)
  const neurons = count / T
  const name = `${nameOf(shape)} B${B} T${T}`
  return [
    {
      name: `relu ${name}`,
      threads,
      work: moved(count, 1, 1),
      plan: ({ ops }: Build): Planned => ({
        make: () => ops.relu.plan({ input, threads }),
        args: [normal(count)],
      }),
    },
    {
      name: `reluBackward ${name}`,
      threads,
      work: moved(count, 2, 1),
      plan: ({ ops }: Build): Planned => ({
        make: () => ops.reluBackward.plan({ delta: input, threads }),
        args: [normal(count), normal(count, 2)],
      }),
    },
    {
      name: `dropout ${name}`,
      threads,
      // Masks and counts, a byte each, are read and written.
      work: moved(neurons, 0.5, 0.5),
      plan({ ops }: Build): Planned {
        const train = makeTrain(neurons, T, 0.2, 7)
        return {
          make: () => ops.dropout.plan({ input, spikes: true, threads }),
          args: [train.bytes],
        }
      },
    },
  ]
}
