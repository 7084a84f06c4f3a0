/** What callbacks of ours see of a training beside its hooks. */

import type { Dataset } from '../data/dataset.js'
import type { Session } from '../runtime/session.js'
import type { Training } from './callback.js'
import type { EpochRecord } from './records.js'

export interface Inside {
  readonly session: Session
  /** What epochs are validated with. */
  readonly validation?: Dataset
  /** Of the epochs so far, from before a resume too. */
  readonly records: readonly EpochRecord[]
  /** What ends it early. */
  readonly signal?: AbortSignal
}

const insides = new WeakMap<Training, Inside>()

export function openInside(training: Training, inside: Inside): void {
  insides.set(training, inside)
}

/** Undefined for what is no training of `fit`. */
export const insideOf = (training: Training): Inside | undefined => insides.get(training)
