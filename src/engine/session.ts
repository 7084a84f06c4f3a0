/** A compiled network: its plan, the memory that the plan describes, and who runs its programs. */

import { Control } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { purposes } from '../compile/context.js'
import { targetFloats } from '../compile/emit/loss.js'
import { type MethodOptions, methodOptionKeys, methodOptions } from '../compile/methods.js'
import type { PlacedCut, Plan, PlanOptions, ProgramName } from '../compile/plan.js'
import { standardTraining, type TrainingSpec } from '../compile/training.js'
import type { Labels } from '../network/labels.js'
import type { Loss } from '../network/optimizer.js'
import { type Graph, inputsOf } from '../network/trace.js'
import {
  type InputShape,
  type InputShapes,
  imageShape,
  isShapes,
  type Shape,
  sampleShape,
  sizeOf,
} from '../network/value.js'
import { type Optimizer, sgd } from '../nn/optimizers.js'
import type { Settings, Slot, StepResult } from './compile-options.js'
import { isShared, planFor } from './memory/allocate.js'
import { type Arena, addCounts, type LastRun, programOf, spikeCounts } from './memory/arena.js'
import { tidy } from './memory/collect.js'
import { Lock } from './memory/lock.js'
import { Place } from './memory/place.js'
import {
  carriedTo,
  end,
  endWith,
  forget,
  type Holding,
  hold,
  lastingBytes,
  leave,
  moduleFor,
  readable,
  roomFor,
  started,
  takeCarried,
  threadsFor,
} from './memory/session-memory.js'
import { initialise, initialiseInParts } from './memory/state.js'
import { platform } from './platform.js'
import { beginning, type Progress } from './run/progress.js'
import {
  failureOf,
  penaltyOf,
  type SampleParts,
  slotOf,
  slotPlaces,
  writeRun,
} from './run/run-words.js'
import { normOf, writeStep } from './run/update.js'
import { breathe } from './threads/breathe.js'
import type { Between, Executor, Mirror, RunArguments } from './threads/executor.js'
import {
  availableParallelism,
  runsHere,
  usesAllThreads,
  warnOfThreads,
} from './threads/processors.js'

/** How long small programs may keep the calling thread from timers and callbacks. */
const BUSY_MS = 4

const SAVE = 'parameters can still be saved: save them and compile again'

const NOTHING: LastRun = { probes: [], valid: 0, images: 0, steps: 0, outputs: 0, states: [] }

/** What has run of a step that is made in parts, and nothing else has overwritten. */
interface PassState {
  /** Whether the forward pass of a training step. */
  readonly isForward: boolean
  /** Backward passes, whose gradients add up, since the last update. */
  readonly backwards: number
}

export class Session implements Arena {
  plan!: Plan
  /** Where the outputs, states, spikes and rates of the last run lie. */
  lastRun: LastRun = NOTHING
  /** Whether a training step has run with this plan, so that its slots hold images and labels. */
  trained = false
  /** Held by the operation that runs. A worker that is gone has nothing to tell any more. */
  readonly lock = new Lock((all) => this.refresh(all ? 'all' : 'seen')?.catch(() => undefined))
  optimizer: Optimizer = sgd()
  /** What training makes small: the plan's, whose functions no plan tells apart. */
  loss: Loss = standardTraining.loss
  /** Whether it tells how many samples are right: a function may not. */
  judges = true
  /** Ends what a loss function waits for. */
  signal: host.AbortSignal | undefined
  pass: PassState = { isForward: false, backwards: 0 }
  /** Numbers of the steps to come; see `StepSource`. */
  clipNorm: number | undefined
  ema = 0
  accumulated = 0
  aside: Arena['aside']
  private holding: Holding | undefined
  private readonly place = new Place()
  readonly overwritten = (): void => {
    this.pass = { isForward: false, backwards: 0 }
    this.place.overwritten()
  }
  /** Whether the host has changed parameters since the program `prepare` has read them. */
  private unprepared = true
  private failure: string | undefined
  private disposed = false
  private releasing: Promise<void> | undefined
  /** Milliseconds that programs have kept the calling thread busy since its last pause. */
  private busyMs = 0
  /** Settled when the last step has ended, well or not. */
  private stepEnded: Promise<unknown> = Promise.resolve()
  /** Training steps so far: random numbers of a step depend on it. */
  steps = 0
  /** How far `fit` has come, for the next one. */
  progress: Progress = beginning()
  /** Sizes of a sample; of named inputs, how many numbers they have together. */
  readonly asked: InputShape
  /** Sizes of named inputs. */
  readonly inputs: InputShapes | undefined
  /** What the classes are called, where anybody has said it. */
  labels: Labels | undefined
  /** Steps since the state of a stream was reset. */
  streamed = 0

  constructor(
    readonly graph: Graph,
    /** Sizes of a sample, as `compile` was given them. */
    given: InputShape | InputShapes,
    readonly settings: Settings,
  ) {
    this.asked = sampleShape(given)
    this.inputs = isShapes(given) ? given : undefined
  }

  /** The memory that is held; after `dispose` perhaps a copy of what can be read of it. */
  get memory(): Arena['memory'] {
    return this.place.memory
  }
  /** [C, H, W] of a sample. */
  get input(): Shape {
    return imageShape(this.asked)
  }
  get timeSteps(): number {
    return this.settings.timeSteps
  }
  get batchSize(): number {
    return this.settings.batchSize
  }
  get threads(): number {
    return this.settings.threads
  }
  get seed(): number {
    return this.settings.seed
  }
  get frames(): boolean {
    return this.settings.frames
  }
  get classes(): number {
    return this.graph.nodes[this.graph.output].shape[0]
  }
  /** Numbers of a sample's target; 0 where it is a label. */
  get targetFloats(): number {
    return targetFloats(this.plan.options)
  }
  /** Floats of one sample, all its frames included. */
  get imageFloats(): number {
    return sizeOf(this.input) * (this.frames ? this.timeSteps : 1)
  }
  /** How the inputs of a sample lie. */
  get parts(): SampleParts {
    const T = this.frames ? this.timeSteps : 1
    return inputsOf(this.graph).map(({ shape: [c, h, w] }) => [T * c, h * w])
  }
  get engine(): Promise<host.WasmModule> {
    return moduleFor(this.settings)
  }

  /**
   * Makes the plan for a method and a training, where it is not made yet. Parameters, statistics
   * and, by the same rule, the optimizer's state move along. Whoever calls it holds the lock.
   *
   * @param method default: as it is
   * @param training default: as it is
   */
  async replan(method?: MethodOptions, training?: Partial<TrainingSpec>): Promise<void> {
    const options = this.otherPlan(method, training)
    if (options) await this.follow(options)
    if (!training?.loss) return
    this.loss = training.loss
    this.judges = true
  }

  /** The options of that plan; undefined where it is made. */
  otherPlan(method?: MethodOptions, training?: Partial<TrainingSpec>): PlanOptions | undefined {
    const options = this.plan?.options
    const trains = purposes[this.settings.purpose].training
    const complete = method ? methodOptions(method, this.timeSteps, trains) : options
    if (!complete) throw new Error('the first plan needs a method')
    const spec = { ...(options?.training ?? standardTraining), ...training }
    if (
      options &&
      methodOptionKeys.every((key) => options[key] === complete[key]) &&
      JSON.stringify(options.training) === JSON.stringify(spec)
    )
      return undefined
    const { settings, graph, input } = this
    return { ...settings, ...complete, training: spec, graph, input }
  }

  /** Makes that plan. Whoever calls it holds the lock. */
  async follow(planOptions: PlanOptions): Promise<void> {
    await tidy()
    const plan = await planFor(planOptions, this.settings.threads)
    warnOfThreads(this.settings.threads)
    const module = await this.engine
    await plan.kernels?.compile(isShared(this.settings))
    const threads = await threadsFor(plan, (n) => this.capped(n), this.settings.worker)
    const held = this.holding
    const isFree = platform().staysFree
    // What it begins with is there once its memory has been asked for.
    if (held && this.memory) await this.refresh('all')
    const room = await roomFor(plan, this.settings, module, threads, held)
    // Meanwhile somebody may have disposed of the model: nobody would end new threads.
    if (this.disposed) leave(room)
    this.checkAlive()
    const carried = held && carriedTo(this, plan)
    const { holding, ended, write } = hold(plan, room, module, threads, held, carried?.moves)
    this.plan = plan
    this.unprepared = true
    this.holding = holding
    endWith(this, holding.executor)
    this.lastRun = NOTHING
    this.pass = { isForward: false, backwards: 0 }
    this.streamed = 0
    this.trained = false
    const begin = (): void => {
      write()
      takeCarried(this, carried)
    }
    this.place.set(holding.memory, begin, !held && room.take !== undefined && !isFree)
    if (!held && isFree) await initialiseInParts(this, this.seed)
    else if (!held) this.place.startWith(() => initialise(this, this.seed))
    await ended
    await started(holding.executor)
  }

  /** Throws unless the model can run. */
  checkAlive(): void {
    if (this.disposed) fail('the model was disposed; compile the network again')
    if (this.failure) fail(`the model stopped working (${this.failure}); ${SAVE}`)
  }

  /** Settled when its memory can be used; absent where it can be at once. */
  get beginning(): Promise<void> | undefined {
    return this.place.waits ? this.place.ready() : undefined
  }

  /** One of the two input slots, to be filled before `run`. Whoever calls it holds the lock. */
  slot(index: 0 | 1): Slot {
    this.checkAlive()
    return slotOf(this, index)
  }

  /**
   * Runs a program on a filled slot. `valid`: images that count; `learningRate` of this step, and
   * `factor` of the learning rates of groups that have their own. The program `single` runs for
   * each of the valid images, one after the other. Whoever calls it holds the lock.
   */
  async run(
    program: ProgramName,
    index: 0 | 1,
    valid: number,
    learningRate = this.optimizer.lr,
    factor = 1,
  ): Promise<StepResult> {
    const single = program === 'single'
    this.begin(program, index, valid, learningRate, factor)
    const { plan } = this
    const { rates } = programOf(this, program)
    const [passImages, passes] = single ? [1, valid] : [plan.passImages, plan.passes]
    let spikes: Record<string, number> | undefined
    // All passes of a batch run, though the last ones may hold no valid image: slots are filled
    // with repeats, and rates count the whole batch, whatever its passes are.
    const runPasses = async (): Promise<void> => {
      for (let pass = 0; pass < passes; pass++) {
        this.read(index, pass * passImages)
        await this.executor.run(this.runOf(program))
        // The next pass counts in the same place. An image alone counts as often as it would stand
        // in the padded batch, so that rates do not depend on which of both runs.
        const times = single ? Math.ceil((this.batchSize - pass) / valid) : 1
        if (passes > 1 || single) spikes = addCounts(spikes, spikeCounts(this, rates), times)
      }
      // For whoever runs a program of the whole batch on it once more.
      this.read(index, 0)
    }
    const found = await this.guard(program, runPasses, () => this.found(program, valid))
    if (program === 'train' || program === 'gradients') {
      this.steps++
      this.trained = true
    }
    if (program === 'stream') this.streamed++
    this.show(program, valid, passes * passImages, spikes)
    return found
  }

  /** Writes what a run reads. */
  begin(
    program: ProgramName,
    index: 0 | 1,
    valid: number,
    learningRate = this.optimizer.lr,
    factor = 1,
  ): void {
    this.checkAlive()
    const trains = program === 'train' || program === 'gradients'
    this.pass = { isForward: false, backwards: trains ? 0 : this.pass.backwards }
    const images = program === 'single' ? valid : this.batchSize
    for (const { address, bytes } of slotPlaces(this, index, images)) this.wrote(address, bytes)
    writeStep(this, learningRate, factor)
    writeRun(this, program, index, valid)
    this.read(index, 0)
  }

  /** Writes where the images of a run begin, in a slot. */
  private read(index: 0 | 1, first: number): void {
    const { images } = this.plan.named
    const input = images[index % images.length].address
    const view = new DataView(this.memory.buffer)
    view.setUint32(Control.FirstImage, first, true)
    view.setUint32(Control.Input, input + first * this.imageFloats * 4, true)
  }

  /** What a run has left. */
  found(program: ProgramName, valid: number): StepResult {
    const view = new DataView(this.memory.buffer)
    const penalty = penaltyOf(this, programOf(this, program), valid)
    return {
      loss: view.getFloat32(Control.Loss, true) + penalty,
      correct: view.getInt32(Control.Correct, true),
      answers: view.getInt32(Control.Answers, true),
      weight: view.getFloat64(Control.Weight, true),
      penalty,
      ...(program === 'train' ? normOf(this) : {}),
      count: valid,
    }
  }

  /** What the model shows from now on: what a program has left. @param outputs images of it */
  show(
    program: ProgramName,
    valid: number,
    outputs = this.batchSize,
    spikes?: Readonly<Record<string, number>>,
  ): void {
    const { rates, states = [] } = programOf(this, program)
    const steps = program === 'stream' ? this.streamed : this.timeSteps
    const held = { valid, images: this.batchSize, steps, outputs }
    this.lastRun = { probes: rates, states, spikes, ...held }
  }

  /**
   * Adds the gradients of the last batch to those of the batches before it (`accumulate`), or makes
   * the optimizer's step with the mean of all of them (`update`). Whoever calls it holds the lock.
   */
  async runApart(
    program: 'accumulate' | 'update',
    learningRate = this.optimizer.lr,
    factor = 1,
  ): Promise<Pick<StepResult, 'gradientNorm'>> {
    this.checkAlive()
    writeStep(this, learningRate, factor)
    const run = () => this.executor.run(this.runOf(program))
    const norm = await this.guard(program, run, () => (program === 'update' ? normOf(this) : {}))
    this.accumulated = program === 'update' ? 0 : this.accumulated + 1
    return norm
  }

  /** Runs programs of the plan's memory; to be used by whoever holds the lock. */
  get executor(): Executor {
    return (this.holding as Holding).executor
  }

  wrote(address: number, bytes: number): void {
    const { parameters } = this.plan.named
    if (address >= parameters.address && address < parameters.address + parameters.bytes)
      this.unprepared = true
    this.holding?.executor.mirror?.wrote(address, bytes)
  }

  refresh(what: Parameters<Mirror['refresh']>[0]): Promise<void> | undefined {
    return this.holding?.executor.mirror?.refresh(what)
  }

  /**
   * Runs a part of a program, and another behind what the host does between them.
   *
   * @param offset where their loops over t begin
   * @throws what `between` throws
   */
  async runCut(
    cut: PlacedCut,
    offset: number,
    next?: PlacedCut,
    between: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { executor } = this
    new DataView(this.memory.buffer).setUint32(Control.FirstStep, offset, true)
    const run = { ...this.runOf('train'), program: cut.address }
    const failures: unknown[] = []
    const goesOn: Between = async () => {
      try {
        await between()
      } catch (error) {
        failures.push(error)
      }
      return failures.length === 0
    }
    const both = async (): Promise<void> => {
      if (next && executor.runBoth && run.workers > 1)
        return executor.runBoth(run, next.address, goesOn)
      await executor.run(run)
      if (next && (await goesOn())) await executor.run({ ...run, program: next.address })
    }
    await this.guard('train', both, () => undefined)
    for (const error of failures) throw error
  }

  /** What an executor is asked for. */
  runOf(program: ProgramName): RunArguments {
    const workers = this.workersOf(program)
    return {
      program: programOf(this, program).address,
      workers,
      scratch: this.plan.workerScratchAt,
      scratchBytes: this.plan.workerScratch,
      spins: workers === 1 || workers <= availableParallelism() ? 20000 : 0,
      timeoutMs: 60_000,
      kernels: this.plan.kernels?.compiled,
    }
  }

  /** Runs to the end; a model whose worker has failed runs no more. */
  private async guard<T>(
    program: ProgramName,
    run: () => Promise<void>,
    read: () => T,
  ): Promise<T> {
    try {
      const began = performance.now()
      const running = this.unprepared ? this.prepared().then(run) : run()
      this.stepEnded = running.catch(() => undefined)
      await running
      // Before any pause: a model that was disposed of meanwhile gives its memory away.
      const found = read()
      if (runsHere(this.workersOf(program))) await this.rest(performance.now() - began)
      return found
    } catch (error) {
      this.failure = failureOf(this, program, error)
      fail(`${this.failure}; ${SAVE}`, error)
    }
  }

  /** Makes what programs keep of parameters anew, where it is old. Callers hold the lock. */
  renew(): Promise<void> {
    // It may be the first that wants what the memory begins with.
    void this.memory
    const nothing = async (): Promise<void> => {}
    return this.guard('prepare', nothing, () => undefined)
  }

  /** The same, whether or not it is old. */
  private async prepared(): Promise<void> {
    if (this.plan.programs.prepare) await this.executor.run(this.runOf('prepare'))
    this.unprepared = false
  }

  /**
   * With several threads the calling thread stays free for others' work; where a program runs on it
   * all the same, it pauses now and then.
   */
  private async rest(ranMs: number): Promise<void> {
    if (this.threads === 1) return
    this.busyMs += ranMs
    if (this.busyMs < BUSY_MS) return
    this.busyMs = 0
    await breathe()
  }

  /**
   * On how many threads a program runs: what its work is worth, but no more than there are
   * processors. One stands for the calling thread, which then does nothing else.
   */
  workersOf(program: ProgramName): number {
    return this.capped(programOf(this, program).workers)
  }

  private capped(workers: number): number {
    if (usesAllThreads()) return this.threads
    // The system is asked anew each time, which takes as long as a small layer.
    return workers === 1 ? 1 : Math.min(workers, availableParallelism())
  }

  /** Forgets momentum, accumulated gradients; with `average`, averages. Callers hold the lock. */
  resetOptimizer(average = false): void {
    forget(this, average)
    this.pass = { ...this.pass, backwards: 0 }
  }

  /**
   * Ends all threads when the operation that runs, if any, has rejected behind its step. The model
   * cannot be used afterwards, only read.
   */
  async dispose(): Promise<void> {
    this.lock.checkWaits()
    this.disposed = true
    this.releasing ??= this.release()
    return this.releasing
  }

  private async release(): Promise<void> {
    // An operation may have views of the memory, which is another model's behind this. One that
    // waits for a callback has none, and the callback may wait for this.
    await this.lock.rests()
    // Not amid a step: a worker whose pool is gone would end in an error that nobody can catch.
    await this.stepEnded
    await this.place.ready()
    const held = this.holding
    this.holding = undefined
    await end(held, false, this)
  }

  get lastingBytes(): number {
    return lastingBytes(this.plan)
  }

  /** Another model gets the memory: what can be read of this one is copied. */
  detach(): void {
    this.place.set(readable(this.plan, this.memory))
  }
}
