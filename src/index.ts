/** spikewasm: spiking neural networks trained in WebAssembly. */

export * from './data/index.js'
export { SpikewasmError } from './errors.js'
export {
  type CompileOptions,
  compile,
  Model,
  type NamedTensor,
  type Prediction,
  type StateDict,
  type StepOptions,
  type StepResult,
} from './model.js'
export * from './models/index.js'
export * from './nn/containers.js'
export * from './nn/layers.js'
export type { MemoryUse, Method, MethodOptions, StepMode } from './plan/plan.js'
export type { EvaluateOptions, Evaluation } from './train/evaluate.js'
export type { EpochRecord, FitOptions, History, StepInfo } from './train/fit.js'
export {
  constant,
  cosine,
  type Schedule,
  type Sgd,
  type SgdOptions,
  sgd,
  stepDecay,
} from './train/optimizer.js'
