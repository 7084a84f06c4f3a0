/** spikewasm: spiking neural networks trained in WebAssembly. */

import './node.js'

export {
  type CheckNeuronOptions,
  checkNeuron,
  type NeuronCheck,
  type NeuronCheckRow,
} from './check-neuron.js'
export { type Block, block, residual, sequential } from './containers.js'
export * from './data/index.js'
export type {
  ExportOptions,
  InputType,
  NetInfo,
  NetMode,
  NetTarget,
  StateEntry,
  WeightType,
} from './edge/abi.js'
export { type EvaluateNetOptions, evaluateNet, type NetEvaluation } from './edge/accuracy.js'
export { type BothTargets, exportWasm } from './edge/export.js'
export { netHeader } from './edge/header.js'
export { type Net, type NetTraining, netInfo, openNet } from './edge/net.js'
export { readState } from './edge/state.js'
export { SpikewasmError } from './errors.js'
export type { NetworkJson, NodeJson } from './graph/json.js'
export type { CheckpointContent } from './io/checkpoint.js'
export type { ModelData, ModelJson } from './io/model-json.js'
export * from './layers/index.js'
export { type LoadOptions, loadModel, networkFromJSON } from './load.js'
export * from './loss/index.js'
export { Model } from './model.js'
export * from './models/index.js'
export { type CompileOptions, compile } from './network.js'
export type { NeuronEntry } from './neurons.js'
export * as neurons from './neurons.js'
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
} from './nir/index.js'
export type { Apply, Composite, Exits, Module, Ops } from './nn/module.js'
export type { InputShape, Shape, Value } from './nn/value.js'
export * as ops from './ops/index.js'
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
} from './optimizer/index.js'
export * from './optimizer/kinds.js'
export type { MemoryUse, Method, MethodOptions, Purpose, StepMode } from './plan/plan.js'
export type { Phase } from './plan/program.js'
export type { EngineSource } from './runtime/load.js'
export type { Prediction, PredictOptions } from './runtime/predict.js'
export type { OperationTime } from './runtime/profile.js'
export type { SaveOptions, StepOptions, StepResult, StreamStep } from './runtime/settings.js'
export type { Diagnostics, NeuronActivity } from './runtime/shown.js'
export type { SpikeTrains } from './runtime/spikes.js'
export type { NamedTensor, StateDict } from './runtime/state.js'
export type { RecordedState, RecordedStates } from './runtime/states.js'
export type { Callback, FitStart, Training } from './train/callback.js'
export { type CheckpointOptions, checkpoint, type Monitor } from './train/callbacks/checkpoint.js'
export { type CsvLoggerOptions, csvLogger } from './train/callbacks/csv-logger.js'
export { type DashboardOptions, dashboard } from './train/callbacks/dashboard.js'
export { type EarlyStoppingOptions, earlyStopping } from './train/callbacks/early-stopping.js'
export { type ProgressOptions, type ProgressStream, progress } from './train/callbacks/progress.js'
export { type ComparableLrOptions, comparableLr } from './train/comparable-lr.js'
export type { EvaluateOptions, Evaluation } from './train/evaluate.js'
export type { Answers, ClassMetrics } from './train/metrics.js'
export type { LayerRecording, MonitorOptions, Recording } from './train/monitor.js'
export type { Energy, LayerOperations, Operations } from './train/operations.js'
export type { FitOptions } from './train/options.js'
export type { EpochRecord, History, StepInfo } from './train/records.js'
