/** How far the training of a model has come. */

import { addTo } from '../../base/objects.js'
import type { StepResult } from '../compile-options.js'

/** What an epoch has added up so far. */
export interface EpochSums {
  /** Steps that were added up. */
  steps: number
  loss: number
  correct: number
  /** How many there are; absent: as many as were seen. */
  answers?: number
  seen: number
  /** Firing rates by layer name. */
  rates: Record<string, number>
}

/** Where the next step is; plain data. */
export interface Progress {
  /** Epochs that are complete: the index of the one that runs or comes next. */
  epoch: number
  /** Steps of it that are done. */
  step: number
  sums: EpochSums
  /** The data of that epoch; other data begin it anew. */
  data?: string
}

/** Sums of an epoch without a step. */
export const noSums = (): EpochSums => ({ steps: 0, loss: 0, correct: 0, seen: 0, rates: {} })

const answersOf = ({ answers, seen }: EpochSums): number => answers ?? seen

/** What a step adds of its answers; how many there were is said where it is not plain. */
export const rightOf = (
  { correct, answers }: Pick<StepResult, 'correct' | 'answers'>,
  count: number,
): Pick<EpochSums, 'correct' | 'answers'> =>
  answers === count ? { correct } : { correct, answers }

/** Share of right answers; 0 of none. */
export const accuracyOf = (sums: EpochSums): number =>
  answersOf(sums) > 0 ? sums.correct / answersOf(sums) : 0

/** Adds what more steps have found. @param among of so many the means are taken */
export function addSums(to: EpochSums, from: EpochSums, among = 1): void {
  to.steps += from.steps
  to.loss += from.loss / among
  if ((to.answers ?? from.answers) !== undefined) to.answers = answersOf(to) + answersOf(from)
  to.correct += from.correct
  to.seen += from.seen
  for (const [name, rate] of Object.entries(from.rates)) addTo(to.rates, name, rate / among)
}

/** Before the first step. */
export const beginning = (epoch = 0): Progress => ({ epoch, step: 0, sums: noSums() })
