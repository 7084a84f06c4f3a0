/** All benchmarks that are calls in a loop. */
import type { Benchmark } from '../benchmark.js'
import type { Selection } from '../options.js'
import { kernelBenchmarks } from './kernels.js'
import { inferenceBenchmarks, stepBenchmarks } from './steps.js'

/** Benchmarks of a selection, in the order in which they are measured. */
export function listBenchmarks(selection: Selection): Benchmark[] {
  const wants = (section: string): boolean => selection.sections.includes(section)
  return [
    ...(wants('kernels') ? kernelBenchmarks(selection) : []),
    ...(wants('steps') ? stepBenchmarks(selection) : []),
    ...(wants('inference') ? inferenceBenchmarks(selection) : []),
  ]
}
