/** Trainings whose steps are done in rounds: what `fit` asks of whoever does them. */

import type { Dataset } from '../data/dataset.js'
import type { Session } from '../runtime/session.js'
import type { Loop, LoopParts } from './loop.js'
import type { Setting } from './snapshot.js'

export interface InRounds {
  /** What numbers depend on, for checkpoints: a run goes on in the same rounds alone. */
  readonly setting: object
  /** How many steps an epoch has, and samples a step. */
  feed(session: Session, data: Dataset): LoopParts['feed']
  /** @param setting all that the training's numbers depend on */
  loop(parts: LoopParts, data: Dataset, setting: () => Setting): Loop
}
