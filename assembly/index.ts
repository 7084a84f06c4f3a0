/**
 * Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps
 * them apart (V8 tiers up whole functions).
 */
export * from './activity/materialise'
export * from './engine/choose'
export { convDense } from './conv/forward'
export * from './conv/input-gradient'
export * from './conv/weight-gradient'
export { gradientAdd, gradientAddTimes, gradientPair, gradientScaled, gradientTimes } from './activity/contributions'
export * from './spikes/list-gradient'
export * from './loss/cross-entropy'
export * from './conv/matmul'
export * from './conv/narrow'
export { neuron } from './neuron/neuron'
export { neuronFire, neuronRowAdd, neuronRowAffine, neuronRowAffineAdd, neuronRowNormalised, neuronRowSpikes, neuronTrace } from './neuron/general'
export {
  neuronLearn1, neuronLearn2, neuronLearn4, neuronLearnB1, neuronLearnB2, neuronLearnB4, neuronLearnS1, neuronLearnS2, neuronLearnS4,
  neuronLearnStill1, neuronLearnStill2, neuronLearnStill4,
} from './neuron/learn'
export { neuronPlain, neuronPlainB, neuronPlainS } from './neuron/plain'
export * from './neuron/backward-rate'
export {
  neuronAtan, neuronErf, neuronFastSigmoid, neuronPiecewiseExp, neuronRectangle, neuronSigmoid1, neuronSigmoid2, neuronSigmoid4,
  neuronSurrogateAtan, neuronSurrogateErf, neuronSurrogateFastSigmoid, neuronSurrogatePiecewiseExp, neuronSurrogateRectangle,
  neuronSurrogateSigmoid, neuronSurrogateTriangle, neuronTriangle,
} from './neuron/surrogate-loops'
export * from './neuron/backward-time'
export * from './norm/norm'
export * from './optimizer/sgd'
export * from './pool/pool'
export { execute, run } from './engine/interpreter'
export * from './base/random'
export * from './spikes/lists'
export * from './spikes/forward'
export * from './norm/standardise'
export * from './winograd/input-gradient'
export { winogradKernel, winogradGradient, winogradOutput, winogradPatch, winogradTile, winogradTouch } from './winograd/transforms'
export { winogradOuter, winogradProduct } from './winograd/products'
export * from './winograd/weight-gradient'
