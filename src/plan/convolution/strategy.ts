/** Ways to compute one part of a convolution, and how one is chosen. */

import type { ProgramBuilder } from '../program.js'
import type { DenseInput, SpikeInput, SpikeTensor } from '../tensors.js'
import type { Buffer, Reference } from '../words.js'
import type { Geometry } from './geometry.js'

/** What a strategy is chosen by. */
export interface Task {
  readonly g: Geometry
  /** Rows per pixel of the output, or of its gradient. */
  readonly steps: number
  /** The input's address is known only when the program runs (the model's input). */
  readonly indirect?: boolean
  /** The input has one row per pixel, which every step reads. */
  readonly still?: boolean
}

export interface SpikeTask extends Task {
  readonly spikes: SpikeInput
  /** Little memory matters more than many units; nobody wants moments. */
  readonly compact?: boolean
}

/** One way to compute a job. `Seen`: what decides whether it is taken. */
export interface Strategy<Job extends Seen, Seen extends Task = Task, Result = void> {
  readonly name: string
  /** Whether its kernels can run it, and are made for its sizes. */
  fits(task: Seen): boolean
  /**
   * Time, in a unit that the strategies of a list share.
   *
   * @param activity how much fires, for kernels that leave out what does not: 0 … 1.
   */
  cost(task: Seen, activity: number): number
  emit(b: ProgramBuilder, job: Job): Result
}

/** The cheapest that fits; of equals the first. */
export function cheapest<Job extends Seen, Seen extends Task, Result>(
  strategies: readonly Strategy<Job, Seen, Result>[],
  task: Seen,
  activity = 1,
): Strategy<Job, Seen, Result> {
  const fitting = strategies.filter((strategy) => strategy.fits(task))
  if (fitting.length === 0) throw new Error('no strategy fits this convolution')
  return fitting.reduce((best, next) =>
    next.cost(task, activity) < best.cost(task, activity) ? next : best,
  )
}

interface Job extends Task {
  /** Names the buffers that are made for it. */
  readonly name: string
}

interface Forward extends Job {
  readonly weight: Reference
  readonly bias: Reference | undefined
  /** Written: [B][OutH][OutW][steps][outC]; of the input's gradient [B][InH][InW][steps][inC]. */
  readonly out: Buffer
}

/** Forward on floats. */
export interface DenseForward extends Forward {
  readonly input: DenseInput
  readonly zeros: Buffer
}

/** Forward on spikes. */
export interface SpikeForward extends Forward, SpikeTask {
  /** Have the moments of the output written, for a BatchNorm. */
  readonly withMoments: boolean
}

/** Gradient of the input. */
export interface InputGradient extends Omit<DenseForward, 'bias' | 'input'> {
  /** Gradient of the output, [B][OutH][OutW][steps][outC]. */
  readonly delta: Buffer
}

/** A job that gives the gradient of the weight. */
interface ToWeight extends Pick<InputGradient, keyof Job | 'delta'> {
  /** In the weight's layout. */
  readonly out: Reference
}

/** Gradient of the weight. */
export interface WeightGradient extends ToWeight {
  readonly input: DenseInput
  /**
   * Writes out what `input` is to be for some of the images, which no other record reads, and says
   * where that is. Where this is absent, all of it is there.
   */
  readonly writeInput?: (firstImage: number, images: number) => Reference
  /** Add to `out` instead of writing it (online methods). */
  readonly accumulate: boolean
}

/** A job of which all input is written out. */
export function withInput(job: WeightGradient): WeightGradient {
  const { input, writeInput, ...rest } = job
  return writeInput ? { ...rest, input: { ...input, address: writeInput(0, job.g.images) } } : job
}

/** Gradient of the weight from the counts of spikes; `steps` is what they run over. */
export interface ListGradient extends ToWeight {
  readonly tensor: SpikeTensor
  readonly scale: number
}

/** Gradient of the weight from the masks of spikes; `steps` is what masks and δ run over. */
export type PatternGradient = Omit<WeightGradient, 'input' | 'writeInput'> & SpikeTask
