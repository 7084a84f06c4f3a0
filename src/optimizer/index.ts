/** Learning-rate schedules, and what optimizers are told beside their numbers, as plain data. */

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
