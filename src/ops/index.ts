/**
 * The engine's kernels as functions over typed arrays in PyTorch's shapes: `ops.conv2d.plan({…})`,
 * then `run`. They call the records that a network is made of, so the results have the same bits.
 *
 * @module ops
 */

export type { GradientMemory, GradientsOf, GradientTerm } from './contributions.js'
export type { ConvShape, LinearShape } from './convolution.js'
export { load } from './engine.js'
export type { AdamOptions, AdamSettings } from './kinds/adam.js'
export { adam } from './kinds/adam.js'
export {
  type AdaptiveAvgPool2dOptions,
  adaptiveAvgPool2d,
  adaptiveAvgPool2dBackward,
} from './kinds/adaptive-avg-pool2d.js'
export type {
  AddMemory,
  AddOptions,
  AddTerm,
  AddTypes,
  AvgPool2dMemory,
  AvgPool2dOptions,
  AvgPool2dTypes,
  Places,
  PlacesThat,
  TermArguments,
} from './kinds/add.js'
export { add, avgPool2d } from './kinds/add.js'
export type {
  BatchNormMemory,
  BatchNormOptions,
  BatchNormRanks,
  BatchNormResults,
  BatchNormTypes,
  EndsEarly,
  Running,
} from './kinds/batch-norm.js'
export { batchNorm } from './kinds/batch-norm.js'
export type { BatchNormAllTimeOptions } from './kinds/batch-norm-all-time.js'
export { batchNormAllTime } from './kinds/batch-norm-all-time.js'
export type {
  BatchNormBackwardMemory,
  BatchNormBackwardOptions,
  BatchNormBackwardTypes,
  BatchNormGradients,
} from './kinds/batch-norm-backward.js'
export { batchNormBackward } from './kinds/batch-norm-backward.js'
export type {
  CellBackwardTypes,
  CellGradients,
  CellOpOptions,
  CellResults,
  CellTypes,
} from './kinds/cell.js'
export { cell, cellBackward } from './kinds/cell.js'
export type { ClearMemory, ShapeOptions, SumMemory } from './kinds/clear-and-sum.js'
export { clear, sum } from './kinds/clear-and-sum.js'
export type {
  ClipNormOptions,
  ClipNormSettings,
  EmaOptions,
  EmaSettings,
} from './kinds/clip-and-average.js'
export { clipNorm, ema } from './kinds/clip-and-average.js'
export {
  type ConcatOptions,
  type ConcatTypes,
  concat,
  type SplitOptions,
  type SplitTypes,
  split,
} from './kinds/concat.js'
export type { Conv2dOptions } from './kinds/conv2d.js'
export { conv2d } from './kinds/conv2d.js'
export type {
  Conv2dBiasGradientOptions,
  Conv2dInputGradientOptions,
  Conv2dWeightGradientOptions,
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
export {
  type DelayBackwardOptions,
  type DelayMemory,
  type DelayOptions,
  type DelayTypes,
  delay,
  delayBackward,
} from './kinds/delay.js'
export type {
  DropoutBackwardOptions,
  DropoutMemory,
  DropoutOptions,
  DropoutResults,
  DropoutSettings,
  DropoutTypes,
} from './kinds/dropout.js'
export { dropout, dropoutBackward } from './kinds/dropout.js'
export type {
  AvgPool2dBackwardOptions,
  GradientSumMemory,
  GradientSumOptions,
  GradientSumTypes,
} from './kinds/gradient-sum.js'
export { avgPool2dBackward, gradientSum } from './kinds/gradient-sum.js'
export {
  type GroupNormGradients,
  type GroupNormOptions,
  groupNorm,
  groupNormBackward,
} from './kinds/group-norm.js'
export type {
  LifMemory,
  LifOptions,
  LifOutput,
  LifResults,
  LifStandard,
  LifTypes,
  Wants,
} from './kinds/lif.js'
export { lif } from './kinds/lif.js'
export type {
  Deltas,
  LifBackwardMemory,
  LifBackwardOptions,
  LifBackwardRules,
  LifBackwardTypes,
  LifGradients,
  ModeArguments,
  ModeMemory,
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
export type { LossResults, LossSettings, Over } from './kinds/losses.js'
export type { MatmulMemory, MatmulOptions, MatmulRanks, MatmulTypes } from './kinds/matmul.js'
export { matmul } from './kinds/matmul.js'
export type {
  MaxPool2dBackwardOptions,
  MaxPool2dMemory,
  MaxPool2dOptions,
  MaxPool2dResults,
  MaxPool2dTypes,
  MaxPoolChoice,
} from './kinds/max-pool2d.js'
export { maxPool2d, maxPool2dBackward } from './kinds/max-pool2d.js'
export type { MseOptions } from './kinds/mse.js'
export { mse } from './kinds/mse.js'
export type {
  ElementwiseOpOptions,
  ElementwiseTypes,
  EquationBackwardTypes,
  EquationMemory,
  EquationOpOptions,
  NeuronOpOptions,
  NeuronOpResults,
  NeuronOpTypes,
} from './kinds/neuron.js'
export { elementwise, elementwiseBackward, neuron, neuronBackward } from './kinds/neuron.js'
export type { RatePenaltyOptions } from './kinds/rate-penalty.js'
export { ratePenalty } from './kinds/rate-penalty.js'
export type {
  ReluBackwardMemory,
  ReluBackwardOptions,
  ReluBackwardTypes,
  ReluOptions,
  ReluResults,
  ReluTypes,
  StepsOfCounts,
} from './kinds/relu.js'
export { relu, reluBackward } from './kinds/relu.js'
export { type ScaleOptions, scale } from './kinds/scale.js'
export type { SelfDistillationOpOptions } from './kinds/self-distillation.js'
export { selfDistillation } from './kinds/self-distillation.js'
export type { SgdOptions, SgdSettings } from './kinds/sgd.js'
export { sgd } from './kinds/sgd.js'
export type { StabilizedLifStepOptions } from './kinds/stabilized-lif.js'
export { stabilizedLif } from './kinds/stabilized-lif.js'
export type { TetOptions } from './kinds/tet.js'
export { tet } from './kinds/tet.js'
export type { TimeMeanOptions, TimeMeanResults } from './kinds/time-mean.js'
export { timeMean } from './kinds/time-mean.js'
export type {
  TimeSumOptions,
  TimeSumTypes,
  TraceGradientOptions,
  TraceGradientResults,
  TraceMemory,
  TraceOptions,
  TraceTypes,
} from './kinds/trace.js'
export { timeSum, trace, traceGradient } from './kinds/trace.js'
export type {
  Gain,
  WeightStandardiseGradientMemory,
  WeightStandardiseGradients,
  WeightStandardiseGradientTypes,
  WeightStandardiseMemory,
  WeightStandardiseOptions,
  WeightStandardiseRanks,
  WeightStandardiseTypes,
} from './kinds/weight-standardise.js'
export { weightStandardise, weightStandardiseGradient } from './kinds/weight-standardise.js'
export type {
  AffineOption,
  ChargeArguments,
  ChargeMemory,
  ChargeOptions,
  ResidualAffine,
  ResidualOptions,
  Vectors,
} from './neurons.js'
export type { Operation, Plan } from './operation.js'
export type { StepSettings } from './passes.js'
export type { CommonOptions, PlanInfo } from './plan.js'
export type {
  Chosen,
  CountsOfSpikes,
  Has,
  OutputsOf,
  OutputsOption,
  ResultNames,
  Selected,
  Selecting,
  SomeOutputs,
} from './selecting.js'
export type { TensorInfo, Values, ValueType } from './tensor.js'
export type {
  Activity,
  ActivityInput,
  AllKnown,
  AllMissable,
  AllOptional,
  Arguments,
  Asks,
  Awaitable,
  Beginnings,
  CallArguments,
  Certain,
  Fixed,
  If,
  Image,
  ImageInput,
  InputOf,
  Known,
  ListOf,
  MaybePromise,
  NoSuchOption,
  NotEmpty,
  Only,
  OnlyWith,
  OpTypes,
  Option,
  OptionNames,
  Ranked,
  RankedShape,
  Returned,
  Rows,
  RowsInput,
  RunArguments,
  StillInput,
  TermRules,
  Timed,
  TimedInput,
  TypeOf,
  Valid,
  With,
  WrongRank,
} from './types.js'
export type { ForwardAlgorithm, ForwardOptions } from './weighted/forward.js'
export type {
  BiasGradientOptions,
  InputGradientAlgorithm,
  InputGradientOptions,
} from './weighted/gradients.js'
export type { SpikeOptions } from './weighted/spikes.js'
export type {
  BiasGradientTypes,
  ByteWeights,
  ConvRanks,
  ForwardMemory,
  ForwardResults,
  ForwardRules,
  ForwardTypes,
  ImageDelta,
  InputGradientMemory,
  LinearRanks,
  MoreSources,
  OfBytes,
  RowsDelta,
  SourceMemory,
  SourceNames,
  WeightGradientMemory,
  WeightGradientRules,
  WeightGradientTypes,
} from './weighted/types.js'
export type { WeightGradientAlgorithm, WeightGradientOptions } from './weighted/weight-gradient.js'
export type { TermWindow, WindowOptions } from './windows.js'
