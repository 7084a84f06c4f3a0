/** Sums of tensors written out as floats. */

import { MaterialiseWord, Op, TermWord } from '../../../assembly/opcodes.js'
import {
  entries,
  type Fields,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  readsIf,
  readsInputIf,
  record,
  writes,
} from './schema.js'

const term = {
  kind: number(TermWord.Kind),
  scale: f32(TermWord.Scale),
  sourceH: number(TermWord.SourceH),
  sourceW: number(TermWord.SourceW),
  kernelH: number(TermWord.KernelH),
  kernelW: number(TermWord.KernelW),
  strideH: number(TermWord.StrideH),
  strideW: number(TermWord.StrideW),
  padH: number(TermWord.PadH),
  padW: number(TermWord.PadW),
  /** Floats, or masks; a mean of spikes reads counts alone. */
  address: readsInputIf(TermWord.Address),
  counts: readsIf(TermWord.Counts),
  planeBytes: numberIf(TermWord.PlaneBytes),
  indirect: flagIf(TermWord.Indirect),
  channels: numberIf(TermWord.Channels),
  pixelBytes: numberIf(TermWord.PixelBytes),
  stepBytes: numberIf(TermWord.StepBytes),
  loopBytes: numberIf(TermWord.LoopBytes),
  steps: numberIf(TermWord.Steps),
  scaleVector: readsIf(TermWord.ScaleVector),
  shiftVector: readsIf(TermWord.ShiftVector),
  groupBytes: numberIf(TermWord.GroupBytes),
}
export type TermFields = Fields<typeof term>

export const materialise = record(Op.Materialise, {
  out: writes(MaterialiseWord.Out),
  images: number(MaterialiseWord.Images),
  height: number(MaterialiseWord.H),
  width: number(MaterialiseWord.W),
  channels: number(MaterialiseWord.C),
  steps: number(MaterialiseWord.T),
  pixelsPerUnit: number(MaterialiseWord.PixelsPerUnit),
  terms: entries(MaterialiseWord.Terms, term, TermWord.Bytes),
  termCount: number(MaterialiseWord.TermCount),
  mean: flag(MaterialiseWord.Mean),
  totalSteps: number(MaterialiseWord.TotalSteps),
  mostCounted: number(MaterialiseWord.MostCounted),
})
