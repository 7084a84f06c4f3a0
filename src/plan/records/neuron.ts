/** Neurons from equations, forward and backward through time. */

import {
  LearnFinishWord,
  LearnWord,
  NeuronWord,
  Op,
  RecurrentGradientWord,
  RecurrentWord,
} from '../../../assembly/opcodes.js'
import { contributions } from './gradient.js'
import {
  carries,
  carriesIf,
  dataIf,
  type Field,
  type FieldsOf,
  flag,
  flagIf,
  number,
  numberIf,
  type Place,
  reads,
  readsIf,
  record,
  updatesIf,
  writes,
  writesIf,
  writesOrAdds,
  writesOrAddsIf,
} from './schema.js'

/** Parameters that a layer may learn. */
export const MOST_LEARNT = 13

/** Where each of them is. */
const learnt = Object.fromEntries(
  Array.from({ length: MOST_LEARNT }, (_, i) => [`learnt${i}`, readsIf(NeuronWord.Learnt + i)]),
) as { readonly [name: `learnt${number}`]: Field<Place | undefined> }

/** What both directions read. */
const shared = {
  kernel: number(NeuronWord.Kernel),
  pixels: number(NeuronWord.Pixels),
  channels: number(NeuronWord.C),
  realChannels: number(NeuronWord.RealC),
  imagePixels: number(NeuronWord.ImagePixels),
  steps: number(NeuronWord.T),
  a: reads(NeuronWord.A),
  aPixelBytes: number(NeuronWord.APixelBytes),
  aStepBytes: number(NeuronWord.AStepBytes),
  given: dataIf(NeuronWord.Given),
  ...learnt,
}

/** Currents through normalisations, and spikes as currents. */
const currents = {
  pixelsPerUnit: number(NeuronWord.PixelsPerUnit),
  aScale: readsIf(NeuronWord.AScale),
  aShift: readsIf(NeuronWord.AShift),
  aGroupBytes: numberIf(NeuronWord.AGroupBytes),
  b: readsIf(NeuronWord.B),
  bPixelBytes: numberIf(NeuronWord.BPixelBytes),
  bStepBytes: numberIf(NeuronWord.BStepBytes),
  bScale: readsIf(NeuronWord.BScale),
  bShift: readsIf(NeuronWord.BShift),
  bGroupBytes: numberIf(NeuronWord.BGroupBytes),
  spikes: readsIf(NeuronWord.S),
  spikePlaneBytes: numberIf(NeuronWord.SPlaneBytes),
}

/** Time means of what normalisations give. */
const means = {
  aMean: readsIf(NeuronWord.AMean),
  aInvStd: readsIf(NeuronWord.AInvStd),
  aXhat: carriesIf(NeuronWord.AXhat),
  bMean: readsIf(NeuronWord.BMean),
  bInvStd: readsIf(NeuronWord.BInvStd),
  bXhat: carriesIf(NeuronWord.BXhat),
}

/** What the forward pass leaves. */
const results = {
  masks: writesIf(NeuronWord.Masks),
  planeBytes: numberIf(NeuronWord.PlaneBytes),
  counts: carriesIf(NeuronWord.Counts),
  countPartials: carriesIf(NeuronWord.CountPartials),
  out: writesIf(NeuronWord.Out),
  eligibility: carriesIf(NeuronWord.Eligibility),
  surrogateOut: writesIf(NeuronWord.SurrogateOut),
  traces: carriesIf(NeuronWord.Traces),
  state: carriesIf(NeuronWord.State),
  activity: updatesIf(NeuronWord.Activity),
  activityWanted: readsIf(NeuronWord.ActivityWanted),
  counting: numberIf(NeuronWord.Counting),
  recorded: carriesIf(NeuronWord.Recorded),
}

/** What a backward pass through time reads and leaves. */
const gradients = {
  delta: writes(NeuronWord.Delta),
  contributions: contributions(NeuronWord.Contributions),
  contributionCount: number(NeuronWord.ContributionCount),
  pixelsPerRun: number(NeuronWord.PixelsPerRun),
  height: number(NeuronWord.H),
  width: number(NeuronWord.W),
  traces: writesIf(NeuronWord.Traces),
}

/** The weight through which a layer's own spikes come back. */
const weight = {
  weight: reads(RecurrentWord.Weight),
  bias: readsIf(RecurrentWord.Bias),
  oneToOne: flag(RecurrentWord.OneToOne),
}

export const neuron = record(Op.Neuron, { ...shared, ...currents, ...means, ...results })

export const neuronBackwardTime = record(Op.NeuronBackwardTime, {
  ...shared,
  ...currents,
  ...gradients,
})

export const recurrent = record(Op.Recurrent, {
  ...shared,
  ...results,
  ...weight,
  state: carries(NeuronWord.State),
  inputs: writesIf(RecurrentWord.Inputs),
  presynaptic: writesIf(RecurrentWord.Presynaptic),
  traced: flagIf(RecurrentWord.Traced),
  fired: number(RecurrentWord.Fired),
  arrivals: updatesIf(RecurrentWord.Arrivals),
})

export const recurrentBackward = record(Op.RecurrentBackward, {
  ...shared,
  ...gradients,
  ...weight,
  ahead: number(RecurrentWord.Ahead),
  states: number(RecurrentWord.States),
})

export const recurrentGradient = record(Op.RecurrentGradient, {
  out: writesOrAdds(RecurrentGradientWord.Out, 'accumulate'),
  biasOut: writesOrAddsIf(RecurrentGradientWord.BiasOut, 'accumulate'),
  in: reads(RecurrentGradientWord.In),
  delta: reads(RecurrentGradientWord.Delta),
  images: number(RecurrentGradientWord.Images),
  pixels: number(RecurrentGradientWord.Pixels),
  channels: number(RecurrentGradientWord.C),
  steps: number(RecurrentGradientWord.T),
  accumulate: flag(RecurrentGradientWord.Accumulate),
  oneToOne: flagIf(RecurrentGradientWord.OneToOne),
})

export const learnGradient = record(Op.LearnGradient, {
  out: writesIf(LearnWord.Out),
  partial: writesIf(LearnWord.Partial),
  traces: reads(LearnWord.Traces),
  rows: number(LearnWord.Rows),
  row: number(LearnWord.Row),
  delta: readsIf(LearnWord.Delta),
  pixels: number(LearnWord.Pixels),
  imagePixels: number(LearnWord.ImagePixels),
  channels: number(LearnWord.C),
  pixelsPerUnit: number(LearnWord.PixelsPerUnit),
})

export const learnFinish = record(Op.LearnFinish, {
  out: writes(LearnFinishWord.Out),
  partial: reads(LearnFinishWord.Partial),
  units: number(LearnFinishWord.Units),
  channels: number(LearnFinishWord.C),
  scalar: flag(LearnFinishWord.Scalar),
})

export type NeuronFields = FieldsOf<typeof neuron>
