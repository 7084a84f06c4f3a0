/** The threshold that follows the potentials of a layer. */

import { Op, StabilizedWord } from '../../../assembly/opcodes.js'
import { carries, f32, number, reads, record, updates, writes } from './schema.js'

export const stabilizedSums = record(Op.StabilizedSums, {
  charged: reads(StabilizedWord.Charged),
  pixels: number(StabilizedWord.Pixels),
  channels: number(StabilizedWord.C),
  realChannels: number(StabilizedWord.RealC),
  pixelsPerUnit: number(StabilizedWord.PixelsPerUnit),
  moments: writes(StabilizedWord.Moments),
})

export const stabilizedThreshold = record(Op.StabilizedThreshold, {
  pixels: number(StabilizedWord.Pixels),
  threshold: f32(StabilizedWord.Threshold),
  realChannels: number(StabilizedWord.RealC),
  units: number(StabilizedWord.Units),
  moments: reads(StabilizedWord.Moments),
  /** Ratio and threshold. */
  stability: carries(StabilizedWord.Stability),
  runningThreshold: updates(StabilizedWord.RunningThreshold),
  share: f32(StabilizedWord.Share),
})
