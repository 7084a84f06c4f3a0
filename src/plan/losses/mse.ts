/** Mean squared error. */

import type { MeanSquaredError } from '../../loss/index.js'
import type { LossKind } from '../emit-loss.js'
import { meanSquaredError } from '../records/loss.js'
import type { FieldsOf } from '../records/schema.js'
import type { LossPlan } from './loss-plan.js'
import { scalesOf } from './scale.js'

export const mseKind = (
  numbers: Pick<FieldsOf<typeof meanSquaredError>, 'outputScale' | 'low' | 'high' | 'values'>,
): LossKind => ({
  ofValues: numbers.values,
  emit: (b, fields, instantaneous) =>
    b.emit(meanSquaredError, 1, { ...fields, ...numbers, instantaneous }),
})

export const msePlan: LossPlan<MeanSquaredError> = {
  kindOf({ of, targets, incorrectRate, correctRate }, options, online) {
    const { factor, outputScale } = scalesOf(of, options, online)
    return targets === 'values'
      ? mseKind({ outputScale, values: true })
      : mseKind({ outputScale, low: incorrectRate * factor, high: correctRate * factor })
  },
}
