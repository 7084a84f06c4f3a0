/** Dropout of spikes and of floats, which is its own backward. */

import { DropoutWord, Op } from '../../../assembly/opcodes.js'
import { f32, number, reads, record, writes } from './schema.js'

const shared = {
  in: reads(DropoutWord.In),
  out: writes(DropoutWord.Out),
  pixels: number(DropoutWord.Pixels),
  channels: number(DropoutWord.C),
  steps: number(DropoutWord.T),
  pixelsPerUnit: number(DropoutWord.PixelsPerUnit),
  probability: f32(DropoutWord.Probability),
  stream: number(DropoutWord.Stream),
}

export const dropout = record(Op.Dropout, {
  ...shared,
  inCounts: reads(DropoutWord.InCounts),
  counts: writes(DropoutWord.OutCounts),
  planeBytes: number(DropoutWord.OutPlaneBytes),
  inPlaneBytes: number(DropoutWord.InPlaneBytes),
})

export const dropoutFloats = record(Op.DropoutFloats, shared)
