/** The user's handle on a compiled network. It checks what it is given and asks the session. */

import { copyOf } from '../base/objects.js'
import type { MethodOptions } from '../compile/methods.js'
import type { Optimizer } from '../compile/optimizer-kind.js'
import type { Plan, PlanOptions } from '../compile/plan.js'
import { inTwoLines, parameterCount, summarize } from '../compile/summary.js'
import type { Dataset } from '../data/datasets/dataset.js'
import type {
  ByteOptions,
  LoadOptions,
  SaveOptions,
  StepOptions,
  StepResult,
  StreamStep,
} from '../engine/compile-options.js'
import { firingRates, programOf } from '../engine/memory/arena.js'
import { averages, type StateDict, stateDict, takeState } from '../engine/memory/state.js'
import { joined, listOfLabels, type NamedInputs } from '../engine/run/batch.js'
import * as shown from '../engine/run/last-run.js'
import { type OperationTime, profileStep } from '../engine/run/last-run.js'
import {
  backward,
  type ForwardOptions,
  forward,
  type StepCall,
  stepCalls,
  type UpdateOptions,
  update,
} from '../engine/run/passes.js'
import { type Prediction, type PredictOptions, predict } from '../engine/run/predict.js'
import { computedState, type QuantisedWeight, quantised } from '../engine/run/quantised.js'
import { type SpikeTrains, spikeTrains } from '../engine/run/spikes.js'
import { streamStep, trainStep } from '../engine/run/step.js'
import { setOptimizer } from '../engine/run/training.js'
import type { Session } from '../engine/session.js'
import { alone, idle, inTurn } from '../engine/threads/calls.js'
import { type ModelJson, modelJson } from '../files/json.js'
import type { SaveNirOptions } from '../files/nir/options.js'
import type { Loss } from '../network/optimizer.js'
import type { InputShape, InputShapes } from '../network/value.js'
import type { WeightType } from '../network/weights.js'
import type { AnyOutputs, OutputArrays } from '../nn/loss/custom.js'
import type { AnswersFor, DataFor, EvaluationOf } from '../train/data-for.js'
import { type EvaluateOptions, evaluateInTurn } from '../train/evaluate.js'
import { fit } from '../train/fit.js'
import { loadWeights, modelBytes, saveModel } from '../train/model-file.js'
import { type MonitorOptions, monitorInTurn, type Recording } from '../train/monitor.js'
import { type FitOptions, ownFitOptions } from '../train/options.js'
import type { History } from '../train/records.js'
import { extra } from '../train/registered.js'

/**
 * A compiled network: trains, predicts, and gives its parameters. `compile` makes it. It runs one
 * operation at a time. Calls that leave it as it is, such as `predict` and `save`, wait for their
 * turn, first come first served, at most 1,024; others are refused while one runs or waits. What a
 * call is given, data sets and callbacks excepted, is read before it returns its promise. With
 * `threads` above 1 it holds threads until `dispose`.
 */
export class Model<L = Loss> {
  /** @internal */
  constructor(
    /** @internal */
    readonly session: Session,
  ) {}

  /** A model from what `toBytes` gave, or a file of `save` holds; as `loadModel`. */
  static async fromBytes(bytes: Uint8Array, options?: LoadOptions): Promise<Model> {
    return (await extra('fromBytes', 'Model.fromBytes')(copyOf(bytes), copyOf(options))) as Model
  }

  /**
   * Sizes of one sample, as `compile` was given them: [C, H, W], [C, L] or [features]. Of named
   * inputs [numbers of all]: in a sample they lie one behind the other.
   */
  get input(): InputShape {
    return this.session.asked
  }
  /** Sizes of named inputs, in the order in which a sample has them; undefined where one is. */
  get inputs(): InputShapes | undefined {
    return this.session.inputs
  }
  /** Rule of the parameters' steps in `trainStep`; `fit` sets it to its own. Default `sgd()`. */
  get optimizer(): Optimizer {
    return this.session.optimizer
  }
  /**
   * Takes effect with the next step; what one rule keeps, such as momentum, stays until the next
   * step of another rule.
   * @throws SpikewasmError for what is no optimizer, for a group that names what the network has
   *   not, and while the model runs; in `fit` a schedule changes the learning rate
   */
  set optimizer(optimizer: Optimizer) {
    setOptimizer(this.session, optimizer)
  }
  /** T, the time steps for which each sample is presented. */
  get timeSteps(): number {
    return this.session.timeSteps
  }
  /** B, the samples of a training step. */
  get batchSize(): number {
    return this.session.batchSize
  }
  /** Worker threads; 1 stands for the calling thread. */
  get threads(): number {
    return this.session.threads
  }
  /** Seed of initialisation, shuffling, dropout and augmentation. */
  get seed(): number {
    return this.session.seed
  }
  /** Whether inputs differ from time step to time step, [B, T, C, H, W]. */
  get frames(): boolean {
    return this.session.frames
  }
  /** Whether its engine was compiled for wide vectors; see `revectorize` of `compile`. */
  get revectorized(): boolean {
    return this.session.settings.revectorized
  }
  /** Numbers of the weights that read spikes: `weights` of `compile`. */
  get weightType(): WeightType {
    return this.session.settings.weights
  }
  /** Number of classes: the last layer's outputs. */
  get classes(): number {
    return this.session.graph.nodes[this.session.graph.output].shape[0]
  }
  /**
   * What the classes are called, a name for each. They are the `labels` of `compile`, `loadModel`
   * or `fit`; where none were given, the `classNames` of the data of the last `fit`, or of the file
   * that the model is from. Undefined where nobody has named them.
   */
  get labels(): readonly string[] | undefined {
    return this.session.labels?.names
  }
  /** Training method: that of `compile`, or of the last `fit` that named one. */
  get method(): PlanOptions['method'] {
    return this.session.plan.options.method
  }
  /** 'm': each layer runs all time steps; 's': the whole network runs one time step at a time. */
  get stepMode(): PlanOptions['stepMode'] {
    return this.session.plan.options.stepMode
  }
  /** Number of trained parameters. */
  get parameterCount(): number {
    return parameterCount(this.session.plan)
  }
  /** What the model's memory is used for, in bytes. */
  get memoryUse(): Plan['memory'] {
    return this.session.plan.memory
  }

  /**
   * @internal Changes the method; parameters and statistics stay, momentum is forgotten.
   * @throws SpikewasmError for options that don't match
   */
  prepare(options: MethodOptions): Promise<void> {
    return alone(this.session, [options], (asked) => this.session.replan(asked), false)
  }

  /**
   * One training step: forward, backward and, unless `update` is false, `model.optimizer`.
   * @param x float32 [B, C, H, W], or [B, T, C, H, W] with `frames`; B must be the batch size. Of
   *   named inputs an array of each, or all of a sample one behind the other
   * @param y B labels, 0 … classes − 1; with `mse({ targets: 'values' })` Float32Array [B,
   *   outputs]; with `targets: 'steps'` Float32Array [B, T] of classes, or of mse [B, T, outputs]
   * @returns the loss and the number of right answers, before the parameters' step
   * @throws SpikewasmError for wrong sizes, labels or options, and when the loss or a gradient is
   *   not finite; Error when a worker fails
   */
  trainStep(
    x: Float32Array | NamedInputs,
    y: AnswersFor<L>,
    options: StepOptions = {},
  ): Promise<StepResult> {
    const given = [joined(this.session, x), listOfLabels(y), options] as const
    return alone(this.session, given, (...of) => trainStep(this.session, ...of))
  }

  /**
   * The first part of a training step: what the network gives for a batch. `backward` and `update`
   * follow it; the three make the step that `trainStep` makes with the loss's gradient. Methods
   * that go back in each call of a few steps have `calls` instead.
   * @param x float32 [B, C, H, W], or [B, T, C, H, W] with `frames`; B must be the batch size
   * @returns the mean over time of the outputs, [B, C]; where the loss is of each step's output,
   *   [T, B, C]; of a network with several outputs a record by their names, whose type is asked
   *   for: `forward<Record<string, Float32Array>>(x)`
   * @throws SpikewasmError for wrong sizes, an output that is not finite, and online methods
   */
  forward<O extends AnyOutputs = Float32Array>(
    x: Float32Array | NamedInputs,
    options: ForwardOptions = {},
  ): Promise<O> {
    const given = [joined(this.session, x), options] as const
    return alone(this.session, given, (...of) => forward(this.session, ...of) as Promise<O>)
  }

  /**
   * The second part: gradients of all parameters. Those that no `update` has taken are added to.
   * @param gradient of the loss by what `forward` gave, of its sizes
   * @throws SpikewasmError unless that `forward` was the model's last call, and for a gradient of
   *   another size or with a number that is not finite
   */
  backward(gradient: OutputArrays<Float32Array | Float64Array>): Promise<void> {
    return alone(this.session, [gradient], (of) => backward(this.session, of))
  }

  /**
   * The last part: a step of `model.optimizer` with the gradients of `backward`. It counts as one
   * step, however many passes it takes.
   * @throws SpikewasmError where no `backward` came before it, and when a gradient is not finite
   */
  update(options: UpdateOptions = {}): Promise<Pick<StepResult, 'gradientNorm'>> {
    return alone(this.session, [options], (of) => update(this.session, of))
  }

  /**
   * The calls of an online method, one after the other: `for await (const call of model.calls(x))
   * await call.backward(gradientOf(call.outputs))`, then `update`. With `update: 'everyStep'` each
   * `backward` makes a step of the optimizer, with these options. `x` is that of `forward`.
   * @throws SpikewasmError for other methods, wrong sizes, and when another call runs in between
   */
  calls<O extends AnyOutputs = Float32Array>(
    x: Float32Array | NamedInputs,
    options: UpdateOptions = {},
  ): AsyncGenerator<StepCall<O>, void> {
    return stepCalls<O>(this.session, copyOf(joined(this.session, x)), copyOf(options))
  }

  /**
   * Gradients of the last training step by parameter name, in PyTorch's shapes (`conv2d` weight
   * [out, in, kh, kw], `linear` weight [out, in], …); copies.
   * @throws SpikewasmError before the first training step with the model's method
   */
  gradients(): StateDict {
    return shown.gradients(this.session)
  }

  /**
   * Gradient of the loss by the input of the last training step, as the input lies: [B, C, H, W],
   * of `frames` [B, T, C, H, W]; a copy. An input that all steps read has the sum over the steps.
   * `bptt` gives the true gradient, with the surrogate of spikes; `rate` that of means over time,
   * the same for each frame; online methods give that through the layers of each step alone.
   * @param name of named inputs: the one that is wanted; default: all, as they lie in a sample
   * @throws SpikewasmError without `compile({ inputGradient: true })`, and before the first step
   */
  inputGradient(name?: string): Float32Array {
    return shown.inputGradient(this.session, name)
  }

  /** Time mean of the last run's outputs, [B, classes], with repeats; an error before any run. */
  output(): Float32Array {
    return shown.output(this.session)
  }

  /**
   * Outputs and classes of any number of samples, with running statistics and without dropout. A
   * few samples, or a few that are left behind the last full batch, run one by one and cost no
   * whole batch; the numbers are the same, bit for bit.
   * @param x float32 [n, C, H, W]; with `frames` [n, T, C, H, W]
   * @throws SpikewasmError when the length is no multiple of a sample's, and for wrong options
   */
  predict(x: Float32Array | NamedInputs, options: PredictOptions = {}): Promise<Prediction> {
    return predict(this.session, joined(this.session, x), options)
  }

  /**
   * One time step of a model compiled with purpose 'stream': one frame in, spikes and outputs so
   * far out. Membrane potentials are kept from call to call until `reset`.
   * T steps give the bits of `predict` of those T frames in step mode 's' (rate, ottt and sltt;
   * bptt above 255 steps); else outputs may differ in rounding. A stream may go on for longer than
   * T. `loadStateDict` amid a stream changes weights alone. The result's `spikes` are sums since
   * `reset`; `spikes(layer)` has those of the step alone.
   * @param x float32 [B, C, H, W]; B must be the batch size.
   * @throws SpikewasmError for a wrong size, numbers that are not finite, or another purpose.
   */
  step(x: Float32Array | NamedInputs): Promise<StreamStep> {
    const given = [joined(this.session, x)] as const
    return alone(this.session, given, (frame) => streamStep(this.session, frame))
  }

  /**
   * The next `step` begins a new stream: neurons are at rest, nothing has been counted.
   * @throws SpikewasmError with another purpose, while a step runs, and after `dispose`.
   */
  reset(): void {
    programOf(this.session, 'stream')
    idle(this.session).streamed = 0
  }

  /**
   * Spikes per neuron and time step in the last run, of a batch, 0…1, by the name of the neuron
   * layer; empty before the first run. Fewer than B samples are repeated until there are B.
   */
  firingRates(): Record<string, number> {
    return firingRates(this.session, this.session.lastRun)
  }

  /**
   * Spikes of a layer of neurons in the last run, [B, T, C, H, W]: of its samples without repeats,
   * at all T steps; in a stream at the last step. The model must be compiled with `record`.
   * @throws SpikewasmError for a layer that is not recorded, and before the first run
   */
  spikes(layer: string | number): SpikeTrains {
    return spikeTrains(this.session, layer)
  }

  /**
   * Values in a layer of neurons in the last run, by their names in its equations: as they are
   * behind each step, [T, B, C, H, W]. `record: { … }` or `record: 'all'` of `compile` keeps them.
   * @throws SpikewasmError for a layer of which nothing is recorded, and before the first run
   */
  states(layer: string | number): shown.RecordedStates {
    return shown.states(this.session, layer)
  }

  /**
   * Spikes or rates of chosen layers over the first samples of a data set. The model must be
   * compiled with `record`.
   * @throws SpikewasmError when the data or an option does not match, or the arrays would take more
   *   than `maxBytes`; the signal's reason when it aborts
   */
  monitor(data: Dataset, options: MonitorOptions = {}): Promise<Recording> {
    return monitorInTurn(this.session, data, options)
  }

  /**
   * What a neuron layer did in the last training step, [B, C, H, W] each; the model must be
   * compiled with `inspect: true`.
   * @throws SpikewasmError for an unknown layer, without `inspect`, and before the first step
   */
  activity(name: string): shown.NeuronActivity {
    return shown.activity(this.session, name)
  }

  /**
   * Firing rate of each neuron layer at each time step of the last run: T numbers, 0…1, by layer
   * name. The model must be compiled with `inspect: true` and a method of step mode m.
   * @throws SpikewasmError otherwise, and before the first run
   */
  stepRates(): Record<string, number[]> {
    return shown.stepRates(this.session)
  }

  /**
   * Two assumptions of rate-based backpropagation, measured on the last training step (Yu et al.,
   * NeurIPS 2024, sec. 4.2): cosines, near 1 where the assumption holds, NaN where nothing spikes.
   * @throws SpikewasmError without method bptt and `inspect: true`, and before the first step
   */
  diagnostics(): shown.Diagnostics {
    return shown.diagnostics(this.session)
  }

  /**
   * As `stateDict`, with the averages that `fit` keeps with `ema` instead of the parameters, and
   * the current statistics. Before the first step they are the parameters.
   * @throws SpikewasmError when no average is kept
   */
  averages(): StateDict {
    return averages(this.session)
  }

  /** Parameters and running statistics by PyTorch's names and in its layouts; copies. */
  stateDict(): StateDict {
    return stateDict(this.session)
  }

  /**
   * Takes over parameters and running statistics. PyTorch's `num_batches_tracked` is ignored.
   * @throws SpikewasmError that lists missing, unexpected and mis-shaped names, or a value that is
   *   not finite, and while the model runs; nothing is changed then
   */
  loadStateDict(state: StateDict): void {
    takeState(idle(this.session), state)
  }

  /**
   * Whole numbers and scales of the present parameters, by parameter name: what a model with
   * `weights: 'int8'` or 'int6' computes with, and a file of `exportWasm` holds. With weight
   * standardisation they are the standardised weight's. With `averages` they are those of the
   * moving averages that `fit` keeps with `ema`.
   * @throws SpikewasmError for a model that has none, saying how to compile one, without averages
   *   where these are asked for, and after `dispose`: the engine makes the numbers
   */
  quantised(options: Pick<ByteOptions, 'averages'> = {}): Promise<Record<string, QuantisedWeight>> {
    return inTurn(this.session, [options], (own) => quantised(this.session, own))
  }

  /** The model without its weights, for `networkFromJSON`; layers and wiring, no code. */
  toJSON(): ModelJson {
    return modelJson(this.session)
  }

  /**
   * Writes the model as one safetensors file: parameters and running statistics by PyTorch's names,
   * and the network in the metadata, for `loadModel`. All of it is written, or nothing.
   * @param path where the file goes
   * @param metadata strings by name, stored in the file
   * @throws SpikewasmError for wrong options, and when the file cannot be written
   */
  save(
    path: string,
    metadata: Record<string, string> = {},
    options: SaveOptions = {},
  ): Promise<void> {
    return saveModel(this.session, path, metadata, options)
  }

  /**
   * What `save` writes, as bytes: for `loadModel` and `Model.fromBytes`, in a page or elsewhere.
   * With `quantised` it gives a promise of them, because the engine has to compute the numbers.
   * @throws SpikewasmError for wrong options; with `quantised` after `dispose` too
   */
  toBytes(
    metadata?: Record<string, string>,
    options?: ByteOptions & { readonly quantised?: false },
  ): Uint8Array
  toBytes(
    metadata: Record<string, string> | undefined,
    options: ByteOptions & { readonly quantised: true },
  ): Promise<Uint8Array>
  toBytes(
    metadata?: Record<string, string>,
    options?: ByteOptions,
  ): Uint8Array | Promise<Uint8Array>
  toBytes(
    metadata: Record<string, string> = {},
    options: ByteOptions = {},
  ): Uint8Array | Promise<Uint8Array> {
    const make = () => modelBytes('toBytes', this.session, metadata, options)
    return options?.quantised === true ? (async () => make())() : make()
  }

  /**
   * Writes the model as a NIR file (neuroir.org), which other simulators and neuromorphic hardware
   * read. `loadNir` gives it back with the same numbers, but for batch normalisation, which becomes
   * part of the convolution before it. Weights of whole numbers are written as what they stand
   * for. A step is `dt` seconds. See docs/nir.md for what it can say.
   * @param path where the file goes, usually with the ending .nir
   * @throws SpikewasmError that names the layer for what NIR has no words for, for wrong options,
   *   when the package h5wasm is not installed, and when the file cannot be written
   */
  async saveNir(path: string, options: SaveNirOptions = {}): Promise<void> {
    const own = copyOf(options)
    const state = await computedState(this.session)
    await extra('saveNir', 'model.saveNir')(this.session, path, state, own)
  }

  /**
   * Reads parameters and running statistics from a safetensors file, of `save` or from PyTorch.
   * @param from its path, or its bytes
   * @throws SpikewasmError for a missing or damaged file, and names or shapes that don't match
   */
  load(from: string | Uint8Array): Promise<void> {
    return alone(this.session, [from], (given) => loadWeights(this.session, given))
  }

  /**
   * Writes all that training depends on as one file, for `loadCheckpoint` to go on to the bit
   * (Node). @throws SpikewasmError when the file cannot be written
   */
  saveCheckpoint(path: string): Promise<void> {
    const save = () => extra('saveCheckpoint', 'model.saveCheckpoint')(this.session, path)
    return inTurn(this.session, [], save)
  }

  /**
   * Goes on from a file of `saveCheckpoint`, or from a checkpoint of `fit`, its file or its folder:
   * with its parameters, statistics, optimizer, method and progress.
   * @throws SpikewasmError for a file that is missing or damaged, or of another network, input,
   *   seed, batch size or number of time steps, and while `fit` runs; nothing is changed then
   */
  loadCheckpoint(path: string): Promise<void> {
    const load = () => extra('loadCheckpoint', 'model.loadCheckpoint')(this.session, path)
    return alone(this.session, [], load, false)
  }

  /**
   * Trains on a data set for a number of epochs, on from where the last call has ended.
   * @param data at least one sample. A last batch that is not full is left out, unless there is no
   *   other or `dropLast` is false: then repeats fill it, which count for the statistics of
   *   batchNorm2d and for firing rates, but not for loss, accuracy and gradients
   * @throws SpikewasmError for wrong data or options, or a loss or gradient that is not finite
   */
  fit<D extends Dataset, M = L, V extends Dataset = Dataset>(
    data: D & DataFor<D, M>,
    options: FitOptions & { readonly loss?: M; readonly validation?: V & DataFor<V, M> } = {},
  ): Promise<History> {
    const asked = ownFitOptions(options)
    return alone(this.session, [], () => fit(this.session, data, asked), false)
  }

  /**
   * Loss, accuracy, other measures of the answers, and firing rates on a data set. Above 1,000
   * classes there is no confusion matrix.
   * @throws SpikewasmError when data or an option don't match; the signal's reason when it aborts
   */
  evaluate<D extends Dataset, C extends boolean = true>(
    data: D,
    options: EvaluateOptions & { readonly operations?: C } = {},
  ): Promise<EvaluationOf<D, C>> {
    return evaluateInTurn(this.session, data, options) as Promise<EvaluationOf<D, C>>
  }

  /**
   * Times each operation of a training step on this thread, in the order of the program,
   * on the last batch. The model is as before behind it, and so is training.
   * @param repeats how often, 1 to 10000; default 5
   * @throws SpikewasmError when `repeats` is out of range, when no training step has run yet with
   *   the model's method, and for a model compiled for inference.
   */
  profile(repeats = 5): Promise<OperationTime[]> {
    return inTurn(this.session, [], () => profileStep(this.session, repeats))
  }

  /**
   * Forgets momentum and accumulated gradients, from the next step on, in any callback of `fit` too
   * (in rounds of replicas it has no effect). Moving averages stay.
   * @throws SpikewasmError while the model runs
   */
  resetOptimizer(): void {
    idle(this.session).resetOptimizer()
  }

  /** A table of layers, output shapes, parameters and memory, as text. */
  summary(): string {
    const { session } = this
    return summarize(session.graph, session.plan, this.threads, (name) => session.workersOf(name))
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return inTwoLines(this.session)
  }

  /**
   * Ends all threads, after the running step if there is one. An operation with more steps rejects.
   * Afterwards the model can be read (`stateDict`, `save`, `toBytes`, `exportWasm`) but not run;
   * whole numbers (`quantised`, and that option of `save` and `toBytes`) would need a run.
   */
  dispose(): Promise<void> {
    return this.session.dispose()
  }
}
