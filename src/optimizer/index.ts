/** Optimizers and learning-rate schedules, as plain data. */

import { describe, expect } from '../errors.js'
import { type Sgd, sgd, sgdFields } from './sgd.js'

export { checkRate } from './rate.js'
export {
  constant,
  cosine,
  type EpochSchedule,
  type Schedule,
  type ScheduleAt,
  stepDecay,
} from './schedule.js'
export { type Sgd, type SgdOptions, sgd } from './sgd.js'

/** What an optimizer's maker gives. */
export type Optimizer = Sgd

/** Which kernel makes a step. */
export type Rule = 'sgd'

/** What the planner, the session and checkpoints ask of a rule: a new one is a row here. */
interface RuleRow {
  /**
   * What it keeps for each parameter from step to step, under PyTorch's names; one array of floats
   * each, zero at first.
   */
  readonly states: readonly string[]
}

/** The rules of all optimizers. */
export const rules: Readonly<Record<Rule, RuleRow>> = {
  sgd: { states: ['momentum_buffer'] },
}

/** The rule by which an optimizer steps. */
export const ruleOf = ({ kind }: Optimizer): Rule => kind

/**
 * @throws SpikewasmError unless `optimizer` is complete. A missing momentum, for example, would
 *   reach the kernels as NaN.
 */
export function checkOptimizer(name: string, optimizer: Optimizer): void {
  expect(
    typeof optimizer === 'object' &&
      optimizer?.kind === 'sgd' &&
      sgdFields.every((field) => optimizer[field as keyof Sgd] !== undefined),
    () => `${name} must be made by sgd, as in sgd({ lr: 0.1 }), got ${describe(optimizer)}`,
  )
  const { kind, ...options } = optimizer
  sgd(options)
}
