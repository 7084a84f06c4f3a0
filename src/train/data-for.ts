/** Which data a loss can be trained with, as types: what they lack for it does not compile. */

import type { Dataset, LabelledData, TargetData } from '../data/datasets/dataset.js'
import type { Evaluation } from './evaluate.js'

/** What a loss is told of a sample, as far as its type says; a text is told its label. */
type Told<L> = [L] extends [string | { readonly kind: string; readonly targets?: 'labels' }]
  ? 'labels'
  : [L] extends [{ readonly kind: string; readonly targets?: 'values' | 'steps' | number }]
    ? 'numbers'
    : 'unknown'

/**
 * What data of type `D` must be besides, for a loss of type `L`: with labels, or with targets. Of
 * data and losses whose types say nothing of both nothing is asked.
 */
export type DataFor<D extends Dataset, L> =
  Told<L> extends 'numbers'
    ? D extends LabelledData
      ? {
          /** What the compiler shows. */
          readonly 'the loss needs targets; give them to fromArrays': true
        }
      : unknown
    : Told<L> extends 'labels'
      ? D extends TargetData
        ? {
            /** What the compiler shows. */
            readonly 'the loss needs labels; give them to fromArrays': true
          }
        : unknown
      : unknown

/** What `trainStep` is told of a batch, for a loss of type `L`. */
export type AnswersFor<L> = Told<L> extends 'numbers' ? Float32Array : ArrayLike<number>

/**
 * What `evaluate` says of data of type `D`: of labels the accuracy, which only a loss that is a
 * function may leave out. `C`: whether operations are counted.
 */
export type EvaluationOf<D extends Dataset, C extends boolean> = Evaluation &
  ([D] extends [LabelledData] ? Required<Pick<Evaluation, 'accuracy'>> : unknown) &
  ([C] extends [true] ? Required<Pick<Evaluation, 'operations'>> : unknown)
