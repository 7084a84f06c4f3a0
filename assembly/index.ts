/** Exports only. Hot leaf functions are exported by their files as well, so that the optimiser keeps them apart (V8 tiers up whole functions). */
export * from './activity'
export * from './choose'
export * from './conv'
export { neuronRowProduct, neuronRowScaled, neuronRowScaledAdd } from './contributions'
export * from './list-gradient'
export * from './loss'
export * from './matmul'
export * from './narrow'
export { neuron } from './neuron'
export { neuronFire, neuronRowAffine, neuronRowAffineAdd, neuronRowNormalised, neuronRowSpikes, neuronTrace } from './neuron-general'
export { neuronLearn, neuronLearnB, neuronLearnS, neuronPlain, neuronPlainB, neuronPlainS } from './neuron-plain'
export * from './neuron-rate'
export {
  neuronEligibilityAtan,
  neuronEligibilityErf,
  neuronEligibilityFastSigmoid,
  neuronEligibilityPiecewiseExp,
  neuronEligibilityRectangle,
  neuronEligibilitySigmoid,
  neuronEligibilityTriangle,
  neuronSurrogateAtan,
  neuronSurrogateErf,
  neuronSurrogateFastSigmoid,
  neuronSurrogatePiecewiseExp,
  neuronSurrogateRectangle,
  neuronSurrogateSigmoid,
  neuronSurrogateTriangle,
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
export * from './winograd'
