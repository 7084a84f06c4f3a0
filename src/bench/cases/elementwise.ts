/** Passes over tensors. */
import type { Build, Work } from '../benchmark.js'
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

export function elementwiseCases(shape: TensorShape, { B, T, threads }: KernelOptions): OpCase[] {
  const input = [T, B, shape.C, shape.H, shape.W]
  const count = sizeOf(input)
  return [
    {
      name: `relu ${nameOf(shape)} B${B} T${T}`,
      threads,
      work: moved(count, 1, 1),
      plan: ({ ops }: Build): Planned => ({
        make: () => ops.relu.plan({ input, threads }),
        args: [normal(count)],
      }),
    },
  ]
}
