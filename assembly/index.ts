/**
 * Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps
 * them apart (V8 tiers up whole functions).
 */

export {
  gradientAdd,
  gradientAddTimes,
  gradientPair,
  gradientScaled,
  gradientTimes,
} from './activity/contributions'
export * from './activity/materialise'
export * from './base/random'
export { convDense } from './conv/forward'
export * from './conv/input-gradient'
export * from './conv/matmul'
export * from './conv/narrow'
export * from './conv/weight-gradient'
export * from './engine/choose'
export { execute, run } from './engine/interpreter'
export * from './loss/cross-entropy'
export * from './neuron/backward-rate'
export * from './neuron/backward-time'
export {
  neuronFire,
  neuronRowAdd,
  neuronRowAffine,
  neuronRowAffineAdd,
  neuronRowNormalised,
  neuronRowSpikes,
  neuronTrace,
} from './neuron/general'
export {
  neuronLearn1,
  neuronLearn2,
  neuronLearn4,
  neuronLearnB1,
  neuronLearnB2,
  neuronLearnB4,
  neuronLearnS1,
  neuronLearnS2,
  neuronLearnS4,
  neuronLearnStill1,
  neuronLearnStill2,
  neuronLearnStill4,
} from './neuron/learn'
export { neuron } from './neuron/neuron'
export { neuronPlain, neuronPlainB, neuronPlainS } from './neuron/plain'
export {
  neuronAtan,
  neuronErf,
  neuronFastSigmoid,
  neuronPiecewiseExp,
  neuronRectangle,
  neuronSigmoid1,
  neuronSigmoid2,
  neuronSigmoid4,
  neuronSurrogateAtan,
  neuronSurrogateErf,
  neuronSurrogateFastSigmoid,
  neuronSurrogatePiecewiseExp,
  neuronSurrogateRectangle,
  neuronSurrogateSigmoid,
  neuronSurrogateTriangle,
  neuronTriangle,
} from './neuron/surrogate-loops'
export * from './norm/norm'
export * from './norm/standardise'
export * from './optimizer/sgd'
export * from './pool/pool'
export * from './spikes/forward'
export * from './spikes/list-gradient'
export * from './spikes/lists'
export * from './winograd/input-gradient'
export { winogradOuter, winogradProduct } from './winograd/products'
export {
  winogradGradient,
  winogradKernel,
  winogradOutput,
  winogradPatch,
  winogradTile,
  winogradTouch,
} from './winograd/transforms'
export * from './winograd/weight-gradient'
