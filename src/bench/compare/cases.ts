/**
 * What a comparison measures: each kernel and each of its algorithms at a shape or two, and steps
 * and predictions of a small network, on one thread. There a slower kernel shows most clearly, and
 * there is time to look often. Who asks for a shape, a density, a name, a network or for threads
 * gets them.
 */
import type { Benchmark } from '../benchmark.js'
import { listBenchmarks as listAll } from '../cases/index.js'
import type { Selection } from '../options.js'

/**
 * The benchmarks of a comparison, each name once.
 * @param filter text that names must contain, of all benchmarks then
 */
export function listBenchmarks(selection: Selection, filter?: string): Benchmark[] {
  const { shapes, densities, model, kernelThreads } = selection
  const threads = kernelThreads > 1 ? selection.threads : 1
  const isOpen = shapes === undefined && densities === undefined && filter === undefined
  const listed = (section: string, quick: boolean): Benchmark[] =>
    selection.sections.includes(section)
      ? listAll({ ...selection, sections: [section], threads, quick: selection.quick || quick })
      : []
  return [
    ...listed('kernels', isOpen),
    ...listed('steps', model === undefined),
    ...listed('inference', model === undefined),
  ].filter(({ name }) => filter === undefined || name.includes(filter))
}
