/**
 * The parts of a convolution, and the strategies that compute each. What runs is the cheapest that
 * fits, of equals the first. A convolution by groups of channels has strategies of its own.
 */

import { Spike } from '../../../assembly/opcodes.js'
import { choose } from '../../kernels/records/schema.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import type { ProgramBuilder } from '../program.js'
import type { DenseInput, SpikeInput, SpikeTensor, UnitSums } from '../tensors.js'
import { denseForward, directGradient, directInputGradient, narrowGradient } from './dense.js'
import type { Geometry } from './geometry.js'
import * as grouped from './grouped.js'
import { fewForCost, listGradient, patternGradient } from './patterns.js'
import { countsFitFactors } from './spike-geometry.js'
import { spikeForwards } from './spikes.js'
import {
  ACTIVE_PER_RATE,
  cheapest,
  type DenseForward,
  entriesAt,
  eventCycles,
  type InputGradient,
  type ListGradient,
  neuronsPerInput,
  rateAt,
  type SpikeForward,
  type SpikeTask,
  type Task,
  type WeightGradient,
  withInput,
  writtenCycles,
} from './strategy.js'
import { winogradForward, winogradInput, winogradStride, winogradWeight } from './winograd.js'

export { emitForwardOnIntegers, whyNotIntegers } from './spikes.js'

/** In the order in which equals are preferred. */
export const strategies = {
  /** On spikes, where any fits; else they are written out as floats. */
  forwardOnSpikes: spikeForwards,
  forwardOnFloats: denseForward,
  inputGradient: [winogradInput, winogradStride, directInputGradient],
  weightGradient: [winogradWeight, narrowGradient, directGradient],
} as const

/** Strategies by groups of channels, which no other kernel can run. */
export const groupedStrategies = {
  forwardOnSpikes: [grouped.groupedOnSpikes, grouped.denseOnSpikes],
  forwardOnFloats: [grouped.groupedOnFloats],
  inputGradient: [grouped.denseInput, grouped.groupedInput],
  weightGradient: [grouped.denseWeight, grouped.groupedWeight],
} as const

/** Convolutions by groups have kernels of their own. */
export const strategiesOf = ({ g }: Pick<Task, 'g'>) =>
  g.grouping ? groupedStrategies : strategies

/** Whether a sum of spikes need not be written out as floats. */
export const fitsSpikes = (task: SpikeTask): boolean =>
  strategiesOf(task).forwardOnSpikes.some((strategy) => strategy.fits(task))

/** Returns where the moments of the output are, when they are wanted. */
export const emitForwardOnSpikes = (b: ProgramBuilder, job: SpikeForward): UnitSums | undefined =>
  cheapest(strategiesOf(job).forwardOnSpikes, job).emit(b, job)

export const emitForwardOnFloats = (b: ProgramBuilder, job: DenseForward): void =>
  cheapest(strategiesOf(job).forwardOnFloats, job).emit(b, job)

/** Whether the gradient of the input goes by a weight of whole numbers; else by one of floats. */
export const readsIntegers = (task: Task): boolean =>
  [winogradInput, winogradStride].some((way) => way === cheapest(strategies.inputGradient, task))

export const emitInputGradient = (b: ProgramBuilder, job: InputGradient): void =>
  cheapest(strategiesOf(job).inputGradient, job).emit(b, job)

/** Whether a sum of spikes that is written out goes through Winograd's kernels. */
export const sumsByWinograd = (task: SpikeTask): boolean =>
  task.spikes.entries !== undefined && winogradForward.fits(task)

/** On a sum of spikes that is written out. */
export function emitForwardOnWritten(
  b: ProgramBuilder,
  job: DenseForward & SpikeTask,
  input: Buffer,
): void {
  if (sumsByWinograd(job)) winogradForward.emit(b, { ...job, input })
  else emitForwardOnFloats(b, job)
}

/** A transposed convolution: an image must give the same bits whatever runs beside it. */
export const emitTransposed = (b: ProgramBuilder, job: InputGradient): void =>
  (job.g.grouping ? grouped.groupedInput : directInputGradient).emit(b, job)

/** The model's input has no address before a program runs. */
const isIndirect = ({ address, indirect }: DenseInput): boolean =>
  indirect || typeof address === 'number'

export function emitWeightGradient(b: ProgramBuilder, job: WeightGradient): void {
  const { steps, input } = job
  const still = steps > 1 && input.stepBytes === 0
  const task = { ...job, indirect: isIndirect(input), still }
  const strategy = cheapest(strategiesOf(job).weightGradient, task)
  // Winograd's kernels read some images after the others.
  strategy.emit(b, strategy === winogradWeight ? job : withInput(job))
}

/**
 * Lists are a second weight gradient beside the one of the table, for when few neurons fire: the
 * fraction of active neurons up to which they give the weight's gradient the fastest; undefined
 * where they cannot.
 */
export function fewForLists(task: Task): number | undefined {
  const other = { ...task, steps: 1 }
  return !task.g.grouping && listGradient.fits(task)
    ? cheapest(strategies.weightGradient, other).cost(other, 1)
    : undefined
}

/**
 * Lists of spike patterns are a second one where δ has a row for each step: the fraction of active
 * neurons in a group of four steps up to which they give the weight's gradient the fastest; 1 or
 * more where they always do, undefined where they cannot.
 *
 * @param other what else would compute it.
 */
export function fewForPatterns(task: SpikeTask, other: Task): number | undefined {
  if (!patternGradient.fits(task)) return undefined
  return fewForCost(task, cheapest(strategies.weightGradient, other).cost(other, 1))
}

// Which of two kernels a layer runs, where that depends on how many neurons fire: the plan holds
// both, and the engine takes one by the spikes of the step (`Choose`). The rule is one of shapes
// and exact spike counts, never of timing, so that results repeat.

/** Rates at which the two kernels are compared. */
const RATES = Array.from({ length: 200 }, (_, i) => (i + 1) / 200)

/**
 * Spikes of all sources together from which on a dense convolution is faster than the event-driven
 * one; Infinity when it never is. That is so where each input is one neuron (at four steps a neuron
 * that always fires costs one addition a weight where the dense kernel needs four products), and
 * from three steps on for sums as well.
 */
export function spikesForDense(task: SpikeTask): number {
  const { g, steps, spikes } = task
  // By groups of channels there is one kernel on spikes, or none.
  if (g.grouping) return Number.POSITIVE_INFINITY
  if (spikes.entries) return entriesForDense(task)
  const dense = writtenCycles(task)
  const rate = RATES.find((r) => eventCycles(task, r) > dense)
  return rate === undefined
    ? Number.POSITIVE_INFINITY
    : Math.floor(rate * neurons(g, spikes.sources) * steps)
}

/** The same of the levels of a sum: entries of all levels together. */
function entriesForDense(task: SpikeTask): number {
  const { g, steps, spikes } = task
  const products = sumsByWinograd(task) ? winogradForward.cost(task, 1) : undefined
  const perInput = entriesAt(task, writtenCycles(task, products))
  if (perInput >= spikes.sources.length) return Number.POSITIVE_INFINITY
  return Math.floor(perInput * groupsOf(steps) * neurons(g, spikes.sources.slice(0, 1)))
}

const groupsOf = (steps: number): number => Math.ceil(steps / Spike.GroupSteps)

/**
 * Spikes of all sources together, or entries of the levels of a sum, up to which lists of their
 * patterns give the weight's gradient faster than the other kernel.
 *
 * @param active fraction of active neurons of a group of steps at which both take as long.
 */
export function spikesForPatterns({ g, steps, spikes }: SpikeTask, active: number): number {
  const perNeuron = spikes.entries ? active * groupsOf(steps) : rateAt(active, steps) * steps
  return Math.floor(perNeuron * neurons(g, spikes.sources))
}

/** Rate of neurons whose spikes nobody counts: more than those of most trained networks have. */
const UNCOUNTED_RATE = 0.25

/** Whether such lists are taken where nobody counts the spikes. */
export const patternsWithoutChoice = ({ steps }: SpikeTask, active: number): boolean =>
  rateAt(active, steps) >= UNCOUNTED_RATE

const neurons = (g: Geometry, sources: readonly SpikeTensor[]): number =>
  sources.reduce((sum, { shape }) => sum + g.images * shape[0] * shape[1] * shape[2], 0)

/** Which of two kernels runs: that for few spikes, that for many, or one where a flag says so. */
export type Which = 'few' | 'many' | { readonly few: Reference; readonly many: Reference }

/**
 * The choice by a limit of the spikes of one call; undefined when there is none (an infinite limit,
 * or sources whose spikes nobody counts).
 *
 * @param callSteps steps of a call where spikes add up over several
 */
function chooseBySpikes(
  b: ProgramBuilder,
  { name, spikes: { sources: tensors, entries } }: Counted,
  limit: number,
  callSteps?: number,
): Which | undefined {
  if (!Number.isFinite(limit)) return undefined
  const known = entries ? [entries] : tensors.flatMap(({ sums }) => sums ?? [])
  const sources = known.map(({ buffer: sums, units }) => ({ sums, units }))
  if (!entries && sources.length < tensors.length) return undefined
  // Persistent: a skipped record has no barrier behind it, so a slower worker may read its flag
  // when the others are already past it.
  const out = b.buffer(`${name} choice of kernel`, 8, 'scratch', true)
  const sourceCount = sources.length
  // Entries are those of the call.
  const summed = entries ? undefined : callSteps
  const most = Math.min(limit, 2 ** 32 - 1)
  b.emit(choose, 1, { out, sources, sourceCount, limit: most, callSteps: summed })
  return { few: ref(out), many: ref(out, 4) }
}

type Counted = { readonly name: string; readonly spikes: Pick<SpikeInput, 'sources' | 'entries'> }

/**
 * Whether a forward pass adds for each spike, or multiplies. An image must give the same bits
 * whatever runs beside it, so nothing is chosen without training. The event-driven kernel is then
 * slower by a quarter at most, at one step where half of the neurons fire, unless each neuron of a
 * sum has an entry of its own.
 *
 * @param limit spikes from which on products are faster
 */
export function forwardBy(
  b: ProgramBuilder,
  task: SpikeTask & Counted,
  training: boolean,
  limit = spikesForDense(task),
  callSteps?: number,
): Which {
  if (training) return chooseBySpikes(b, task, limit, callSteps) ?? 'few'
  return Number.isFinite(limit) && !countsFitFactors(neuronsPerInput(task)) ? 'many' : 'few'
}

/** Whether the weight's gradient is one from lists of counts, or of products. */
export function listsBy(
  b: ProgramBuilder,
  { name, g, steps, tensor }: Omit<ListGradient, 'scale' | 'delta' | 'out'>,
): Which {
  const few = fewForLists({ g, steps })
  if (!few) return 'many'
  const limit = Math.floor((few / ACTIVE_PER_RATE) * neurons(g, [tensor]) * steps)
  return chooseBySpikes(b, { name, spikes: { sources: [tensor] } }, limit) ?? 'many'
}

/** Whether the weight's gradient is one from lists of patterns, or of products. */
export function patternsBy(
  b: ProgramBuilder,
  task: SpikeTask & Counted,
  { callSteps, always = false }: { readonly callSteps?: number; readonly always?: boolean } = {},
): Which {
  const few = fewForPatterns(task, { g: task.g, steps: task.steps }) ?? 0
  const choice =
    few > 0 && few < 1 && !always
      ? chooseBySpikes(b, task, spikesForPatterns(task, few), callSteps)
      : undefined
  return choice ?? (patternsWithoutChoice(task, few) ? 'few' : 'many')
}

/** Emits one of two, or both where a run chooses. Returns what they return. */
export function emitEither<R>(
  b: ProgramBuilder,
  which: Which,
  few: (isAlone: boolean) => R,
  many: () => R,
): R[] {
  if (which === 'few') return [few(true)]
  if (which === 'many') return [many()]
  const all: R[] = []
  b.when(which.few, () => all.push(few(false)))
  b.when(which.many, () => all.push(many()))
  return all
}
