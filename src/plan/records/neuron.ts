/** Neurons, forward and backward through time. */

import { NeuronWord, Op } from '../../../assembly/opcodes.js'
import { contributions } from './gradient.js'
import {
  carriesIf,
  type FieldsOf,
  f32,
  f32If,
  flag,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  updatesIf,
  writes,
  writesIf,
} from './schema.js'

/** Input currents, and what neurons make of them: both directions read them. */
export const charge = {
  a: reads(NeuronWord.A),
  aPixelBytes: number(NeuronWord.APixelBytes),
  aStepBytes: number(NeuronWord.AStepBytes),
  aScale: readsIf(NeuronWord.AScale),
  aShift: readsIf(NeuronWord.AShift),
  aGroupBytes: number(NeuronWord.AGroupBytes),
  b: readsIf(NeuronWord.B),
  bPixelBytes: numberIf(NeuronWord.BPixelBytes),
  bStepBytes: numberIf(NeuronWord.BStepBytes),
  bScale: readsIf(NeuronWord.BScale),
  bShift: readsIf(NeuronWord.BShift),
  bGroupBytes: numberIf(NeuronWord.BGroupBytes),
  spikes: readsIf(NeuronWord.S),
  spikePlaneBytes: numberIf(NeuronWord.SPlaneBytes),
  spikeScale: f32If(NeuronWord.SScale),
  learnable: readsIf(NeuronWord.Learnable),
  pixels: number(NeuronWord.Pixels),
  channels: number(NeuronWord.C),
  pixelsPerUnit: number(NeuronWord.PixelsPerUnit),
  steps: number(NeuronWord.T),
  lambda: f32(NeuronWord.Lambda),
  kappa: f32(NeuronWord.Kappa),
  rest: f32(NeuronWord.Rest),
  threshold: f32(NeuronWord.Threshold),
  hardReset: flag(NeuronWord.HardReset),
  detach: flag(NeuronWord.Detach),
  surrogate: number(NeuronWord.Surrogate),
  alpha: f32(NeuronWord.Alpha),
}

export const neuron = record(Op.Neuron, {
  ...charge,
  aMean: readsIf(NeuronWord.AMean),
  aInvStd: readsIf(NeuronWord.AInvStd),
  aXhat: carriesIf(NeuronWord.AXhat),
  bMean: readsIf(NeuronWord.BMean),
  bInvStd: readsIf(NeuronWord.BInvStd),
  bXhat: carriesIf(NeuronWord.BXhat),
  masks: writes(NeuronWord.Masks),
  planeBytes: number(NeuronWord.PlaneBytes),
  counts: carriesIf(NeuronWord.Counts),
  countPartials: carriesIf(NeuronWord.CountPartials),
  eligibility: carriesIf(NeuronWord.Eligibility),
  surrogateOut: writesIf(NeuronWord.SurrogateOut),
  potential: carriesIf(NeuronWord.V),
  rho: carriesIf(NeuronWord.Rho),
  totalSteps: number(NeuronWord.TotalSteps),
  activity: updatesIf(NeuronWord.Activity),
  activityWanted: readsIf(NeuronWord.ActivityWanted),
  pixelsPerImage: numberIf(NeuronWord.PixelsPerImage),
  realChannels: numberIf(NeuronWord.RealC),
})

export const neuronBackwardTime = record(Op.NeuronBackwardTime, {
  ...charge,
  delta: writes(NeuronWord.Delta),
  contributions: contributions(NeuronWord.Contributions),
  contributionCount: number(NeuronWord.ContributionCount),
  pixelsPerRun: number(NeuronWord.PixelsPerRun),
  height: number(NeuronWord.H),
  width: number(NeuronWord.W),
  learnablePartials: writesIf(NeuronWord.LearnablePartials),
})

export type NeuronFields = FieldsOf<typeof neuron>
