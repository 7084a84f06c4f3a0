/** A compiled network in the hands of its user: checks, and hands on to the session. */

import type { Dataset } from './data/dataset.js'
import { checkBoolean, checkOptions, describe, expect, SpikewasmError } from './errors.js'
import { checkOptimizer, checkRate, type Sgd } from './optimizer.js'
import type { MethodOptions } from './plan/methods.js'
import type { Plan, PlanOptions } from './plan/plan.js'
import type { Phase } from './plan/program.js'
import { summarize } from './plan/summary.js'
import { programOf } from './runtime/arena.js'
import { checkBatch, checkLabels, expectNumbers, fillSlot } from './runtime/batch.js'
import type { Session, StepResult } from './runtime/session.js'
import { gradients, type StateDict, stateDict, takeState } from './runtime/state.js'
import {
  activity,
  diagnostics,
  firingRates,
  output,
  predictions,
  stepRates,
} from './runtime/views.js'
import { type EvaluateOptions, type Evaluation, evaluate } from './train/evaluate.js'
import { type FitOptions, fit, type History } from './train/fit.js'

export interface StepOptions {
  /** false: forward and backward alone, parameters and momentum stay as they are; default true. */
  update?: boolean
  /** Learning rate of this step, ≥ 0; default `model.optimizer.lr`. */
  lr?: number
}

export interface Prediction {
  /** Time mean of the last layer's output, [n, classes]. */
  readonly logits: Float32Array
  /** Index of the largest logit of each sample. */
  readonly classes: Int32Array
}

export class Model {
  /** Use `compile`. @internal */
  constructor(readonly session: Session) {}

  /** [channels, height, width] of one sample. */
  get input(): readonly [number, number, number] {
    return this.session.input
  }
  /** Optimizer that `trainStep` uses; `fit` sets it. */
  get optimizer(): Sgd {
    return this.session.optimizer
  }
  set optimizer(optimizer: Sgd) {
    this.session.optimizer = optimizer
  }
  /** T, the steps for which each sample is presented. */
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

  /** Whether inputs differ from step to step, [T, B, C, H, W]. */
  get frames(): boolean {
    return this.session.frames
  }

  /** Number of classes: the last layer's outputs. */
  get classes(): number {
    return this.session.graph.nodes[this.session.graph.output].shape[0]
  }

  /** Training method: that of `compile`, or of the last `fit` that named one. */
  get method(): PlanOptions['method'] {
    return this.session.plan.options.method
  }

  /** 'm': each layer handles all steps at once; 's': the whole network, one step after another. */
  get stepMode(): PlanOptions['stepMode'] {
    return this.session.plan.options.stepMode
  }

  /** Number of trained parameters. */
  get parameterCount(): number {
    return this.session.plan.parameters.reduce(
      (sum, p) => sum + p.layout.shape.reduce((a, b) => a * b, 1),
      0,
    )
  }

  /** Bytes of memory by purpose. */
  get memoryUse(): Plan['memory'] {
    return this.session.plan.memory
  }

  /**
   * @internal Changes the method; parameters and statistics stay, momentum is forgotten.
   * @throws SpikewasmError for options that don't match
   */
  prepare(options: MethodOptions): Promise<void> {
    return this.session.alone(() => this.session.replan(options), false)
  }

  /**
   * One training step: forward, backward and, unless `update` is false, the optimizer
   * (`model.optimizer`).
   * @param x float32 [B, C, H, W], or [T, B, C, H, W] with `frames`; B must be the batch size.
   * @param y B labels.
   * @throws SpikewasmError for wrong sizes, labels or options, and when the loss or a gradient is
   *   not finite; Error when a worker fails.
   */
  trainStep(x: Float32Array, y: ArrayLike<number>, options: StepOptions = {}): Promise<StepResult> {
    return this.session.alone(async () => {
      checkOptions('trainStep', options, ['update', 'lr'])
      const program = checkBoolean('trainStep.update', options.update, true) ? 'train' : 'gradients'
      checkOptimizer('model.optimizer', this.optimizer)
      const { lr = this.optimizer.lr } = options
      checkRate('trainStep.lr', lr)
      checkBatch(this.session, x, this.batchSize)
      checkLabels(this.session, y, this.batchSize)
      fillSlot(this.session, 0, x, y, this.batchSize)
      const result = await this.session.run(program, 0, this.batchSize, lr)
      const problem = this.session.nonFinite(0, program)
      if (problem !== undefined) throw new SpikewasmError(problem)
      return result
    })
  }

  /**
   * Gradients of the last training step by parameter name, in PyTorch's shapes (`conv2d` weight
   * [out, in, kh, kw], `linear` weight [out, in], …); copies.
   */
  gradients(): StateDict {
    return gradients(this.session)
  }

  /** Time-mean output of the last run, [B, classes]. */
  output(): Float32Array {
    return output(this.session)
  }

  /**
   * Outputs for any number of samples.
   * @param x float32 [n, C, H, W] ([T, n, C, H, W] with `frames`, n at most the batch size).
   * @throws SpikewasmError when the length is no multiple of a sample's.
   */
  predict(x: Float32Array): Promise<Prediction> {
    return this.session.alone(async () => {
      expectNumbers('x', x)
      const [C, H, W] = this.input
      const size = C * H * W * (this.session.frames ? this.timeSteps : 1)
      const n = x.length / size
      expect(
        Number.isInteger(n) && n > 0,
        () =>
          `x must hold samples of [${this.input.join(', ')}] = ${size} numbers each, got ${x.length}`,
      )
      expect(
        !this.session.frames || n <= this.batchSize,
        () => `x must hold at most batchSize (${this.batchSize}) samples of frames, got ${n}`,
      )
      const logits = new Float32Array(n * this.classes)
      const classes = new Int32Array(n)
      for (let first = 0; first < n; first += this.batchSize) {
        const count = Math.min(this.batchSize, n - first)
        fillSlot(
          this.session,
          0,
          x.subarray(first * size, (first + count) * size),
          undefined,
          count,
        )
        await this.session.run('evaluate', 0, count)
        logits.set(output(this.session).subarray(0, count * this.classes), first * this.classes)
        classes.set(predictions(this.session).subarray(0, count), first)
      }
      return { logits, classes }
    })
  }

  /**
   * One time step of a model compiled with purpose 'stream': x [B, C, H, W]; the time-mean output
   * once T steps have come.
   */
  step(x: Float32Array): Promise<{ readonly steps: number; readonly logits: Float32Array }> {
    return this.session.alone(async () => {
      checkBatch(this.session, x, this.batchSize)
      fillSlot(this.session, 0, x, undefined, this.batchSize)
      await this.session.run('stream', 0, this.batchSize)
      return { steps: this.session.streamed, logits: output(this.session) }
    })
  }

  /** The next `step` is the first of a stream. */
  reset(): void {
    this.session.streamed = 0
  }

  /**
   * Spikes per neuron and step of each neuron layer in the last run, 0…1, by layer name; empty
   * before the first one.
   */
  firingRates(): Record<string, number> {
    return firingRates(this.session, this.session.lastRates)
  }

  /**
   * Rate and eligibility of a neuron layer after a training step, [B, C, H, W]; needs `inspect:
   * true` at compilation.
   * @throws SpikewasmError for an unknown layer or without `inspect`.
   */
  activity(name: string): { rate: Float32Array; eligibility: Float32Array | undefined } {
    return activity(this.session, name)
  }

  /**
   * Firing rate of each neuron layer at each step of the last run, T numbers by layer name; needs
   * `inspect: true` and a method whose loop over T is inside the layers (step mode m).
   * @throws SpikewasmError otherwise.
   */
  stepRates(): Record<string, number[]> {
    return stepRates(this.session, this.session.lastRates)
  }

  /**
   * What the paper measures while training through time (sec. 4.2 there), for the last training
   * step: `a1` by neuron layer, the cosine of E[δs κ] and E[δs] E[κ]; `a2` by weight, the cosine of
   * E[δI s] and E[δI] E[s]. Needs method bptt and `inspect: true`.
   * @throws SpikewasmError otherwise.
   */
  diagnostics(): { a1: Record<string, number>; a2: Record<string, number> } {
    return diagnostics(this.session)
  }

  /** Parameters and running statistics by PyTorch's names and in its layouts; copies. */
  stateDict(): StateDict {
    return stateDict(this.session)
  }

  /**
   * Takes parameters and running statistics over. `num_batches_tracked` of PyTorch's is ignored.
   * @throws SpikewasmError that lists missing, unexpected and mis-shaped names, or a value that is
   *   not finite, and while the model runs; nothing is changed then.
   */
  loadStateDict(state: StateDict): void {
    this.session.checkAlive()
    this.session.lock.checkIdle()
    takeState(this.session, state)
  }

  /**
   * Writes parameters and running statistics as safetensors, atomically.
   * @throws SpikewasmError when the file cannot be written.
   */
  async save(path: string, metadata: Record<string, string> = {}): Promise<void> {
    const { serializeState } = await import('./io/state.js')
    const { writeFileAtomic } = await import('./io/files.js')
    await writeFileAtomic(path, serializeState(this.stateDict(), metadata))
  }

  /**
   * Reads what `save`, or PyTorch by safetensors, has written.
   * @throws SpikewasmError for files or names that don't match.
   */
  load(path: string): Promise<void> {
    return this.session.alone(async () => {
      const { parseSafetensors, toFloat32 } = await import('./io/safetensors.js')
      const { readFileClear } = await import('./io/files.js')
      const { tensors } = parseSafetensors(await readFileClear(path, 'weights'), path)
      try {
        takeState(
          this.session,
          Object.fromEntries(
            [...tensors].map(([name, tensor]) => [
              name,
              { shape: tensor.shape, data: toFloat32(tensor) },
            ]),
          ),
        )
      } catch (error) {
        throw error instanceof SpikewasmError
          ? new SpikewasmError(`${path}: ${error.message}`, { cause: error })
          : error
      }
    })
  }

  /**
   * Trains on a data set. See `FitOptions`.
   * @throws SpikewasmError for data or options that don't match, and when a loss or gradient is not
   *   finite.
   */
  fit(data: Dataset, options: FitOptions = {}): Promise<History> {
    return this.session.alone(() => fit(this.session, data, options), false)
  }

  /**
   * Loss, accuracy and firing rates on a data set.
   * @throws SpikewasmError when the data or an option does not match; the signal's reason when it
   *   aborts.
   */
  evaluate(data: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
    return this.session.alone(() => evaluate(this.session, data, options))
  }

  /**
   * Times every operation of a training step on this thread. It runs the batch of the last training
   * step `repeats` times again, and each time the parameters change as by that step.
   * @param repeats runs, an integer ≥ 1; default 5
   * @returns for each operation that ran, in the order of the program: its name, its layer, the
   *   part of the step that it belongs to, and the median of its milliseconds. A run in which
   *   another kernel was chosen in its place counts as 0 ms.
   * @throws SpikewasmError when `repeats` is out of range, when the last run was no training step,
   *   and for a model compiled for inference.
   */
  profile(
    repeats = 5,
  ): Promise<{ op: string; layer: string; phase: Phase; milliseconds: number }[]> {
    return this.session.alone(async () => {
      expect(
        Number.isInteger(repeats) && repeats >= 1,
        () => `profile.repeats must be an integer ≥ 1, got ${describe(repeats)}`,
      )
      const program = programOf(this.session, 'train')
      expect(
        this.session.lastRates === program.rates,
        () =>
          'profile runs the batch of the last training step again, but the last run was none; ' +
          'call trainStep or fit right before it',
      )
      const { medianTimes, profileProgram } = await import('./runtime/profile.js')
      const module = await this.session.engine
      const runs = Array.from({ length: repeats }, () =>
        profileProgram(
          module,
          this.session.memory,
          program.address,
          this.session.plan.workerScratchAt,
        ),
      )
      return medianTimes(runs).map(({ op, layer, record, milliseconds }) => ({
        op,
        layer: this.session.layerName(layer),
        phase: program.records[record].phase,
        milliseconds,
      }))
    })
  }

  /** Forgets the optimizer's momentum. @throws SpikewasmError while the model runs */
  resetOptimizer(): void {
    this.session.checkAlive()
    this.session.lock.checkIdle()
    this.session.clearMomentum()
  }

  /** A table of layers, output shapes, parameters, and memory by purpose. */
  summary(): string {
    return summarize(this.session.graph, this.session.plan)
  }

  /**
   * Ends all threads when the running step, if any, has ended; an operation with more steps then
   * rejects. The model cannot be used afterwards, only read.
   */
  dispose(): Promise<void> {
    return this.session.dispose()
  }
}
