/**
 * What a comparison measures: all kernels, and steps and predictions of small networks, on one
 * thread. There a slower kernel shows most clearly; in a large network it is a part of a part. Who
 * asks for a network or for threads gets them.
 */
import type { Benchmark } from '../benchmark.js'
import { listBenchmarks as listAll } from '../cases/index.js'
import type { Selection } from '../options.js'

/** The benchmarks of a comparison, each name once. */
export function listBenchmarks(selection: Selection): Benchmark[] {
  const only = (section: string): Selection => ({ ...selection, sections: [section] })
  const wants = (section: string): boolean => selection.sections.includes(section)
  const threads = selection.kernelThreads > 1 ? selection.threads : 1
  const networks = { quick: selection.quick || selection.model === undefined, threads }
  return [
    ...(wants('kernels') ? listAll(only('kernels')) : []),
    ...(wants('steps') ? listAll({ ...only('steps'), ...networks }) : []),
    ...(wants('inference') ? listAll({ ...only('inference'), ...networks }) : []),
  ]
}
