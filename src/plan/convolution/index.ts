/**
 * The parts of a convolution, and the strategies that compute each. What runs is the cheapest that
 * fits, of equals the first. A kind of convolution of its own (by groups, say) takes its place
 * here: a strategy that fits nothing else, in front of those that fit everything.
 */

import type { ProgramBuilder } from '../program.js'
import type { DenseInput } from '../tensors.js'
import { denseForward } from './dense.js'
import type { Geometry } from './geometry.js'
import { directInputGradient } from './input-gradient.js'
import { listGradient } from './lists.js'
import { spikeForwards } from './spikes.js'
import {
  cheapest,
  type DenseForward,
  type InputGradient,
  type ListGradient,
  type MomentSums,
  type SpikeForward,
  type SpikeTask,
  type Task,
  type WeightGradient,
} from './strategy.js'
import { directGradient, narrowGradient } from './weight-gradient.js'
import { winogradInput, winogradWeight } from './winograd.js'

/** In the order in which equals are preferred. */
export const strategies = {
  /** On spikes, where any fits; else they are written out as floats. */
  forwardOnSpikes: spikeForwards,
  forwardOnFloats: denseForward,
  inputGradient: [winogradInput, directInputGradient],
  weightGradient: [winogradWeight, narrowGradient, directGradient],
} as const

/** Whether a sum of spikes need not be written out as floats. */
export const fitsSpikes = (task: SpikeTask): boolean =>
  strategies.forwardOnSpikes.some((strategy) => strategy.fits(task))

/** Returns where the moments of the output are, when they are wanted. */
export const emitForwardOnSpikes = (b: ProgramBuilder, job: SpikeForward): MomentSums | undefined =>
  cheapest(strategies.forwardOnSpikes, job).emit(b, job)

export const emitForwardOnFloats = (b: ProgramBuilder, job: DenseForward): void =>
  cheapest(strategies.forwardOnFloats, job).emit(b, job)

export const emitInputGradient = (b: ProgramBuilder, job: InputGradient): void =>
  cheapest(strategies.inputGradient, job).emit(b, job)

/** The model's input has no address before a program runs. */
const isIndirect = ({ address, indirect }: DenseInput): boolean =>
  indirect || typeof address === 'number'

export const emitWeightGradient = (b: ProgramBuilder, job: WeightGradient): void =>
  cheapest(strategies.weightGradient, { ...job, indirect: isIndirect(job.input) }).emit(b, job)

/** Whether Winograd's kernels give the gradients of a convolution. */
export const usesWinograd = (g: Geometry, steps: number): boolean =>
  cheapest(strategies.inputGradient, { g, steps }) === winogradInput

/**
 * Lists are a second weight gradient beside the one of the table, for when few neurons fire: the
 * fraction of active neurons up to which they give the weight's gradient the fastest; undefined
 * where they cannot.
 */
export function fewForLists(task: Task): number | undefined {
  const other = { ...task, steps: 1 }
  return listGradient.fits(task)
    ? cheapest(strategies.weightGradient, other).cost(other, 1)
    : undefined
}

export const emitListGradient = (b: ProgramBuilder, job: ListGradient): void =>
  listGradient.emit(b, job)
