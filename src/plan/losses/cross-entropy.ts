/** Cross entropy. */

import type { CrossEntropy } from '../../loss/index.js'
import type { LossKind } from '../emit-loss.js'
import { crossEntropy } from '../records/loss.js'
import type { FieldsOf } from '../records/schema.js'
import type { LossPlan } from './loss-plan.js'
import { scalesOf } from './scale.js'

export const crossEntropyKind = ({
  mseWeight,
  labelSmoothing,
  outputScale,
}: Pick<
  FieldsOf<typeof crossEntropy>,
  'mseWeight' | 'labelSmoothing' | 'outputScale'
>): LossKind => ({
  emit(b, fields, instantaneous) {
    const numbers = { mseWeight, instantaneous, labelSmoothing, outputScale }
    b.emit(crossEntropy, 1, { ...fields, ...numbers })
  },
})

export const crossEntropyPlan: LossPlan<CrossEntropy> = {
  kindOf: (loss, options, online) =>
    crossEntropyKind({
      mseWeight: online ? options.mseWeight : 0,
      labelSmoothing: loss.labelSmoothing || undefined,
      outputScale: scalesOf(loss.of, options, online).outputScale,
    }),
}
