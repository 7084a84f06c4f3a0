/**
 * The engine's kernels as functions over typed arrays in PyTorch's shapes: `ops.conv2d.plan({…})`,
 * then `run`. They call the records that a network is made of, so the results have the same bits.
 *
 * @module ops
 */

export type { GradientTerm } from './contributions.js'
export type { ConvShape, LinearShape } from './convolution.js'
export { load } from './engine.js'
export type { AddOptions, AddTerm, AvgPool2dOptions } from './kinds/add.js'
export { add, avgPool2d } from './kinds/add.js'
export type { BatchNormOptions, BatchNormResults } from './kinds/batch-norm.js'
export { batchNorm } from './kinds/batch-norm.js'
export type {
  BatchNormBackwardArguments,
  BatchNormBackwardMemory,
  BatchNormBackwardOperation,
  BatchNormBackwardOptions,
  BatchNormGradients,
} from './kinds/batch-norm-backward.js'
export { batchNormBackward } from './kinds/batch-norm-backward.js'
export type { ShapeOptions } from './kinds/clear-and-sum.js'
export { clear, sum } from './kinds/clear-and-sum.js'
export type {
  Conv2dOptions,
  ForwardArguments,
  ForwardMemory,
  ForwardOperation,
  ForwardResults,
} from './kinds/conv2d.js'
export { conv2d } from './kinds/conv2d.js'
export type {
  BiasGradientMemory,
  Conv2dBiasGradientOptions,
  Conv2dInputGradientOptions,
  Conv2dWeightGradientOptions,
  InputGradientMemory,
  WeightGradientArguments,
  WeightGradientMemory,
} from './kinds/conv2d-gradients.js'
export {
  conv2dBiasGradient,
  conv2dInputGradient,
  conv2dWeightGradient,
} from './kinds/conv2d-gradients.js'
export type {
  CrossEntropyOptions,
  CrossEntropyResults,
  CrossEntropySettings,
} from './kinds/cross-entropy.js'
export { crossEntropy } from './kinds/cross-entropy.js'
export type {
  DropoutBackwardOptions,
  DropoutOptions,
  DropoutResults,
  DropoutSettings,
} from './kinds/dropout.js'
export { dropout, dropoutBackward } from './kinds/dropout.js'
export type {
  AvgPool2dBackwardOptions,
  GradientSumOptions,
} from './kinds/gradient-sum.js'
export { avgPool2dBackward, gradientSum } from './kinds/gradient-sum.js'
export type { LifArgument, LifOptions, LifOutput, LifResults } from './kinds/lif.js'
export { lif } from './kinds/lif.js'
export type {
  LifBackwardArguments,
  LifBackwardMemory,
  LifBackwardOperation,
  LifBackwardOptions,
} from './kinds/lif-backward.js'
export { lifBackward } from './kinds/lif-backward.js'
export type {
  LinearBiasGradientOptions,
  LinearInputGradientOptions,
  LinearOptions,
  LinearWeightGradientOptions,
} from './kinds/linear.js'
export {
  linear,
  linearBiasGradient,
  linearInputGradient,
  linearWeightGradient,
} from './kinds/linear.js'
export type { MatmulOptions } from './kinds/matmul.js'
export { matmul } from './kinds/matmul.js'
export type {
  MaxPool2dBackwardOptions,
  MaxPool2dOptions,
  MaxPool2dResults,
  MaxPoolChoice,
} from './kinds/max-pool2d.js'
export { maxPool2d, maxPool2dBackward } from './kinds/max-pool2d.js'
export type { ReluBackwardOptions, ReluOptions, ReluResults } from './kinds/relu.js'
export { relu, reluBackward } from './kinds/relu.js'
export type { SgdOptions, SgdSettings } from './kinds/sgd.js'
export { sgd } from './kinds/sgd.js'
export type { TimeMeanOptions, TimeMeanResults } from './kinds/time-mean.js'
export { timeMean } from './kinds/time-mean.js'
export type {
  TimeSumOptions,
  TraceGradientOptions,
  TraceGradientResults,
  TraceOptions,
} from './kinds/trace.js'
export { timeSum, trace, traceGradient } from './kinds/trace.js'
export type {
  WeightStandardiseGradientMemory,
  WeightStandardiseGradientOperation,
  WeightStandardiseGradients,
  WeightStandardiseMemory,
  WeightStandardiseOptions,
} from './kinds/weight-standardise.js'
export { weightStandardise, weightStandardiseGradient } from './kinds/weight-standardise.js'
export type { AffineOption, ChargeOptions, ResidualOptions } from './neurons.js'
export type { MaybePromise, OneThread, Operation, Plan } from './operation.js'
export type { StepSettings } from './passes.js'
export type { CommonOptions, PlanInfo } from './plan.js'
export type {
  NamedResults,
  OutputsOption,
  ResultNames,
  Selected,
  SelectingOperation,
  SelectingOptions,
} from './selecting.js'
export type { TensorInfo, Values, ValueType } from './tensor.js'
export type { ForwardOptions } from './weighted/forward.js'
export type { BiasGradientOptions, InputGradientOptions } from './weighted/gradients.js'
export type { SpikeOptions } from './weighted/spikes.js'
export type { WeightGradientOptions } from './weighted/weight-gradient.js'
export type { TermWindow, WindowOptions } from './windows.js'
