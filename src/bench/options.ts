/** What both `spikewasm bench` and the repository's `npm run bench` can be told. */
import { availableParallelism } from 'node:os'
import { fail } from '../errors.js'
import { checkSize, IMAGES, type KernelShape, nameOf, parseShape, STEPS } from './cases/shape.js'

export const sections = ['kernels', 'steps', 'inference', 'memory'] as const

/** What is measured: plain data, so that other processes can be told the same. */
export interface Selection {
  /** Short runs on few shapes. */
  readonly quick: boolean
  readonly sections: readonly string[]
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
export interface SelectionArguments
  extends Partial<Pick<Selection, 'quick' | 'threads' | 'model' | 'timeSteps' | 'batchSize'>> {
  readonly only?: string
  readonly density?: readonly number[]
  readonly shape?: string
}

/** @throws SpikewasmError that names the option */
export function selectionOf(args: SelectionArguments): Selection {
  const { quick = false, only, threads, model, timeSteps, batchSize, density, shape } = args
  // Each shape once.
  const parsed = shape?.split(',').map(parseShape)
  const shapes = parsed && [...new Map(parsed.map((one) => [nameOf(one), one])).values()]
  for (const each of shapes ?? []) checkSize(each, (batchSize ?? IMAGES) * (timeSteps ?? STEPS))
  if (shapes !== undefined && only !== undefined && only !== 'kernels')
    fail(
      `bench.shape must be left out with --only ${only}: it chooses shapes of kernels; write ` +
        '--only kernels or leave --only out',
    )
  return {
    quick,
    sections: shapes ? ['kernels'] : only === undefined ? sections : [only],
    threads: threads ?? Math.min(4, availableParallelism()),
    kernelThreads: threads ?? 1,
    ...{ model, timeSteps, batchSize, densities: density && [...new Set(density)], shapes },
  }
}
