/**
 * The backward pass: the forward pass's items, last first. Every gradient is a tensor with one row
 * per pixel (rate, online) or one for each step (through time).
 */

import {
  ContributionWord,
  NeuronBackWord,
  NeuronWord,
  NormWord,
  Op,
  PoolWord,
} from '../../assembly/opcodes.js'
import { chooseBySpikes, spikesForLists } from './choice.js'
import type { Context } from './context.js'
import {
  type DenseInput,
  emitBiasGradient,
  emitInputGradient,
  emitListGradient,
  emitWeightGradient,
  listSource,
} from './convolution.js'
import {
  denseInput,
  type Forward,
  type Item,
  normRows,
  perUnit,
  standardiseWords,
} from './forward.js'
import { blockWidth, storedChannels } from './layout.js'
import { emitMaterialise, plainFloat } from './materialise.js'
import { type Buffer, f32, type Reference, ref, type Words } from './program.js'
import {
  type Contribution,
  type FloatTensor,
  gradientOf,
  isIdentity,
  noPool,
  type Shape,
  type Term,
} from './tensors.js'

/**
 * Sums over time of ∂L/∂s and ∂L/∂I of a neuron layer, [P][stored], beside its eligibility (through
 * time, with `inspect`).
 */
export interface NeuronProbe {
  readonly name: string
  readonly spikeGradient: Buffer
  readonly currentGradient: Buffer
  readonly eligibility: Buffer
  readonly shape: Shape
  readonly stored: number
}

/**
 * A weight's gradient from time means: mean ∂L/∂I times presynaptic rate, in the weight's layout
 * (through time, with `inspect`).
 */
export interface WeightProbe {
  readonly node: number
  readonly gradient: Buffer
}

export class BackwardPlanner {
  readonly neuronProbes: NeuronProbe[] = []
  readonly weightProbes: WeightProbe[] = []
  /** Gradients add up over the steps of an online method. */
  private readonly accumulate: boolean
  /** Standardised weights whose gradient is complete only behind the loop over t. */
  readonly standardised: Extract<Item, { kind: 'conv' }>[] = []

  constructor(
    private readonly context: Context,
    private readonly forward: Forward,
  ) {
    this.accumulate = context.online && context.options.update === 'afterwards'
  }

  run(): void {
    for (const item of this.forward.items.slice().reverse()) {
      this.context.builder.layer = item.node.index
      switch (item.kind) {
        case 'loss':
          this.loss(item)
          break
        case 'conv':
          this.conv(item)
          break
        case 'norm':
          this.norm(item)
          break
        case 'neuron':
          this.neuron(item)
          break
        case 'materialise':
          this.materialise(item)
          break
        case 'maxPool':
          this.maxPool(item)
          break
        case 'dropout':
          this.dropout(item)
          break
        default:
          item satisfies never
      }
    }
  }

  /** Gradient of the weight from that of the standardised one. */
  emitStandardised(item: Extract<Item, { kind: 'conv' }>): void {
    const { builder } = this.context
    builder.emit(
      Op.WeightStandardiseBackward,
      item.geometry.outC / blockWidth(item.node.shape[0]),
      standardiseWords(this.context, item.node, item.layer, item.geometry, 0),
    )
  }

  /** Rows per pixel of a float tensor's gradient. */
  private stepsOf(tensor: FloatTensor): number {
    return this.context.options.method === 'bptt' ? tensor.steps : 1
  }

  private tensor(
    name: string,
    shape: Shape,
    steps: number,
    stored = storedChannels(shape[0]),
  ): Buffer {
    return this.context.builder.buffer(
      name,
      this.context.options.batchSize * shape[1] * shape[2] * steps * stored * 4,
    )
  }

  private contributionTable(contributions: readonly Contribution[], stored: number): Words {
    return {
      [NeuronBackWord.Contributions]: {
        table: contributions.map((c) => ({
          [ContributionWord.Address]: ref(c.buffer),
          [ContributionWord.OutH]: c.outH,
          [ContributionWord.OutW]: c.outW,
          [ContributionWord.KernelH]: c.pool.kernel[0],
          [ContributionWord.KernelW]: c.pool.kernel[1],
          [ContributionWord.StrideH]: c.pool.stride[0],
          [ContributionWord.StrideW]: c.pool.stride[1],
          [ContributionWord.PadH]: c.pool.padding[0],
          [ContributionWord.PadW]: c.pool.padding[1],
          [ContributionWord.Scale]: f32(c.scale),
          [ContributionWord.StepBytes]: c.steps > 1 ? stored * 4 : 0,
          [ContributionWord.PixelBytes]: c.steps * stored * 4,
        })),
        entryBytes: ContributionWord.Bytes,
      },
      [NeuronBackWord.ContributionCount]: contributions.length,
    }
  }

  /** Sum of contributions, times a factor per neuron. */
  private sum(
    op: Op,
    name: string,
    contributions: readonly Contribution[],
    shape: Shape,
    steps: number,
    stored: number,
    factor: Buffer | undefined,
  ): Buffer {
    const out = this.tensor(name, shape, steps, stored)
    const pixels = this.context.options.batchSize * shape[1] * shape[2]
    const pixelsPerUnit = perUnit(pixels, stored * steps)
    this.context.builder.emit(op, Math.ceil(pixels / pixelsPerUnit), {
      [NeuronBackWord.Out]: ref(out),
      [NeuronBackWord.Factor]: factor ? ref(factor) : 0,
      ...this.contributionTable(contributions, stored),
      [NeuronBackWord.Pixels]: pixels,
      [NeuronBackWord.H]: shape[1],
      [NeuronBackWord.W]: shape[2],
      [NeuronBackWord.C]: stored,
      [NeuronBackWord.PixelsPerUnit]: pixelsPerUnit,
      [NeuronBackWord.T]: steps,
    })
    return out
  }

  /**
   * One buffer that holds a tensor's gradient with `steps` rows per pixel: the single contribution
   * itself where that is possible.
   */
  private resolve(
    name: string,
    contributions: readonly Contribution[],
    shape: Shape,
    steps: number,
    stored = storedChannels(shape[0]),
  ): Buffer {
    const [first] = contributions
    if (
      contributions.length === 1 &&
      isIdentity(first.pool) &&
      first.scale === 1 &&
      first.steps === steps
    )
      return first.buffer
    if (steps === 1 && contributions.some((c) => c.steps > 1)) {
      // Gradients at each step are summed over time; those with one row are sums over time already.
      const each = contributions.filter((c) => c.steps > 1)
      const rows = each[0].steps
      const atEachStep = this.resolve(name, each, shape, rows, stored)
      const buffer = this.timeSum(`${name} gradient over time`, atEachStep, shape, rows, stored)
      const summed: Contribution = {
        buffer,
        steps: 1,
        outH: shape[1],
        outW: shape[2],
        pool: noPool,
        scale: 1,
      }
      return this.resolve(
        name,
        [...contributions.filter((c) => c.steps === 1), summed],
        shape,
        1,
        stored,
      )
    }
    return this.sum(
      Op.GradientSum,
      `${name} gradient`,
      contributions,
      shape,
      steps,
      stored,
      undefined,
    )
  }

  /** Σ over the steps of a gradient. */
  private timeSum(
    name: string,
    input: Buffer,
    shape: Shape,
    rows: number,
    stored: number,
    persistent = false,
  ): Buffer {
    const out = this.context.builder.buffer(
      name,
      this.context.options.batchSize * shape[1] * shape[2] * stored * 4,
      'scratch',
      persistent,
    )
    const pixels = this.context.options.batchSize * shape[1] * shape[2]
    const pixelsPerUnit = perUnit(pixels, stored * rows)
    this.context.builder.emit(Op.TimeSum, Math.ceil(pixels / pixelsPerUnit), {
      [PoolWord.Out]: ref(out),
      [PoolWord.In]: ref(input),
      [PoolWord.T]: rows,
      [PoolWord.Images]: this.context.options.batchSize,
      [PoolWord.H]: shape[1],
      [PoolWord.W]: shape[2],
      [PoolWord.C]: stored,
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
    })
    return out
  }

  /** Hands a gradient of an expression on to its terms. */
  private distribute(terms: readonly Term[], buffer: Buffer, steps: number, shape: Shape): void {
    for (const term of terms) {
      if (term.tensor.kind === 'float' && term.tensor.input) continue
      gradientOf(term).push({
        buffer,
        steps,
        outH: shape[1],
        outW: shape[2],
        pool: term.pool,
        scale: term.scale,
      })
    }
  }

  private loss({ logits, delta }: Extract<Item, { kind: 'loss' }>): void {
    if (!delta) return
    // Every step's output has its share of the time mean.
    const scale = 1 / this.stepsOf(logits)
    logits.gradient.push({ buffer: delta, steps: 1, outH: 1, outW: 1, pool: noPool, scale })
  }

  private conv(item: Extract<Item, { kind: 'conv' }>): void {
    const { builder, buffers, options } = this.context
    const { node, geometry, output, input } = item
    if (output.gradient.length === 0) return
    const steps = this.stepsOf(output)
    const delta = this.resolve(output.name, output.gradient, output.shape, steps, output.stored)
    const weightGradient = this.context.gradient(node.index, 'weight') as Reference
    const lists =
      options.method === 'rate' ? listSource(geometry, item.source, options.timeSteps) : undefined
    const products = (): void =>
      emitWeightGradient(
        builder,
        geometry,
        steps,
        this.weightInput(item, steps),
        delta,
        weightGradient,
        this.accumulate,
        node.name,
      )
    const choice =
      lists &&
      chooseBySpikes(
        builder,
        [lists.tensor],
        spikesForLists(geometry, lists.tensor, options.timeSteps, lists.active),
        node.name,
      )
    if (lists && choice) {
      builder.when(choice.few, () =>
        emitListGradient(
          builder,
          geometry,
          options.timeSteps,
          lists,
          delta,
          weightGradient,
          node.name,
        ),
      )
      builder.when(choice.many, products)
    } else products()
    if (this.context.options.inspect && this.context.options.method === 'bptt' && steps > 1)
      this.probeWeight(item, delta, steps)
    const bias = this.context.gradient(node.index, 'bias')
    if (bias) emitBiasGradient(builder, geometry, steps, delta, bias, this.accumulate)
    if (item.layer.standardise) {
      if (this.accumulate) this.standardised.push(item)
      else this.emitStandardised(item)
    }
    if (input.terms.every((term) => term.tensor.kind === 'float' && term.tensor.input)) return
    const out = this.tensor(`${node.name} input gradient`, input.shape, steps, geometry.inC)
    emitInputGradient(builder, geometry, steps, delta, item.weight, out, buffers.zeros, node.name)
    this.distribute(input.terms, out, steps, input.shape)
  }

  private probeWeight(
    { node, source, output, geometry }: Extract<Item, { kind: 'conv' }>,
    delta: Buffer,
    steps: number,
  ): void {
    const { builder, options } = this.context
    const parameter = this.context.parameters.find(
      (p) => p.node === node.index && p.role === 'weight',
    )
    if (!parameter) return
    const mean = this.timeSum(
      `${node.name} gradient over time`,
      delta,
      output.shape,
      steps,
      output.stored,
    )
    const rate = this.tensor(`${node.name} presynaptic rate`, source.shape, 1, geometry.inC)
    emitMaterialise(
      builder,
      source,
      options.batchSize,
      1,
      options.timeSteps,
      true,
      rate,
      geometry.inC,
      (tensor) => denseInput(this.context, tensor),
    )
    const gradient = builder.buffer(
      `${node.name} gradient of means`,
      parameter.layout.stored * 4,
      'scratch',
      true,
    )
    const input: DenseInput = {
      address: ref(rate),
      indirect: false,
      pixelBytes: geometry.inC * 4,
      stepBytes: 0,
      loopBytes: 0,
      meanSteps: 1,
    }
    emitWeightGradient(
      builder,
      geometry,
      1,
      input,
      mean,
      ref(gradient),
      false,
      `${node.name} means`,
    )
    this.weightProbes.push({ node: node.index, gradient })
  }

  /**
   * What the weight's gradient multiplies with: the presynaptic rate, the spikes of each step, or a
   * trace.
   */
  private weightInput(
    { node, source, geometry, trace, inputSum }: Extract<Item, { kind: 'conv' }>,
    steps: number,
  ): DenseInput {
    const { builder, options } = this.context
    const through = options.method === 'bptt'
    const plain = plainFloat(source)
    const row = geometry.inC * 4
    if (trace)
      return {
        address: ref(trace),
        indirect: false,
        pixelBytes: row,
        stepBytes: 0,
        loopBytes: 0,
        meanSteps: 1,
      }
    if (inputSum)
      return {
        address: ref(inputSum),
        indirect: false,
        pixelBytes: row,
        stepBytes: 0,
        loopBytes: 0,
        meanSteps: 1,
        scale: 1 / options.timeSteps,
      }
    if (plain) {
      const input = denseInput(this.context, plain)
      const needsMean = options.method === 'rate' && input.meanSteps > 1
      if (!needsMean) return input
    }
    const mean = options.method === 'rate'
    const written = this.tensor(
      `${node.name} presynaptic activity`,
      source.shape,
      steps,
      geometry.inC,
    )
    emitMaterialise(
      builder,
      source,
      options.batchSize,
      steps,
      options.timeSteps,
      mean,
      written,
      geometry.inC,
      (tensor) => denseInput(this.context, tensor),
    )
    return {
      address: ref(written),
      indirect: false,
      pixelBytes: steps * row,
      stepBytes: through && steps > 1 ? row : 0,
      loopBytes: 0,
      meanSteps: 1,
    }
  }

  private norm({ node, norm }: Extract<Item, { kind: 'norm' }>): void {
    const { builder, options } = this.context
    if (norm.gradient.length === 0) return
    const { tensor, groups } = norm
    const steps = this.stepsOf(tensor)
    const delta = this.resolve(norm.name, norm.gradient, tensor.shape, steps, tensor.stored)
    const rows = options.batchSize * tensor.shape[1] * tensor.shape[2] * steps
    const rowsPerUnit = normRows(rows, tensor.stored, groups)
    const units = Math.ceil(rows / rowsPerUnit)
    const out = this.tensor(`${norm.name} input gradient`, tensor.shape, steps, tensor.stored)
    const words: Words = {
      [NormWord.In]: ref(tensor.buffer as Buffer),
      [NormWord.Rows]: rows,
      [NormWord.C]: tensor.stored,
      [NormWord.Groups]: groups,
      [NormWord.RowsPerUnit]: rowsPerUnit,
      [NormWord.Units]: units,
      [NormWord.Partial]: ref(
        builder.buffer(`${norm.name} partial sums`, units * groups * 2 * tensor.stored * 4),
      ),
      [NormWord.Weight]: this.context.parameter(node.index, 'norm.weight'),
      [NormWord.Bias]: this.context.parameter(node.index, 'norm.bias'),
      [NormWord.Mean]: ref(norm.mean),
      [NormWord.InvStd]: ref(norm.invStd),
      [NormWord.Delta]: ref(delta),
      [NormWord.Xhat]: norm.xhat ? ref(norm.xhat) : 0,
      [NormWord.Out]: ref(out),
      [NormWord.WeightGradient]: this.context.gradient(node.index, 'norm.weight'),
      [NormWord.BiasGradient]: this.context.gradient(node.index, 'norm.bias'),
      [NormWord.Coefficients]: ref(
        builder.buffer(`${norm.name} coefficients`, groups * 3 * tensor.stored * 4),
      ),
      [NormWord.MeanInvStd]: norm.meanInvStd ? ref(norm.meanInvStd) : 0,
      [NormWord.TotalSteps]: options.timeSteps,
      [NormWord.Accumulate]: this.accumulate ? 1 : 0,
    }
    // The rate method reads x̂ alone; without this the currents would have to be kept.
    if (norm.xhat) delete (words as Record<number, unknown>)[NormWord.In]
    builder.emit(Op.NormBackwardReduce, units, words)
    builder.emit(Op.NormBackwardFinish, 1, words)
    builder.emit(Op.NormBackwardApply, units, words)
    tensor.gradient.push({
      buffer: out,
      steps,
      outH: tensor.shape[1],
      outW: tensor.shape[2],
      pool: noPool,
      scale: 1,
    })
  }

  private neuron(item: Extract<Item, { kind: 'neuron' }>): void {
    const { builder, options, gradientSteps } = this.context
    const { node, output, input } = item
    if (output.gradient.length === 0) return
    if (options.method !== 'bptt') {
      const [op, factor] =
        options.method === 'rate'
          ? [Op.NeuronBackwardRate, item.eligibility]
          : [Op.NeuronBackwardOnline, item.surrogate]
      const delta = this.sum(
        op,
        `${node.name} current gradient`,
        output.gradient,
        output.shape,
        1,
        output.stored,
        factor,
      )
      this.distribute(input.terms, delta, 1, input.shape)
      return
    }
    const delta = this.tensor(
      `${node.name} current gradient`,
      output.shape,
      gradientSteps,
      output.stored,
    )
    const units = Math.ceil(
      (item.words[NeuronWord.Pixels] as number) / (item.words[NeuronWord.PixelsPerUnit] as number),
    )
    const table = this.contributionTable(output.gradient, output.stored)
    const partials = item.layer.learnable
      ? builder.buffer(`${node.name} tau gradient`, units * 4)
      : undefined
    builder.emit(
      Op.NeuronBackwardTime,
      units,
      {
        ...item.words,
        [NeuronWord.Delta]: ref(delta),
        [NeuronWord.Contributions]: table[NeuronBackWord.Contributions],
        [NeuronWord.ContributionCount]: table[NeuronBackWord.ContributionCount],
        [NeuronWord.LearnablePartials]: partials ? ref(partials) : 0,
      },
      16 + 4 * (2 * gradientSteps + 1) * output.stored,
    )
    if (partials)
      builder.emit(Op.SumScalars, 1, {
        [PoolWord.Out]: this.context.gradient(node.index, 'w'),
        [PoolWord.In]: ref(partials),
        [PoolWord.Images]: units,
      })
    this.distribute(input.terms, delta, gradientSteps, input.shape)
    if (options.inspect && item.eligibility) this.probeNeuron(item, delta, item.eligibility)
  }

  private probeNeuron(
    { node, output }: Extract<Item, { kind: 'neuron' }>,
    delta: Buffer,
    eligibility: Buffer,
  ): void {
    const { shape, stored } = output
    const steps = this.context.gradientSteps
    const spikes = this.sum(
      Op.GradientSum,
      `${node.name} spike gradient`,
      output.gradient,
      shape,
      steps,
      stored,
      undefined,
    )
    this.neuronProbes.push({
      name: node.name,
      spikeGradient: this.timeSum(
        `${node.name} spike gradient over time`,
        spikes,
        shape,
        steps,
        stored,
        true,
      ),
      currentGradient: this.timeSum(
        `${node.name} current gradient over time`,
        delta,
        shape,
        steps,
        stored,
        true,
      ),
      eligibility,
      shape,
      stored,
    })
  }

  private materialise({ output, input }: Extract<Item, { kind: 'materialise' }>): void {
    if (output.gradient.length === 0) return
    const steps = this.stepsOf(output)
    this.distribute(
      input.terms,
      this.resolve(output.name, output.gradient, output.shape, steps, output.stored),
      steps,
      output.shape,
    )
  }

  private maxPool({
    input,
    output,
    choice,
    words,
    node,
  }: Extract<Item, { kind: 'maxPool' }>): void {
    const { builder, options } = this.context
    if (output.gradient.length === 0 || !choice) return
    const gradientSteps = input.kind === 'float' ? this.stepsOf(input) : this.context.gradientSteps
    const delta = this.resolve(
      output.name,
      output.gradient,
      output.shape,
      gradientSteps,
      output.stored,
    )
    const out = this.tensor(`${node.name} input gradient`, input.shape, gradientSteps, input.stored)
    const pixels = options.batchSize * input.shape[1] * input.shape[2]
    const pixelsPerUnit = perUnit(pixels, input.stored * gradientSteps)
    builder.emit(Op.MaxPoolBackward, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(out),
      [PoolWord.In]: ref(delta),
      [PoolWord.Choice]: ref(choice),
      [PoolWord.T]: gradientSteps,
      [PoolWord.H]: input.shape[1],
      [PoolWord.W]: input.shape[2],
      [PoolWord.SourceH]: output.shape[1],
      [PoolWord.SourceW]: output.shape[2],
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
    })
    input.gradient.push({
      buffer: out,
      steps: gradientSteps,
      outH: input.shape[1],
      outW: input.shape[2],
      pool: noPool,
      scale: 1,
    })
  }

  private dropout({ input, output, words, node }: Extract<Item, { kind: 'dropout' }>): void {
    if (output.gradient.length === 0) return
    const steps = output.kind === 'float' ? this.stepsOf(output) : this.context.gradientSteps
    const delta = this.resolve(output.name, output.gradient, output.shape, steps, output.stored)
    const out = this.tensor(`${node.name} input gradient`, input.shape, steps, input.stored)
    const units = Math.ceil(
      (this.context.options.batchSize * input.shape[1] * input.shape[2]) /
        (words[PoolWord.PixelsPerUnit] as number),
    )
    this.context.builder.emit(Op.DropoutFloats, units, {
      ...words,
      [PoolWord.Out]: ref(out),
      [PoolWord.In]: ref(delta),
      [PoolWord.T]: steps,
    })
    input.gradient.push({
      buffer: out,
      steps,
      outH: input.shape[1],
      outW: input.shape[2],
      pool: noPool,
      scale: 1,
    })
  }
}
