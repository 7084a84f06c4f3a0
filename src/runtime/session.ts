/** A compiled network: its plan, the memory that the plan describes, and who runs its programs. */

import { Control } from '../../assembly/opcodes.js'
import { SpikewasmError } from '../errors.js'
import { initialValues } from '../graph/init.js'
import type { Graph } from '../graph/trace.js'
import { type Optimizer, sgd } from '../optimizer/index.js'
import { pack } from '../plan/layout.js'
import { type MethodOptions, methodOptionKeys, methodOptions } from '../plan/methods.js'
import type { Plan, PlanOptions, ProgramName } from '../plan/plan.js'
import { standardTraining, type TrainingSpec } from '../plan/training.js'
import { Purpose as Draw, RandomStream } from '../random.js'
import { planFor } from './allocate.js'
import { type Arena, floatsAt, programOf, storedAt, trainingOf } from './arena.js'
import { breathe } from './breathe.js'
import { end, type Holding, hold, lastingBytes, poolMaker, readable, roomFor } from './holding.js'
import { loadEngine } from './load.js'
import { Lock } from './lock.js'
import { giveBack } from './memories.js'
import { availableParallelism, usesAllThreads, warnOfThreads } from './processors.js'
import { beginning, type Progress } from './progress.js'
import type { Settings, Slot, StepResult } from './settings.js'
import {
  optimizerState,
  type StateDict,
  stateDict,
  takeOptimizerState,
  takeState,
} from './state.js'
import { type LastRun, spikeCounts } from './views.js'

/** How long small programs may keep the calling thread from timers and callbacks. */
const BUSY_MS = 4

const NOTHING: LastRun = { probes: [], images: 0, steps: 0, outputs: 0 }

export class Session implements Arena {
  plan!: Plan
  /** The memory that is held; after `dispose` perhaps a copy of what can be read of it. */
  memory!: Arena['memory']
  /** What ran last. */
  lastRun: LastRun = NOTHING
  /** Whether a training step has run with this plan, so that its slots hold images and labels. */
  trained = false
  /** Held by the operation that runs. */
  readonly lock = new Lock()
  optimizer: Optimizer = sgd()
  private holding: Holding | undefined
  private view!: DataView
  private failure: Error | undefined
  private disposed = false
  private ended: Promise<void> | undefined
  /** Milliseconds that programs have kept the calling thread busy since its last pause. */
  private busyMs = 0
  /** Settled when the last step has ended, well or not. */
  private stepEnded: Promise<unknown> = Promise.resolve()
  /** Training steps so far: random numbers of a step depend on it. */
  steps = 0
  /** How far `fit` has come, for the next one. */
  progress: Progress = beginning()
  /** Steps since the state of a stream was reset. */
  streamed = 0

  constructor(
    readonly graph: Graph,
    readonly input: readonly [number, number, number],
    readonly settings: Settings,
  ) {}

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
  /** Floats of one sample, all its frames included. */
  get imageFloats(): number {
    const frames = this.settings.frames ? this.timeSteps : 1
    return this.input.reduce((a, b) => a * b, 1) * frames
  }
  get engine(): Promise<WebAssembly.Module> {
    const { threads, engine, revectorized } = this.settings
    return loadEngine(
      engine === 'debug' ? 'engine-debug' : threads > 1 ? 'engine-threads' : 'engine',
      revectorized,
    )
  }

  /**
   * Makes the plan for a method and a training, where it is not made yet. Parameters, statistics
   * and, by the same rule, the optimizer's state move along. Whoever calls it holds the lock.
   *
   * @param method default: as it is
   * @param training default: as it is
   */
  async replan(method?: MethodOptions, training?: Partial<TrainingSpec>): Promise<void> {
    const options = this.plan?.options
    const complete = method ? methodOptions(method, this.settings.timeSteps) : options
    if (!complete) throw new Error('the first plan needs a method')
    const spec = { ...(options?.training ?? standardTraining), ...training }
    if (
      options &&
      methodOptionKeys.every((key) => options[key] === complete[key]) &&
      JSON.stringify(options.training) === JSON.stringify(spec)
    )
      return
    const planOptions: PlanOptions = {
      ...this.settings,
      ...complete,
      training: spec,
      graph: this.graph,
      input: this.input,
    }
    const plan = planFor(planOptions, this.settings.threads)
    warnOfThreads(this.settings.threads)
    const module = await this.engine
    const workers = Object.values(plan.programs).reduce(
      (most, program) => Math.max(most, this.capped(program.workers)),
      1,
    )
    const make = workers > 1 ? await poolMaker() : undefined
    const held = this.holding
    const room = await roomFor(plan, this.settings, held)
    // Meanwhile somebody may have disposed of the model: nobody would end new threads.
    if (this.disposed && !room.own) giveBack(room.memory)
    this.checkAlive()
    const previous = held ? { state: stateDict(this), kept: this.keptFor(spec) } : undefined
    const { holding, ended } = hold(plan, room, module, { make, workers }, held)
    this.plan = plan
    this.holding = holding
    this.memory = holding.memory
    this.view = new DataView(holding.memory.buffer)
    this.lastRun = NOTHING
    this.streamed = 0
    this.trained = false
    if (previous) {
      takeState(this, previous.state)
      if (previous.kept) takeOptimizerState(this, previous.kept)
    } else this.initialise()
    await ended
  }

  /** The optimizer's state, if a plan for another training can go on with it. */
  private keptFor({ rule }: TrainingSpec): Record<string, StateDict> | undefined {
    const { training } = this.plan.options
    return this.plan.named.training && training?.rule === rule ? optimizerState(this) : undefined
  }

  initialise(): void {
    this.plan.parameters.forEach((parameter, i) => {
      pack(
        parameter.layout,
        initialValues(parameter, this.settings.seed, i),
        storedAt(this, this.plan.named.parameters.address, parameter),
      )
    })
    for (const statistic of this.plan.statistics)
      storedAt(this, this.plan.named.statistics.address, statistic).fill(
        statistic.initial,
        0,
        statistic.layout.shape[0],
      )
  }

  /** Throws unless the model can run. */
  checkAlive(): void {
    if (this.disposed) throw new SpikewasmError('the model was disposed; compile the network again')
    if (this.failure)
      throw new SpikewasmError(
        `the model stopped working (${this.failure.message}); its parameters can still ` +
          'be saved: save them and compile again',
      )
  }

  /**
   * Runs an operation, or refuses before it has touched anything. `nested`: `fit` allows it in its
   * `onEpoch`.
   */
  async alone<T>(operation: () => Promise<T>, nested = true): Promise<T> {
    this.checkAlive()
    return this.lock.hold(operation, nested)
  }

  /** One of the two input slots, to be filled before `runSlot`. Whoever calls it holds the lock. */
  slot(index: 0 | 1): Slot {
    const { images, labels } = this.plan.named
    const size = this.batchSize * this.imageFloats
    return {
      images: floatsAt(this, images[index % images.length].address, size),
      labels: new Int32Array(
        this.memory.buffer,
        labels[index % labels.length].address,
        this.batchSize,
      ),
    }
  }

  /**
   * Runs a program on a filled slot. `valid`: images that count; `learningRate` of this step. The
   * program `single` runs for each of the valid images, one after the other.
   * Whoever calls it holds the lock.
   */
  async run(
    program: ProgramName,
    index: 0 | 1,
    valid: number,
    learningRate = this.optimizer.lr,
  ): Promise<StepResult> {
    this.checkAlive()
    const { plan, view, optimizer } = this
    const { executor } = this.holding as Holding
    const { address, records, rates } = programOf(this, program)
    const single = program === 'single'
    const passImages = single ? 1 : plan.passImages
    const passes = single ? valid : plan.passes
    const workers = this.workersOf(program)
    const input = plan.named.images[index % plan.named.images.length].address
    const set = (offset: number, value: number): void => view.setUint32(offset, value >>> 0, true)
    set(Control.Target, plan.named.labels[index % plan.named.labels.length].address)
    set(Control.Valid, valid)
    view.setFloat32(Control.LearningRate, learningRate, true)
    view.setFloat32(Control.Momentum, 'momentum' in optimizer ? optimizer.momentum : 0, true)
    view.setFloat32(Control.Decay, optimizer.weightDecay, true)
    view.setFloat32(Control.DecayOther, optimizer.decay === 'all' ? optimizer.weightDecay : 0, true)
    set(Control.Nesterov, 'nesterov' in optimizer && optimizer.nesterov ? 1 : 0)
    const stream = new RandomStream(Draw.Dropout)
    stream.start(this.seed, 0, this.steps)
    set(Control.Seed, stream.next())
    set(Control.StepMask, this.stepMask())
    set(Control.NonFinite, 0)
    set(Control.FirstStep, program === 'stream' ? this.streamed : 0)
    let spikes: Record<string, number> | undefined
    // All passes of a batch run, though the last ones may hold no valid image: slots are filled
    // with repeats, and rates count the whole batch, whatever its passes are.
    const runPasses = async (): Promise<void> => {
      for (let pass = 0; pass < passes; pass++) {
        set(Control.FirstImage, pass * passImages)
        set(Control.Input, input + pass * passImages * this.imageFloats * 4)
        await executor.run({
          program: address,
          workers,
          scratch: plan.workerScratchAt,
          scratchBytes: plan.workerScratch,
          spins: workers <= availableParallelism() ? 20000 : 0,
          timeoutMs: 60_000,
        })
        // The next pass counts in the same place. An image alone counts as often as it would stand
        // in the padded batch, so that rates do not depend on which of both runs.
        const times = single ? Math.ceil((this.batchSize - pass) / valid) : 1
        if (passes > 1 || single) spikes = addCounts(spikes, spikeCounts(this, rates), times)
      }
      // For whoever runs a program of the whole batch on it once more.
      set(Control.FirstImage, 0)
      set(Control.Input, input)
    }
    let found = { loss: 0, correct: 0 }
    try {
      const began = performance.now()
      const running = runPasses()
      this.stepEnded = running.catch(() => undefined)
      await running
      // Before any pause: a model that was disposed of meanwhile gives its memory away.
      found = {
        loss: view.getFloat32(Control.Loss, true),
        correct: view.getInt32(Control.Correct, true),
      }
      if (workers === 1) await this.rest(performance.now() - began)
    } catch (error) {
      const layer = this.graph.nodes[records[view.getUint32(Control.Progress, true)]?.layer ?? 0]
      const cause = error instanceof Error ? error.message : String(error)
      this.failure = new Error(
        `a worker failed at layer ${layer?.name || layer?.kind || '?'} ` +
          `(${layer?.kind ?? '?'}): ${cause}`,
        {
          cause: error,
        },
      )
      throw this.failure
    }
    if (program === 'train' || program === 'gradients') {
      this.steps++
      this.trained = true
    }
    if (program === 'stream') this.streamed++
    const steps = program === 'stream' ? this.streamed : this.timeSteps
    this.lastRun = {
      probes: rates,
      images: this.batchSize,
      steps,
      spikes,
      outputs: passes * passImages,
    }
    return { ...found, count: valid }
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
    return usesAllThreads() ? this.threads : Math.min(workers, availableParallelism())
  }

  /** SLTT-K: K random steps of T; otherwise all. */
  stepMask(): number {
    const { backwardSteps } = this.plan.options
    const all = this.timeSteps >= 32 ? 0xffffffff : 2 ** this.timeSteps - 1
    if (backwardSteps === this.timeSteps) return all
    const stream = new RandomStream(Draw.Steps)
    stream.start(this.seed, 0, this.steps)
    const order = Array.from({ length: this.timeSteps }, (_, t) => t)
    let mask = 0
    for (let k = 0; k < backwardSteps; k++)
      mask |= 1 << (order.splice(stream.below(order.length), 1)[0] as number)
    return mask >>> 0
  }

  /** Whoever calls it holds the lock. */
  resetOptimizer(): void {
    for (const { address, bytes } of Object.values(trainingOf(this).states))
      floatsAt(this, address, bytes / 4).fill(0)
  }

  /**
   * Ends all threads when the running step, if any, has ended; an operation with more steps then
   * rejects. The model cannot be used afterwards, only read.
   */
  dispose(): Promise<void> {
    this.disposed = true
    // Not amid a step: what a worker says when its pool is gone would be an error that nobody can
    // catch.
    this.ended ??= this.stepEnded.then(() => {
      const held = this.holding
      this.holding = undefined
      return end(held, false, this)
    })
    return this.ended
  }

  get lastingBytes(): number {
    return lastingBytes(this.plan)
  }

  /** Another model gets the memory: what can be read of this one is copied. */
  detach(): void {
    this.memory = readable(this.plan, this.memory)
    this.view = new DataView(this.memory.buffer)
  }
}

/** Counts of a pass, so many times, added to those of the passes before it. */
function addCounts(
  sum: Record<string, number> | undefined,
  counts: Record<string, number>,
  times: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, n]) => [name, n * times + (sum?.[name] ?? 0)]),
  )
}
