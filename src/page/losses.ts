/**
 * In a page this stands for `loss/index.ts`: the functions that make losses, each with what else
 * belongs to its kind. A bundle holds the kinds whose functions are called.
 */

import * as losses from '../loss/index.js'
import { msePlan, selfDistillationPlan, tetPlan } from '../plan/losses/plans.js'
import { givePenalties } from '../plan/penalties.js'
import {
  knownExits,
  knownLosses,
  knownPenalties,
  registerLoss,
  registerPenalties,
} from './loss-parts.js'

export { crossEntropy, lossNames } from '../loss/index.js'

/** A function that makes losses, with the parts of their kind. */
const withLoss = <F extends (options: never) => losses.Loss>(make: F, register: () => void): F =>
  ((options: never) => {
    register()
    return make(options)
  }) as unknown as F

export const mse = withLoss(losses.mse, () => registerLoss('mse', losses.mse, msePlan))

export const tet = withLoss(losses.tet, () => registerLoss('tet', losses.tet, tetPlan))

export const selfDistillation = withLoss(losses.selfDistillation, () =>
  registerLoss('selfDistillation', losses.selfDistillation, selfDistillationPlan),
)

export const lossOfExits: typeof losses.lossOfExits = () => (knownExits() ?? losses.crossEntropy)()

export const checkLoss: typeof losses.checkLoss = (name, loss) =>
  losses.checkLossBy(knownLosses(), name, loss)

export const ratePenalty: typeof losses.ratePenalty = (options) => {
  registerPenalties({ make: losses.ratePenalty, give: givePenalties })
  return losses.ratePenalty(options)
}

export const checkPenalties: typeof losses.checkPenalties = (name, penalties) =>
  losses.checkPenaltiesBy(knownPenalties()?.make, name, penalties)
