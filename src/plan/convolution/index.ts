/**
 * The parts of a convolution, and the strategies that compute each. What runs is the cheapest that
 * fits, of equals the first. A convolution by groups of channels has strategies of its own.
 */

import type { ProgramBuilder } from '../program.js'
import type { DenseInput, UnitSums } from '../tensors.js'
import { denseForward, directInputGradient } from './dense.js'
import {
  denseInput,
  denseOnSpikes,
  denseWeight,
  groupedInput,
  groupedOnFloats,
  groupedOnSpikes,
  groupedWeight,
} from './grouped.js'
import { listGradient } from './lists.js'
import { fewForCost, patternGradient } from './patterns.js'
import { spikeForwards } from './spikes.js'
import {
  cheapest,
  type DenseForward,
  type InputGradient,
  type SpikeForward,
  type SpikeTask,
  type Task,
  type WeightGradient,
  withInput,
} from './strategy.js'
import { directGradient, narrowGradient } from './weight-gradient.js'
import { winogradInput, winogradWeight } from './winograd.js'
import { winogradStride } from './winograd-stride.js'

/** In the order in which equals are preferred. */
export const strategies = {
  /** On spikes, where any fits; else they are written out as floats. */
  forwardOnSpikes: spikeForwards,
  forwardOnFloats: denseForward,
  inputGradient: [winogradInput, winogradStride, directInputGradient],
  weightGradient: [winogradWeight, narrowGradient, directGradient],
} as const

/** Of convolutions by groups of channels, which no other kernel can run. */
export const groupedStrategies = {
  forwardOnSpikes: [groupedOnSpikes, denseOnSpikes],
  forwardOnFloats: [groupedOnFloats],
  inputGradient: [denseInput, groupedInput],
  weightGradient: [denseWeight, groupedWeight],
} as const

/** Those for these sizes. */
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

export const emitInputGradient = (b: ProgramBuilder, job: InputGradient): void =>
  cheapest(strategiesOf(job).inputGradient, job).emit(b, job)

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
