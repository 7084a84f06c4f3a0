/** Max pooling of spikes and of floats, adaptive average pooling, and their gradients. */

import { AdaptiveWord, Op, PoolWord } from '../../../assembly/opcodes.js'
import {
  carriesIf,
  flag,
  flagIf,
  number,
  reads,
  readsIf,
  record,
  writes,
  writesIf,
} from './schema.js'

const window = {
  images: number(PoolWord.Images),
  height: number(PoolWord.H),
  width: number(PoolWord.W),
  channels: number(PoolWord.C),
  steps: number(PoolWord.T),
  sourceH: number(PoolWord.SourceH),
  sourceW: number(PoolWord.SourceW),
  kernelH: number(PoolWord.KernelH),
  kernelW: number(PoolWord.KernelW),
  strideH: number(PoolWord.StrideH),
  strideW: number(PoolWord.StrideW),
  padH: number(PoolWord.PadH),
  padW: number(PoolWord.PadW),
  pixelsPerUnit: number(PoolWord.PixelsPerUnit),
  in: reads(PoolWord.In),
  out: writes(PoolWord.Out),
}

export const maxPool = record(Op.MaxPool, {
  ...window,
  planeBytes: number(PoolWord.OutPlaneBytes),
  inPlaneBytes: number(PoolWord.InPlaneBytes),
  /** By which the choice is made, unless it is made at each step. */
  inCounts: readsIf(PoolWord.InCounts),
  counts: carriesIf(PoolWord.OutCounts),
  choice: writesIf(PoolWord.Choice),
  choicePerStep: flag(PoolWord.ChoicePerStep),
  loop: flag(PoolWord.Loop),
  countsOfRates: flagIf(PoolWord.CountsOfRates),
})

export const maxPoolFloats = record(Op.MaxPoolFloats, {
  ...window,
  /** Sums over time, by which the choice is made; without them by `in`, at each step. */
  chooser: readsIf(PoolWord.InCounts),
  choice: writesIf(PoolWord.Choice),
})

export const maxPoolBackward = record(Op.MaxPoolBackward, {
  ...window,
  choice: reads(PoolWord.Choice),
  choicePerStep: flag(PoolWord.ChoicePerStep),
})

const adaptive = {
  in: reads(AdaptiveWord.In),
  out: writes(AdaptiveWord.Out),
  images: number(AdaptiveWord.Images),
  inH: number(AdaptiveWord.InH),
  inW: number(AdaptiveWord.InW),
  outH: number(AdaptiveWord.OutH),
  outW: number(AdaptiveWord.OutW),
  channels: number(AdaptiveWord.C),
  steps: number(AdaptiveWord.T),
  pixelsPerUnit: number(AdaptiveWord.PixelsPerUnit),
}

export const adaptivePool = record(Op.AdaptivePool, adaptive)
export const adaptivePoolBackward = record(Op.AdaptivePoolBackward, adaptive)
