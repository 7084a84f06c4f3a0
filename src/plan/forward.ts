/** The forward pass: graph → records, and the items from which the backward pass is derived. */

import {
  Control,
  LossWord,
  NeuronWord,
  NormWord,
  Op,
  PoolWord,
  StandardiseWord,
  Surrogate,
} from '../../assembly/opcodes.js'
import { expect } from '../errors.js'
import type { BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Neuron, Pair } from '../nn/layers.js'
import type { GraphNode } from '../nn/trace.js'
import { chooseBySpikes, spikesForDense } from './choice.js'
import type { Context } from './context.js'
import { type DenseInput, emitDense, type Geometry, geometryOf } from './convolution.js'
import { blockWidth, storedChannels, weightRows } from './layout.js'
import { emitMaterialise, plainFloat, spikeSources } from './materialise.js'
import { type Buffer, f32, type Reference, ref, type Words } from './program.js'
import { emitSpikes, spikesFit } from './spike-convolution.js'
import {
  type Expression,
  type FloatTensor,
  isIdentity,
  type Norm,
  noPool,
  type Pool,
  type SpikeTensor,
  type Term,
} from './tensors.js'

/** What the backward pass goes through, last item first. */
export type Item =
  | {
      kind: 'conv'
      node: GraphNode
      layer: Conv2d | Linear
      geometry: Geometry
      /** What the gradient goes to. */
      input: Expression
      /** The same before it was written out: what the weight's gradient reads. */
      source: Expression
      output: FloatTensor
      weight: Reference
      /** Presynaptic trace (OTTT), kept from step to step. */
      trace?: Buffer
      /**
       * Sum of the input over the steps of a loop outside (rate s), where nothing else tells its
       * time mean.
       */
      inputSum?: Buffer
    }
  | { kind: 'norm'; node: GraphNode; norm: Norm }
  | {
      kind: 'neuron'
      node: GraphNode
      layer: Neuron
      output: SpikeTensor
      input: Expression
      eligibility?: Buffer
      surrogate?: Buffer
      words: Words
    }
  | { kind: 'materialise'; input: Expression; output: FloatTensor; node: GraphNode }
  | {
      kind: 'maxPool'
      node: GraphNode
      input: SpikeTensor | FloatTensor
      output: SpikeTensor | FloatTensor
      choice?: Buffer
      words: Words
    }
  | {
      kind: 'dropout'
      node: GraphNode
      input: SpikeTensor | FloatTensor
      output: SpikeTensor | FloatTensor
      words: Words
    }
  | { kind: 'loss'; logits: FloatTensor; delta?: Buffer; node: GraphNode }

/** Spikes of one neuron layer, summed by units. */
export interface RateProbe {
  readonly name: string
  readonly partials: Buffer
  readonly units: number
  /** Neurons of one image. */
  readonly neurons: number
  readonly counts: Buffer
  readonly masks: Buffer
  readonly eligibility?: Buffer
  readonly shape: readonly [number, number, number]
  readonly stored: number
}

export interface Forward {
  readonly items: Item[]
  readonly rates: RateProbe[]
}

const surrogates = {
  sigmoid: Surrogate.Sigmoid,
  atan: Surrogate.Atan,
  triangle: Surrogate.Triangle,
  rectangle: Surrogate.Rectangle,
  fastSigmoid: Surrogate.FastSigmoid,
  piecewiseExp: Surrogate.PiecewiseExp,
  erf: Surrogate.Erf,
} as const

/**
 * Worker scratch of the neuron kernel: vectors of the steps and of the channels, and the potentials
 * of a block of pixels.
 */
export const neuronScratch = (steps: number, stored: number): number =>
  128 + 32 * steps + 28 * stored + 4 * Math.max(2048, (2 * steps + 1) * stored)

export const perUnit = (elements: number, width: number): number =>
  Math.max(1, Math.min(elements, Math.ceil(8192 / width)))

/** Rows of one unit of the normalisation kernels, a multiple of the groups. */
export function normRows(rows: number, stored: number, groups: number): number {
  const wanted = Math.max(groups, Math.min(rows, Math.ceil(16384 / stored)))
  return Math.ceil(wanted / groups) * groups
}

export class ForwardPlanner {
  private readonly items: Item[] = []
  private readonly rates: RateProbe[] = []
  private readonly values: Expression[] = []
  private stream = 0

  /** @param training plans for a backward pass: batch statistics, eligibilities, dropout. */
  constructor(
    private readonly context: Context,
    private readonly training: boolean,
  ) {}

  run(): Forward {
    const { graph } = this.context.options
    const needed = new Set<number>()
    const visit = (index: number): void => {
      if (needed.has(index)) return
      needed.add(index)
      graph.nodes[index].inputs.forEach(visit)
    }
    visit(graph.output)
    for (const node of graph.nodes) {
      if (!needed.has(node.index)) continue
      this.context.builder.layer = node.index
      this.values[node.index] = this.lower(
        node,
        node.inputs.map((i) => this.values[i]),
      )
    }
    this.loss(graph.nodes[graph.output])
    return { items: this.items, rates: this.rates }
  }

  private lower(node: GraphNode, inputs: Expression[]): Expression {
    const [x] = inputs
    const { layer } = node
    if (node.kind === 'input') return { shape: node.shape, terms: [term(this.inputTensor(node))] }
    if (node.kind === 'add') return { shape: node.shape, terms: inputs.flatMap((e) => e.terms) }
    if (!layer) throw new Error(`node ${node.name} has no layer`)
    switch (layer.kind) {
      case 'conv2d':
      case 'linear':
        return this.conv(node, layer, x)
      case 'batchNorm2d':
        return this.norm(node, layer, x)
      case 'neuron':
        return this.neuron(node, layer, x)
      case 'avgPool2d':
        return this.pool(node, x, layer)
      case 'adaptiveAvgPool2d': {
        const kernelSize: Pair = [
          x.shape[1] / layer.outputSize[0],
          x.shape[2] / layer.outputSize[1],
        ]
        return this.pool(node, x, { kernelSize, stride: kernelSize, padding: [0, 0] })
      }
      case 'maxPool2d':
        return this.maxPool(node, layer, x)
      case 'dropout':
        return this.training && layer.p > 0
          ? this.dropout(node, layer, x)
          : { ...x, shape: node.shape }
      case 'scale':
        // A normalised term's factor cannot be folded into the affine map of whoever reads it:
        // write it out.
        return {
          shape: node.shape,
          terms: (x.terms.some((t) => t.norm) ? [term(this.materialise(node, x))] : x.terms).map(
            (t) => ({
              ...t,
              scale: t.scale * layer.factor,
            }),
          ),
        }
      case 'flatten':
      case 'identity':
        return { ...x, shape: node.shape }
      default:
        layer satisfies never
        throw new Error('unknown layer')
    }
  }

  private inputTensor(node: GraphNode): FloatTensor {
    const { frames, method, stepMode } = this.context.options
    // Statistics of single steps (bptt s) need a current for each step, even where all are the
    // same.
    const steps = frames || (method === 'bptt' && stepMode === 's') ? this.context.callSteps : 1
    return {
      kind: 'float',
      name: 'input',
      shape: node.shape,
      stored: node.shape[0],
      steps,
      input: true,
      gradient: [],
    }
  }

  /** How dense kernels read a float tensor. */
  readonly dense = (tensor: FloatTensor): DenseInput => denseInput(this.context, tensor)

  private floatTensor(
    name: string,
    shape: Expression['shape'],
    steps: number,
  ): FloatTensor & { buffer: Buffer } {
    const stored = storedChannels(shape[0])
    const bytes = this.context.options.batchSize * shape[1] * shape[2] * steps * stored * 4
    return {
      kind: 'float',
      name,
      shape,
      stored,
      steps,
      input: false,
      buffer: this.context.builder.buffer(name, bytes),
      gradient: [],
    }
  }

  /** Writes an expression out, steps as its terms need. */
  private materialise(node: GraphNode, input: Expression): FloatTensor {
    const { builder, options, callSteps } = this.context
    const steps = Math.max(
      ...input.terms.map((t) =>
        t.tensor.kind === 'spikes'
          ? callSteps
          : t.norm && t.norm.groups > 1
            ? callSteps
            : t.tensor.steps,
      ),
    )
    const output = this.floatTensor(`${node.name} sum`, input.shape, steps)
    for (const t of input.terms)
      if (t.norm && !t.norm.xhat && this.training && options.method === 'rate')
        this.averageNormalised(t.norm)
    emitMaterialise(
      builder,
      input,
      options.batchSize,
      steps,
      options.timeSteps,
      false,
      output.buffer,
      output.stored,
      this.dense,
    )
    this.items.push({ kind: 'materialise', input, output, node })
    return output
  }

  private conv(node: GraphNode, layer: Conv2d | Linear, x: Expression): Expression {
    const { builder, options, callSteps, buffers, outer } = this.context
    const spikes = spikeSources(x)
    let dense = plainFloat(x)
    const inC = dense ? dense.stored : storedChannels(x.shape[0])
    const geometry = geometryOf(layer, x.shape, inC, node.shape, options.batchSize)
    const weight = this.weight(node, layer, geometry)
    const bias = this.context.parameter(node.index, 'bias')
    let input = x
    let output: FloatTensor & { buffer: Buffer }
    if (spikes && spikesFit(geometry)) {
      const current = this.floatTensor(`${node.name} current`, node.shape, callSteps)
      output = current
      const event = (withMoments: boolean): FloatTensor['moments'] =>
        emitSpikes(
          builder,
          geometry,
          callSteps,
          spikes,
          current.buffer,
          weight,
          bias,
          node.name,
          withMoments,
        )
      const limit = spikesForDense(geometry, callSteps, spikes, outer ? options.timeSteps : 1)
      const choice = chooseBySpikes(builder, spikes.sources, limit, node.name)
      if (!choice) output = { ...current, moments: event(this.wantsMoments(node)) }
      else {
        builder.when(choice.few, () => void event(false))
        builder.when(choice.many, () => {
          const written = this.floatTensor(`${node.name} spikes written out`, x.shape, callSteps)
          emitMaterialise(
            builder,
            x,
            options.batchSize,
            callSteps,
            options.timeSteps,
            false,
            written.buffer,
            written.stored,
            this.dense,
          )
          emitDense(
            builder,
            geometry,
            callSteps,
            this.dense(written),
            current.buffer,
            weight,
            bias,
            buffers.zeros,
          )
        })
      }
    } else {
      if (!dense) {
        dense = this.materialise(node, x)
        input = { shape: x.shape, terms: [term(dense)] }
      }
      output = this.floatTensor(`${node.name} current`, node.shape, dense.steps)
      emitDense(
        builder,
        geometry,
        dense.steps,
        this.dense(dense),
        output.buffer,
        weight,
        bias,
        buffers.zeros,
      )
    }
    const trace =
      this.training && options.method === 'ottt' ? this.trace(node, x, geometry) : undefined
    // Counts give the time mean of spikes and the input is all there, but a current is gone when
    // the loop over t outside goes on.
    const passing =
      outer &&
      options.method === 'rate' &&
      dense &&
      x.terms.some((t) => t.tensor.kind === 'float' && !t.tensor.input)
    const inputSum = this.training && passing && dense ? this.timeSum(node, dense) : undefined
    this.items.push({
      kind: 'conv',
      node,
      layer,
      geometry,
      input,
      source: x,
      output,
      weight,
      trace,
      inputSum,
    })
    return { shape: node.shape, terms: [term(output)] }
  }

  /** Groups of rows that have batch statistics of their own: one, or one a step. */
  private normGroups(): number {
    const { options, callSteps } = this.context
    return this.training && options.method === 'bptt' && options.stepMode === 's' ? callSteps : 1
  }

  /** Whether a BatchNorm reads a node's output and takes its statistics over all rows together. */
  private wantsMoments(node: GraphNode): boolean {
    const isRead = this.context.options.graph.nodes.some(
      ({ kind, inputs }) => kind === 'batchNorm2d' && inputs.includes(node.index),
    )
    return isRead && this.training && this.normGroups() === 1
  }

  /** The weight as the kernels read it: the parameter, or its standardised copy. */
  private weight(node: GraphNode, layer: Conv2d | Linear, geometry: Geometry): Reference {
    const { builder } = this.context
    const parameter = this.context.parameter(node.index, 'weight') as Reference
    if (!layer.standardise) return parameter
    const { outC, kernel, inC } = geometry
    const width = blockWidth(node.shape[0])
    const kRows = weightRows(kernel[0] * kernel[1], inC)
    const out = builder.buffer(`${node.name} standardised weight`, outC * kRows * 4)
    builder.emit(
      Op.WeightStandardise,
      outC / width,
      standardiseWords(this.context, node, layer, geometry, ref(out)),
    )
    return ref(out)
  }

  /** Trace of a layer's input; none for the first layer, which reads the raw frame. */
  private trace(node: GraphNode, input: Expression, geometry: Geometry): Buffer | undefined {
    const { builder, options } = this.context
    const [, h, w] = input.shape
    const spikes = input.terms.flatMap(({ tensor }) => (tensor.kind === 'spikes' ? [tensor] : []))
    if (input.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return undefined
    expect(
      spikes.length === input.terms.length,
      () =>
        `${node.name} (${node.kind}): method 'ottt' traces the spikes that a layer reads, this one reads currents; put a neuron layer before it or use 'sltt'`,
    )
    const [{ lambda }] = spikes
    expect(
      spikes.every((tensor) => tensor.lambda === lambda),
      () =>
        `${node.name} (${node.kind}): method 'ottt' needs one tau for all neurons whose spikes a layer adds up; give them the same tau or use 'sltt'`,
    )
    const bytes = options.batchSize * h * w * geometry.inC * 4
    const now = builder.buffer(`${node.name} presynaptic spikes`, bytes)
    emitMaterialise(
      builder,
      input,
      options.batchSize,
      1,
      options.timeSteps,
      false,
      now,
      geometry.inC,
      this.dense,
    )
    const trace = builder.buffer(`${node.name} trace`, bytes, 'kept', true)
    const pixels = perUnit(options.batchSize * h * w, geometry.inC)
    builder.emit(Op.Trace, Math.ceil((options.batchSize * h * w) / pixels), {
      [PoolWord.Out]: ref(trace),
      [PoolWord.In]: ref(now),
      [PoolWord.Images]: options.batchSize,
      [PoolWord.H]: h,
      [PoolWord.W]: w,
      [PoolWord.C]: geometry.inC,
      [PoolWord.PixelsPerUnit]: pixels,
      [PoolWord.Factor]: f32(lambda),
    })
    return trace
  }

  private norm(node: GraphNode, layer: BatchNorm2d, x: Expression): Expression {
    const { builder, options, callSteps, outer } = this.context
    const tensor =
      plainFloat(x) && !plainFloat(x)?.input
        ? (plainFloat(x) as FloatTensor)
        : this.materialise(node, x)
    const groups = this.normGroups()
    const vector = (name: string, kept = false): Buffer =>
      builder.buffer(`${node.name} ${name}`, groups * tensor.stored * 4, kept ? 'kept' : 'scratch')
    const norm: Norm = {
      name: node.name,
      layer,
      tensor,
      groups,
      scale: vector('scale', this.training),
      shift: vector('shift', this.training),
      mean: vector('mean', this.training),
      invStd: vector('inverse deviation', this.training),
      meanInvStd:
        this.training && outer && options.method === 'rate'
          ? builder.buffer(`${node.name} mean inverse deviation`, tensor.stored * 4, 'kept', true)
          : undefined,
      gradient: [],
    }
    const rows = options.batchSize * node.shape[1] * node.shape[2] * tensor.steps
    const words: Words = {
      [NormWord.In]: ref(tensor.buffer as Buffer),
      [NormWord.Rows]: rows,
      [NormWord.C]: tensor.stored,
      [NormWord.Groups]: groups,
      [NormWord.Weight]: this.context.parameter(node.index, 'norm.weight'),
      [NormWord.Bias]: this.context.parameter(node.index, 'norm.bias'),
      [NormWord.RunningMean]: this.context.statistic(node.index, 'running_mean'),
      [NormWord.RunningVar]: this.context.statistic(node.index, 'running_var'),
      [NormWord.Mean]: ref(norm.mean),
      [NormWord.InvStd]: ref(norm.invStd),
      [NormWord.Scale]: ref(norm.scale),
      [NormWord.Shift]: ref(norm.shift),
      [NormWord.Epsilon]: f32(layer.eps),
      [NormWord.Momentum]: f32(layer.momentum),
      [NormWord.Repeats]: callSteps / tensor.steps,
      [NormWord.TotalSteps]: options.timeSteps,
    }
    if (!this.training) builder.emit(Op.NormEvaluate, 1, words)
    else {
      const rowsPerUnit = normRows(rows, tensor.stored, groups)
      const units = tensor.moments?.units ?? Math.ceil(rows / rowsPerUnit)
      const partial =
        tensor.moments?.buffer ??
        builder.buffer(`${node.name} partial sums`, units * groups * 4 * tensor.stored * 4)
      const statistics: Words = {
        ...words,
        [NormWord.RowsPerUnit]: rowsPerUnit,
        [NormWord.Units]: units,
        [NormWord.Partial]: ref(partial),
        [NormWord.MeanInvStd]: norm.meanInvStd ? ref(norm.meanInvStd) : 0,
      }
      if (!tensor.moments) builder.emit(Op.NormStatistics, units, statistics)
      builder.emit(Op.NormFinish, Math.ceil(tensor.stored / 32), statistics, 64)
      this.items.push({ kind: 'norm', node, norm })
    }
    return { shape: node.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
  }

  /**
   * Time mean of x̂ for a normalisation that no neuron reads directly: neurons that never fire
   * average it.
   */
  private averageNormalised(norm: Norm): void {
    const { stored, shape } = norm.tensor
    const pixels = this.context.options.batchSize * shape[1] * shape[2]
    const silent = {
      masks: this.context.builder.buffer(
        `${norm.name} unused masks`,
        pixels * stored * Math.ceil(this.context.callSteps / 8),
      ),
    }
    const counts = this.context.builder.buffer(`${norm.name} unused counts`, pixels * stored)
    const units = Math.ceil(pixels / perUnit(pixels, stored))
    const partials = this.context.builder.buffer(`${norm.name} unused sums`, units * 4)
    const words: Words = {
      ...this.neuronShape(shape, stored, perUnit(pixels, stored)),
      [NeuronWord.Masks]: ref(silent.masks),
      [NeuronWord.Counts]: ref(counts),
      [NeuronWord.CountPartials]: ref(partials),
      [NeuronWord.Threshold]: f32(3e38),
      [NeuronWord.Kappa]: f32(1),
      [NeuronWord.Alpha]: f32(1),
      [NeuronWord.Detach]: 1,
      [NeuronWord.V]: this.context.outer
        ? ref(this.stateBuffer(`${norm.name} unused potential`, pixels * stored * 4))
        : 0,
      ...this.floatTermWords(
        { tensor: norm.tensor, norm, pool: noPool, scale: 1 },
        NeuronWord.A,
        true,
      ),
    }
    this.context.builder.emit(
      Op.Neuron,
      units,
      words,
      neuronScratch(this.context.callSteps, stored),
    )
  }

  private neuronShape(shape: Expression['shape'], stored: number, pixelsPerUnit: number): Words {
    const { options, callSteps } = this.context
    const pixels = options.batchSize * shape[1] * shape[2]
    return {
      [NeuronWord.PlaneBytes]: pixels * stored,
      [NeuronWord.Pixels]: pixels,
      [NeuronWord.C]: stored,
      [NeuronWord.PixelsPerUnit]: pixelsPerUnit,
      [NeuronWord.T]: callSteps,
      [NeuronWord.TotalSteps]: options.timeSteps,
      [NeuronWord.H]: shape[1],
      [NeuronWord.W]: shape[2],
    }
  }

  /**
   * Words of term A or B; wantXhat: have the time mean of x̂ written for the rate method's backward
   * pass.
   */
  private floatTermWords(t: Term, base: NeuronWord.A | NeuronWord.B, wantXhat: boolean): Words {
    const tensor = t.tensor as FloatTensor
    const { norm } = t
    const at = (word: NeuronWord): number => base + (word - NeuronWord.A)
    let xhat: Buffer | undefined
    if (norm && wantXhat && !norm.xhat) {
      const pixels = this.context.options.batchSize * tensor.shape[1] * tensor.shape[2]
      // In an outer loop it is added to from step to step.
      xhat = this.context.builder.buffer(
        `${norm.name} normalised mean`,
        pixels * tensor.stored * 4,
        'kept',
        this.context.outer,
      )
      norm.xhat = xhat
    }
    if (base === NeuronWord.B) {
      return {
        [NeuronWord.B]: ref(tensor.buffer as Buffer),
        [NeuronWord.BPixelBytes]: tensor.steps * tensor.stored * 4,
        [NeuronWord.BStepBytes]: tensor.steps > 1 ? tensor.stored * 4 : 0,
        [NeuronWord.BScale]: norm ? ref(norm.scale) : 0,
        [NeuronWord.BShift]: norm ? ref(norm.shift) : 0,
        [NeuronWord.BMean]: xhat && norm ? ref(norm.mean) : 0,
        [NeuronWord.BInvStd]: xhat && norm ? ref(norm.invStd) : 0,
        [NeuronWord.BXhat]: xhat ? ref(xhat) : 0,
        [NeuronWord.BGroupBytes]: norm && norm.groups > 1 ? tensor.stored * 4 : 0,
      }
    }
    return {
      [at(NeuronWord.A)]: ref(tensor.buffer as Buffer),
      [at(NeuronWord.APixelBytes)]: tensor.steps * tensor.stored * 4,
      [at(NeuronWord.AStepBytes)]: tensor.steps > 1 ? tensor.stored * 4 : 0,
      [at(NeuronWord.AScale)]: norm ? ref(norm.scale) : 0,
      [at(NeuronWord.AShift)]: norm ? ref(norm.shift) : 0,
      [at(NeuronWord.AMean)]: xhat && norm ? ref(norm.mean) : 0,
      [at(NeuronWord.AInvStd)]: xhat && norm ? ref(norm.invStd) : 0,
      [at(NeuronWord.AXhat)]: xhat ? ref(xhat) : 0,
      [at(NeuronWord.AGroupBytes)]: norm && norm.groups > 1 ? tensor.stored * 4 : 0,
    }
  }

  /** State kept from step to step of an outer loop. */
  private stateBuffer(name: string, bytes: number): Buffer {
    return this.context.builder.buffer(name, bytes, 'kept', true)
  }

  private spikeTensor(
    name: string,
    shape: Expression['shape'],
    lambda: number,
    sums?: SpikeTensor['sums'],
  ): SpikeTensor {
    const { builder, options, callSteps, outer } = this.context
    const stored = storedChannels(shape[0])
    const neurons = options.batchSize * shape[1] * shape[2] * stored
    const masks = builder.buffer(
      `${name} masks`,
      neurons * Math.ceil(callSteps / 8),
      'scratch',
      options.inspect,
    )
    const counts = builder.buffer(`${name} counts`, neurons, 'kept', outer || options.inspect)
    return { kind: 'spikes', name, shape, stored, masks, counts, sums, lambda, gradient: [] }
  }

  private neuron(node: GraphNode, layer: Neuron, x: Expression): Expression {
    const { builder, options, callSteps, outer, online } = this.context
    expect(
      !layer.learnable || !this.training || options.method === 'bptt',
      () =>
        `${node.name} (plif): its learnable tau needs method 'bptt', got '${options.method}'; use lif() with this method`,
    )
    const stored = storedChannels(node.shape[0])
    // At most two float tensors and one spike tensor are read as they are.
    const plain = (t: Term): boolean =>
      isIdentity(t.pool) &&
      (t.tensor.kind === 'spikes' ||
        (t.scale === 1 && !t.tensor.input && t.tensor.stored === stored))
    const split = (terms: readonly Term[]): [Term[], Term[]] => [
      terms.filter((t) => t.tensor.kind === 'float'),
      terms.filter((t) => t.tensor.kind === 'spikes'),
    ]
    let input = x
    let [floats, spikes] = split(x.terms)
    if (!x.terms.every(plain) || floats.length < 1 || floats.length > 2 || spikes.length > 1) {
      input = { shape: x.shape, terms: [term(this.materialise(node, x))] }
      ;[floats, spikes] = split(input.terms)
    }
    const pixels = options.batchSize * node.shape[1] * node.shape[2]
    const pixelsPerUnit = perUnit(pixels, stored)
    const units = Math.ceil(pixels / pixelsPerUnit)
    const partials = builder.buffer(`${node.name} spike counts`, units * 4, 'statistics')
    const output = this.spikeTensor(node.name, node.shape, 1 - 1 / layer.tau, {
      buffer: partials,
      units,
    })
    const rateTraining = this.training && options.method === 'rate'
    const eligibility =
      rateTraining || (this.training && options.inspect && options.method === 'bptt')
        ? builder.buffer(
            `${node.name} eligibility`,
            pixels * stored * 4,
            'kept',
            outer || options.inspect,
          )
        : undefined
    const surrogate =
      this.training && online
        ? builder.buffer(`${node.name} surrogate`, pixels * stored * 4)
        : undefined
    const constantRho = layer.vReset === null && layer.detachReset
    const words: Words = {
      ...this.neuronShape(node.shape, stored, pixelsPerUnit),
      [NeuronWord.Masks]: ref(output.masks),
      [NeuronWord.Counts]: ref(output.counts),
      [NeuronWord.Eligibility]: eligibility ? ref(eligibility) : 0,
      [NeuronWord.CountPartials]: ref(partials),
      [NeuronWord.Lambda]: f32(1 - 1 / layer.tau),
      [NeuronWord.Kappa]: f32(layer.decayInput ? 1 / layer.tau : 1),
      [NeuronWord.Rest]: f32(layer.vReset ?? 0),
      [NeuronWord.Threshold]: f32(layer.vThreshold),
      [NeuronWord.HardReset]: layer.vReset === null ? 0 : 1,
      [NeuronWord.Detach]: layer.detachReset ? 1 : 0,
      [NeuronWord.Surrogate]: surrogates[layer.surrogate],
      [NeuronWord.Alpha]: f32(layer.alpha),
      ...this.floatTermWords(floats[0], NeuronWord.A, rateTraining),
      ...(floats[1] ? this.floatTermWords(floats[1], NeuronWord.B, rateTraining) : {}),
      ...(spikes[0]
        ? {
            [NeuronWord.S]: ref((spikes[0].tensor as SpikeTensor).masks),
            [NeuronWord.SPlaneBytes]: pixels * stored,
            [NeuronWord.SScale]: f32(spikes[0].scale),
          }
        : {}),
      [NeuronWord.V]: outer
        ? ref(this.stateBuffer(`${node.name} potential`, pixels * stored * 4))
        : 0,
      [NeuronWord.Rho]:
        outer && rateTraining && !constantRho
          ? ref(this.stateBuffer(`${node.name} rho`, pixels * stored * 4))
          : 0,
      [NeuronWord.Learnable]: layer.learnable ? this.context.parameter(node.index, 'w') : 0,
      [NeuronWord.SurrogateOut]: surrogate ? ref(surrogate) : 0,
    }
    builder.emit(Op.Neuron, units, words, neuronScratch(callSteps, stored))
    this.items.push({ kind: 'neuron', node, layer, output, input, eligibility, surrogate, words })
    this.rates.push({
      name: node.name,
      partials,
      units,
      neurons: node.shape[0] * node.shape[1] * node.shape[2],
      counts: output.counts,
      masks: output.masks,
      eligibility,
      shape: node.shape,
      stored,
    })
    return { shape: node.shape, terms: [term(output)] }
  }

  private pool(
    node: GraphNode,
    x: Expression,
    layer: { kernelSize: Pair; stride: Pair; padding: Pair },
  ): Expression {
    const pool: Pool = { kernel: layer.kernelSize, stride: layer.stride, padding: layer.padding }
    const factor = 1 / (layer.kernelSize[0] * layer.kernelSize[1])
    // Pooling of pooled or normalised values is written out first.
    const terms = x.terms.every((t) => isIdentity(t.pool) && !t.norm)
      ? x.terms
      : [term(this.materialise(node, x))]
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
  }

  private maxPool(node: GraphNode, layer: MaxPool2d, x: Expression): Expression {
    // One layer's spikes stay spikes; anything else is pooled as the sum that it is.
    const [only] = x.terms
    if (
      x.terms.length > 1 ||
      only.tensor.kind === 'float' ||
      !isIdentity(only.pool) ||
      only.scale <= 0
    )
      return this.maxPoolFloats(node, layer, x)
    const { builder, options, callSteps, outer, gradientSteps } = this.context
    const { tensor, scale } = only
    const output = this.spikeTensor(node.name, node.shape, tensor.lambda)
    const pixels = options.batchSize * node.shape[1] * node.shape[2]
    const perStep = options.method !== 'rate'
    const choice = this.training
      ? builder.buffer(
          `${node.name} choice`,
          pixels * tensor.stored * (perStep ? gradientSteps : 1),
          'kept',
        )
      : undefined
    const words: Words = {
      ...windowWords(layer),
      [PoolWord.Images]: options.batchSize,
      [PoolWord.C]: tensor.stored,
      [PoolWord.ChoicePerStep]: perStep ? 1 : 0,
    }
    const pixelsPerUnit = perUnit(pixels, tensor.stored * 4)
    builder.emit(Op.MaxPool, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(output.masks),
      [PoolWord.OutCounts]: ref(output.counts),
      [PoolWord.Choice]: choice ? ref(choice) : 0,
      [PoolWord.In]: ref(tensor.masks),
      [PoolWord.InCounts]: ref(tensor.counts),
      [PoolWord.OutPlaneBytes]: pixels * tensor.stored,
      [PoolWord.InPlaneBytes]:
        options.batchSize * tensor.shape[1] * tensor.shape[2] * tensor.stored,
      [PoolWord.T]: callSteps,
      [PoolWord.H]: node.shape[1],
      [PoolWord.W]: node.shape[2],
      [PoolWord.SourceH]: tensor.shape[1],
      [PoolWord.SourceW]: tensor.shape[2],
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Loop]: outer ? 1 : 0,
    })
    this.items.push({ kind: 'maxPool', node, input: tensor, output, choice, words })
    return { shape: node.shape, terms: [{ ...term(output), scale }] }
  }

  /** Of currents: in the rate method the gradient goes where the time mean is largest. */
  private maxPoolFloats(node: GraphNode, layer: MaxPool2d, x: Expression): Expression {
    const { builder, options, outer } = this.context
    const plain = plainFloat(x)
    const tensor = plain && !plain.input ? plain : this.materialise(node, x)
    const { steps, stored } = tensor
    const rate = options.method === 'rate'
    const output = this.floatTensor(node.name, node.shape, steps)
    const pixels = options.batchSize * node.shape[1] * node.shape[2]
    const choice = this.training
      ? builder.buffer(`${node.name} choice`, pixels * stored * (rate ? 1 : steps), 'kept')
      : undefined
    const chooser =
      this.training && rate && (outer || steps > 1) ? this.timeSum(node, tensor) : undefined
    const words: Words = {
      ...windowWords(layer),
      [PoolWord.Images]: options.batchSize,
      [PoolWord.C]: stored,
      [PoolWord.ChoicePerStep]: rate ? 0 : 1,
    }
    const pixelsPerUnit = perUnit(pixels, stored * steps)
    builder.emit(Op.MaxPoolFloats, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(output.buffer),
      [PoolWord.Choice]: choice ? ref(choice) : 0,
      [PoolWord.In]: ref(tensor.buffer as Buffer),
      [PoolWord.InCounts]: chooser ? ref(chooser) : 0,
      [PoolWord.T]: steps,
      [PoolWord.H]: node.shape[1],
      [PoolWord.W]: node.shape[2],
      [PoolWord.SourceH]: tensor.shape[1],
      [PoolWord.SourceW]: tensor.shape[2],
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
    })
    this.items.push({ kind: 'maxPool', node, input: tensor, output, choice, words })
    return { shape: node.shape, terms: [term(output)] }
  }

  /** Sum of a tensor over its steps, in an outer loop over those so far: [P][C]. */
  private timeSum(node: GraphNode, tensor: FloatTensor): Buffer {
    const { builder, options, outer } = this.context
    const [, h, w] = tensor.shape
    const pixels = options.batchSize * h * w
    const bytes = pixels * tensor.stored * 4
    const out = outer
      ? this.stateBuffer(`${node.name} sum over time`, bytes)
      : builder.buffer(`${node.name} sum over time`, bytes)
    const pixelsPerUnit = perUnit(pixels, tensor.stored * tensor.steps)
    builder.emit(outer ? Op.Trace : Op.TimeSum, Math.ceil(pixels / pixelsPerUnit), {
      [PoolWord.Out]: ref(out),
      [PoolWord.In]: ref(tensor.buffer as Buffer),
      [PoolWord.T]: tensor.steps,
      [PoolWord.Images]: options.batchSize,
      [PoolWord.H]: h,
      [PoolWord.W]: w,
      [PoolWord.C]: tensor.stored,
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Factor]: f32(1),
    })
    return out
  }

  private dropout(node: GraphNode, layer: Dropout, x: Expression): Expression {
    const [only] = x.terms
    if (x.terms.length > 1 || only.tensor.kind === 'float' || !isIdentity(only.pool))
      return this.dropoutFloats(node, layer, x)
    const { builder, options, callSteps } = this.context
    const { tensor, scale } = only
    const output = this.spikeTensor(node.name, tensor.shape, tensor.lambda)
    const pixels = options.batchSize * tensor.shape[1] * tensor.shape[2]
    const pixelsPerUnit = perUnit(pixels, tensor.stored)
    const words: Words = {
      [PoolWord.Images]: options.batchSize,
      [PoolWord.H]: tensor.shape[1],
      [PoolWord.W]: tensor.shape[2],
      [PoolWord.C]: tensor.stored,
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Factor]: f32(layer.p),
      [PoolWord.Stream]: ++this.stream,
    }
    builder.emit(Op.Dropout, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(output.masks),
      [PoolWord.OutCounts]: ref(output.counts),
      [PoolWord.In]: ref(tensor.masks),
      [PoolWord.InCounts]: ref(tensor.counts),
      [PoolWord.OutPlaneBytes]: pixels * tensor.stored,
      [PoolWord.InPlaneBytes]: pixels * tensor.stored,
      [PoolWord.T]: callSteps,
    })
    this.items.push({ kind: 'dropout', node, input: tensor, output, words })
    return { shape: node.shape, terms: [{ ...term(output), scale: scale / (1 - layer.p) }] }
  }

  /** Dropout of anything that is not one layer's spikes: written out, its values zeroed. */
  private dropoutFloats(node: GraphNode, layer: Dropout, x: Expression): Expression {
    const { builder, options } = this.context
    const plain = plainFloat(x)
    const input = plain && !plain.input ? plain : this.materialise(node, x)
    const output = this.floatTensor(node.name, input.shape, input.steps)
    const [, h, w] = input.shape
    const pixels = options.batchSize * h * w
    const pixelsPerUnit = perUnit(pixels, input.stored * input.steps)
    const words: Words = {
      [PoolWord.Images]: options.batchSize,
      [PoolWord.H]: h,
      [PoolWord.W]: w,
      [PoolWord.C]: input.stored,
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Factor]: f32(layer.p),
      [PoolWord.Stream]: ++this.stream,
    }
    builder.emit(Op.DropoutFloats, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(output.buffer),
      [PoolWord.In]: ref(input.buffer as Buffer),
      [PoolWord.T]: input.steps,
    })
    this.items.push({ kind: 'dropout', node, input, output, words })
    return { shape: node.shape, terms: [{ ...term(output), scale: 1 / (1 - layer.p) }] }
  }

  private loss(node: GraphNode): void {
    const { builder, options, buffers, callSteps, online } = this.context
    const x = this.values[node.index]
    const plain = plainFloat(x)
    expect(
      node.shape[1] === 1 && node.shape[2] === 1,
      () =>
        `${node.name || 'network'}: the last layer must give one value per class, got [${node.shape.join(', ')}]`,
    )
    const logits = plain && !plain.input ? plain : this.materialise(node, x)
    const classes = node.shape[0]
    const delta = this.training
      ? builder.buffer('gradient of the output', options.batchSize * logits.stored * 4)
      : undefined
    const scale = 1 / options.batchSize / (options.method === 'bptt' ? 1 : options.timeSteps)
    builder.emit(Op.CrossEntropy, 1, {
      [LossWord.Logits]: ref(logits.buffer as Buffer),
      [LossWord.Images]: options.batchSize,
      [LossWord.T]: callSteps,
      [LossWord.C]: logits.stored,
      [LossWord.Classes]: classes,
      [LossWord.Output]: ref(buffers.output),
      [LossWord.Delta]: delta ? ref(delta) : 0,
      [LossWord.GradientScale]: f32(scale),
      [LossWord.TotalSteps]: options.timeSteps,
      [LossWord.Losses]: ref(buffers.losses),
      [LossWord.Predictions]: ref(buffers.predictions),
      [LossWord.StepBytes]: logits.steps > 1 ? logits.stored * 4 : 0,
      [LossWord.MseWeight]: f32(online ? options.mseWeight : 0),
      [LossWord.Instantaneous]: online ? 1 : 0,
    })
    this.items.push({ kind: 'loss', logits, delta, node })
  }
}

export function windowWords(layer: { kernelSize: Pair; stride: Pair; padding: Pair }): Words {
  return {
    [PoolWord.KernelH]: layer.kernelSize[0],
    [PoolWord.KernelW]: layer.kernelSize[1],
    [PoolWord.StrideH]: layer.stride[0],
    [PoolWord.StrideW]: layer.stride[1],
    [PoolWord.PadH]: layer.padding[0],
    [PoolWord.PadW]: layer.padding[1],
  }
}

function term(tensor: FloatTensor | SpikeTensor): Term {
  return { tensor, pool: noPool, scale: 1 }
}

export function denseInput(context: Context, tensor: FloatTensor): DenseInput {
  const { options, outer } = context
  const row = tensor.stored * 4
  if (!tensor.input)
    return {
      address: ref(tensor.buffer as Buffer),
      indirect: false,
      pixelBytes: tensor.steps * row,
      stepBytes: tensor.steps > 1 ? row : 0,
      loopBytes: 0,
      meanSteps: tensor.steps,
    }
  const stored = options.frames ? options.timeSteps : 1
  return {
    address: Control.Input,
    indirect: true,
    pixelBytes: stored * row,
    stepBytes: options.frames && !outer ? row : 0,
    loopBytes: options.frames && outer ? row : 0,
    meanSteps: stored,
  }
}

export function standardiseWords(
  context: Context,
  node: GraphNode,
  layer: Conv2d | Linear,
  geometry: Geometry,
  out: Reference | 0,
): Words {
  const taps = geometry.kernel[0] * geometry.kernel[1]
  return {
    [StandardiseWord.Weight]: context.parameter(node.index, 'weight'),
    [StandardiseWord.Out]: out,
    [StandardiseWord.Gain]: context.parameter(node.index, 'gain'),
    [StandardiseWord.Taps]: taps,
    [StandardiseWord.InC]: geometry.inC,
    [StandardiseWord.RealC]: layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / taps,
    [StandardiseWord.OutC]: geometry.outC,
    [StandardiseWord.BlockWidth]: blockWidth(node.shape[0]),
    [StandardiseWord.KRows]: weightRows(taps, geometry.inC),
    [StandardiseWord.Epsilon]: f32(1e-4),
    [StandardiseWord.Gradient]: context.gradient(node.index, 'weight'),
    [StandardiseWord.GainGradient]: context.gradient(node.index, 'gain'),
  }
}
