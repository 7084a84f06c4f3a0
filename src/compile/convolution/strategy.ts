/** Ways to compute one part of a convolution, and how one is chosen. */

import { Spike } from '../../../assembly/opcodes.js'
import type { Buffer, Reference } from '../../kernels/records/words.js'
import type { ProgramBuilder } from '../program.js'
import type { DenseInput, SpikeInput, SpikeTensor } from '../tensors.js'
import { type Geometry, inputsOf } from './geometry.js'
import { countsFitFactors, pairListsPay } from './spike-geometry.js'

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
  /** For a weight of whole numbers: see `readsIntegers`. */
  readonly weightScale?: Reference | undefined
  readonly most?: number | undefined
  /** Added to the result, which then is no gradient: of a transposed convolution. */
  readonly bias?: Reference
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

// What forward convolutions cost, in cycles for one output pixel: measured on x86-64 with 128-bit
// vectors.

/**
 * Cycles for one active input and 32 output channels: 8 loads and additions, two a cycle, and the
 * list entry.
 */
const EVENT_CYCLES = 4.5
/** The same for an entry with a factor. */
const WEIGHTED_CYCLES = 5.5
/** The same for an entry of levels, in the lists of the taps inside the image. */
const LEVEL_CYCLES = 5.2
/** Cycles for starting and ending one list. */
const LIST_CYCLES = 30
/**
 * Cycles for one input at one step and 32 output channels of the dense kernel, gathering included.
 */
const DENSE_CYCLES = 4.8
/**
 * Cycles for one neuron of a sum: listing it in a group of so many steps, and adding it to the
 * written-out input of the dense kernel at one step.
 */
const listedCycles = (steps: number): number => 0.5 + 0.6 * steps
/** The same of a level, most of which are sparse; what its entries take is counted with them. */
const SCANNED_CYCLES = 0.3
const WRITTEN_CYCLES = 1.2
/** The same where all sources are as they lie, so that they are counted together. */
const COUNTED_CYCLES = 0.25
/**
 * Neurons that fire at least once in 4 steps, for each unit of firing rate, up to all of them.
 * Trained networks have 1.3 to 1.9.
 */
export const ACTIVE_PER_RATE = 1.7

/** Fraction of the neurons that fire in a group of so many steps at a firing rate; up to 4. */
export const activeAt = (rate: number, steps: number): number =>
  Math.min(1, rate * (1 + ((ACTIVE_PER_RATE - 1) * (steps - 1)) / 3))

/** The firing rate at which a fraction of the neurons fires in a group. */
export const rateAt = (active: number, steps: number): number =>
  active / (1 + ((ACTIVE_PER_RATE - 1) * (Math.min(Spike.GroupSteps, steps) - 1)) / 3)

/**
 * Entries that one input has in the weighted lists of a group: how many different numbers above 0
 * the steps have, where each is a sum of `neurons` that fire independently at a rate. Real neurons
 * fire alike, and have fewer.
 */
function weightedEntries(neurons: number, steps: number, rate: number): number {
  let entries = 0
  // Probability of a sum, from one to the next: binomial.
  let probability = (1 - rate) ** neurons
  for (let sum = 1; sum <= neurons && rate < 1; sum++) {
    probability *= ((neurons - sum + 1) / sum) * (rate / (1 - rate))
    entries += 1 - (1 - probability) ** steps
  }
  return rate < 1 ? entries : 1
}

/**
 * Entries that one input has in lists of levels of a sum: the most that any step of the group has.
 */
function levelEntries(neurons: number, steps: number, rate: number): number {
  if (rate >= 1) return neurons
  let entries = 0
  // Probabilities of a sum, and of smaller ones.
  let probability = (1 - rate) ** neurons
  let below = probability
  for (let sum = 1; sum <= neurons; sum++) {
    entries += 1 - below ** steps
    probability *= ((neurons - sum + 1) / sum) * (rate / (1 - rate))
    below += probability
  }
  return entries
}

/** Groups of 32 output channels. */
const blocksOf = (g: Geometry): number => Math.max(1, g.outC / 32)

/** Neurons that one input sums. */
export const neuronsPerInput = ({ spikes: { sources, pool } }: SpikeTask): number =>
  sources.length * pool.kernelSize[0] * pool.kernelSize[1]

/** Neurons that are summed for one output pixel; 0 where each input is one neuron. */
function summedNeurons(task: SpikeTask): number {
  const { g } = task
  const seen = neuronsPerInput(task)
  return seen > 1 ? (seen * g.inC * g.inH * g.inW) / (g.outH * g.outW) : 0
}

/** Cycles of the forward pass by dense products. */
export const denseCycles = (g: Geometry, steps: number): number =>
  blocksOf(g) * DENSE_CYCLES * inputsOf(g) * steps

/** By dense products on spikes that are written out as floats first. */
export function writtenCycles(task: SpikeTask, products = denseCycles(task.g, task.steps)): number {
  const perNeuron = task.spikes.entries ? COUNTED_CYCLES : WRITTEN_CYCLES
  return products + perNeuron * summedNeurons(task) * task.steps
}

/** By additions for the neurons that fire, at a firing rate. */
export function eventCycles(task: SpikeTask, rate: number): number {
  const seen = neuronsPerInput(task)
  if (task.spikes.entries)
    return listCycles(task, (size) => LEVEL_CYCLES * levelEntries(seen, size, rate))
  return listCycles(task, (size) =>
    isWeighted(task)
      ? WEIGHTED_CYCLES * weightedEntries(seen, size, rate)
      : EVENT_CYCLES * seen * activeAt(rate, size),
  )
}

/** Entries of an input in a group at which additions take so many cycles. */
export function entriesAt(task: SpikeTask, cycles: number): number {
  const silent = listCycles(task, () => 0)
  const perEntry = (listCycles(task, () => LEVEL_CYCLES) - silent) * insideOf(task.g)
  return (cycles - silent) / perEntry
}

/** Share of the taps that lie inside the image: lists have no others. */
function insideOf(g: Geometry): number {
  const share = (size: number, outputs: number, kernel: number, stride: number, pad: number) => {
    let taps = 0
    for (let first = -pad; first < outputs * stride - pad; first += stride)
      taps += Math.min(size, first + kernel) - Math.max(0, first)
    return taps / (outputs * kernel)
  }
  return (
    share(g.inH, g.outH, g.kernelH, g.strideH, g.padH) *
    share(g.inW, g.outW, g.kernelW, g.strideW, g.padW)
  )
}

const isWeighted = (task: SpikeTask): boolean =>
  !task.spikes.entries && countsFitFactors(neuronsPerInput(task))

/** @param perInput cycles of an input in a group of so many steps, for 32 output channels. */
function listCycles(task: SpikeTask, perInput: (size: number) => number): number {
  const { g, steps } = task
  const inputs = inputsOf(g)
  const summed = summedNeurons(task)
  const seen = isWeighted(task) ? 1 : neuronsPerInput(task)
  const mostLists = pairListsPay(inputs * seen, g.blockWidth) ? 7 : 15
  let cycles = 0
  for (let left = steps; left > 0; left -= Spike.GroupSteps) {
    const size = Math.min(Spike.GroupSteps, left)
    const lists = LIST_CYCLES * Math.min(2 ** size - 1, mostLists)
    const perNeuron = task.spikes.entries ? SCANNED_CYCLES : listedCycles(size)
    cycles += blocksOf(g) * (inputs * perInput(size) + lists) + perNeuron * summed
  }
  return cycles
}
