/** Optimizers and learning-rate schedules, as plain data. */

import { describe, expect } from '../errors.js'
import { type Adam, adam, adamW } from './adam.js'
import { type Sgd, sgd } from './sgd.js'

export { type Adam, type AdamOptions, adam, adamW } from './adam.js'
export type { ParameterGroup } from './groups.js'
export {
  type EpochFigures,
  expectFigure,
  figuresOf,
  type Monitor,
  modeOf,
  monitored,
  monitors,
} from './monitor.js'
export { checkNames, type Names, named } from './names.js'
export { checkRate } from './rate.js'
export {
  type CosineOptions,
  checkSchedule,
  constant,
  cosine,
  type EpochSchedule,
  linearWarmup,
  type OneCycleOptions,
  oneCycle,
  type PlateauOptions,
  perStep,
  plateau,
  type Schedule,
  type ScheduleAt,
  type ScheduleBy,
  stepDecay,
} from './schedule.js'
export { type Sgd, type SgdOptions, sgd } from './sgd.js'

/** What an optimizer's maker gives. */
export type Optimizer = Sgd | Adam

/** Which kernel makes a step. */
export type Rule = 'sgd' | 'adam'

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
  adam: { states: ['exp_avg', 'exp_avg_sq'] },
}

/** The rule by which an optimizer steps. */
export const ruleOf = ({ kind }: Optimizer): Rule => (kind === 'adamW' ? 'adam' : kind)

/** How each kind is made. */
const makers: Readonly<Record<Optimizer['kind'], (options: object) => Optimizer>> = {
  sgd,
  adam,
  adamW,
}

/** Names of all optimizers. */
export const optimizerNames = Object.keys(makers) as Optimizer['kind'][]

/**
 * @throws SpikewasmError unless `optimizer` is complete. A missing momentum, for example, would
 *   reach the kernels as NaN.
 */
export function checkOptimizer(name: string, optimizer: Optimizer): void {
  const { kind, ...options } = Object(optimizer) as Optimizer
  const fields = optimizerNames.includes(kind) ? Object.keys(makers[kind]({})) : ['kind']
  const given = new Map<string, unknown>(Object.entries(optimizer ?? {}))
  expect(
    optimizerNames.includes(kind) && fields.every((field) => given.get(field) !== undefined),
    () =>
      `${name} must be made by ${optimizerNames.join(', ')}, as in sgd({ lr: 0.1 }), got ` +
      describe(optimizer),
  )
  makers[kind](options)
}
