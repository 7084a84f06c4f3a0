/** The weight's gradient through time from lists of spike patterns. */

import { Op, PatternWord, SourceWord } from '../../../assembly/opcodes.js'
import { sizes, weightSize, window } from './conv.js'
import {
  entries,
  f32,
  flagIf,
  number,
  reads,
  record,
  writes,
  writesIf,
  writesOrAddsIf,
} from './schema.js'
import { source } from './spikes.js'

const shared = {
  ...sizes('images', 'steps', 'inH', 'inC', ...window),
  listBytes: number(PatternWord.ListBytes),
  imagesPerGroup: number(PatternWord.ImagesPerGroup),
  rowsPerGroup: number(PatternWord.RowsPerGroup),
  gridTop: number(PatternWord.GridTop),
  gridLeft: number(PatternWord.GridLeft),
  gridH: number(PatternWord.GridH),
  gridW: number(PatternWord.GridW),
}

export const patternLists = record(Op.PatternLists, {
  ...shared,
  ...sizes('inW'),
  sources: entries(PatternWord.Sources, source, SourceWord.Bytes),
  sourceCount: number(PatternWord.SourceCount),
  sourceH: number(PatternWord.SourceH),
  sourceW: number(PatternWord.SourceW),
  planeBytes: number(PatternWord.PlaneBytes),
  poolKernelH: number(PatternWord.PoolKernelH),
  poolKernelW: number(PatternWord.PoolKernelW),
  poolStrideH: number(PatternWord.PoolStrideH),
  poolStrideW: number(PatternWord.PoolStrideW),
  poolPadH: number(PatternWord.PoolPadH),
  poolPadW: number(PatternWord.PoolPadW),
  lists: writes(PatternWord.Lists),
  listPointers: writes(PatternWord.ListPointers),
})

/**
 * Reads the lists up to where their pointers lead. With one split it writes `out` (or adds to it),
 * with more `partial`, which is then summed.
 */
export const patternWeightGradient = record(Op.PatternWeightGradient, {
  ...shared,
  ...sizes('outH', 'outW', 'outC', ...weightSize),
  lists: reads(PatternWord.Lists),
  listPointers: reads(PatternWord.ListPointers),
  delta: reads(PatternWord.Delta),
  gridOutH: number(PatternWord.GridOutH),
  gridOutW: number(PatternWord.GridOutW),
  inCPerUnit: number(PatternWord.InCPerUnit),
  splits: number(PatternWord.Splits),
  partial: writesIf(PatternWord.Partial),
  scale: f32(PatternWord.Scale),
  out: writesOrAddsIf(PatternWord.Out, 'accumulate'),
  accumulate: flagIf(PatternWord.Accumulate),
})
