/** What a benchmark is: a name, the work of a call, and how to prepare it for a build. */

import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.js'
import { checkSize, IMAGES, type KernelShape, nameOf, parseShape, STEPS } from './cases/shape.js'

/** A build of the package: this one, or the one that --against names. */
export interface Build {
  readonly name: string
  readonly version: string
  readonly sw: typeof import('../index.js')
  readonly ops: typeof import('../ops/index.js')
}

export type Section = 'kernels' | 'steps' | 'inference' | 'memory'

/** What its rate is held against; `byte-adds` are event-adds of weights of one byte. */
export type Limit = 'multiply-add' | 'event-adds' | 'byte-adds' | 'memory'

/** Work of one call. */
export interface Work {
  readonly amount: number
  /** 'GFLOP', 'GB', 'images', 'GSOP' … */
  readonly unit: string
  readonly limit?: Limit
  /**
   * The least that the limit's unit must do for it, in GFLOP, 1e9 additions or GB, where that is
   * not `amount`: algorithms leave products out, and neurons with equal spikes share additions.
   */
  readonly least?: number
  /** Share of GB that is written; default 0.5. */
  readonly written?: number
}

export interface Benchmark {
  /**
   * Begins with the op: `lif 64x32x32 B16 T4`, `conv2d spikes 64x32x32-64 k3 B16 T4 d0.10`, `train
   * resnet18 rate m B16 T4`, `predict cnn B1`, `memory cnn rate m T4`. ASCII, one line, unique.
   */
  readonly name: string
  readonly section: Section
  readonly threads?: number
  /** Work of one call; undefined: time alone. */
  readonly work?: Work
  prepare(build: Build): Prepared | Promise<Prepared>
}

export interface Prepared {
  /** One call; what it returns counts only where it is a promise. */
  run(): unknown
  /** Density of spikes and what else the figure depends on, printed beside it. */
  readonly density?: string
  /** The work, where it is known only behind the first call; else that of the benchmark. */
  readonly work?: Work
  dispose?(): void | Promise<void>
}

// What both `spikewasm bench` and the repository's `npm run bench` can be told.

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
    model,
    timeSteps,
    batchSize,
    densities: density && [...new Set(density)],
    shapes,
  }
}
