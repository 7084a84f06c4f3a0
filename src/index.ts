/** spikewasm: spiking neural networks trained in WebAssembly. */

import './model/node.js'

export { SpikewasmError } from './base/errors.js'
export type { MemoryUse, Method, MethodOptions, Purpose, StepMode } from './compile/plan.js'
export type { Phase } from './compile/program.js'
export * from './data/index.js'
export type {
  ExportOptions,
  InputType,
  NamedInput,
  NetInfo,
  NetMode,
  NetTarget,
  StateEntry,
} from './edge/abi.js'
export { type EvaluateNetOptions, evaluateNet, type NetEvaluation } from './edge/accuracy.js'
export { type BothTargets, exportWasm } from './edge/export.js'
export { netHeader } from './edge/header.js'
export { type Net, type NetTraining, netInfo, openNet } from './edge/net.js'
export { readState } from './edge/state.js'
export type {
  ByteOptions,
  SaveOptions,
  StepOptions,
  StepResult,
  StreamStep,
} from './engine/compile-options.js'
export type { EngineSource } from './engine/load.js'
export type { NamedTensor, StateDict } from './engine/memory/state.js'
export type { RecordedState, RecordedStates } from './engine/memory/states.js'
export type { Diagnostics, NeuronActivity, OperationTime } from './engine/run/last-run.js'
export type { ForwardOptions, StepCall, UpdateOptions } from './engine/run/passes.js'
export type { Prediction, PredictOptions } from './engine/run/predict.js'
export type { QuantisedWeight } from './engine/run/quantised.js'
export type { SpikeTrains } from './engine/run/spikes.js'
export type { CheckpointContent } from './files/checkpoint.js'
export type { ModelData, ModelJson } from './files/json.js'
export {
  type CheckNeuronOptions,
  checkNeuron,
  type NeuronCheck,
  type NeuronCheckRow,
} from './model/check-neuron.js'
export { type CompileOptions, compile } from './model/compile.js'
export { type Block, block, layer, residual, sequential } from './model/containers.js'
export { type LoadOptions, loadModel, networkFromJSON } from './model/load.js'
export { Model } from './model/model.js'
export * from './model/models/index.js'
export type { NeuronEntry } from './model/neurons.js'
export * as neurons from './model/neurons.js'
export {
  type Discretisation,
  type LoadNirOptions,
  loadNir,
  type NirConventions,
  type NirNetwork,
  type NirOptions,
  type NirReset,
  networkFromNir,
  type SaveNirOptions,
} from './model/nir/load.js'
export type { NetworkJson, NodeJson } from './network/json.js'
export type {
  Apply,
  Composite,
  Exits,
  MatmulOptions,
  Module,
  NamedValues,
  Ops,
} from './network/module.js'
export {
  type CosineOptions,
  constant,
  cosine,
  type EpochFigures,
  type EpochSchedule,
  linearWarmup,
  type Names,
  type OneCycleOptions,
  oneCycle,
  type ParameterGroup,
  type PlateauOptions,
  perStep,
  plateau,
  type Schedule,
  type ScheduleAt,
  type ScheduleBy,
  stepDecay,
} from './network/optimizer.js'
export type { InputShape, InputShapes, Shape, Value } from './network/value.js'
export type { WeightType } from './network/weights.js'
export * from './nn/layers/index.js'
export type { OwnLayer, OwnParameter, ParameterStart } from './nn/layers/parameter.js'
export * from './nn/loss/check-gradient.js'
export * from './nn/loss/custom.js'
export * from './nn/loss/kinds.js'
export * from './nn/optimizers.js'
export * from './nn/rule.js'
export * as ops from './ops/index.js'
export type { Callback, FitStart, Training } from './train/callback.js'
export { type CheckpointOptions, checkpoint, type Monitor } from './train/callbacks/checkpoint.js'
export { type CsvLoggerOptions, csvLogger } from './train/callbacks/csv-logger.js'
export { type DashboardOptions, dashboard } from './train/callbacks/dashboard.js'
export { type EarlyStoppingOptions, earlyStopping } from './train/callbacks/early-stopping.js'
export { type ProgressOptions, type ProgressStream, progress } from './train/callbacks/progress.js'
export { type ComparableLrOptions, comparableLr } from './train/comparable-lr.js'
export type { AnswersFor, DataFor, EvaluationOf } from './train/data-for.js'
export type { Answers, ClassMetrics, EvaluateOptions, Evaluation } from './train/evaluate.js'
export type { Metric, MetricInput, Metrics, RunningMetric } from './train/metrics.js'
export type { LayerRecording, MonitorOptions, Recording } from './train/monitor.js'
export type { Energy, LayerOperations, Operations } from './train/operations.js'
export type { FitOptions } from './train/options.js'
export type { EpochRecord, History, StepInfo } from './train/records.js'
