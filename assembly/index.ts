/**
 * Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps
 * them apart (V8 tiers up whole functions).
 */
export * from './activity'
export * from './choose'
export { convDense } from './conv'
export * from './conv-input'
export * from './conv-weight'
export { gradientAdd, gradientAddTimes, gradientPair, gradientScaled, gradientTimes } from './contributions'
export * from './list-gradient'
export * from './loss'
export * from './matmul'
export * from './narrow'
export { neuron } from './neuron'
export { neuronFire, neuronRowAdd, neuronRowAffine, neuronRowAffineAdd, neuronRowNormalised, neuronRowSpikes, neuronTrace } from './neuron-general'
export {
  neuronLearn1, neuronLearn2, neuronLearn4, neuronLearnB1, neuronLearnB2, neuronLearnB4, neuronLearnS1, neuronLearnS2, neuronLearnS4,
  neuronLearnStill1, neuronLearnStill2, neuronLearnStill4,
} from './neuron-learn'
export { neuronPlain, neuronPlainB, neuronPlainS } from './neuron-plain'
export * from './neuron-rate'
export {
  neuronAtan, neuronErf, neuronFastSigmoid, neuronPiecewiseExp, neuronRectangle, neuronSigmoid1, neuronSigmoid2, neuronSigmoid4,
  neuronSurrogateAtan, neuronSurrogateErf, neuronSurrogateFastSigmoid, neuronSurrogatePiecewiseExp, neuronSurrogateRectangle,
  neuronSurrogateSigmoid, neuronSurrogateTriangle, neuronTriangle,
} from './neuron-surrogate'
export * from './neuron-time'
export * from './norm'
export * from './optimizer'
export * from './pool'
export { execute, run } from './program'
export * from './random'
export * from './spike-lists'
export * from './spikes'
export * from './standardise'
export * from './winograd-input'
export { winogradKernel, winogradGradient, winogradOutput, winogradPatch, winogradTile, winogradTouch } from './winograd-transforms'
export { winogradOuter, winogradProduct } from './winograd-products'
export * from './winograd-weight'
