/**
 * One pass through the graph: what a layer may ask for and use while it is lowered, and the tape of
 * what runs backward.
 */

import { Control, Plane } from '../../assembly/opcodes.js'
import { type Buffer, type MemoryKind, type Reference, ref } from '../kernels/records/words.js'
import * as kinds from '../network/kind.js'
import { type Graph, type GraphNode, ownerOf } from '../network/trace.js'
import { sizeOf } from '../network/value.js'
import { type Context, isLong, type Parameter } from './context.js'
import { emitSorted } from './convolution/sorted.js'
import type { OutputProbe } from './cuts.js'
import { emitMaterialise } from './emit/materialise.js'
import { emitFloatSum, emitTimeSum } from './emit/sums.js'
import { emitClear } from './emit/update.js'
import { type ParameterLayout, storedChannels } from './layout.js'
import type { Parts } from './program.js'
import { type Making, partImages } from './recompute.js'
import {
  type Contribution,
  type DenseInput,
  type Expression,
  type FloatTensor,
  noPool,
  rowsOf,
  type Shape,
  type SpikeInput,
  type SpikeTensor,
  samePool,
  type Term,
} from './tensors.js'

/** Spikes of one neuron layer, summed by units. */
export interface RateProbe
  extends Pick<SpikeTensor, 'name' | 'shape' | 'stored' | 'masks' | 'counts'> {
  /** Counts as float32 [P][C], with \`inspect\` where bytes cannot hold them. */
  readonly sums?: Buffer
  readonly partials: Buffer
  readonly units: number
  /** Neurons of one image. */
  readonly neurons: number
  readonly eligibility?: Buffer
  /** Masks of all steps, where the layer is recorded, and how many steps these are. */
  readonly recorded?: { readonly masks: Buffer; readonly steps: number }
}

/**
 * Sums over time of ∂L/∂s and ∂L/∂I of a neuron layer, [P][stored], beside its eligibility (through
 * time, with `inspect`).
 */
export interface NeuronProbe extends Pick<SpikeTensor, 'name' | 'shape' | 'stored'> {
  readonly spikeGradient: Buffer
  readonly currentGradient: Buffer
  readonly eligibility: Buffer
}

/**
 * A weight's gradient from time means: mean ∂L/∂I times presynaptic rate, in the weight's layout
 * (through time, with `inspect`).
 */
type WeightProbe = { readonly node: number; readonly gradient: Buffer }

/** Values of a layer of neurons by name, float32 [images][H][W][steps][names][stored]. */
export interface StateProbe extends Pick<SpikeTensor, 'name' | 'shape' | 'stored'> {
  readonly names: readonly string[]
  readonly buffer: Buffer
  readonly steps: number
}

/** Where a program leaves a penalty of one layer. */
export interface PenaltyProbe {
  readonly name: string
  /** Sums of units, f64. */
  readonly partials: Buffer
  readonly units: number
  /** What the sum is multiplied with; it is divided by the valid images. */
  readonly factor: number
}

/** A part of an input's gradient, float32 [B][H][W][rows][stored]: all parts together are it. */
export interface InputGradient {
  readonly node: number
  readonly buffer: Buffer
  readonly rows: number
  readonly stored: number
}

/** Counts of the values that a layer with weights reads, or that a layer gives. */
export interface ValueCounts {
  readonly node: number
  /** What is counted: what the layer reads, its output, or what its recurrent weight reads. */
  readonly of: 'input' | 'output' | 'recurrent'
  /** u32 [copies][H][W][stored]: steps of the images at which a value was not 0. */
  readonly counts: Buffer
  readonly copies: number
  /** u32 [units]: 1 where a value was neither 0 nor ±1; absent where none is. */
  readonly others?: Buffer
  readonly units: number
  readonly shape: Shape
  readonly stored: number
  /** They are spikes times a factor that is not 1. */
  readonly scaled: boolean
}

/** Counts of a layer of neurons. */
export interface NeuronCounts {
  readonly node: number
  /** `ActivityCount` [units] */
  readonly counts: Buffer
  readonly units: number
  /** Neurons of one image. */
  readonly neurons: number
  /** Whether they spike. */
  readonly spiking: boolean
}

/** An input, and what comes back of it as it is and with padded channels. */
interface Input {
  readonly node: GraphNode
  readonly tensor: FloatTensor
  readonly padded: readonly Contribution[]
}

/** What a reader would have the layer before it write beside its output. */
export interface Demand {
  /** Partial sums of a BatchNorm that takes its statistics over all rows together. */
  readonly moments?: boolean
}

export type FloatBuffer = FloatTensor & { readonly buffer: Buffer }

export const term = (tensor: FloatTensor | SpikeTensor, scale = 1): Term => ({
  tensor,
  pool: noPool,
  scale,
})

/** A gradient that is to be added to a parameter's. */
interface GradientApart {
  readonly from: Buffer
  readonly out: Reference
  readonly floats: number
}

/** What runs for a node when all others have been lowered. */
type Later = { readonly node: GraphNode; readonly run: () => void }

export class Pass {
  readonly rates: RateProbe[] = []
  readonly states: StateProbe[] = []
  readonly probes = { neurons: [] as NeuronProbe[], weights: [] as WeightProbe[] }
  readonly penalties: PenaltyProbe[] = []
  /** Inputs whose gradients are wanted. */
  readonly inputs: Input[] = []
  readonly inputGradients: InputGradient[] = []
  readonly activity = { values: [] as ValueCounts[], neurons: [] as NeuronCounts[] }
  readonly outputs: OutputProbe[] = []
  private readonly tape: Later[] = []
  private readonly last: Later[] = []
  /** By the place of a gradient: the first node that wrote there, and what is to be added. */
  private readonly writers = new Map<number, number>()
  private readonly apart = new Map<number, GradientApart>()
  private streams = 0

  /** @param training a backward pass follows: batch statistics, eligibilities, dropout. */
  constructor(
    readonly context: Context,
    readonly training: boolean,
    /** Steps of the call that it makes. */
    readonly callSteps: number,
    /** What the readers of each node want of it. */
    readonly wanted: (node: GraphNode) => Demand,
  ) {}

  get b() {
    return this.context.builder
  }
  get options() {
    return this.context.options
  }
  /** Images of one run: the batch, or one pass of it; or of the part that is emitted. */
  get images(): number {
    return this.context.remade?.part?.images ?? this.context.images
  }
  /** Rows per pixel of gradients. */
  get gradientSteps(): number {
    return this.context.method.rows === 'steps' ? this.callSteps : 1
  }
  /** Rows per pixel that a tensor has in all calls together. */
  rowsOfAllCalls({ steps }: FloatTensor): number {
    const { callCount, options } = this.context
    return steps < this.callSteps ? callCount : options.timeSteps
  }

  /**
   * Emits what depends on a layer's parameters and statistics alone. Where these are fixed it runs
   * once, in the program 'prepare', for all programs; what it writes must be of `forParameters`.
   */
  fromParameters(emit: () => void): void {
    if (this.options.fixed) this.b.prepare(emit)
    else emit()
  }

  /** Memory of what `fromParameters` writes; where that runs once, the same in all programs. */
  forParameters(name: string, bytes: number, purpose: 'statistics' | 'parameters'): Buffer {
    if (!this.options.fixed) return this.b.buffer(name, bytes)
    return (
      this.b.buffers.find((buffer) => buffer.name === name) ?? this.b.buffer(name, bytes, purpose)
    )
  }

  /** Puts what a layer does backward on the tape; nothing without a backward pass. */
  backward(node: GraphNode, run: () => void): void {
    if (this.training) this.tape.push({ node, run })
  }

  /**
   * Emits what writes a float tensor. Where activations are not kept for the backward pass, it is
   * emitted once more when that reads the tensor: then `again` is true, nothing but the tensor is
   * wanted, and `images` may be fewer.
   */
  make<T>({ buffer }: FloatBuffer, making: Making, emit: (again: boolean) => T): T {
    const { remade } = this.context
    return this.training && remade ? remade.make(buffer, making, emit) : emit(false)
  }

  /**
   * Emits records that go through the images and read these tensors: for some of the images after
   * the others where a tensor is made again so.
   *
   * @param perImage rows of an image, and `perUnit` of a unit, for sums by units: no unit may have
   *   rows of two parts
   * @param emit is told the first unit of `images`
   */
  byImages(
    reads: readonly (FloatTensor | undefined)[],
    { perImage, perUnit }: { perImage: number; perUnit: number },
    emit: (firstUnit: number) => void,
  ): void {
    const { remade, images } = this.context
    const buffers = reads.map((tensor) => tensor?.buffer)
    const fits = (partImages(images) * perImage) % perUnit === 0
    if (remade && fits)
      remade.byImages(images, buffers, (first) => emit((first * perImage) / perUnit))
    else emit(0)
  }

  private readonly sums = new Map<SpikeTensor, FloatBuffer>()
  /** Spikes of all steps so far, as floats [P][C]: where a byte cannot count them. */
  spikeSums(tensor: SpikeTensor): FloatBuffer {
    const known = this.sums.get(tensor)
    if (known) return known
    const { b, images, callSteps, context, dense } = this
    const { name, shape, stored } = tensor
    const pixels = images * shape[1] * shape[2]
    const bytes = pixels * stored * 4
    const out = this.carried(`${name} sums`, bytes, 'kept', this.options.inspect)
    context.remade?.holdsImages(out, bytes / images)
    const { outer } = context
    const call = outer ? b.buffer(`${name} sums of a call`, bytes) : out
    const spikes = { shape, terms: [term(tensor)] }
    emitMaterialise(b, spikes, images, callSteps, 1, true, call, stored, dense, context.images)
    if (outer) emitTimeSum(b, { in: call, out, pixels, channels: stored, steps: 1, loop: true })
    const sums: FloatBuffer = { ...tensor, kind: 'float', steps: 1, input: false, buffer: out }
    this.sums.set(tensor, sums)
    return sums
  }

  private readonly sorted: { readonly of: SpikeInput; readonly levels: SpikeInput }[] = []
  /** The levels of a sum of spikes, once for all who read it. */
  sortedSum(name: string, of: SpikeInput, size: readonly [number, number]): SpikeInput {
    const isSame = (other: SpikeInput): boolean =>
      samePool(other.pool, of.pool) &&
      other.sources.length === of.sources.length &&
      other.sources.every((source, i) => source === of.sources[i])
    const known = this.sorted.find((other) => isSame(other.of))
    if (known) return { ...known.levels, scale: of.scale }
    const sizes = { name, images: this.images, steps: this.callSteps, size }
    const levels = emitSorted(this.b, of, sizes, (level, imageBytes) =>
      this.context.remade?.holdsImages(level, imageBytes),
    )
    this.sorted.push({ of, levels })
    return levels
  }

  /** Memory for something of each image. */
  imageBuffer(name: string, imageBytes: number): Buffer {
    const buffer = this.b.buffer(name, this.images * imageBytes)
    this.context.remade?.holdsImages(buffer, imageBytes)
    return buffer
  }

  /**
   * Puts off what needs a whole gradient till behind the loop over t, where a method adds it up
   * over the calls.
   */
  whenComplete(node: GraphNode, run: () => void): void {
    if (!this.context.accumulate) run()
    // The sum over the calls is that over a layer's places too.
    else if (!this.last.some((other) => ownerOf(other.node) === ownerOf(node)))
      this.last.push({ node, run })
  }

  /**
   * Where a node puts a parameter's gradient: in its place, which it adds to with
   * `context.accumulate`. Else of the nodes of one layer the first that asks writes there, the
   * others beside it, and what they wrote is added behind their part of the tape.
   */
  gradient(node: number, role: string): Reference | undefined {
    const { context, writers, apart } = this
    const own = context.gradient(node, role)
    if (!own || context.accumulate) return own
    const { offset } = own
    const first = writers.get(offset) ?? node
    writers.set(offset, first)
    if (first === node) return own
    const { from } = apart.get(offset) ?? this.gradientApart(own)
    return ref(from)
  }

  /** Zeros, since kernels leave out padding. */
  private gradientApart(own: Reference): GradientApart {
    const { b, context } = this
    const { name, layout } = context.parameters.find((p) => p.offset === own.offset) as Parameter
    const floats = layout.stored
    const from = b.buffer(`${name} gradient of another call`, floats * 4)
    emitClear(b, from, floats)
    const of = { from, out: own, floats }
    this.apart.set(own.offset, of)
    return of
  }

  private addApart(): void {
    for (const { from: partial, out, floats } of this.apart.values())
      emitFloatSum(this.b, floats, { partial, splits: 1, out, accumulate: true })
    this.apart.clear()
  }

  /** Emits the backward pass: the tape, last entry first. */
  *rewind(): Parts<void> {
    for (const { node, run } of this.tape.reverse()) {
      this.b.inLayer(node.index, () => {
        run()
        this.addApart()
      })
      yield
    }
  }

  /** Emits what was put off. */
  complete(): void {
    for (const { node, run } of this.last) this.b.inLayer(node.index, run)
  }

  /** Number of a stream of random numbers of its own. */
  nextStream(): number {
    return ++this.streams
  }

  floatTensor(name: string, shape: Shape, steps: number): FloatBuffer {
    const stored = storedChannels(shape[0])
    const buffer = this.imageBuffer(name, shape[1] * shape[2] * steps * stored * 4)
    return { kind: 'float', name, shape, stored, steps, input: false, buffer, gradient: [] }
  }

  /** Whether spikes are counted by neuron: in a file of its own nobody but a mean reads that. */
  get countsSpikes(): boolean {
    const { fixed, graph } = this.options
    return !fixed || graph.nodes.some(({ kind }) => kind === 'timeMean')
  }

  /** Whether a layer's spikes are kept for who reads them after a run. */
  isRecorded(name: string): boolean {
    return !this.options.fixed && (this.options.record ?? []).includes(name)
  }

  spikeTensor(name: string, shape: Shape, lambda: number, sums?: SpikeTensor['sums']): SpikeTensor {
    const stored = storedChannels(shape[0])
    const neurons = this.images * shape[1] * shape[2] * stored
    const isKept = this.options.inspect || this.isRecorded(name)
    const bytes = neurons * Math.ceil(this.callSteps / Plane.Steps)
    const masks = this.b.buffer(`${name} masks`, bytes, 'scratch', isKept)
    this.context.remade?.holdsImages(masks, shape[1] * shape[2] * stored)
    const counts = isLong(this.options)
      ? undefined
      : this.carried(`${name} counts`, neurons, 'kept', this.options.inspect)
    return { kind: 'spikes', name, shape, stored, masks, counts, sums, lambda, gradient: [] }
  }

  /**
   * Memory whose contents calls carry on, where there are several.
   *
   * @param persistent where there is one call
   */
  carried(name: string, bytes: number, purpose: MemoryKind, persistent?: boolean): Buffer {
    if (this.context.outer) return this.b.carried(this.context.carried, name, bytes, purpose)
    return this.b.buffer(name, bytes, purpose, persistent)
  }

  /** How dense kernels read a float tensor. */
  readonly dense = (tensor: FloatTensor): DenseInput => {
    const { buffer, steps } = tensor
    if (buffer) return rowsOf(buffer, tensor.stored, steps)
    const { frames, timeSteps } = this.options
    const row = tensor.stored * 4
    const stored = frames ? timeSteps : 1
    const bytes = { pixelBytes: stored * row, stepBytes: frames ? row : 0 }
    const loopBytes = frames && this.context.outer ? row : 0
    const { offset } = tensor
    const at = { address: Control.Input, indirect: true, offset }
    return { ...at, ...bytes, loopBytes, meanSteps: stored }
  }

  /** Writes an expression out, as floats; `mean`: its time mean. */
  write(input: Expression, steps: number, mean: boolean, out: Buffer, stored: number): void {
    const { b, images, dense, context, callSteps } = this
    const { timeSteps } = this.options
    const totals = (of: Term): Term => {
      const sums = mean && of.tensor.kind === 'spikes' ? this.sums.get(of.tensor) : undefined
      return sums ? { ...of, tensor: sums, scale: of.scale / timeSteps } : of
    }
    const x = isLong(this.options) ? { ...input, terms: input.terms.map(totals) } : input
    const rows = mean && isLong(this.options) ? callSteps : steps
    emitMaterialise(b, x, images, rows, timeSteps, mean, out, stored, dense, context.images)
  }

  /** Sum of a tensor over its rows, in an outer loop over those so far: [P][C]. */
  timeSum(node: GraphNode, tensor: FloatTensor): Buffer {
    const { stored: channels, steps, buffer } = tensor
    const pixels = this.images * tensor.shape[1] * tensor.shape[2]
    const { outer: loop } = this.context
    const kind = loop ? 'kept' : 'scratch'
    const out = this.carried(`${node.name} sum over time`, pixels * channels * 4, kind)
    emitTimeSum(this.b, { in: buffer as Buffer, out, pixels, channels, steps, loop })
    return out
  }
}

// What the planner must know of a kind of layer, and of the nodes that are none.

export interface LayerPlan<L> {
  /** How a parameter is stored; as a vector where it is not said. */
  layout?(
    parameter: kinds.ParameterSpec,
    graph: Graph,
    node: GraphNode,
  ): ParameterLayout | undefined
  /** Pixels in a row that its kernels read at once; one where this is absent. */
  pixels?(layer: L): number
  /** What it wants of the layers that it reads. */
  wants?(pass: Pass): Demand
  /**
   * Emits its forward records and puts its backward ones on the pass's tape; returns what the
   * layers behind it read.
   */
  lower(pass: Pass, node: GraphNode, layer: L, ...inputs: readonly Expression[]): Expression
}

/** Makes a kind of layer known: what it is, and how it runs. */
export const defineLayer = <L extends kinds.Layer>(
  name: L['kind'],
  layer: kinds.LayerKind<L> & LayerPlan<L>,
): kinds.KnownKind<L> => kinds.defineKind(name, layer)

/** The input of the network. */
const input: LayerPlan<unknown> = {
  lower(pass, node) {
    const { shape } = node
    const steps = pass.options.frames ? pass.callSteps : 1
    const named = { kind: 'float', name: 'input', shape, stored: shape[0], steps } as const
    const { graph, frames, timeSteps } = pass.options
    const before = graph.nodes.slice(0, node.index).reduce((sum, of) => sum + sizeOf(of.shape), 0)
    const offset = before * (frames ? timeSteps : 1) * pass.context.images * 4
    const tensor: FloatTensor = { ...named, input: true, offset, gradient: [] }
    if (!pass.training || !pass.options.inputGradient) return { shape, terms: [term(tensor)] }
    const padded: Contribution[] = []
    pass.inputs.push({ node, tensor, padded })
    return { shape, terms: [term({ ...tensor, padded })] }
  },
}

/** What joins values: only networks that do so bring it along. */
const joints = new Map<string, LayerPlan<unknown>>()

export function registerJoint(kind: 'add' | 'concat', plan: LayerPlan<unknown>): void {
  joints.set(kind, plan)
}

/** The plan of a node, which is to be called with its layer. */
export function planOf({ kind, layer }: GraphNode): LayerPlan<GraphNode['layer']> {
  const plan = layer ? kinds.kindOf(layer) : kind === 'input' ? input : joints.get(kind)
  return plan as unknown as LayerPlan<GraphNode['layer']>
}
