/** Cells: neurons with a state and constants of their own. */

import {
  CellConstantsWord,
  CellLearnWord,
  CellRecurrentWord,
  CellWord,
  Op,
} from '../../../assembly/opcodes.js'
import { contributions } from './gradient.js'
import {
  carriesIf,
  data,
  dataIf,
  type FieldsOf,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  updatesIf,
  writes,
  writesIf,
  writesOrAdds,
  writesOrAddsIf,
} from './schema.js'

export const cellConstants = record(Op.CellConstants, {
  in: data(CellConstantsWord.In),
  out: writes(CellConstantsWord.Out),
  pixels: number(CellConstantsWord.Pixels),
  channels: number(CellConstantsWord.C),
  rows: number(CellConstantsWord.Rows),
  tau: readsIf(CellConstantsWord.Tau),
  vThreshold: readsIf(CellConstantsWord.Threshold),
  tauSyn: readsIf(CellConstantsWord.TauSyn),
  beta: readsIf(CellConstantsWord.Beta),
  tauAdaptation: readsIf(CellConstantsWord.TauAdaptation),
  tauShape: numberIf(CellConstantsWord.TauShape),
  vThresholdShape: numberIf(CellConstantsWord.ThresholdShape),
  tauSynShape: numberIf(CellConstantsWord.TauSynShape),
  betaShape: numberIf(CellConstantsWord.BetaShape),
  tauAdaptationShape: numberIf(CellConstantsWord.TauAdaptationShape),
  synapse: flag(CellConstantsWord.Synapse),
  decayInput: flag(CellConstantsWord.DecayInput),
})

/** What both directions read. */
const charge = {
  in: reads(CellWord.In),
  inPixelBytes: number(CellWord.InPixelBytes),
  inStepBytes: number(CellWord.InStepBytes),
  pixels: number(CellWord.Pixels),
  channels: number(CellWord.C),
  pixelsPerUnit: number(CellWord.PixelsPerUnit),
  steps: number(CellWord.T),
  totalSteps: number(CellWord.TotalSteps),
  imagePixels: number(CellWord.ImagePixels),
  constants: readsIf(CellWord.Constants),
  constantData: dataIf(CellWord.ConstantData),
  constantPixelBytes: number(CellWord.ConstantPixelBytes),
  spikes: flag(CellWord.Spikes),
  synapse: flag(CellWord.Synapse),
  adapts: flag(CellWord.Adapts),
  refractory: f32(CellWord.Refractory),
  above: flag(CellWord.Above),
  hardReset: flag(CellWord.HardReset),
  detach: flag(CellWord.Detach),
  decayInput: flag(CellWord.DecayInput),
  surrogate: number(CellWord.Surrogate),
  alpha: f32(CellWord.Alpha),
  learn: number(CellWord.Learn),
  weight: readsIf(CellWord.Weight),
  bias: readsIf(CellWord.Bias),
  oneToOne: flagIf(CellWord.OneToOne),
}

export const cell = record(Op.Cell, {
  ...charge,
  masks: writesIf(CellWord.Masks),
  planeBytes: number(CellWord.PlaneBytes),
  counts: carriesIf(CellWord.Counts),
  countPartials: carriesIf(CellWord.CountPartials),
  out: writesIf(CellWord.Out),
  state: carriesIf(CellWord.State),
  eligibility: carriesIf(CellWord.Eligibility),
  surrogateOut: writesIf(CellWord.SurrogateOut),
  traces: carriesIf(CellWord.Traces),
  presynaptic: writesIf(CellWord.Presynaptic),
  traced: flag(CellWord.Traced),
  activity: updatesIf(CellWord.Activity),
  activityWanted: readsIf(CellWord.ActivityWanted),
  recurrentCounts: updatesIf(CellWord.RecurrentCounts),
  realChannels: numberIf(CellWord.RealC),
})

export const cellBackwardTime = record(Op.CellBackwardTime, {
  ...charge,
  delta: writes(CellWord.Delta),
  contributions: contributions(CellWord.Contributions),
  contributionCount: number(CellWord.ContributionCount),
  pixelsPerRun: number(CellWord.PixelsPerRun),
  height: number(CellWord.H),
  width: number(CellWord.W),
  traces: writesIf(CellWord.Traces),
})

export const cellRecurrentGradient = record(Op.CellRecurrentGradient, {
  out: writesOrAdds(CellRecurrentWord.Out, 'accumulate'),
  biasOut: writesOrAddsIf(CellRecurrentWord.BiasOut, 'accumulate'),
  in: reads(CellRecurrentWord.In),
  delta: reads(CellRecurrentWord.Delta),
  images: number(CellRecurrentWord.Images),
  pixels: number(CellRecurrentWord.Pixels),
  channels: number(CellRecurrentWord.C),
  steps: number(CellRecurrentWord.T),
  accumulate: flag(CellRecurrentWord.Accumulate),
  oneToOne: flagIf(CellRecurrentWord.OneToOne),
})

export const cellLearnGradient = record(Op.CellLearnGradient, {
  out: writes(CellLearnWord.Out),
  shape: number(CellLearnWord.Shape),
  traces: reads(CellLearnWord.Traces),
  rows: number(CellLearnWord.Rows),
  row: number(CellLearnWord.Row),
  delta: readsIf(CellLearnWord.Delta),
  pixels: number(CellLearnWord.Pixels),
  imagePixels: number(CellLearnWord.ImagePixels),
  channels: number(CellLearnWord.C),
})

export type CellFields = FieldsOf<typeof cell>
export type CellConstantsFields = FieldsOf<typeof cellConstants>

/** All of them. */
export const cellRecords = [
  cellConstants,
  cell,
  cellBackwardTime,
  cellRecurrentGradient,
  cellLearnGradient,
] as const
