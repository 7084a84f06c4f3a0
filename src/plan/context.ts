/** What one plan is made for, and the parameters and statistics that all its programs share. */

import { Plane } from '../../assembly/opcodes.js'
import type { Graph } from '../graph/trace.js'
import type { Initial } from '../nn/kind.js'
import { type Calls, callsOf, mostCallSteps } from './calls.js'
import type { ParameterLayout } from './layout.js'
import { type MethodOptions, type MethodTraits, MOST_COUNTED_STEPS, traitsOf } from './methods.js'
import type { ProgramBuilder } from './program.js'
import type { Remade } from './remade.js'
import type { TrainingSpec } from './training.js'
import type { Buffer, Reference } from './words.js'
import { ref } from './words.js'

/**
 * What a model is compiled for. `'train'`: training, evaluation and prediction. `'inference'`:
 * evaluation and prediction in less memory. `'stream'`: one time step at a time, with the neurons'
 * state kept between calls.
 */
export type Purpose = 'train' | 'inference' | 'stream'

/**
 * What a plan is made for: what a model is compiled for, or a file that has both programs of
 * inference (`'both'`), or one that learns (`'learning'`).
 */
export type PlanPurpose = Purpose | 'both' | 'learning'

/** What the planner asks of a purpose. */
interface PurposeTraits {
  /** Whether there are gradients and momentum. */
  readonly training: boolean
  /** Places for a batch: two where one is filled while the other is read. */
  readonly slots: number
  /** Whether a batch may run in groups of images. */
  readonly passes: boolean
  /** Whether a call may be one time step, and the neurons' state is kept between calls. */
  readonly stream: boolean
  /** Forward alone of the whole batch, of one image. */
  readonly evaluate: boolean
  readonly single: boolean
  /** Forward and backward without the optimizer's step. */
  readonly gradients: boolean
}

const forward = { evaluate: true, single: true, stream: false }
const stream = { evaluate: false, single: false, stream: true }
const inference = { training: false, gradients: false }

/** Of those that `compile` takes. */
export const purposes: Readonly<Record<Purpose, PurposeTraits>> = {
  train: { training: true, gradients: true, slots: 2, passes: false, ...forward },
  inference: { ...inference, slots: 2, passes: true, ...forward },
  stream: { ...inference, slots: 1, passes: false, ...stream },
}

const planPurposes: Readonly<Record<PlanPurpose, PurposeTraits>> = {
  ...purposes,
  both: { ...inference, slots: 1, passes: false, ...stream, evaluate: true },
  learning: {
    training: true,
    gradients: false,
    slots: 1,
    passes: false,
    ...forward,
    evaluate: false,
  },
}

/** What a plan is made for. */
export const purposeOf = ({ purpose = 'train' }: Pick<PlanOptions, 'purpose'>): PurposeTraits =>
  planPurposes[purpose]

type Given = Required<Omit<MethodOptions, 'backwardSteps' | 'gradientCheckpoint' | 'normFallback'>>

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
  /** Keep rates and eligibilities readable after a step. */
  readonly inspect: boolean
  /** Layers of neurons whose spikes stay readable after a run; default none. */
  readonly record?: readonly string[]
  /** Names whose values stay readable, by layers of neurons. */
  readonly states?: Readonly<Record<string, readonly string[] | 'all'>>
  /** Default 'train'. */
  readonly purpose?: PlanPurpose
  /** What training programs do beside the method. */
  readonly training?: TrainingSpec
  /**
   * 'int8': weights that only kernels on spikes read are bytes in memory (`Plan.byteWeights`). For
   * models that do not train. Default 'f32'.
   */
  readonly weights?: 'f32' | 'int8'
  /**
   * Parameters and statistics never change: what depends on them alone is computed once, by a
   * program of its own. There are no labels. Default false.
   */
  readonly fixed?: boolean
}

export interface Parameter {
  /** PyTorch's name: `layer1.0.conv1.weight`. */
  readonly name: string
  readonly layout: ParameterLayout
  /** Byte offset in the parameter, gradient and velocity buffers. */
  readonly offset: number
  /** Weights decay apart from biases and normalisation parameters. */
  readonly decays: boolean
  /** Index of the graph's node. */
  readonly node: number
  /** Its name within the layer. */
  readonly role: string
  readonly initial: Initial
}

/** A weight of which memory holds bytes instead of floats. It is not among `Plan.parameters`. */
export interface ByteWeight {
  /** PyTorch's name: `layer1.0.conv1.weight`. */
  readonly name: string
  /** Elements are bytes here, in the order of the floats. */
  readonly layout: ParameterLayout
  /** Index of the graph's node. */
  readonly node: number
  /** i8 [layout.stored], −127 … 127; zero where no element lies. */
  readonly weight: Buffer
  /** float32 [output channels as stored]: what a weight of 1 stands for; zero in padding. */
  readonly scale: Buffer
  /** With weight standardisation: name of the gain. The standardised weight is what is stored. */
  readonly gain?: string
}

/** A running statistic: part of the state dict, not trained. */
export interface Statistic {
  readonly name: string
  readonly layout: ParameterLayout
  readonly offset: number
  readonly node: number
  readonly role: string
  readonly initial: number
}

/**
 * Whether steps are so many that a byte cannot count a neuron's spikes. Inference then runs in
 * calls outside the layers, counts nothing by neuron, and its output is a sum instead of a mean:
 * sums of spikes are exact.
 */
export const isLong = ({ timeSteps }: Pick<PlanOptions, 'timeSteps'>): boolean =>
  timeSteps > MOST_COUNTED_STEPS

/** What programs share with the host. */
export interface NamedBuffers {
  readonly parameters: Buffer
  readonly statistics: Buffer
  readonly zeros: Buffer
  readonly output: Buffer
  /** Where there are labels, which a stream has not. */
  readonly losses?: Buffer
  /**
   * A u32 by which the host says whether it wants activity counted; where there is a program
   * `evaluate` with labels.
   */
  readonly activityWanted?: Buffer
  readonly predictions: Buffer
}

/** What the programs of a context do: train, run forward alone, or run one step of a stream. */
export type Run = 'training' | 'forward' | 'stream'

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
  /** Nodes whose weights can be bytes: those that asked for it while they were lowered. */
  readonly byteNodes = new Set<number>()
  /** Parameters and statistics by node and role. */
  private found?: ReadonlyMap<string, Parameter | Statistic>
  /** Why it cannot train on a single sample, though that may run forward. */
  lone: string | undefined
  /** A program was planned with it. */
  lowered = false
  /** What the backward pass makes again; undefined where all that it reads is kept. */
  remade: Remade | undefined

  constructor(
    options: PlanOptions,
    /** Images of one run: the batch, or one pass of it. */
    readonly images: number,
    readonly builder: ProgramBuilder,
    readonly parameters: readonly Parameter[],
    readonly statistics: readonly Statistic[],
    readonly buffers: NamedBuffers & { readonly gradients?: Buffer },
    readonly run: Run = 'training',
    readonly byteWeights: readonly ByteWeight[] = [],
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
    const calls = run === 'forward' && isLong(options) ? ({ loop: 'network' } as const) : undefined
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
    if (this.run === 'forward' && isLong(this.options) && stepMode === 'm') return Plane.Steps
    if (this.method.loop === 'layers') return timeSteps
    // Forward alone it has the bits of a stream. Otherwise weights may move at every step; or too
    // few steps have a backward pass for what those without one would take in a call of several.
    const sparse = this.masked && 3 * backwardSteps < 2 * timeSteps
    const single = this.run === 'forward' || (this.online && update === 'everyStep') || sparse
    return single || this.method.stabilizes ? 1 : mostCallSteps[this.method.rows]
  }

  private find(
    node: number,
    role: Parameter['role'] | Statistic['role'],
  ): Parameter | Statistic | undefined {
    const key = (of: { readonly node: number; readonly role: string }) => `${of.node} ${of.role}`
    this.found ??= new Map([...this.parameters, ...this.statistics].map((of) => [key(of), of]))
    return this.found.get(key({ node, role }))
  }

  parameter(node: number, role: Parameter['role']): Reference | undefined {
    const found = this.find(node, role)
    return found && ref(this.buffers.parameters, found.offset)
  }

  gradient(node: number, role: Parameter['role']): Reference | undefined {
    const found = this.find(node, role)
    const { gradients } = this.buffers
    return found && gradients && ref(gradients, found.offset)
  }

  /** The bytes of a node's weight. In a first run nobody has them, and the node is noted. */
  byteWeight(node: number): ByteWeight | undefined {
    this.byteNodes.add(node)
    return this.byteWeights.find((weight) => weight.node === node)
  }

  statistic(node: number, role: Statistic['role']): Reference {
    const found = this.find(node, role)
    if (!found) throw new Error(`node ${node} has no ${role}`)
    return ref(this.buffers.statistics, found.offset)
  }
}
