/** Batch normalisation: statistics forward, gradients backward. */

import { NormSize } from '../../../assembly/opcodes.js'
import {
  carries,
  carriesIf,
  copies,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  size,
  sizeIf,
  updates,
  updatesIf,
  writes,
  writesIf,
  writesOrAddsIf,
} from './schema.js'

const shape = { channels: size(6), groups: size(7) }
/** Rows that units share out between them. */
const rows = {
  ...shape,
  rows: size(5),
  rowsPerUnit: size(8),
}
/** Partial sums of chunks of rows, added up. */
const finish = {
  ...shape,
  rows: size(5),
  /** Chunks that have partial sums. */
  units: size(29),
  /**
   * float32, forward [Units][Groups][Moments.Rows][C], backward
   * [Units][Groups][NormSize.ProductRows][C]: see norm/chunks.ts.
   */
  partial: reads(9),
  /** Parameters, float32 [C]; 0 when not affine. */
  weight: readsIf(10),
}
/** y = scale·x + shift. */
const affine = {
  weight: readsIf(10),
  bias: readsIf(11),
  epsilon: f32(18),
  /** y = Scale·x + Shift, float32 [Groups][C]. */
  scale: writes(16),
  shift: writes(17),
}
/** x̂, or what it is computed from. */
const normalised = {
  /** Backward: x̂ [rows][C] (0: x̂ is (In − Mean)·invStd). */
  xhat: readsIf(22),
  /** Float tensor [rows][C]; row r belongs to group r % Groups. */
  in: readsIf(4),
  /** Results for the batch, float32 [Groups][C]. */
  mean: readsIf(14),
  invStd: readsIf(15),
}

/** Partial sums of a chunk of rows; unit = chunk. */
export const normStatistics = record('NormStatistics', 20, copies, {
  ...rows,
  in: reads(4),
  partial: writes(9),
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
    repeats: number(20),
    /**
     * How many steps have the same statistics, where there are more than one: so often they move
     * the running ones, and count in the mean of InvStd.
     */
    moves: sizeIf(31),
    /** PyTorch's momentum of the running statistics. */
    momentum: f32(19),
    runningMean: updatesIf(12),
    runningVar: updatesIf(13),
    mean: writes(14),
    invStd: writes(15),
    /**
     * Loop over t outside (step mode s): float32 [C], running mean over t of invStd for the
     * backward pass, 0 otherwise.
     */
    meanInvStd: carriesIf(27),
    /** Loop over t outside: its number of steps. */
    totalSteps: number(28),
  },
  () => NormSize.FinishScratchBytes,
)

/**
 * The affine map from the running statistics (all-time normalisation), which move at the last step;
 * one unit.
 */
export const normAllTime = record('NormAllTime', 150, copies, {
  /** Channels as stored, and as they are. */
  channels: size(4),
  realChannels: size(5),
  groups: number(6),
  weight: readsIf(7),
  bias: readsIf(8),
  runningMean: updates(9),
  runningVar: updates(10),
  /** One of each step, float32 [Groups][C]. */
  mean: reads(11),
  invStd: reads(12),
  scale: updates(13),
  shift: updates(14),
  /** float32 [2][C]: running mean and inverse deviation before the first step. */
  frozen: carries(15),
  /** float64 [2][C]: sums over the steps so far of the mean, and of the mean square. */
  totals: carries(16),
  epsilon: f32(17),
  momentum: f32(18),
  /** How often a step's deviation may go into the running one, or that into it. */
  bound: f32(19),
  totalSteps: number(20),
  /** How many steps have the same statistics. */
  moves: numberIf(21),
  /** float32 [Groups][2][C]: mean and inverse deviation that the backward pass takes as given. */
  used: writes(22),
  /** Non-zero: one channel beyond the bound counts for all, and the backward pass not at all. */
  byLayer: flagIf(23),
})

/** Scale and shift from the running statistics; one unit. */
export const normEvaluate = record('NormEvaluate', 22, copies, {
  ...shape,
  ...affine,
  runningMean: reads(12),
  runningVar: reads(13),
})

/** Partial sums of δ and δ·x̂ of a chunk of rows; unit = chunk. */
export const normBackwardReduce = record('NormBackwardReduce', 23, copies, {
  ...rows,
  ...normalised,
  /** Backward: δ [rows][C]; in the rate method rows = pixels. */
  delta: reads(21),
  partial: writes(9),
})

/** Gradients of weight and bias, coefficients; one unit. */
export const normBackwardFinish = record('NormBackwardFinish', 24, copies, {
  ...finish,
  invStd: readsIf(15),
  /** Takes the place of `invStd`. */
  meanInvStd: readsIf(27),
  /**
   * Backward of an all-time normalisation: `used`, or 0. All-time normalisation: takes the place of
   * `invStd` too; then `mean` is read.
   */
  used: readsIf(32),
  mean: readsIf(14),
  /** dx = a·δ − b − c·x̂: float32 [Groups][NormSize.CoefficientRows][C], rows a, b, c. */
  coefficients: writes(26),
  weightGradient: writesOrAddsIf(24, 'accumulate'),
  biasGradient: writesOrAddsIf(25, 'accumulate'),
  /**
   * Non-zero: add to the parameter gradients instead of writing them (online methods); cleared at t
   * = 0 by the planner's choice.
   */
  accumulate: flag(30),
})

/** Gradient of the input; unit = chunk of rows. */
export const normBackwardApply = record('NormBackwardApply', 25, copies, {
  ...rows,
  ...normalised,
  delta: reads(21),
  coefficients: reads(26),
  /** Backward: gradient of the input [rows][C]; may be Delta. */
  out: writes(23),
})

// Scaled weight standardisation and its gradient.

const shared = {
  weight: reads(4),
  /** float32 [N], or 0. */
  gain: readsIf(6),
  taps: number(7),
  /** Stored and real input channels. */
  inC: number(8),
  realC: number(9),
  blockWidth: number(10),
  kRows: number(11),
  epsilon: f32(12),
}

/** Scaled weight standardisation; unit = block of output channels. */
export const weightStandardise = record('WeightStandardise', 46, copies, {
  ...shared,
  out: writes(5),
})

/** Its gradient; unit = block of output channels. */
export const weightStandardiseBackward = record('WeightStandardiseBackward', 47, copies, {
  ...shared,
  /** Backward: gradient of w' (overwritten by that of w), gradient of the gain or 0. */
  gradient: updates(13),
  gainGradient: writesIf(14),
})
