/** What both `spikewasm bench` and the repository's `npm run bench` can be told. */
import { availableParallelism } from 'node:os'
import { expect } from '../errors.js'
import type { Section } from './benchmark.js'
import { checkSize, IMAGES, type KernelShape, nameOf, parseShape, STEPS } from './cases/shape.js'

export const sections = ['kernels', 'steps', 'inference', 'start', 'memory'] as const

/** What is measured: plain data, so that other processes can be told the same. */
export interface Selection {
  /** Short runs on few shapes. */
  readonly quick: boolean
  readonly sections: readonly (Section | string)[]
  /** Largest number of threads. */
  readonly threads: number
  /** Threads of kernels; 1 unless threads were asked for. */
  readonly kernelThreads: number
  readonly model?: string
  readonly timeSteps?: number
  readonly batchSize?: number
  /** Rates of spikes; undefined: the default ones. */
  readonly densities?: readonly number[]
  /** Shapes of kernels; undefined: those of the paper's networks. */
  readonly shapes?: readonly KernelShape[]
}

/** Options as the command line has them. */
export interface SelectionArguments {
  readonly quick?: boolean
  readonly only?: string
  readonly threads?: number
  readonly model?: string
  readonly timeSteps?: number
  readonly batchSize?: number
  readonly density?: readonly number[]
  readonly shape?: string
}

/**
 * @param all sections that run when none is named
 * @param known sections that may be named
 * @throws SpikewasmError that names the option
 */
export function selectionOf(
  args: SelectionArguments,
  all: readonly string[] = sections,
  _known: readonly string[] = all,
): Selection {
  const { quick = false, only, threads, model, timeSteps, batchSize, density, shape } = args
  const shapes = shape === undefined ? undefined : distinct(shape.split(',').map(parseShape))
  for (const each of shapes ?? []) checkSize(each, (batchSize ?? IMAGES) * (timeSteps ?? STEPS))
  expect(
    shapes === undefined || only === undefined || only === 'kernels',
    () =>
      `bench.shape must be left out with --only ${only}: it chooses shapes of kernels; write ` +
      '--only kernels or leave --only out',
  )
  const chosen = shapes ? ['kernels'] : only === undefined ? all : [only]
  return {
    quick,
    sections: chosen,
    threads: threads ?? Math.min(4, availableParallelism()),
    kernelThreads: threads ?? 1,
    ...(model !== undefined && { model }),
    ...(timeSteps !== undefined && { timeSteps }),
    ...(batchSize !== undefined && { batchSize }),
    ...(density && { densities: [...new Set(density)] }),
    ...(shapes && { shapes }),
  }
}

/** Each shape once. */
const distinct = (shapes: readonly KernelShape[]): KernelShape[] => [
  ...new Map(shapes.map((shape) => [nameOf(shape), shape])).values(),
]

const SOURCE = /\.[cm]?[jt]sx?$/i

/** @throws SpikewasmError for a path of a program: `--json my.bench.js` would overwrite it */
export function checkResultPath(option: string, path: string | undefined): void {
  expect(
    path === undefined || !SOURCE.test(path),
    () =>
      `bench.${option} must be a file for results, got ${JSON.stringify(path)}, a program; name ` +
      'benchmark files before the options',
  )
}
