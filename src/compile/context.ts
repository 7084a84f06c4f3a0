/** What one plan is made for, and the parameters and statistics that all its programs share. */

import { Plane, Spike } from '../../assembly/opcodes.js'
import { type Buffer, type Reference, ref } from '../kernels/records/words.js'
import { kindOf, type ParameterSpec } from '../network/kind.js'
import { type Graph, type GraphNode, ownerOf } from '../network/trace.js'
import type { WeightType } from '../network/weights.js'
import type { OutputProbe } from './cuts.js'
import { type ParameterLayout, storedChannels } from './layout.js'
import { type MethodOptions, type MethodTraits, MOST_COUNTED_STEPS, traitsOf } from './methods.js'
import type { ProgramBuilder, Section } from './program.js'
import type { Remade } from './recompute.js'
import { standardTraining, type TrainingSpec, trainingBuffers } from './training.js'

/**
 * Calls one behind the other that have the same number of steps: the loop over T outside the
 * network. Within a call spikes of several steps are listed together and gradients have a row for
 * each step; from call to call neurons carry their state. So memory depends on the steps of a call,
 * not on T.
 */
type Calls = Pick<Section, 'from' | 'steps' | 'repeats'>

/**
 * The most steps of a call. Where gradients have one row a call keeps a byte of masks, whatever its
 * steps are; where they have a row for each step everything grows with the steps, so that a call is
 * one group of spike lists.
 */
export const mostCallSteps: Readonly<Record<MethodTraits['rows'], number>> = {
  one: Plane.Steps,
  steps: Spike.GroupSteps,
}

/**
 * As few calls as there can be, of sizes that differ by one step at most, so that no T leaves a
 * short rest. Longer ones come first.
 *
 * @param most steps of a call
 */
export function callsOf(timeSteps: number, most: number): Calls[] {
  const count = Math.ceil(timeSteps / most)
  const steps = Math.ceil(timeSteps / count)
  const longer = timeSteps - count * (steps - 1)
  const calls = [{ from: 0, steps, repeats: longer }]
  if (longer < count)
    calls.push({ from: longer * steps, steps: steps - 1, repeats: count - longer })
  return calls
}

/** Steps whose bits a control word holds. */
const MOST_MASKED = 32

const inference = { training: false, gradients: false }
const inFull = { single: true, stream: false, anytime: false }
const inSteps = { single: false, stream: true, anytime: false }
const alone = { evaluate: false, slots: 1, passes: false }

/**
 * What the planner asks of a purpose. `slots`: places for a batch, two where one is filled while
 * the other is read. `passes`: whether a batch may run in groups of images. `stream`: whether a
 * call may be one time step, and the neurons' state is kept between calls. `evaluate`, `single`:
 * forward alone of the whole batch, of one image. `gradients`: forward and backward without the
 * optimizer's step. `anytime`: whether others may write parameters before any run.
 */
const planPurposes = {
  train: { training: true, gradients: true, ...inFull, evaluate: true, slots: 2, passes: false },
  inference: { ...inference, ...inFull, evaluate: true, slots: 2, passes: true },
  stream: { ...inference, ...inSteps, ...alone },
  both: { ...inference, ...inSteps, evaluate: true, slots: 1, passes: false },
  learning: { training: true, gradients: false, ...inFull, anytime: true, ...alone },
}

/**
 * What a plan is made for: what a model is compiled for, or a file that has both programs of
 * inference (`'both'`), or one that learns (`'learning'`).
 */
export type PlanPurpose = keyof typeof planPurposes

/**
 * What a model is compiled for. `'train'`: training, evaluation and prediction. `'inference'`:
 * evaluation and prediction in less memory. `'stream'`: one time step at a time, with the neurons'
 * state kept between calls.
 */
export type Purpose = 'train' | 'inference' | 'stream'

/** Those that `compile` takes. */
export const purposes = {
  train: planPurposes.train,
  inference: planPurposes.inference,
  stream: planPurposes.stream,
} as const satisfies Readonly<Record<Purpose, unknown>>

/** What a plan is made for. */
export const purposeOf = ({ purpose = 'train' }: Pick<PlanOptions, 'purpose'>) =>
  planPurposes[purpose]

type Given = Required<Pick<MethodOptions, 'method' | 'stepMode' | 'update' | 'mseWeight'>>

/** What a model runs. 'wide': made for wide vectors, where V8 joins what is in it. */
export type EngineKind = 'release' | 'debug' | 'wide'

export interface PlanOptions extends Given {
  readonly graph: Graph
  readonly input: readonly [number, number, number]
  /** Inputs differ from step to step: [B, T, C, H, W]. */
  readonly frames: boolean
  readonly timeSteps: number
  readonly batchSize: number
  readonly backwardSteps: number
  /** Default 'none'. */
  readonly gradientCheckpoint?: MethodOptions['gradientCheckpoint']
  /** Default 'channel'. */
  readonly normFallback?: MethodOptions['normFallback']
  /** Steps of a segment, beyond which no gradient goes back; default all. */
  readonly truncate?: number
  /** Keep rates and eligibilities readable after a step. */
  readonly inspect: boolean
  /** Keep the gradient of the input of a training step. */
  readonly inputGradient?: boolean
  /** Layers of neurons whose spikes stay readable after a run; default none. */
  readonly record?: readonly string[]
  /** Names whose values stay readable, by layers of neurons. */
  readonly states?: Readonly<Record<string, readonly string[] | 'all'>>
  /** Default 'train'. */
  readonly purpose?: PlanPurpose
  /** What training programs do beside the method. */
  readonly training?: TrainingSpec
  /** What weights are that spikes meet in all their places (`Plan.integers`). Default 'f32'. */
  readonly weights?: WeightType
  /**
   * Parameters and statistics never change: what depends on them alone is computed once, by a
   * program of its own. There are no labels. Default false.
   */
  readonly fixed?: boolean
  /** Kernels of 'wide' make two blocks at a time, and have twice the scratch. */
  readonly engine?: EngineKind
}

/** `name`: PyTorch's, as `layer1.0.conv1.weight`. */
export interface Parameter extends Omit<ParameterSpec, 'shape'> {
  readonly layout: ParameterLayout
  /** Byte offset in the parameter, gradient and velocity buffers. */
  readonly offset: number
  /** Index of the graph's node. */
  readonly node: number
  /** Its name within the layer. */
  readonly role: string
}

/**
 * A weight of whole numbers; with weight standardisation, those of the standardised weight. Where
 * parameters are fixed memory has no floats of it, and it is not among `Plan.parameters`.
 */
export interface IntegerWeight extends Pick<Parameter, 'name' | 'layout' | 'node'> {
  /** The largest whole number. */
  readonly most: number
  /** Bytes [layout.stored], as the record `quantise` writes them. */
  readonly weight: Buffer
  /** float32 [output channels as stored]: what 1 stands for; zero in padding. */
  readonly scale: Buffer
}

/** A running statistic: part of the state dict, not trained. */
export interface Statistic extends Omit<Parameter, 'decays' | 'initial'> {
  readonly initial: number
}

/**
 * Whether steps are so many that a byte cannot count a neuron's spikes. Nothing counts them by
 * neuron then but `Pass.spikeSums`, inference runs in calls outside the layers, and the output is a
 * sum instead of a mean: sums of spikes are exact.
 */
export const isLong = ({ timeSteps }: Pick<PlanOptions, 'timeSteps'>): boolean =>
  timeSteps > MOST_COUNTED_STEPS

/** Steps of a segment of time where gradients are truncated; undefined where nothing is cut. */
export const segmentOf = ({
  truncate,
  timeSteps,
}: Pick<PlanOptions, 'truncate' | 'timeSteps'>): number | undefined =>
  truncate && truncate < timeSteps ? truncate : undefined

/** Whether so many steps run in calls of a few: unless a layer needs all of them at once. */
const runsInCalls = (options: PlanOptions): boolean =>
  isLong(options) && !options.graph.nodes.some(({ kind }) => kind === 'timeMean')

/** What programs share with the host; of so many floats. */
export function namedBuffers(
  b: ProgramBuilder,
  options: PlanOptions,
  of: Readonly<
    Record<'parameterFloats' | 'statisticFloats' | 'zeros', number> & { stepOutputs: boolean }
  >,
) {
  const { batchSize, graph, fixed, timeSteps } = options
  const purpose = purposeOf(options)
  const outputs = batchSize * storedChannels(graph.nodes[graph.output].shape[0])
  const kept = (name: string, floats: number): Buffer => b.buffer(name, floats * 4, 'statistics')
  const parameters = b.buffer('parameters', of.parameterFloats * 4, 'parameters')
  const statistics = kept('running statistics', of.statisticFloats)
  const spec = purpose.training ? (options.training ?? standardTraining) : undefined
  const { backwardSteps } = options
  const isChosen = spec && backwardSteps < timeSteps && timeSteps > MOST_MASKED
  const ofSteps = purpose.evaluate && !fixed && of.stepOutputs
  const named = {
    parameters,
    statistics,
    /** Bits of the steps that are backpropagated, where a word does not hold them; read as u64. */
    stepMask: isChosen ? kept('step mask', Math.ceil(timeSteps / 32) + 2) : undefined,
    /** What only training has. */
    training: spec && trainingBuffers(b, spec, of.parameterFloats),
    zeros: kept('zeros', of.zeros),
    output: kept('output', outputs),
    /** Where there are labels, which a stream has not. */
    losses: purpose.stream || fixed ? undefined : kept('losses', batchSize),
    predictions: kept('predictions', batchSize),
    /** [B][T][outputs], where they are asked for. */
    stepOutputs: ofSteps
      ? b.buffer('outputs of steps', outputs * timeSteps * 4, 'recorded')
      : undefined,
    /**
     * A u32 by which the host says whether it wants activity counted; where there is a program
     * `evaluate` with labels.
     */
    activityWanted: purpose.evaluate && !fixed ? kept('activity wanted', 1) : undefined,
  }
  // Not overwritten by what runs between two steps of a stream.
  const isApart = purpose.stream && purpose.evaluate
  /** What a stream adds up, step by step; where nothing else runs, `output`. */
  const outputSoFar = isApart ? kept('output so far', outputs) : named.output
  return { ...named, outputSoFar }
}

type NamedBuffers = ReturnType<typeof namedBuffers>

/** What the programs of a context do: train, run forward alone, or run one step of a stream. */
export type Run = 'training' | 'forward' | 'stream'

const sharesStatistics = ({ layer, sharedWith }: GraphNode): boolean =>
  layer !== undefined && sharedWith !== undefined && kindOf(layer).statistics !== undefined

export class Context {
  readonly options: PlanOptions
  readonly method: MethodTraits
  /** The calls of the network that make T steps. */
  readonly calls: readonly Calls[]
  /** There are several calls: state is carried from call to call. */
  readonly outer: boolean
  readonly online: boolean
  /** Gradients add up over the calls of an online method. */
  readonly accumulate: boolean
  /** Only some steps are backpropagated, by the step mask. */
  readonly masked: boolean
  /** Nodes that are to have weights of whole numbers, and why they cannot; undefined: they can. */
  readonly asked = new Map<number, string | undefined>()
  /** Where gradients of inputs add up, by node and channels. */
  readonly inputTotals = new Map<string, Buffer>()
  /** Parameters and statistics by node and role. */
  private found?: ReadonlyMap<string, Parameter | Statistic>
  /** Why it cannot train on a single sample, though that may run forward. */
  lone: string | undefined
  /** Its forward pass drops as that of training does. */
  drops = false
  /** What the network gives: of each size of call, in their order. */
  readonly outputs: (readonly OutputProbe[])[] = []
  /** Emits what makes anew what programs keep of parameters. */
  renew: () => void = () => {}
  /** What the backward pass makes again; undefined where all that it reads is kept. */
  remade: Remade | undefined

  constructor(
    options: PlanOptions,
    /** Images of one run: the batch, or one pass of it. */
    readonly images: number,
    readonly builder: ProgramBuilder,
    readonly parameters: readonly Parameter[],
    readonly statistics: readonly Statistic[],
    readonly buffers: Omit<NamedBuffers, 'outputSoFar'>,
    readonly run: Run = 'training',
    readonly integers: readonly IntegerWeight[] = [],
    /**
     * What calls of the network carry on, by layer and name. Programs run one at a time, and each
     * begins anew, so that several contexts of as many images may share it.
     */
    readonly carried: Map<string, Buffer> = new Map(),
  ) {
    const stream = run === 'stream'
    // A stream is one step a call, whatever the method, and takes one frame.
    const streaming = { loop: 'network', backward: 'afterwards', statistics: 'call' } as const
    this.options = stream ? { ...options, frames: false } : options
    const traits = traitsOf(options)
    const inCalls = run === 'forward' && runsInCalls(options)
    const calls = inCalls ? ({ loop: 'network' } as const) : undefined
    this.method = stream ? { ...traits, ...streaming } : { ...traits, ...calls }
    this.online = this.method.backward === 'everyCall'
    this.masked = this.online && options.backwardSteps < options.timeSteps
    this.calls = callsOf(stream ? 1 : options.timeSteps, this.mostSteps(stream))
    this.outer = stream || this.callCount > 1
    this.accumulate = this.online && this.callCount > 1 && options.update === 'afterwards'
  }

  /** How often the network is called for T steps. */
  get callCount(): number {
    return this.calls.reduce((sum, { repeats }) => sum + repeats, 0)
  }

  /** The most steps of a call. */
  private mostSteps(stream: boolean): number {
    const { timeSteps, update, backwardSteps, stepMode } = this.options
    if (stream) return 1
    if (this.run === 'forward' && runsInCalls(this.options) && stepMode === 'm') return Plane.Steps
    if (this.method.loop === 'layers') return timeSteps
    // Forward alone it has the bits of a stream. Otherwise weights may move at every step; or too
    // few steps have a backward pass for what those without one would take in a call of several.
    const sparse = this.masked && 3 * backwardSteps < 2 * timeSteps
    const single = this.run === 'forward' || (this.online && update === 'everyStep') || sparse
    // As in PyTorch, running statistics of one layer move from call to call of each step.
    if (this.online && this.options.graph.nodes.some(sharesStatistics)) return 1
    return single || this.method.stabilizes ? 1 : mostCallSteps[this.method.rows]
  }

  private ownerOf(node: number): number {
    return ownerOf(this.options.graph.nodes[node])
  }

  private find(node: number, role: string): Parameter | Statistic | undefined {
    const key = (of: { readonly node: number; readonly role: string }) => `${of.node} ${of.role}`
    this.found ??= new Map([...this.parameters, ...this.statistics].map((of) => [key(of), of]))
    return this.found.get(key({ node: this.ownerOf(node), role }))
  }

  parameter(node: number, role: string): Reference | undefined {
    const found = this.find(node, role)
    return found && ref(this.buffers.parameters, found.offset)
  }

  gradient(node: number, role: string): Reference | undefined {
    const found = this.find(node, role)
    const { training } = this.buffers
    return found && training && ref(training.gradients, found.offset)
  }

  /** Whole numbers of a node's weight. In a first run nobody has them. */
  integerWeight(node: number): IntegerWeight | undefined {
    return this.integers.find((weight) => weight.node === this.ownerOf(node))
  }

  statistic(node: number, role: string): Reference {
    const found = this.find(node, role)
    if (!found) throw new Error(`node ${node} has no ${role}`)
    return ref(this.buffers.statistics, found.offset)
  }
}
