/** Groups of parameters with numbers of their own, as PyTorch's param_groups. */

import { describe, fail } from '../errors.js'
import { by, complete, optional } from '../rules.js'
import { checkNames, type Names } from './names.js'
import { rate } from './rate.js'

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
  if (!Array.isArray(groups)) fail(`${name} must be an array of groups, got ${describe(groups)}`)
  const rules = { params: by(checkNames), lr: optional(rate()), weightDecay: optional(rate()) }
  for (const [i, group] of groups.entries()) complete(`${name}[${i}]`, rules, group)
}
