/** Records that pass signals on: times constants, later, or side by side. */

import {
  DelayWord,
  JoinPart,
  JoinWord,
  Op,
  ScaledWord,
  SplitWord,
} from '../../../assembly/opcodes.js'
import {
  carriesIf,
  data,
  dataIf,
  entries,
  type Fields,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  writes,
  writesIf,
} from './schema.js'

export const scaled = record(Op.Scaled, {
  in: reads(ScaledWord.In),
  out: writes(ScaledWord.Out),
  factor: data(ScaledWord.Factor),
  factorPixels: number(ScaledWord.FactorPixels),
  pixels: number(ScaledWord.Pixels),
  channels: number(ScaledWord.C),
  steps: number(ScaledWord.T),
  pixelsPerUnit: number(ScaledWord.PixelsPerUnit),
})

const delayed = {
  in: reads(DelayWord.In),
  out: writes(DelayWord.Out),
  by: numberIf(DelayWord.Steps),
  /** In place of `by`, where channels differ. */
  delays: dataIf(DelayWord.Delays),
  most: number(DelayWord.Most),
  history: carriesIf(DelayWord.History),
  pixels: number(DelayWord.Pixels),
  channels: number(DelayWord.C),
  steps: number(DelayWord.T),
  pixelsPerUnit: number(DelayWord.PixelsPerUnit),
}

export const delay = record(Op.Delay, {
  ...delayed,
  inRows: number(DelayWord.InRows),
  back: flagIf(DelayWord.Back),
})

export const delaySpikes = record(Op.DelaySpikes, {
  ...delayed,
  planeBytes: number(DelayWord.PlaneBytes),
  inPlaneBytes: number(DelayWord.InPlaneBytes),
  counts: carriesIf(DelayWord.Counts),
})

const part = {
  from: reads(JoinPart.From),
  pixels: number(JoinPart.Pixels),
  stored: number(JoinPart.C),
  channels: number(JoinPart.Channels),
  rows: number(JoinPart.Rows),
  offset: number(JoinPart.Offset),
}
const spikePart = {
  ...part,
  planeBytes: number(JoinPart.PlaneBytes),
  counts: readsIf(JoinPart.Counts),
}
/** A tensor of floats among those that are joined. */
export type PartFields = Fields<typeof part>
/** A tensor of spikes among those that are joined. */
export type SpikePartFields = Fields<typeof spikePart>

const joined = {
  out: writes(JoinWord.Out),
  count: number(JoinWord.Count),
  pixels: number(JoinWord.Pixels),
  channels: number(JoinWord.C),
  steps: number(JoinWord.T),
}

export const join = record(Op.Join, {
  ...joined,
  tensors: entries(JoinWord.Parts, part, JoinPart.Bytes),
})

export const joinSpikes = record(Op.JoinSpikes, {
  ...joined,
  parts: entries(JoinWord.Parts, spikePart, JoinPart.Bytes),
  planeBytes: number(JoinWord.PlaneBytes),
  counts: writesIf(JoinWord.Counts),
})

export const split = record(Op.Split, {
  in: reads(SplitWord.In),
  out: writes(SplitWord.Out),
  inPixels: number(SplitWord.InPixels),
  inChannels: number(SplitWord.InC),
  pixels: number(SplitWord.Pixels),
  stored: number(SplitWord.C),
  channels: number(SplitWord.Channels),
  offset: number(SplitWord.Offset),
  steps: number(SplitWord.T),
})
