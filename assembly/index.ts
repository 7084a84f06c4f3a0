/**
 * Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps
 * them apart (V8 tiers up whole functions).
 */

export {
  activeFloats,
  activeMasks,
  activeQuad,
  activeRow,
  activeSpikes,
  activeWide,
  takeBytes,
} from './activity/active'
export {
  gradientAdd,
  gradientAddTimes,
  gradientPair,
  gradientScaled,
  gradientTimes,
} from './activity/contributions'
export { delay, delaySpikes } from './activity/delay'
export { join, joinSpikes, split, spread, spreadBytes } from './activity/join'
export { addAffineRow, addCountWindow, addRow, materialise } from './activity/materialise'
export { recordSpikes, recordStep } from './activity/record'
export {
  countPositive,
  passWherePositive,
  relu,
  reluBackward,
  reluFloats,
  scaleByCounts,
} from './activity/relu'
export { addProduct, addScaledRow, addToRow, multiplyRow, scaleRow } from './activity/rows'
export { scaled } from './activity/scaled'
export { random64 } from './base/random'
export { touchLines } from './base/touch'
export { convDense } from './conv/forward'
export { convInputGradient, transposeWeight } from './conv/input-gradient'
export { matmulNN, matmulNT, matmulScratch, matmulTN } from './conv/matmul'
export { convNarrow, narrowTile } from './conv/narrow'
export { copyFloats, gatherFloats } from './conv/narrow-planes'
export {
  addFloats,
  narrowGradientTile,
  narrowWeightGradient,
  scatterEights,
} from './conv/narrow-weight-gradient'
export { packHalf, packRows, spreadFives } from './conv/pack'
export {
  addTile,
  EDGE_BYTES,
  KC,
  MR,
  micro,
  microAdd,
  microNarrow,
  microRow8,
  microRow32,
  NR,
  tile,
} from './conv/tile'
export {
  addRows4,
  addRows16,
  biasGradient,
  convWeightGradient,
  reduceSplits,
  storeGradient,
} from './conv/weight-gradient'
export { edgeExpand } from './edge/expand'
export { edgeExpandBytes } from './edge/expand-bytes'
export { edgeBytes, edgeFloats } from './edge/input'
export { edgeLabels, edgeRefuse, edgeSeed, edgeStepMask, threefry } from './edge/learn'
export { edgeMean } from './edge/output'
export { choose } from './engine/choose'
export { execute } from './engine/execute'
export { run } from './engine/interpreter'
export { groupedExpand, groupedExtract } from './grouped/dense'
export {
  groupedForward,
  groupedInputGradient,
  groupedTranspose,
} from './grouped/forward'
export {
  depthSpikes4,
  depthSpikes8,
  listActive,
  spikeTile4,
  spikeTile8,
} from './grouped/spike-tiles'
export { groupedSpikes } from './grouped/spikes'
export {
  depthRow4,
  depthRow8,
  depthTile8,
  groupRow4,
  groupRow8,
  groupTile4,
  groupTile8,
  quadRow4,
  quadTile4,
} from './grouped/tiles'
export {
  depthSums4,
  depthSums16,
  groupedWeightGradient,
  outerProduct,
  outerRow4,
  outerTile4,
  outerTile8,
} from './grouped/weight-gradient'
export { crossEntropy } from './loss/cross-entropy'
export { meanSquaredError } from './loss/mean-squared-error'
export { output } from './loss/output'
export { penaltyRow, ratePenalty } from './loss/rate-penalty'
export { selfDistillation } from './loss/self-distillation'
export { tet } from './loss/tet'
export { neuronBackwardRate } from './neuron/backward-rate'
export { addProducts, learnFinish, learnGradient } from './neuron/learn-gradient'
export { neuron, neuronBackwardTime } from './neuron/neurons'
export { addArrivals, addMasks, recurrent, recurrentBackward } from './neuron/recurrent'
export { dot, recurrentGradient } from './neuron/recurrent-weight'
export { addMoments, stabilizedSums, stabilizedThreshold } from './neuron/stabilized'
export { normAllTime } from './norm/all-time'
export {
  normApply,
  normApply,
  normApplyCentred,
  normApplyCentred,
  normBackwardApply,
  normBackwardApply,
  normBackwardFinish,
  normBackwardFinish,
  normBackwardReduce,
  normBackwardReduce,
  normCentredProducts,
  normCentredProducts,
  normProducts,
  normProducts,
  normProducts16,
  normProducts16,
} from './norm/backward'
export {
  normEvaluate,
  normEvaluate,
  normFinish,
  normFinish,
  normStatistics,
  normStatistics,
} from './norm/forward'
export {
  addNormalised,
  addSquares,
  applyAffine,
  applyNumbers,
  backRow,
  fillFloats,
  groupNorm,
  groupNormBackward,
  normalise,
  sumFloats,
} from './norm/group-norm'
export {
  addMoments,
  addMoments4,
  combineMoments,
  normSums4,
  normSums16,
  startMoments,
} from './norm/moments'
export { weightStandardise, weightStandardiseBackward } from './norm/standardise'
export { adam, adamRange, stepStart } from './optimizer/adam'
export {
  blend,
  blendRange,
  clipFinish,
  scaleRange,
  squaredNorm,
  squareSum,
} from './optimizer/blend'
export { sgd, sgdRange } from './optimizer/sgd'
export { adaptivePool, adaptivePoolBackward } from './pool/adaptive'
export { dropout, dropoutFloats } from './pool/dropout'
export { maxPool, maxPoolBackward, maxPoolFloats } from './pool/max-pool'
export { clear, sumScalars, timeSum } from './pool/sums'
export { decayRow, trace, traceGradient, traceRow } from './pool/trace'
export { combineBytes7, combineBytes15, combineBytesFew } from './spikes/byte-combine'
export { spikeForwardBytes } from './spikes/byte-forward'
export {
  sumBytes4,
  sumBytes8,
  sumBytes16,
  sumBytes32,
  sumByteTimes4,
  sumByteTimes8,
  sumByteTimes16,
  sumByteTimes32,
  sumRest,
} from './spikes/byte-sums'
export { combine7, combine15, combineFew } from './spikes/combine'
export { appendCounts, appendFactors, appendPairCounts, countWindow } from './spikes/counts'
export { spikeConv, spikeForward } from './spikes/forward'
export { listAddTwice, listSum, listWeightGradient } from './spikes/list-gradient'
export { joinRows, listScratch, listsOfRows, POINTERS, spikeLists } from './spikes/lists'
export {
  patternSum1,
  patternSum2,
  patternSum3,
  patternWeightGradient,
} from './spikes/pattern-gradient'
export { patternCells, patternCells1, patternCells4 } from './spikes/pattern-grid'
export { patternFill, patternLists } from './spikes/pattern-lists'
export { appendPairs, appendPatterns, stepsOf } from './spikes/patterns'
export { listCount, listFill, rateLists } from './spikes/rate-lists'
export {
  sumRows4,
  sumRows8,
  sumRows16,
  sumRows32,
  sumTimes4,
  sumTimes8,
  sumTimes16,
  sumTimes32,
} from './spikes/row-sums'
export { bitSum, byteMax, byteTotals, maskCounts } from './spikes/totals'
export {
  winogradInputGradient,
  winogradInputTransform,
  winogradKernelTransform,
} from './winograd/input-gradient'
export { winogradOuter, winogradProduct } from './winograd/products'
export { winogradStrideGradient, winogradStrideKernels } from './winograd/stride-gradient'
export { strideKernel, strideOutput, stridePatch } from './winograd/stride-transforms'
export {
  winogradGradient,
  winogradKernel,
  winogradOutput,
  winogradPatch,
  winogradTile,
} from './winograd/transforms'
export { winogradWeightGradient, winogradWeightTransform } from './winograd/weight-gradient'
