/** Counts of what layers with weights read. */

import { ActiveWord, Op, RecordWord, SourceWord } from '../../../assembly/opcodes.js'
import { carries, entries, flag, number, reads, readsInput, record, updates } from './schema.js'
import { source } from './spikes.js'

const counts = {
  out: updates(ActiveWord.Out),
  others: updates(ActiveWord.Others),
  images: number(ActiveWord.Images),
  pixels: number(ActiveWord.Pixels),
  channels: number(ActiveWord.C),
  steps: number(ActiveWord.T),
  pixelsPerUnit: number(ActiveWord.PixelsPerUnit),
}

export const activeSpikes = record(Op.ActiveSpikes, {
  ...counts,
  mostCounted: number(ActiveWord.MostCounted),
  width: number(ActiveWord.W),
  sources: entries(ActiveWord.Sources, source, SourceWord.Bytes),
  sourceCount: number(ActiveWord.SourceCount),
  planeBytes: number(ActiveWord.PlaneBytes),
  sourceH: number(ActiveWord.SourceH),
  sourceW: number(ActiveWord.SourceW),
  kernelH: number(ActiveWord.KernelH),
  kernelW: number(ActiveWord.KernelW),
  strideH: number(ActiveWord.StrideH),
  strideW: number(ActiveWord.StrideW),
  padH: number(ActiveWord.PadH),
  padW: number(ActiveWord.PadW),
})

export const activeFloats = record(Op.ActiveFloats, {
  ...counts,
  in: readsInput(ActiveWord.In),
  indirect: flag(ActiveWord.Indirect),
  pixelBytes: number(ActiveWord.PixelBytes),
  stepBytes: number(ActiveWord.StepBytes),
  loopBytes: number(ActiveWord.LoopBytes),
})

/** Spikes of all calls. */
export const recordSpikes = record(Op.RecordSpikes, {
  in: reads(RecordWord.In),
  out: carries(RecordWord.Out),
  planeBytes: number(RecordWord.PlaneBytes),
  bytesPerUnit: number(RecordWord.BytesPerUnit),
  steps: number(RecordWord.T),
})
