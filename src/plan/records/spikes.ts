/** Convolutions of spikes: lists of active neurons, sums over them, and both in one. */

import { Op, SourceWord, SpikeWord } from '../../../assembly/opcodes.js'
import { inputSize, outputSize, sizes, weightSize, window } from './conv.js'
import {
  entries,
  f32,
  flag,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  writes,
  writesIf,
} from './schema.js'

/** A tensor of spikes that a convolution reads. */
export const source = { masks: reads(SourceWord.Masks) }

/** What lists are made of. */
const listing = {
  ...sizes('images', 'steps', ...inputSize, 'outH', 'outW', ...window),
  group: number(SpikeWord.Group),
  sources: entries(SpikeWord.Sources, source, SourceWord.Bytes),
  sourceCount: number(SpikeWord.SourceCount),
  sourceH: number(SpikeWord.SourceH),
  sourceW: number(SpikeWord.SourceW),
  planeBytes: number(SpikeWord.PlaneBytes),
  poolKernelH: number(SpikeWord.PoolKernelH),
  poolKernelW: number(SpikeWord.PoolKernelW),
  poolStrideH: number(SpikeWord.PoolStrideH),
  poolStrideW: number(SpikeWord.PoolStrideW),
  poolPadH: number(SpikeWord.PoolPadH),
  poolPadW: number(SpikeWord.PoolPadW),
  listBytes: number(SpikeWord.ListBytes),
  pairLists: flag(SpikeWord.PairLists),
  weightedLists: flag(SpikeWord.WeightedLists),
  rowsPerUnit: number(SpikeWord.RowsPerUnit),
}

/** What is summed over them. */
const sums = {
  ...sizes('steps', ...outputSize, ...weightSize),
  group: number(SpikeWord.Group),
  weight: reads(SpikeWord.Weight),
  bias: readsIf(SpikeWord.Bias),
  scale: f32(SpikeWord.Scale),
  out: writes(SpikeWord.Out),
  pairLists: flag(SpikeWord.PairLists),
  weightedLists: flag(SpikeWord.WeightedLists),
  blocksPerUnit: number(SpikeWord.BlocksPerUnit),
}

const summing = {
  ...sums,
  moments: writesIf(SpikeWord.Moments),
  momentPixels: numberIf(SpikeWord.MomentPixels),
}

export const spikeLists = record(Op.SpikeLists, {
  ...listing,
  lists: writes(SpikeWord.Lists),
  listPointers: writes(SpikeWord.ListPointers),
})

/** Reads the lists where their pointers lead: the word itself only keeps them alive. */
export const spikeConv = record(Op.SpikeConv, {
  ...summing,
  lists: reads(SpikeWord.Lists),
  listPointers: reads(SpikeWord.ListPointers),
  pixelsPerUnit: number(SpikeWord.PixelsPerUnit),
})

export const spikeForward = record(Op.SpikeForward, { ...listing, ...summing })

/** The same with weights of one byte. */
export const spikeForwardBytes = record(Op.SpikeForwardBytes, {
  ...listing,
  ...sums,
  weightScale: reads(SpikeWord.WeightScale),
  mostCounted: number(SpikeWord.MostCounted),
})
