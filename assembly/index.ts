/**
 * Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps
 * them apart (V8 tiers up whole functions).
 */

export { activeMasks, activeQuad, activeRow, activeWide, takeBytes } from './activity/active'
export {
  gradientAdd,
  gradientAddTimes,
  gradientPair,
  gradientScaled,
  gradientTimes,
} from './activity/contributions'
export { spread, spreadBytes } from './activity/join'
export { addAffineRow, addCountWindow, addRow } from './activity/materialise'
export { moveSteps } from './activity/rearrange'
export { recordStep } from './activity/record'
export { countPositive, passWherePositive, reluFloats, scaleByCounts } from './activity/relu'
export { addProduct, addScaledRow, addToRow, dot, multiplyRow, scaleRow } from './activity/rows'
export { softmaxLine } from './activity/softmax'
export { random64 } from './base/random'
export { touchLines } from './base/touch'
export { matmulScratch, product } from './conv/matmul'
export { narrowTile } from './conv/narrow'
export { copyFloats, gatherFloats } from './conv/narrow-planes'
export { addFloats, narrowGradientTile, scatterEights } from './conv/narrow-weight-gradient'
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
export { addRows4, addRows16, storeGradient } from './conv/weight-gradient'
export { microWide } from './conv/wide-tile'
export { edgeExpand } from './edge/expand'
export { edgeExpandBytes } from './edge/expand-bytes'
export { edgeBytes, edgeFloats } from './edge/input'
export { edgeLabels, edgeRefuse, edgeSeed, edgeStepMask, threefry } from './edge/learn'
export { edgeMean } from './edge/output'
export { run } from './engine/interpreter'
export * from './generated/kernels'
export {
  depthSpikes4,
  depthSpikes8,
  listActive,
  spikeTile4,
  spikeTile8,
} from './grouped/spike-tiles'
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
  outerProduct,
  outerRow4,
  outerTile4,
  outerTile8,
} from './grouped/weight-gradient'
export { penaltyRow } from './loss/rate-penalty'
export { addProducts } from './neuron/learn-gradient'
export { addArrivals, addMasks } from './neuron/recurrent'
export { addMoments } from './neuron/stabilized'
export {
  normApply,
  normApplyCentred,
  normCentredProducts,
  normProducts4,
  normProducts16,
} from './norm/backward'
export {
  addNormalised,
  addSquares,
  applyAffine,
  applyNumbers,
  backRow,
  fillFloats,
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
export { adamRange } from './optimizer/adam'
export { blendRange, scaleRange, squareSum } from './optimizer/blend'
export { sgdRange } from './optimizer/sgd'
export { decayRow, traceRow } from './pool/trace'
export {
  sumBytes4,
  sumBytes8,
  sumBytes16,
  sumBytes32,
  sumBytesOfTwo32,
  sumByteTimes4,
  sumByteTimes8,
  sumByteTimes16,
  sumByteTimes32,
  sumFewBits16,
  sumFewBits32,
  sumFewBitsOfTwo32,
} from './spikes/byte-sums'
export {
  combine7,
  combine15,
  combineFew,
  combineInts7,
  combineInts15,
  combineIntsFew,
  combineShorts7,
  combineShorts15,
  combineShortsFew,
} from './spikes/combine'
export { appendCounts, appendFactors, appendPairCounts, countWindow } from './spikes/counts'
export { listAddTwice, listSum } from './spikes/list-gradient'
export { joinRows, listScratch, listsOfRows, POINTERS } from './spikes/lists'
export { patternSum1, patternSum2, patternSum3 } from './spikes/pattern-gradient'
export { patternCells, patternCells1, patternCells4 } from './spikes/pattern-grid'
export { patternFill } from './spikes/pattern-lists'
export { appendPairs, appendPatterns, stepsOf } from './spikes/patterns'
export {
  dequantiseRows4,
  dequantiseRows8,
  dequantiseRows16,
  dequantiseRows32,
  largest4,
  largest8,
  largest16,
  largest32,
  quantiseRows4,
  quantiseRows8,
  quantiseRows16,
  quantiseRows32,
} from './spikes/quantise'
export { listCount, listFill } from './spikes/rate-lists'
export {
  sumBlocks,
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
  winogradOuter,
  winogradOuters,
  winogradProduct,
  winogradProducts,
} from './winograd/products'
export { strideKernel, strideOutput, stridePatch } from './winograd/stride-transforms'
export {
  winogradGradient,
  winogradKernel,
  winogradOutput,
  winogradPatch,
  winogradTile,
} from './winograd/transforms'
