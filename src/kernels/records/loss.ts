/** Ends of a network: its output, and the loss. */

import * as word from './schema.js'
import { copies, entries, entry, record } from './schema.js'

/** Time mean of the last layer's output so far, and predictions; one unit. */
export const output = record('Output', 52, copies, {
  /** Output of the last layer [images][T][C] float32. */
  logits: word.reads(4),
  /** Sum over the steps so far of logits / totalSteps, float32 [B][C]. */
  out: word.carries(9),
  /** i32 [B]: the class of the greatest output. */
  predictions: word.writes(12),
  images: word.number(5),
  /** Steps of one call. */
  steps: word.size(6),
  totalSteps: word.number(10),
  /** Stored and real number of classes. */
  channels: word.size(7),
  classes: word.size(8),
  /** Bytes between steps of Logits (0: static). */
  stepBytes: word.size(11),
  /** Output of each step [B][OutputSteps][C] float32, or 0. */
  stepOutputs: word.carriesIf(13),
  outputSteps: word.sizeIf(14),
})

/** What all losses have. */
const shared = {
  /** Output of the last layer [images][T][C] float32: what Instantaneous reads. */
  logits: word.reads(4),
  /** Time mean [B][C], complete at the last step. */
  output: word.reads(9),
  predictions: word.reads(14),
  /** Per-image loss f32 [B], prediction i32 [B]. */
  losses: word.carries(13),
  /**
   * Gradient of the output [B][C], or 0. In rate mode divided by TotalSteps. With Instantaneous it
   * has the rows of Logits, [B][T][C] or [B][C].
   */
  delta: word.writesIf(10),
  images: word.number(5),
  steps: word.size(6),
  totalSteps: word.number(12),
  /** Stored and real number of classes. */
  channels: word.size(7),
  classes: word.number(8),
  /** Bytes between steps of Logits (0: static). */
  stepBytes: word.size(15),
  /** Factor of the gradient: 1/B, or 1/(B·T). */
  gradientScale: word.f32(11),
  /** Non-zero: the loss is of the instantaneous output at every step (online methods, TET). */
  instantaneous: word.flag(17),
  /** Non-zero: with Instantaneous every step has a gradient, whatever Control.StepMask says. */
  allSteps: word.flagIf(23),
  /** Steps that have a target each, 0 where an image has one. */
  targetSteps: word.numberIf(29),
  /** Non-zero: what equals Ignore in a target of floats counts nowhere. */
  ignores: word.flagIf(30),
  ignore: word.f32If(31),
  /** Weight of each class, float32 [Classes], or 0. */
  classWeights: word.dataIf(32),
  /** Share of the target that is spread over all classes. */
  labelSmoothing: word.f32If(19),
}

/** Loss of the output, and its gradient; one unit. */
export const crossEntropy = record('CrossEntropy', 50, copies, {
  ...shared,
  /**
   * Weight of the mean squared error of the logits against one-hot targets, 0 for plain cross
   * entropy (online methods 0.05).
   */
  mseWeight: word.f32(16),
  /** Factor of the output, 0 for 1: T for a loss of counts. */
  outputScale: word.f32If(18),
})

/** Mean squared error of the output, or what a text says of it, and its gradient; one unit. */
export const meanSquaredError = record('MeanSquaredError', 90, copies, {
  ...shared,
  outputScale: word.f32If(18),
  /** Wanted output of the classes that are not the label's, and of the label's. */
  low: word.f32If(20),
  high: word.f32If(21),
  /** Non-zero: Control.Target holds the wanted outputs, float32 [B][Classes], and no labels. */
  values: word.flagIf(22),
  /** A text's function in the table. */
  kernel: word.numberIf(33),
  /** Outputs, targets, losses and derivatives, float32 [Classes / 8][4][8], or 0. */
  terms: word.writesIf(34),
})

/** Temporal efficient training: a loss of each step's output; one unit. */
export const tet = record('Tet', 91, copies, {
  ...shared,
  lambda: word.f32(16),
  mean: word.f32(20),
})

/** Penalty on firing rates, and its gradient; unit = pixelsPerUnit pixels. */
export const ratePenalty = record('RatePenalty', 92, copies, {
  /** Spikes of each neuron, u8 [Pixels][C]. */
  counts: word.readsIf(4),
  /** The same as float32 [Pixels][C], in place of Counts. */
  sums: word.readsIf(16),
  /** Gradient by the rates, float32 [Pixels][C]. */
  out: word.writes(5),
  /** Sums of units, f64. */
  partials: word.writes(6),
  pixels: word.number(7),
  /** Stored and real number of channels. */
  stored: word.size(8),
  channels: word.size(9),
  pixelsPerUnit: word.number(10),
  pixelsPerImage: word.number(11),
  steps: word.number(12),
  /** The wanted rate, 0…1. */
  target: word.f32(13),
  /** Factor of the gradient; divided by the valid images. */
  scale: word.f32(14),
  /** Non-zero: distances, not their squares. */
  absolute: word.flag(15),
})

// Self-distillation: the loss of a network with several outputs.

/** An output. */
export const exit = entry(8, {
  /** Its time mean, float32 [B][C]. */
  output: word.reads(0) /** Its gradient [B][C], or 0. */,
  delta: word.writesIf(1),
})

/** Self-distillation: a loss of several outputs, and their gradients; one unit. */
export const selfDistillation = record(
  'SelfDistillation',
  154,
  copies,
  {
    predictions: word.reads(14),
    losses: word.writes(13),
    images: word.number(5),
    channels: word.size(7),
    classes: word.number(8),
    gradientScale: word.f32(11),
    /** Table of `ExitCount` outputs, the last one being the network's. */
    exits: entries(24, exit),
    exitCount: word.number(25),
    /** Weights of the cross entropies and of the divergences, and the softmax's temperature. */
    alpha: word.f32(26),
    beta: word.f32(27),
    temperature: word.f32(28),
  },
  ({ classes }) => 8 * classes,
)
