/**
 * Matrix products on operands that are packed within the time, as linear layers and direct
 * convolutions use them.
 */

import { type Budget, measure } from '../src/bench/measure.js'
import { peakGflops } from '../src/bench/peak.js'
import type { Report } from '../src/bench/report.js'
import { fillNormal } from '../src/bench/spikes.js'
import { KernelTable } from './kernel-report.js'
import * as naive from './naive.js'
import { makeCalls } from './rig.js'

/** Sizes up to here have a naive loop beside them; above it takes too long and is no faster. */
const NAIVE_MAX = 256

/** C = A·B, A·Bᵀ and Aᵀ·B of square matrices. */
export function benchMatmuls(
  sizes: readonly number[],
  budget: Budget,
  label: string,
  progress: (text: string) => void,
): Report {
  const notes = ['NN: A·B, NT: A·Bᵀ, TN: Aᵀ·B, all [n][n] float32, row-major.']
  const table = new KernelTable('Matrix products', notes, 'matmul', label)
  let naiveSpeed = 0
  for (const n of sizes) {
    const work = (2 * n ** 3) / 1e9
    if (n <= NAIVE_MAX) {
      const [a, b, c] = [1, 2, 3].map((seed) => {
        const values = new Float32Array(n * n)
        fillNormal(values, seed)
        return values
      })
      naiveSpeed = (1000 * work) / measure(() => naive.matmul(c, a, b, n, n, n), budget).median
    }
    for (const product of ['NN', 'NT', 'TN']) {
      progress(`matmul ${product} ${n}`)
      const bytes = 4 * n * n
      // A first look at the export tells how much scratch it wants.
      const scratchBytes = makeCalls([]).exports.matmulScratch(n)
      const { addresses, exports, floats } = makeCalls([bytes, bytes, bytes, scratchBytes])
      fillNormal(floats(1), 1)
      fillNormal(floats(2), 2)
      const [c, a, b, scratch] = addresses
      const call = exports[`matmul${product}`]
      const timing = measure(() => void call(c, a, b, n, n, n, scratch), budget)
      table.add({
        kernel: product,
        shape: `${n}×${n}×${n}`,
        density: '',
        timing,
        work,
        unit: 'GFLOP/s',
        peak: peakGflops(),
        naive: naiveSpeed,
      })
    }
  }
  return table.report()
}
