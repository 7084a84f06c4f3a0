/** In a page this stands for `plan/losses/index.ts`: the plans of the losses that it has. */

import type { Loss } from '../loss/index.js'
import type { LossPlan } from '../plan/losses/plans.js'
import { planOfLoss } from './loss-parts.js'

export const lossPlanOf = <L extends Loss>({ kind }: L): LossPlan<L> =>
  planOfLoss(kind) as LossPlan<L>
