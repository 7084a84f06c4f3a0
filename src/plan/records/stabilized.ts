/** Neurons whose threshold follows the potentials of their layer. */

import { NeuronWord, Op, StabilizedWord } from '../../../assembly/opcodes.js'
import { charge } from './neuron.js'
import {
  carries,
  carriesIf,
  f32,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  updates,
  updatesIf,
  writes,
  writesIf,
} from './schema.js'

export const stabilizedCharge = record(Op.StabilizedCharge, {
  ...charge,
  potential: carries(NeuronWord.V),
  moments: writes(StabilizedWord.Moments),
  realChannels: number(NeuronWord.RealC),
})

export const stabilizedThreshold = record(Op.StabilizedThreshold, {
  pixels: number(NeuronWord.Pixels),
  threshold: f32(NeuronWord.Threshold),
  realChannels: number(NeuronWord.RealC),
  units: number(StabilizedWord.Units),
  moments: reads(StabilizedWord.Moments),
  /** Ratio and threshold. */
  stability: carries(StabilizedWord.Stability),
  runningThreshold: updates(StabilizedWord.RunningThreshold),
  share: f32(StabilizedWord.Share),
})

export const stabilizedFire = record(Op.StabilizedFire, {
  ...charge,
  /** Potentials before firing; where it is absent they are charged here. */
  charged: updatesIf(StabilizedWord.Charged),
  potential: carriesIf(NeuronWord.V),
  masks: writes(NeuronWord.Masks),
  planeBytes: number(NeuronWord.PlaneBytes),
  counts: carriesIf(NeuronWord.Counts),
  countPartials: carriesIf(NeuronWord.CountPartials),
  surrogateOut: writesIf(NeuronWord.SurrogateOut),
  thresholdAt: reads(StabilizedWord.ThresholdAt),
  activity: updatesIf(NeuronWord.Activity),
  activityWanted: readsIf(NeuronWord.ActivityWanted),
  pixelsPerImage: numberIf(NeuronWord.PixelsPerImage),
  realChannels: numberIf(NeuronWord.RealC),
})
