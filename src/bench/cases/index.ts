/** All benchmarks that are calls in a loop. */

import type { Benchmark, Selection } from '../benchmark.js'
import { kernelBenchmarks } from './kernels.js'
import { inferenceBenchmarks, stepBenchmarks } from './networks.js'

const sections: Readonly<Record<string, (selection: Selection) => Benchmark[]>> = {
  kernels: kernelBenchmarks,
  steps: stepBenchmarks,
  inference: inferenceBenchmarks,
}

/** Sections whose calls run in a loop in one process, so that two builds can take turns. */
export const looped: readonly string[] = Object.keys(sections)

/** Benchmarks of a selection, in the order in which they are measured. */
export const listBenchmarks = (selection: Selection): Benchmark[] =>
  looped.flatMap((section) =>
    selection.sections.includes(section) ? sections[section](selection) : [],
  )

/**
 * What a comparison has time for, each name once: the quick list, on one thread. Who asks for a
 * shape, a density, a name, a network or for threads gets them.
 * @param filter text that names must contain, of all benchmarks then
 */
export function listCompared(selection: Selection, filter?: string): Benchmark[] {
  const { shapes, densities, model, kernelThreads, quick } = selection
  const threads = kernelThreads > 1 ? selection.threads : 1
  const list = (all: boolean): Benchmark[] =>
    selection.sections.flatMap((section) => {
      const isAsked = all || (section === 'kernels' ? (shapes ?? densities) : model) !== undefined
      const sections = [section]
      return listBenchmarks({ ...selection, sections, threads, quick: quick || !isAsked })
    })
  // An algorithm may have another name in the longer list: both are found.
  const found = filter === undefined ? list(false) : [...list(true), ...list(false)]
  const chosen = found.filter(({ name }) => name.includes(filter ?? ''))
  return [...new Map(chosen.map((benchmark) => [benchmark.name, benchmark])).values()]
}
