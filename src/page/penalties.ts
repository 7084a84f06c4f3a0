/** In a page this stands for `plan/penalties.ts`: who makes penalties brings along their plan. */

import type * as penalties from '../plan/penalties.js'
import { knownPenalties } from './loss-parts.js'

export { emitRatePenalty, penaltyUnits } from '../plan/penalties.js'

export const givePenalties: typeof penalties.givePenalties = (...of) =>
  knownPenalties()?.give(...of)
