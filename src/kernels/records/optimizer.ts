/** The optimizer's step, and what gradients that add up start from. */

import * as word from './schema.js'
import { copies, perParameter, record } from './schema.js'

/** SGD; unit = chunk of the parameters. */
export const sgd = record('Sgd', 51, perParameter(0.5), {
  parameters: word.updates(4),
  gradients: word.reads(5),
  velocities: word.updates(6),
  /** Floats, a multiple of 16. */
  count: word.size(7),
  perUnit: word.size(8),
  /** Non-zero: `Control.DecayOther` is their decay, else `Control.Decay`. */
  otherDecay: word.flag(9),
  /** 0, or the parameters' `StepGroup`: its numbers hold, not those of the control block. */
  group: word.readsIf(10),
})

/** Begins a step: powers of betas, shares of the moving average; one unit. */
export const stepStart = record('StepStart', 80, copies, {
  numbers: word.updates(4),
  /** Any group: their betas are the same. */
  group: word.reads(5),
})

/** Adam and AdamW; unit = chunk of the parameters. */
export const adam = record('Adam', 81, perParameter(0.9), {
  parameters: word.updates(4),
  gradients: word.reads(5),
  means: word.updates(6),
  squares: word.updates(7),
  /** Floats, a multiple of 16. */
  count: word.size(8),
  perUnit: word.size(9),
  numbers: word.reads(10),
  group: word.reads(11),
})

/** Arrays that a rule may keep. */
export const MOST_STATES = 8
const kept = Object.fromEntries(
  Array.from({ length: MOST_STATES }, (_, i) => [`state${i}`, word.updatesIf(12 + i)]),
) as { readonly [name: `state${number}`]: word.Field<word.Place | undefined> }

/** A step by a function that was made of a text; unit = chunk of the parameters. */
export const ruleStep = record(
  'RuleStep',
  85,
  perParameter(0.9),
  {
    /** Which function of the table. */
    kernel: word.number(4),
    parameters: word.updates(5),
    gradients: word.reads(6),
    /** Floats, a multiple of 16. */
    count: word.size(7),
    perUnit: word.size(8),
    /** 16: floats that the function goes through together. */
    channels: word.size(9),
    numbers: word.reads(10),
    group: word.reads(11),
    ...kept,
  },
  () => 16,
)

/** Sums of squares; unit = chunk of the gradients. */
export const squaredNorm = record('SquaredNorm', 82, perParameter(0.2), {
  /** f64, one for each unit. */
  partial: word.writes(4),
  in: word.reads(5),
  /** Floats, a multiple of 16. */
  count: word.size(6),
  perUnit: word.size(7),
})

/** Norm of the gradients, and the factor that clips them; one unit. */
export const clipFinish = record('ClipFinish', 83, copies, {
  numbers: word.updates(4),
  partial: word.reads(5),
  /** For the partial sums. */
  count: word.size(6),
})

/** Out = keep·Out + factor·In; unit = chunk of the parameters. */
export const blend = record('Blend', 84, perParameter(0.3), {
  out: word.updates(4),
  in: word.reads(5),
  /** Floats, a multiple of 16. */
  count: word.size(6),
  perUnit: word.size(7),
  /** Address of a float32. */
  factor: word.reads(8),
  /** 0, or the address of a float32. */
  keep: word.readsIf(9),
})

/** Floats floats of Out become 0; unit = perUnit floats. */
export const clear = record('Clear', 53, copies, {
  out: word.writes(4),
  /** A multiple of 4. */
  floats: word.number(5),
  perUnit: word.number(6),
})
