/** Batch normalisation: statistics forward, gradients backward. */

import { NormSize } from '../../../assembly/opcodes.js'
import * as word from './schema.js'
import { copies, record } from './schema.js'

const shape = { channels: word.size(6), groups: word.size(7) }
/** Rows that units share out between them. */
const rows = { ...shape, rows: word.size(5), rowsPerUnit: word.size(8) }
/** Partial sums of chunks of rows, added up. */
const finish = {
  ...shape,
  rows: word.size(5),
  /** Chunks that have partial sums. */
  units: word.size(29),
  /**
   * float32, forward [Units][Groups][Moments.Rows][C], backward
   * [Units][Groups][NormSize.ProductRows][C]: see norm/chunks.ts.
   */
  partial: word.reads(9),
  /** Parameters, float32 [C]; 0 when not affine. */
  weight: word.readsIf(10),
}
/** y = scale·x + shift. */
const affine = {
  weight: word.readsIf(10),
  bias: word.readsIf(11),
  epsilon: word.f32(18),
  /** y = Scale·x + Shift, float32 [Groups][C]. */
  scale: word.writes(16),
  shift: word.writes(17),
}
/** x̂, or what it is computed from. */
const normalised = {
  /** Backward: x̂ [rows][C] (0: x̂ is (In − Mean)·invStd). */
  xhat: word.readsIf(22),
  /** Float tensor [rows][C]; row r belongs to group r % Groups. */
  in: word.readsIf(4),
  /** Results for the batch, float32 [Groups][C]. */
  mean: word.readsIf(14),
  invStd: word.readsIf(15),
}

/** Partial sums of a chunk of rows; unit = chunk. */
export const normStatistics = record('NormStatistics', 20, copies, {
  ...rows,
  in: word.reads(4),
  partial: word.writes(9),
})

/**
 * Mean, inverse deviation, scale and shift; running statistics; unit = NormSize.FinishChannels
 * channels.
 */
export const normFinish = record(
  'NormFinish',
  21,
  copies,
  {
    ...finish,
    ...affine,
    /**
     * How often each row stands for itself: T for a static tensor, else 1 (for the unbiased
     * variance).
     */
    repeats: word.number(20),
    /**
     * How many steps have the same statistics, where there are more than one: so often they move
     * the running ones, and count in the mean of InvStd.
     */
    moves: word.sizeIf(31),
    /** PyTorch's momentum of the running statistics. */
    momentum: word.f32(19),
    runningMean: word.updatesIf(12),
    runningVar: word.updatesIf(13),
    mean: word.writes(14),
    invStd: word.writes(15),
    /**
     * Loop over t outside (step mode s): float32 [C], running mean over t of invStd for the
     * backward pass, 0 otherwise.
     */
    meanInvStd: word.carriesIf(27),
    /** Loop over t outside: its number of steps. */
    totalSteps: word.number(28),
  },
  () => NormSize.FinishScratchBytes,
)

/**
 * The affine map from the running statistics (all-time normalisation), which move at the last step;
 * one unit.
 */
export const normAllTime = record('NormAllTime', 150, copies, {
  /** Channels as stored, and as they are. */
  channels: word.size(4),
  realChannels: word.size(5),
  groups: word.number(6),
  weight: word.readsIf(7),
  bias: word.readsIf(8),
  runningMean: word.updates(9),
  runningVar: word.updates(10),
  /** One of each step, float32 [Groups][C]. */
  mean: word.reads(11),
  invStd: word.reads(12),
  scale: word.updates(13),
  shift: word.updates(14),
  /** float32 [2][C]: running mean and inverse deviation before the first step. */
  frozen: word.carries(15),
  /** float64 [2][C]: sums over the steps so far of the mean, and of the mean square. */
  totals: word.carries(16),
  epsilon: word.f32(17),
  momentum: word.f32(18),
  /** How often a step's deviation may go into the running one, or that into it. */
  bound: word.f32(19),
  totalSteps: word.number(20),
  /** How many steps have the same statistics. */
  moves: word.numberIf(21),
  /** float32 [Groups][2][C]: mean and inverse deviation that the backward pass takes as given. */
  used: word.writes(22),
  /** Non-zero: one channel beyond the bound counts for all, and the backward pass not at all. */
  byLayer: word.flagIf(23),
})

/** Scale and shift from the running statistics; one unit. */
export const normEvaluate = record('NormEvaluate', 22, copies, {
  ...shape,
  ...affine,
  runningMean: word.reads(12),
  runningVar: word.reads(13),
})

/** Partial sums of δ and δ·x̂ of a chunk of rows; unit = chunk. */
export const normBackwardReduce = record('NormBackwardReduce', 23, copies, {
  ...rows,
  ...normalised,
  /** Backward: δ [rows][C]; in the rate method rows = pixels. */
  delta: word.reads(21),
  partial: word.writes(9),
})

/** Gradients of weight and bias, coefficients; one unit. */
export const normBackwardFinish = record('NormBackwardFinish', 24, copies, {
  ...finish,
  invStd: word.readsIf(15),
  /** Takes the place of `invStd`. */
  meanInvStd: word.readsIf(27),
  /**
   * Backward of an all-time normalisation: `used`, or 0. All-time normalisation: takes the place of
   * `invStd` too; then `mean` is read.
   */
  used: word.readsIf(32),
  mean: word.readsIf(14),
  /** dx = a·δ − b − c·x̂: float32 [Groups][NormSize.CoefficientRows][C], rows a, b, c. */
  coefficients: word.writes(26),
  weightGradient: word.writesOrAddsIf(24, 'accumulate'),
  biasGradient: word.writesOrAddsIf(25, 'accumulate'),
  /**
   * Non-zero: add to the parameter gradients instead of writing them (online methods); cleared at t
   * = 0 by the planner's choice.
   */
  accumulate: word.flag(30),
})

/** Gradient of the input; unit = chunk of rows. */
export const normBackwardApply = record('NormBackwardApply', 25, copies, {
  ...rows,
  ...normalised,
  delta: word.reads(21),
  coefficients: word.reads(26),
  /** Backward: gradient of the input [rows][C]; may be Delta. */
  out: word.writes(23),
})

// Scaled weight standardisation and its gradient.

const shared = {
  weight: word.reads(4),
  /** float32 [N], or 0. */
  gain: word.readsIf(6),
  taps: word.number(7),
  /** Stored and real input channels. */
  inC: word.number(8),
  realC: word.number(9),
  blockWidth: word.number(10),
  kRows: word.number(11),
  epsilon: word.f32(12),
}

/** Scaled weight standardisation; unit = block of output channels. */
export const weightStandardise = record('WeightStandardise', 46, copies, {
  ...shared,
  out: word.writes(5),
})

/** Its gradient; unit = block of output channels. */
export const weightStandardiseBackward = record('WeightStandardiseBackward', 47, copies, {
  ...shared,
  /** Backward: gradient of w' (overwritten by that of w), gradient of the gain or 0. */
  gradient: word.updates(13),
  gainGradient: word.writesIf(14),
})
