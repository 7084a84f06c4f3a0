/** The optimizer's step, and what gradients that add up start from. */

import {
  copies,
  flag,
  number,
  perParameter,
  reads,
  readsIf,
  record,
  size,
  updates,
  updatesIf,
  writes,
} from './schema.js'

/** SGD; unit = chunk of the parameters. */
export const sgd = record('Sgd', 51, perParameter(0.5), {
  parameters: updates(4),
  gradients: reads(5),
  velocities: updates(6),
  /** Floats, a multiple of 16. */
  count: size(7),
  perUnit: size(8),
  /** Non-zero: `Control.DecayOther` is their decay, else `Control.Decay`. */
  otherDecay: flag(9),
  /** 0, or the parameters' `StepGroup`: its numbers hold, not those of the control block. */
  group: readsIf(10),
})

/** Begins a step: powers of betas, shares of the moving average; one unit. */
export const stepStart = record('StepStart', 80, copies, {
  numbers: updates(4),
  /** Any group: their betas are the same. */
  group: reads(5),
})

/** Adam and AdamW; unit = chunk of the parameters. */
export const adam = record('Adam', 81, perParameter(0.9), {
  parameters: updates(4),
  gradients: reads(5),
  means: updates(6),
  squares: updates(7),
  /** Floats, a multiple of 16. */
  count: size(8),
  perUnit: size(9),
  numbers: reads(10),
  group: reads(11),
})

/** A step by a function that was made of a text; unit = chunk of the parameters. */
export const ruleStep = record(
  'RuleStep',
  85,
  perParameter(0.9),
  {
    /** Which function of the table. */
    kernel: number(4),
    parameters: updates(5),
    gradients: reads(6),
    /** Floats, a multiple of 16. */
    count: size(7),
    perUnit: size(8),
    /** 16: floats that the function goes through together. */
    channels: size(9),
    numbers: reads(10),
    group: reads(11),
    /** What the rule keeps. */
    state0: updatesIf(12),
    state1: updatesIf(13),
    state2: updatesIf(14),
    state3: updatesIf(15),
  },
  () => 16,
)

/** Sums of squares; unit = chunk of the gradients. */
export const squaredNorm = record('SquaredNorm', 82, perParameter(0.2), {
  /** f64, one for each unit. */
  partial: writes(4),
  in: reads(5),
  /** Floats, a multiple of 16. */
  count: size(6),
  perUnit: size(7),
})

/** Norm of the gradients, and the factor that clips them; one unit. */
export const clipFinish = record('ClipFinish', 83, copies, {
  numbers: updates(4),
  partial: reads(5),
  /** For the partial sums. */
  count: size(6),
})

/** Out = keep·Out + factor·In; unit = chunk of the parameters. */
export const blend = record('Blend', 84, perParameter(0.3), {
  out: updates(4),
  in: reads(5),
  /** Floats, a multiple of 16. */
  count: size(6),
  perUnit: size(7),
  /** Address of a float32. */
  factor: reads(8),
  /** 0, or the address of a float32. */
  keep: readsIf(9),
})

/** Floats floats of Out become 0; unit = perUnit floats. */
export const clear = record('Clear', 53, copies, {
  out: writes(4),
  /** A multiple of 4. */
  floats: number(5),
  perUnit: number(6),
})
