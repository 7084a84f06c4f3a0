/**
 * What a comparison measures: each kernel and each of its algorithms at a shape or two, and steps
 * and predictions of a small network, on one thread. There a slower kernel shows most clearly, and
 * there is time to look often. Who asks for a shape, a density, a name, a network or for threads
 * gets them.
 */
import type { Benchmark } from '../benchmark.js'
import { listBenchmarks as listAll } from '../cases/index.js'
import type { Selection } from '../options.js'

/** Kernels that a quick list leaves out, each where it shows best. */
const more: readonly string[] = [
  ...['hard', 'atan', 'triangle', 'rectangle', 'plif', 'online'].map((name) => `lif ${name} `),
  ...['conv2dInputGradient', 'conv2dWeightGradient'].map((op) => `${op} direct 256x8x8-256 k3 B4`),
  'conv2d spikes 256x8x8-512 k3s2 ',
  'conv2dInputGradient auto 256x8x8-512 k3s2 ',
  ...['conv2d spikes', 'conv2dInputGradient auto', 'conv2dWeightGradient auto'].map(
    (op) => `${op} 64x16x16-64 k3g2 `,
  ),
]

/** @param all whatever there is, not only what is compared without being asked for */
function comparable(selection: Selection, all: boolean): Benchmark[] {
  const { shapes, densities, model, kernelThreads } = selection
  const threads = kernelThreads > 1 ? selection.threads : 1
  const isOpen = shapes === undefined && densities === undefined && !all
  const listed = (section: string, quick: boolean): Benchmark[] =>
    selection.sections.includes(section)
      ? listAll({ ...selection, sections: [section], threads, quick: selection.quick || quick })
      : []
  const rest = (kernels: readonly Benchmark[]): Benchmark[] =>
    isOpen && !selection.quick
      ? listed('kernels', false).filter(
          ({ name }) =>
            more.some((part) => `${name} `.startsWith(part)) &&
            !kernels.some((other) => other.name === name),
        )
      : []
  const kernels = listed('kernels', isOpen)
  return [
    ...kernels,
    ...rest(kernels),
    ...listed('steps', model === undefined && !all),
    ...listed('inference', model === undefined && !all),
  ]
}

/**
 * The benchmarks of a comparison, each name once.
 * @param filter text that names must contain, of all benchmarks then
 */
export function listBenchmarks(selection: Selection, filter?: string): Benchmark[] {
  if (filter === undefined) return comparable(selection, false)
  // An algorithm may have another name in the longer list: both are found.
  const found = [...comparable(selection, true), ...comparable(selection, false)]
  const names = new Map(found.map((benchmark) => [benchmark.name, benchmark]))
  return [...names.values()].filter(({ name }) => name.includes(filter))
}
