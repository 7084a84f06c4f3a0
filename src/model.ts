/** A compiled network: memory, programs and threads, and what a user does with them. */

import { Control } from '../assembly/opcodes.js'
import type { Dataset } from './data/dataset.js'
import { Purpose, RandomStream } from './data/random.js'
import {
  checkBoolean,
  checkOptions,
  describe,
  expect,
  expectFinite,
  SpikewasmError,
} from './errors.js'
import type { Module } from './nn/containers.js'
import { initialValues } from './nn/init.js'
import { checkModule, type Graph, trace } from './nn/trace.js'
import { pack, storedChannels, unpack } from './plan/layout.js'
import {
  type MethodOptions,
  makePlan,
  type Plan,
  type PlanOptions,
  type ProgramName,
  type RateProbe,
} from './plan/plan.js'
import type { Phase } from './plan/program.js'
import { summarize } from './plan/summary.js'
import { type Executor, localExecutor } from './runtime/executor.js'
import { loadEngine } from './runtime/load.js'
import { availableParallelism } from './runtime/processors.js'
import { type EvaluateOptions, type Evaluation, evaluate } from './train/evaluate.js'
import { type FitOptions, fit, type History, median } from './train/fit.js'
import { Lock } from './train/lock.js'
import { checkOptimizer, checkRate, type Sgd, sgd } from './train/optimizer.js'

export interface CompileOptions extends MethodOptions {
  /** [channels, height, width] of one sample. */
  input: readonly [number, number, number]
  /** T, default 4. */
  timeSteps?: number
  /** B, default 64. */
  batchSize?: number
  /** Worker threads; 1 (the default) spawns nothing and runs on the calling thread. */
  threads?: number
  /** Seed of initialisation, shuffling, dropout and augmentation; default 0. */
  seed?: number
  /** Inputs differ from step to step, [T, B, C, H, W] instead of [B, C, H, W]; default false. */
  frames?: boolean
  /**
   * Keep rates and eligibilities readable by `activity` after a step (more memory); default false.
   */
  inspect?: boolean
  /** 'debug' runs the build with assertions; default 'release'. */
  engine?: 'release' | 'debug'
}

/** A parameter, its gradient, or a running statistic. */
export interface NamedTensor {
  /** PyTorch's shape. */
  readonly shape: readonly number[]
  readonly data: Float32Array
}
/** Tensors by PyTorch's names, for example `conv1.weight`. */
export type StateDict = Record<string, NamedTensor>

/** What a step tells of its batch, with the parameters from before it. */
export interface StepResult {
  /** Mean cross entropy of the batch. */
  readonly loss: number
  /** Images whose largest output is that of their label. */
  readonly correct: number
  /** Images of the batch. */
  readonly count: number
}

export interface StepOptions {
  /** false: forward and backward alone, parameters and momentum stay as they are; default true. */
  update?: boolean
  /** Learning rate of this step, ≥ 0; default `model.optimizer.lr`. */
  lr?: number
}

/** One of the two places for a batch in the model's memory; views. */
export interface Slot {
  /** [B][H][W][C], or [B][H][W][T][C] with `frames`. */
  readonly images: Float32Array
  /** [B] */
  readonly labels: Int32Array
}

export interface Prediction {
  /** Time mean of the last layer's output, [n, classes]. */
  readonly logits: Float32Array
  /** Index of the largest logit of each sample. */
  readonly classes: Int32Array
}

const MAX_BYTES = 2 ** 32

type Settings = Required<
  Pick<
    CompileOptions,
    'timeSteps' | 'batchSize' | 'threads' | 'seed' | 'frames' | 'inspect' | 'engine'
  >
>

/**
 * Plans, allocates and initialises a network.
 * @throws SpikewasmError for wrong options or shapes (naming the layer), and when the model does
 *   not fit in memory (saying how much it needs and the largest batch that fits).
 */
export async function compile(network: Module, options: CompileOptions): Promise<Model> {
  checkModule('compile: the network', network)
  checkOptions('compile', options, [
    'input',
    'timeSteps',
    'batchSize',
    'threads',
    'seed',
    'frames',
    'inspect',
    'engine',
    'method',
    'stepMode',
    'update',
    'mseWeight',
    'backwardSteps',
  ])
  const integer = (name: string, value: number, min: number, max: number): number => {
    expect(
      Number.isInteger(value) && value >= min && value <= max,
      () => `compile.${name} must be an integer from ${min} to ${max}, got ${describe(value)}`,
    )
    return value
  }
  const settings: Settings = {
    timeSteps: integer('timeSteps', options.timeSteps ?? 4, 1, 255),
    batchSize: integer('batchSize', options.batchSize ?? 64, 1, 1 << 20),
    threads: integer('threads', options.threads ?? 1, 1, 256),
    seed: integer('seed', options.seed ?? 0, 0, 2 ** 32 - 1),
    frames: checkBoolean('compile.frames', options.frames, false),
    inspect: checkBoolean('compile.inspect', options.inspect, false),
    engine: options.engine ?? 'release',
  }
  expect(
    settings.engine === 'release' || settings.engine === 'debug',
    () => `compile.engine must be 'release' or 'debug', got ${describe(settings.engine)}`,
  )
  const graph = trace(network, options.input)
  const model = new Model(graph, options.input, settings)
  await model.replan(methodOptions(options, settings.timeSteps))
  return model
}

/** Checks and completes a method's options. */
function methodOptions(options: MethodOptions, timeSteps: number): Required<MethodOptions> {
  const { method = 'rate' } = options
  const online = method === 'ottt' || method === 'sltt'
  const {
    stepMode = online ? 's' : 'm',
    update = 'afterwards',
    mseWeight = 0.05,
    backwardSteps = timeSteps,
  } = options
  expect(
    ['rate', 'bptt', 'ottt', 'sltt'].includes(method),
    () => `method must be rate, bptt, ottt or sltt, got ${describe(method)}`,
  )
  expect(
    stepMode === 'm' || stepMode === 's',
    () => `stepMode must be 'm' or 's', got ${describe(stepMode)}`,
  )
  expect(
    !online || stepMode === 's',
    () => `stepMode must be 's' with method ${method} (it learns step by step), got 'm'`,
  )
  expect(
    update === 'afterwards' || update === 'everyStep',
    () => `update must be 'afterwards' or 'everyStep', got ${describe(update)}`,
  )
  expect(
    Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1,
    () => `mseWeight must lie in 0…1, got ${describe(mseWeight)}`,
  )
  expect(
    Number.isInteger(backwardSteps) && backwardSteps >= 1 && backwardSteps <= timeSteps,
    () =>
      `backwardSteps must be an integer from 1 to timeSteps (${timeSteps}), got ${describe(backwardSteps)}`,
  )
  expect(
    backwardSteps === timeSteps || method === 'sltt',
    () => `backwardSteps is an option of method sltt, got it with ${method}`,
  )
  expect(
    !online || timeSteps <= 32,
    () => `timeSteps must be at most 32 with method ${method}, got ${timeSteps}`,
  )
  return { method, stepMode, update, mseWeight, backwardSteps }
}

/**
 * A network with its memory, programs and threads, made by `compile`.
 *
 * Operations (`fit`, `evaluate`, `predict`, `trainStep`, `profile`, `load`, `loadStateDict`,
 * `resetOptimizer`) run one at a time: another one is refused, before it has changed anything,
 * until the promise of the first one is settled. Callbacks of `fit` may call some, see
 * `FitOptions`. What only reads (`stateDict`, `save`, `gradients`, `output`, `firingRates`, …) may
 * be called at any time; while a step runs on threads it may see parameters that are partly those
 * of before the step.
 */
export class Model {
  private plan!: Plan
  private memory!: WebAssembly.Memory
  private executor!: Executor
  private view!: DataView
  private failure: Error | undefined
  private disposed = false
  private ended: Promise<void> | undefined
  /** Settled when the last step has ended, well or not. */
  private stepEnded: Promise<unknown> = Promise.resolve()
  private steps = 0
  private lastRates: readonly RateProbe[] = []
  /** @internal Held by the operation that runs. */
  readonly lock = new Lock()
  /** Optimizer that `trainStep` uses; `fit` sets it. */
  optimizer: Sgd = sgd()

  /** Use `compile`. */
  constructor(
    private readonly graph: Graph,
    /** [channels, height, width] of one sample. */
    readonly input: readonly [number, number, number],
    private readonly settings: Settings,
  ) {}

  /** T, the steps for which each sample is presented. */
  get timeSteps(): number {
    return this.settings.timeSteps
  }
  /** B, the samples of a training step. */
  get batchSize(): number {
    return this.settings.batchSize
  }
  /** Worker threads; 1 stands for the calling thread. */
  get threads(): number {
    return this.settings.threads
  }
  /** Seed of initialisation, shuffling, dropout and augmentation. */
  get seed(): number {
    return this.settings.seed
  }
  /** Whether inputs differ from step to step, [T, B, C, H, W]. */
  get frames(): boolean {
    return this.settings.frames
  }
  /** Number of classes: the last layer's outputs. */
  get classes(): number {
    return this.graph.nodes[this.graph.output].shape[0]
  }
  /** Training method: that of `compile`, or of the last `fit` that named one. */
  get method(): PlanOptions['method'] {
    return this.plan.options.method
  }
  /** 'm': each layer handles all steps at once; 's': the whole network, one step after another. */
  get stepMode(): PlanOptions['stepMode'] {
    return this.plan.options.stepMode
  }
  /** Number of trained parameters. */
  get parameterCount(): number {
    return this.plan.parameters.reduce(
      (sum, p) => sum + p.layout.shape.reduce((a, b) => a * b, 1),
      0,
    )
  }
  /** Bytes of memory by purpose. */
  get memoryUse(): Plan['memory'] {
    return this.plan.memory
  }

  /**
   * @internal Changes the method; parameters and statistics stay, momentum is forgotten.
   * @throws SpikewasmError for options that don't match
   */
  prepare(options: MethodOptions): Promise<void> {
    return this.alone(() => this.replan(options), false)
  }

  /**
   * @internal Makes the plan for a method, moving parameters and statistics along when there was
   *   another. Whoever calls it holds the lock.
   */
  async replan(options: MethodOptions): Promise<void> {
    const complete = methodOptions(options, this.settings.timeSteps)
    if (
      this.plan &&
      (Object.keys(complete) as (keyof MethodOptions)[]).every(
        (key) => this.plan.options[key] === complete[key],
      )
    )
      return
    const planOptions: PlanOptions = {
      ...this.settings,
      ...complete,
      graph: this.graph,
      input: this.input,
    }
    const plan = makePlan(planOptions, this.settings.threads)
    const memory = this.allocate(plan)
    const { threads, engine } = this.settings
    const module = await loadEngine(
      engine === 'debug' ? 'engine-debug' : threads > 1 ? 'engine-threads' : 'engine',
    )
    const { poolExecutor } = threads > 1 ? await import('./runtime/pool.js') : {}
    // Meanwhile somebody may have disposed of the model: nobody would end new threads.
    this.checkAlive()
    const previous = this.plan ? { state: this.stateDict(), executor: this.executor } : undefined
    new Uint8Array(memory.buffer).set(plan.encoded.bytes, plan.encodedAt)
    this.plan = plan
    this.memory = memory
    this.view = new DataView(memory.buffer)
    this.executor = poolExecutor
      ? poolExecutor(module, memory, threads)
      : localExecutor(module, memory)
    this.lastRates = []
    if (previous) {
      this.takeState(previous.state)
      await previous.executor.dispose()
    } else this.initialise()
  }

  private allocate(plan: Plan): WebAssembly.Memory {
    const { total } = plan.memory
    const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`
    const shared = this.settings.threads > 1 || this.settings.engine === 'debug'
    const refuse = (why: string, limit: number): never => {
      const largest = this.largestBatch(plan.options, limit)
      const [name, bytes] = plan.buffers.reduce<[string, number]>(
        (best, b) => (b.bytes > best[1] ? [b.name, b.bytes] : best),
        ['', 0],
      )
      throw new SpikewasmError(
        `the model needs ${gib(total)} of memory for batchSize ${plan.options.batchSize} (its largest buffer, ${name}: ${gib(bytes)}), ${why}; ` +
          (largest > 0
            ? `the largest batch that fits is ${largest}`
            : 'not even a batch of 1 fits: make the network or the input smaller'),
      )
    }
    if (total > MAX_BYTES) return refuse('WebAssembly addresses at most 4 GiB', MAX_BYTES)
    const pages = Math.ceil(total / 65536)
    try {
      return new WebAssembly.Memory(
        shared ? { initial: pages, maximum: pages, shared } : { initial: pages },
      )
    } catch {
      return refuse('more than this machine gives', total * 0.75)
    }
  }

  /** Largest batch whose plan stays within a limit; 0 when none does. */
  private largestBatch(options: PlanOptions, limit: number): number {
    let [low, high] = [0, options.batchSize]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (makePlan({ ...options, batchSize: middle }, this.settings.threads).memory.total <= limit)
        low = middle
      else high = middle
    }
    return low
  }

  private floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count)
  }

  private initialise(): void {
    this.plan.parameters.forEach((parameter, i) => {
      pack(
        parameter.layout,
        initialValues(this.graph, parameter, this.settings.seed, i),
        this.stored(this.plan.named.parameters.address, parameter),
      )
    })
    for (const statistic of this.plan.statistics)
      if (statistic.role === 'running_var')
        this.stored(this.plan.named.statistics.address, statistic).fill(
          1,
          0,
          statistic.layout.shape[0],
        )
  }

  private stored(
    base: number,
    { offset, layout }: { offset: number; layout: { stored: number } },
  ): Float32Array {
    return this.floats(base + offset, layout.stored)
  }

  /** Throws unless the model can run. */
  private checkAlive(): void {
    if (this.disposed) throw new SpikewasmError('the model was disposed; compile the network again')
    if (this.failure)
      throw new SpikewasmError(
        `the model stopped working (${this.failure.message}); its parameters can still be saved: save them and compile again`,
      )
  }

  /**
   * Runs an operation, or refuses before it has touched anything. `nested`: `fit` allows it in its
   * `onEpoch`.
   */
  private async alone<T>(operation: () => Promise<T>, nested = true): Promise<T> {
    this.checkAlive()
    return this.lock.hold(operation, nested)
  }

  /**
   * @internal One of the two input slots, to be filled before `runSlot`. Whoever calls it holds the
   *   lock.
   */
  slot(index: 0 | 1): Slot {
    const { images, labels } = this.plan.named
    const size =
      this.input.reduce((a, b) => a * b, 1) *
      this.batchSize *
      (this.settings.frames ? this.timeSteps : 1)
    return {
      images: this.floats(images[index].address, size),
      labels: new Int32Array(this.memory.buffer, labels[index].address, this.batchSize),
    }
  }

  /**
   * @internal Runs a program on a filled slot. `valid`: images that count; `learningRate` of this
   *   step. Whoever calls it holds the lock.
   */
  async runSlot(
    program: ProgramName,
    index: 0 | 1,
    valid: number,
    learningRate = this.optimizer.lr,
  ): Promise<StepResult> {
    this.checkAlive()
    const { plan, view, optimizer } = this
    const set = (offset: number, value: number): void => view.setUint32(offset, value >>> 0, true)
    set(Control.Input, plan.named.images[index].address)
    set(Control.Target, plan.named.labels[index].address)
    set(Control.Valid, valid)
    view.setFloat32(Control.LearningRate, learningRate, true)
    view.setFloat32(Control.Momentum, optimizer.momentum, true)
    view.setFloat32(Control.Decay, optimizer.weightDecay, true)
    view.setFloat32(Control.DecayOther, optimizer.decay === 'all' ? optimizer.weightDecay : 0, true)
    set(Control.Nesterov, optimizer.nesterov ? 1 : 0)
    const stream = new RandomStream(Purpose.Dropout)
    stream.start(this.seed, 0, this.steps)
    set(Control.Seed, stream.next())
    set(Control.StepMask, this.stepMask())
    set(Control.NonFinite, 0)
    try {
      const running = this.executor.run({
        program: plan.programs[program],
        workers: this.threads,
        scratch: plan.workerScratchAt,
        scratchBytes: plan.workerScratch,
        spins: this.threads <= availableParallelism() ? 20000 : 0,
        timeoutMs: 60_000,
      })
      this.stepEnded = running.catch(() => undefined)
      await running
    } catch (error) {
      const layer =
        this.graph.nodes[plan.recordLayers[program][view.getUint32(Control.Progress, true)] ?? 0]
      const cause = error instanceof Error ? error.message : String(error)
      this.failure = new Error(
        `a worker failed at layer ${layer?.name || layer?.kind || '?'} (${layer?.kind ?? '?'}): ${cause}`,
        {
          cause: error,
        },
      )
      throw this.failure
    }
    if (program !== 'evaluate') this.steps++
    this.lastRates = program === 'evaluate' ? plan.rates.evaluate : plan.rates.train
    return {
      loss: view.getFloat32(Control.Loss, true),
      correct: view.getInt32(Control.Correct, true),
      count: valid,
    }
  }

  /** SLTT-K: K random steps of T; otherwise all. */
  private stepMask(): number {
    const { backwardSteps } = this.plan.options
    const all = this.timeSteps >= 32 ? 0xffffffff : 2 ** this.timeSteps - 1
    if (backwardSteps === this.timeSteps) return all
    const stream = new RandomStream(Purpose.Steps)
    stream.start(this.seed, 0, this.steps)
    const order = Array.from({ length: this.timeSteps }, (_, t) => t)
    let mask = 0
    for (let k = 0; k < backwardSteps; k++)
      mask |= 1 << (order.splice(stream.below(order.length), 1)[0] as number)
    return mask >>> 0
  }

  /** Copies a batch in PyTorch's layout into a slot. */
  private fillSlot(
    index: 0 | 1,
    x: Float32Array,
    labels: ArrayLike<number> | undefined,
    count: number,
  ): void {
    const [C, H, W] = this.input
    const T = this.settings.frames ? this.timeSteps : 1
    const B = this.batchSize
    const slot = this.slot(index)
    for (let t = 0; t < T; t++)
      for (let b = 0; b < count; b++)
        for (let c = 0; c < C; c++)
          for (let p = 0; p < H * W; p++)
            slot.images[((b * H * W + p) * T + t) * C + c] =
              x[((t * count + b) * C + c) * H * W + p]
    const size = C * H * W * T
    expectFinite('x', slot.images, size, count)
    for (let b = count; b < B; b++)
      slot.images.copyWithin(b * size, (b % count) * size, (b % count) * size + size)
    for (let b = 0; b < B; b++) slot.labels[b] = labels && b < count ? labels[b] : 0
  }

  private checkBatch(x: Float32Array, count: number): void {
    const [C, H, W] = this.input
    const T = this.settings.frames ? this.timeSteps : 1
    expectNumbers('x', x)
    expect(
      x.length === T * count * C * H * W,
      () =>
        `x must hold ${T > 1 ? `[${T}, ${count}, ${C}, ${H}, ${W}]` : `[${count}, ${C}, ${H}, ${W}]`} = ${T * count * C * H * W} numbers, got ${x.length}`,
    )
  }

  private checkLabels(y: ArrayLike<number>, count: number): void {
    expect(typeof y?.length === 'number', () => `y must be an array of labels, got ${describe(y)}`)
    expect(
      y.length === count,
      () => `y must hold one label for each of the ${count} images, got ${y.length}`,
    )
    for (let i = 0; i < y.length; i++)
      expect(
        Number.isInteger(y[i]) && y[i] >= 0 && y[i] < this.classes,
        () =>
          `labels must be integers from 0 to ${this.classes - 1}, got ${describe(y[i])} at index ${i}`,
      )
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
    return this.alone(async () => {
      checkOptions('trainStep', options, ['update', 'lr'])
      const program = checkBoolean('trainStep.update', options.update, true) ? 'train' : 'gradients'
      checkOptimizer('model.optimizer', this.optimizer)
      const { lr = this.optimizer.lr } = options
      checkRate('trainStep.lr', lr)
      this.checkBatch(x, this.batchSize)
      this.checkLabels(y, this.batchSize)
      this.fillSlot(0, x, y, this.batchSize)
      const result = await this.runSlot(program, 0, this.batchSize, lr)
      const problem = this.nonFinite(0, program)
      if (problem !== undefined) throw new SpikewasmError(problem)
      return result
    })
  }

  /**
   * Gradients of the last training step by parameter name, in PyTorch's shapes (`conv2d` weight
   * [out, in, kh, kw], `linear` weight [out, in], …); copies.
   */
  gradients(): StateDict {
    const out: StateDict = {}
    for (const p of this.plan.parameters)
      out[p.name] = {
        shape: p.layout.shape,
        data: unpack(p.layout, this.stored(this.plan.named.gradients.address, p)),
      }
    return out
  }

  /** Time-mean output of the last run, [B, classes]. */
  output(): Float32Array {
    const width = storedChannels(this.classes)
    const all = this.floats(this.plan.named.output.address, this.batchSize * width)
    const result = new Float32Array(this.batchSize * this.classes)
    for (let b = 0; b < this.batchSize; b++)
      for (let c = 0; c < this.classes; c++) result[b * this.classes + c] = all[b * width + c]
    return result
  }

  /**
   * Outputs for any number of samples.
   * @param x float32 [n, C, H, W] ([T, n, C, H, W] with `frames`, n at most the batch size).
   * @throws SpikewasmError when the length is no multiple of a sample's.
   */
  predict(x: Float32Array): Promise<Prediction> {
    return this.alone(async () => {
      expectNumbers('x', x)
      const [C, H, W] = this.input
      const size = C * H * W * (this.settings.frames ? this.timeSteps : 1)
      const n = x.length / size
      expect(
        Number.isInteger(n) && n > 0,
        () =>
          `x must hold samples of [${this.input.join(', ')}] = ${size} numbers each, got ${x.length}`,
      )
      expect(
        !this.settings.frames || n <= this.batchSize,
        () => `x must hold at most batchSize (${this.batchSize}) samples of frames, got ${n}`,
      )
      const logits = new Float32Array(n * this.classes)
      const classes = new Int32Array(n)
      for (let first = 0; first < n; first += this.batchSize) {
        const count = Math.min(this.batchSize, n - first)
        this.fillSlot(0, x.subarray(first * size, (first + count) * size), undefined, count)
        await this.runSlot('evaluate', 0, count)
        logits.set(this.output().subarray(0, count * this.classes), first * this.classes)
        classes.set(this.predictions().subarray(0, count), first)
      }
      return { logits, classes }
    })
  }

  /** Predicted classes of the last run. */
  private predictions(): Int32Array {
    return new Int32Array(this.memory.buffer, this.plan.named.predictions.address, this.batchSize)
  }

  /**
   * Spikes per neuron and step of each neuron layer in the last run, 0…1, by layer name; empty
   * before the first one.
   */
  firingRates(): Record<string, number> {
    const rates: Record<string, number> = {}
    for (const { name, partials, units, neurons } of this.lastRates) {
      const sums = new Uint32Array(this.memory.buffer, partials.address, units)
      rates[name] = sums.reduce((a, b) => a + b, 0) / (neurons * this.batchSize * this.timeSteps)
    }
    return rates
  }

  /**
   * Rate and eligibility of a neuron layer after a training step, [B, C, H, W]; needs `inspect:
   * true` at compilation.
   * @throws SpikewasmError for an unknown layer or without `inspect`.
   */
  activity(name: string): { rate: Float32Array; eligibility: Float32Array | undefined } {
    expect(this.settings.inspect, () => 'activity needs compile({ inspect: true })')
    const probe = this.plan.rates.train.find((p) => p.name === name)
    if (!probe)
      throw new SpikewasmError(
        `activity: no neuron layer ${JSON.stringify(name)}; there are ${this.plan.rates.train.map((p) => p.name).join(', ')}`,
      )
    const [C, H, W] = probe.shape
    const total = this.batchSize * H * W * probe.stored
    const counts = new Uint8Array(this.memory.buffer, probe.counts.address, total)
    const eligibility = probe.eligibility && this.floats(probe.eligibility.address, total)
    const reorder = (source: ArrayLike<number>, factor: number): Float32Array => {
      const out = new Float32Array(this.batchSize * C * H * W)
      for (let b = 0; b < this.batchSize; b++)
        for (let c = 0; c < C; c++)
          for (let p = 0; p < H * W; p++)
            out[(b * C + c) * H * W + p] = source[(b * H * W + p) * probe.stored + c] * factor
      return out
    }
    return {
      rate: reorder(counts, 1 / this.timeSteps),
      eligibility: eligibility && reorder(eligibility, 1),
    }
  }

  /**
   * Firing rate of each neuron layer at each step of the last run, T numbers by layer name; needs
   * `inspect: true` and a method whose loop over T is inside the layers (step mode m).
   * @throws SpikewasmError otherwise.
   */
  stepRates(): Record<string, number[]> {
    expect(
      this.settings.inspect && this.stepMode === 'm',
      () => "stepRates needs compile({ inspect: true }) and stepMode 'm'",
    )
    const out: Record<string, number[]> = {}
    for (const { name, masks, neurons, shape, stored } of this.lastRates) {
      const plane = this.batchSize * shape[1] * shape[2] * stored
      out[name] = Array.from({ length: this.timeSteps }, (_, t) => {
        const bits = new Uint8Array(this.memory.buffer, masks.address + (t >> 3) * plane, plane)
        let sum = 0
        for (let i = 0; i < plane; i++) sum += (bits[i] >> (t & 7)) & 1
        return sum / (neurons * this.batchSize)
      })
    }
    return out
  }

  /**
   * What the paper measures while training through time (sec. 4.2 there), for the last training
   * step: `a1` by neuron layer, the cosine of E[δs κ] and E[δs] E[κ]; `a2` by weight, the cosine of
   * E[δI s] and E[δI] E[s]. Needs method bptt and `inspect: true`.
   * @throws SpikewasmError otherwise.
   */
  diagnostics(): { a1: Record<string, number>; a2: Record<string, number> } {
    expect(
      this.settings.inspect && this.method === 'bptt',
      () => "diagnostics needs compile({ inspect: true, method: 'bptt' })",
    )
    const a1: Record<string, number> = {}
    const a2: Record<string, number> = {}
    for (const { name, spikeGradient, currentGradient, eligibility, shape, stored } of this.plan
      .probes.neurons) {
      const count = this.batchSize * shape[1] * shape[2] * stored
      const [spikes, currents, g] = [spikeGradient, currentGradient, eligibility].map((b) =>
        this.floats(b.address, count),
      )
      // Σ_t δI_t = Σ_t δs_t κ_t: the sums over time differ from means by a factor alone.
      a1[name] = cosineOf(
        currents,
        spikes.map((value, i) => value * g[i]),
      )
    }
    for (const { node, gradient } of this.plan.probes.weights) {
      const parameter = this.plan.parameters.find((p) => p.node === node && p.role === 'weight')
      if (!parameter) continue
      a2[parameter.name] = cosineOf(
        this.stored(this.plan.named.gradients.address, parameter),
        this.floats(gradient.address, parameter.layout.stored),
      )
    }
    return { a1, a2 }
  }

  /** Parameters and running statistics by PyTorch's names and in its layouts; copies. */
  stateDict(): StateDict {
    const out: StateDict = {}
    for (const p of this.plan.parameters)
      out[p.name] = {
        shape: p.layout.shape,
        data: unpack(p.layout, this.stored(this.plan.named.parameters.address, p)),
      }
    for (const s of this.plan.statistics)
      out[s.name] = {
        shape: s.layout.shape,
        data: unpack(s.layout, this.stored(this.plan.named.statistics.address, s)),
      }
    return out
  }

  /**
   * Takes parameters and running statistics over. `num_batches_tracked` of PyTorch's is ignored.
   * @throws SpikewasmError that lists missing, unexpected and mis-shaped names, or a value that is
   *   not finite, and while the model runs; nothing is changed then.
   */
  loadStateDict(state: StateDict): void {
    this.checkAlive()
    this.lock.checkIdle()
    this.takeState(state)
  }

  private takeState(state: StateDict): void {
    expect(
      typeof state === 'object' && state !== null && !Array.isArray(state),
      () =>
        `the state dict must be an object of { shape, data } by name, as stateDict() gives it, got ${describe(state)}`,
    )
    for (const [name, entry] of Object.entries(state))
      expect(
        typeof entry?.shape?.every === 'function' && typeof entry.data?.findIndex === 'function',
        () =>
          `the state dict's ${name} must be { shape: numbers, data: Float32Array }, got ${describe(entry)}`,
      )
    const entries = [
      ...this.plan.parameters.map((p) => ({ ...p, base: this.plan.named.parameters.address })),
      ...this.plan.statistics.map((s) => ({ ...s, base: this.plan.named.statistics.address })),
    ]
    const names = new Set(entries.map((e) => e.name))
    const missing = entries.filter((e) => !(e.name in state)).map((e) => e.name)
    const unexpected = Object.keys(state).filter(
      (name) => !names.has(name) && !name.endsWith('num_batches_tracked'),
    )
    const same = (a: readonly number[], b: readonly number[]): boolean =>
      a.length === b.length && a.every((n, i) => n === b[i])
    const misshaped = entries
      .filter((e) => e.name in state && !same(state[e.name].shape, e.layout.shape))
      .map(
        (e) =>
          `${e.name} (expected [${e.layout.shape.join(', ')}], got [${state[e.name].shape.join(', ')}])`,
      )
    const length = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
    const incomplete = entries
      .filter(
        (e) =>
          e.name in state &&
          same(state[e.name].shape, e.layout.shape) &&
          state[e.name].data.length !== length(e.layout.shape),
      )
      .map(
        (e) =>
          `${e.name} (expected ${length(e.layout.shape)} numbers, got ${state[e.name].data.length})`,
      )
    const problems = [
      missing.length > 0 ? `missing: ${missing.join(', ')}` : '',
      unexpected.length > 0 ? `unexpected: ${unexpected.join(', ')}` : '',
      misshaped.length > 0 ? `of another shape: ${misshaped.join(', ')}` : '',
      incomplete.length > 0
        ? `of another length than their shape says: ${incomplete.join(', ')}`
        : '',
    ].filter((s) => s !== '')
    if (problems.length > 0)
      throw new SpikewasmError(`the state dict does not match the network; ${problems.join('; ')}`)
    for (const { name } of entries) {
      const at = state[name].data.findIndex((v) => !Number.isFinite(v))
      expect(
        at < 0,
        () =>
          `the state dict holds ${state[name].data[at]} in ${name} at index ${at}; expected finite numbers`,
      )
    }
    for (const e of entries) pack(e.layout, state[e.name].data, this.stored(e.base, e))
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
    return this.alone(async () => {
      const { parseSafetensors, toFloat32 } = await import('./io/safetensors.js')
      const { readFileClear } = await import('./io/files.js')
      const { tensors } = parseSafetensors(await readFileClear(path, 'weights'), path)
      try {
        this.takeState(
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
    return this.alone(() => fit(this, data, options), false)
  }

  /**
   * Loss, accuracy and firing rates on a data set.
   * @throws SpikewasmError when the data or an option does not match; the signal's reason when it
   *   aborts.
   */
  evaluate(data: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
    return this.alone(() => evaluate(this, data, options))
  }

  /**
   * Times every operation of a training step on this thread, with the batch of the last
   * `trainStep`; the parameters change as by that step.
   * @returns median milliseconds of each operation over `repeats` runs, in the order of the
   *   program, by layer name.
   */
  profile(
    repeats = 5,
  ): Promise<{ op: string; layer: string; phase: Phase; milliseconds: number }[]> {
    return this.alone(async () => {
      expect(
        Number.isInteger(repeats) && repeats >= 1,
        () => `profile.repeats must be an integer ≥ 1, got ${describe(repeats)}`,
      )
      const { profileProgram } = await import('./runtime/profile.js')
      const { threads, engine } = this.settings
      const module = await loadEngine(
        engine === 'debug' ? 'engine-debug' : threads > 1 ? 'engine-threads' : 'engine',
      )
      const runs = Array.from({ length: repeats }, () =>
        profileProgram(module, this.memory, this.plan.programs.train, this.plan.workerScratchAt),
      )
      return runs[0].map(({ op, layer, record }, i) => ({
        op,
        layer: this.layerName(layer),
        phase: this.plan.recordPhases[record],
        milliseconds: median(runs.map((run) => run[i].milliseconds)),
      }))
    })
  }

  /** Forgets the optimizer's momentum. @throws SpikewasmError while the model runs */
  resetOptimizer(): void {
    this.checkAlive()
    this.lock.checkIdle()
    this.clearMomentum()
  }

  /** @internal Whoever calls it holds the lock. */
  clearMomentum(): void {
    const { velocities } = this.plan.named
    this.floats(velocities.address, velocities.bytes / 4).fill(0)
  }

  /**
   * @internal What went wrong in the last training step if its loss or a gradient is not finite,
   *   naming the first layer where it shows; else undefined.
   */
  nonFinite(slot: 0 | 1, program: ProgramName = 'train'): string | undefined {
    const loss = this.view.getFloat32(Control.Loss, true)
    const lossIsFinite = Number.isFinite(loss)
    const flag = this.view.getUint32(Control.NonFinite, true)
    if (lossIsFinite && flag === 0) return undefined
    const what = lossIsFinite
      ? flag > 1
        ? 'the variance of a batch is not finite'
        : 'a gradient is not finite'
      : `the loss is ${loss}`
    const where =
      flag > 1
        ? `layer ${this.layerName(flag - 2)} (${this.graph.nodes[flag - 2].kind})`
        : this.locateNonFinite(slot)
    // The optimizer does nothing when the loss is not finite; but updates at every step come before
    // the loss is known.
    const untouched =
      program === 'gradients' || (!lossIsFinite && this.plan.options.update === 'afterwards')
    const statistics = this.plan.statistics.length > 0
    const left = untouched
      ? `The parameters are those before this step${statistics ? ', running statistics may hold it' : ''}`
      : `Parameters${statistics ? ' and running statistics' : ''} whose new value would not be finite were left as they were, others may hold this step`
    return `${what}; it shows first in ${where}. ${left}; a lower learning rate or normalised input helps`
  }

  private locateNonFinite(slot: 0 | 1): string {
    const broken = (values: Float32Array): boolean => values.some((v) => !Number.isFinite(v))
    const { parameters, gradients, statistics } = this.plan.named
    if (broken(this.slot(slot).images)) return 'the input'
    for (const p of this.plan.parameters)
      for (const [what, { address }] of [
        ['parameter', parameters],
        ['gradient of', gradients],
      ] as const)
        if (broken(this.stored(address, p)))
          return `layer ${this.layerName(p.node)} (${what} ${p.name})`
    for (const s of this.plan.statistics)
      if (broken(this.stored(statistics.address, s)))
        return `layer ${this.layerName(s.node)} (${s.name})`
    return `layer ${this.layerName(this.graph.output)} (its output, or a step too large for float32)`
  }

  private layerName(index: number): string {
    const node = this.graph.nodes[index]
    return node.name || node.kind
  }

  /** A table of layers, output shapes, parameters, and memory by purpose. */
  summary(): string {
    return summarize(this.graph, this.plan)
  }

  /**
   * Ends all threads when the running step, if any, has ended; an operation with more steps then
   * rejects. The model cannot be used afterwards, only read.
   */
  dispose(): Promise<void> {
    this.disposed = true
    // Not amid a step: what a worker says when its pool is gone would be an error that nobody can
    // catch.
    this.ended ??= this.stepEnded.then(() => this.executor.dispose())
    return this.ended
  }
}

/** @throws SpikewasmError for what is no typed array of numbers */
function expectNumbers(name: string, x: Float32Array): void {
  expect(
    ArrayBuffer.isView(x) && 'subarray' in x,
    () => `${name} must be a Float32Array, got ${describe(x)}`,
  )
}

/** Cosine of two vectors; NaN when one is zero. */
export function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i]
    aa += a[i] * a[i]
    bb += b[i] * b[i]
  }
  return ab / Math.sqrt(aa * bb)
}
