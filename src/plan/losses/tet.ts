/** Temporal efficient training. */

import { expect } from '../../errors.js'
import type { Tet } from '../../loss/index.js'
import type { LossKind } from '../emit-loss.js'
import { quoteMethodsWith, traitsOf } from '../methods.js'
import { tet } from '../records/loss.js'
import type { FieldsOf } from '../records/schema.js'
import type { LossPlan } from './loss-plan.js'

export const tetKind = ({
  lambda,
  mean,
  allSteps,
}: Pick<FieldsOf<typeof tet>, 'lambda' | 'mean' | 'allSteps'>): LossKind => ({
  ofSteps: true,
  emit: (b, fields, instantaneous) =>
    b.emit(tet, 1, { ...fields, lambda, mean, allSteps, instantaneous }),
})

export const tetPlan: LossPlan<Tet> = {
  check(_loss, options) {
    expect(
      traitsOf(options).rows === 'steps',
      () =>
        `loss tet() needs a gradient of each step, which method '${options.method}' has not; use ` +
        quoteMethodsWith(({ rows }) => rows === 'steps'),
    )
  },
  kindOf: ({ lambda, mean }, _options, online) => tetKind({ lambda, mean, allSteps: !online }),
}
