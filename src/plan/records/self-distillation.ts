/** Self-distillation: the loss of a network with several outputs. */

import {
  copies,
  entries,
  entry,
  f32,
  number,
  reads,
  record,
  size,
  writes,
  writesIf,
} from './schema.js'

/** An output. */
export const exit = entry(8, {
  /** Its time mean, float32 [B][C]. */
  output: reads(0) /** Its gradient [B][C], or 0. */,
  delta: writesIf(1),
})

/** Self-distillation: a loss of several outputs, and their gradients; one unit. */
export const selfDistillation = record(
  'SelfDistillation',
  154,
  copies,
  {
    predictions: reads(14),
    losses: writes(13),
    images: number(5),
    channels: size(7),
    classes: number(8),
    gradientScale: f32(11),
    /** Table of `ExitCount` outputs, the last one being the network's. */
    exits: entries(24, exit),
    exitCount: number(25),
    /** Weights of the cross entropies and of the divergences, and the softmax's temperature. */
    alpha: f32(26),
    beta: f32(27),
    temperature: f32(28),
  },
  ({ classes }) => 8 * classes,
)
