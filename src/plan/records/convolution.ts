/** Every kind of record of convolutions and their weights. */

import { choose } from './choose.js'
import * as dense from './dense.js'
import * as grouped from './grouped.js'
import { listWeightGradient, rateLists } from './lists.js'
import { patternLists, patternWeightGradient } from './patterns.js'
import { spikeConv, spikeForward, spikeForwardBytes, spikeLists } from './spikes.js'
import { weightStandardise, weightStandardiseBackward } from './standardise.js'
import * as winograd from './winograd.js'

export const convolutionRecords = [
  dense.convDense,
  dense.convNarrow,
  dense.transposeWeight,
  dense.convInputGradient,
  dense.convWeightGradient,
  dense.narrowWeightGradient,
  dense.reduceSplits,
  dense.biasGradient,
  spikeLists,
  spikeConv,
  spikeForward,
  spikeForwardBytes,
  winograd.winogradInputTransform,
  winograd.winogradKernelTransform,
  winograd.winogradInputGradient,
  winograd.winogradStrideKernels,
  winograd.winogradStrideGradient,
  winograd.winogradWeightTransform,
  winograd.winogradWeightGradient,
  grouped.groupedForward,
  grouped.groupedSpikes,
  grouped.groupedTranspose,
  grouped.groupedInputGradient,
  grouped.groupedWeightGradient,
  grouped.groupedExpand,
  grouped.groupedExtract,
  rateLists,
  listWeightGradient,
  patternLists,
  patternWeightGradient,
  weightStandardise,
  weightStandardiseBackward,
  choose,
] as const
