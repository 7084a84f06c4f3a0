/** Plans of losses by their kinds. */

import type { Loss } from '../../loss/index.js'
import { crossEntropyPlan, type LossPlan, msePlan, selfDistillationPlan, tetPlan } from './plans.js'

const plans: { readonly [K in Loss['kind']]: LossPlan<Extract<Loss, { kind: K }>> } = {
  crossEntropy: crossEntropyPlan,
  mse: msePlan,
  tet: tetPlan,
  selfDistillation: selfDistillationPlan,
}

export const lossPlanOf = <L extends Loss>({ kind }: L): LossPlan<L> =>
  plans[kind] as unknown as LossPlan<L>
