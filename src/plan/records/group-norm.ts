/** Normalisation of groups of channels of each image. */

import { GroupNormWord, Op } from '../../../assembly/opcodes.js'
import {
  carriesIf,
  f32,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  writes,
  writesIf,
} from './schema.js'

const shape = {
  weight: readsIf(GroupNormWord.Weight),
  affinePixels: numberIf(GroupNormWord.AffinePixels),
  perPixel: flagIf(GroupNormWord.PerPixel),
  pixels: number(GroupNormWord.Pixels),
  stored: number(GroupNormWord.C),
  channels: number(GroupNormWord.Channels),
  groups: number(GroupNormWord.Groups),
  steps: number(GroupNormWord.T),
  out: writes(GroupNormWord.Out),
}

export const groupNorm = record(Op.GroupNorm, {
  ...shape,
  in: reads(GroupNormWord.In),
  bias: readsIf(GroupNormWord.Bias),
  epsilon: f32(GroupNormWord.Epsilon),
  mean: writesIf(GroupNormWord.Mean),
  invStd: writesIf(GroupNormWord.InvStd),
  xhat: carriesIf(GroupNormWord.Xhat),
  meanInvStd: carriesIf(GroupNormWord.MeanInvStd),
  share: f32(GroupNormWord.Share),
})

/** It reads x̂, or what x̂ is computed from. */
export const groupNormBackward = record(Op.GroupNormBackward, {
  ...shape,
  delta: reads(GroupNormWord.Delta),
  in: readsIf(GroupNormWord.In),
  mean: readsIf(GroupNormWord.Mean),
  invStd: readsIf(GroupNormWord.InvStd),
  xhat: readsIf(GroupNormWord.Xhat),
  meanInvStd: readsIf(GroupNormWord.MeanInvStd),
  weightPartial: writesIf(GroupNormWord.WeightPartial),
  biasPartial: writesIf(GroupNormWord.BiasPartial),
})
