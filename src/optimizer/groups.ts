/** Groups of parameters with numbers of their own, as PyTorch's param_groups. */

import { checkOptions, describe, expect } from '../errors.js'
import { checkNames, type Names } from './names.js'
import { checkRateOption } from './rate.js'

/** Parameters with numbers of their own; what is left out is the optimizer's. */
export interface ParameterGroup {
  /** Parameters or layers. Of several groups that name one, the first counts. */
  readonly params: Names
  /** Learning rate, ≥ 0; the schedule's factor holds for it too. */
  readonly lr?: number
  /** Weight decay, ≥ 0, of all parameters of the group. */
  readonly weightDecay?: number
}

/** @throws SpikewasmError for what is no list of groups */
export function checkGroups(name: string, groups: readonly ParameterGroup[]): void {
  expect(Array.isArray(groups), () => `${name} must be an array of groups, got ${describe(groups)}`)
  for (const [i, group] of groups.entries()) {
    const where = `${name}[${i}]`
    checkOptions(where, group, ['params', 'lr', 'weightDecay'])
    checkNames(`${where}.params`, group.params)
    for (const key of ['lr', 'weightDecay'] as const)
      if (group[key] !== undefined) checkRateOption(`${where}.${key}`, group[key])
  }
}
