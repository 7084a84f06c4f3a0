/** Op.SpikeForward: a convolution of spikes, row by row, in one record a group of four steps. */

import { ConvWord } from '../../../assembly/opcodes.js'
import {
  entries,
  type Fields,
  f32,
  flag,
  number,
  reads,
  readsIf,
  writes,
  writesIf,
} from './schema.js'

/** Sizes that every convolution record has. */
export const convShape = {
  images: number(ConvWord.Images),
  steps: number(ConvWord.T),
  inH: number(ConvWord.InH),
  inW: number(ConvWord.InW),
  inC: number(ConvWord.InC),
  outH: number(ConvWord.OutH),
  outW: number(ConvWord.OutW),
  outC: number(ConvWord.OutC),
  blockWidth: number(ConvWord.BlockWidth),
  kRows: number(ConvWord.KRows),
  kernelH: number(ConvWord.KernelH),
  kernelW: number(ConvWord.KernelW),
  strideH: number(ConvWord.StrideH),
  strideW: number(ConvWord.StrideW),
  padH: number(ConvWord.PadH),
  padW: number(ConvWord.PadW),
}

/** A tensor of spikes that a convolution reads. */
export const source = { masks: reads(0) }

export const spikeForward = {
  ...convShape,
  sources: entries(ConvWord.Sources, source, 8),
  sourceCount: number(ConvWord.SourceCount),
  sourceH: number(ConvWord.SourceH),
  sourceW: number(ConvWord.SourceW),
  planeBytes: number(ConvWord.PlaneBytes),
  scale: f32(ConvWord.Scale),
  poolKernelH: number(ConvWord.PoolKernelH),
  poolKernelW: number(ConvWord.PoolKernelW),
  poolStrideH: number(ConvWord.PoolStrideH),
  poolStrideW: number(ConvWord.PoolStrideW),
  poolPadH: number(ConvWord.PoolPadH),
  poolPadW: number(ConvWord.PoolPadW),
  weight: reads(ConvWord.Weight),
  bias: readsIf(ConvWord.Bias),
  out: writes(ConvWord.Out),
  moments: writesIf(ConvWord.Moments),
  momentPixels: number(ConvWord.MomentPixels),
  group: number(ConvWord.Group),
  rowsPerUnit: number(ConvWord.RowsPerUnit),
  listBytes: number(ConvWord.ListBytes),
  pairLists: flag(ConvWord.PairLists),
  weightedLists: flag(ConvWord.WeightedLists),
  blocksPerUnit: number(ConvWord.BlocksPerUnit),
}

export type SpikeForwardFields = Fields<typeof spikeForward>
