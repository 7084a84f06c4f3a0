/**
 * The methods by their definitions, in float64 and as slowly as they read: chains of convolutions,
 * linear, normalisations, cells, pooling by means and sums, scale, delay and flatten. Every
 * gradient is written out by hand for every step; nothing here shares code or memory layout with the
 * engine.
 *
 * A tensor is one Float64Array [B][C][H][W]; over time it is an array of T of them.
 */
import type {
  BatchNorm2d,
  Cell,
  Conv2d,
  Layer,
  Linear,
  Method,
  StabilizedLif,
  StateDict,
  StepMode,
} from '../../src/index.js'
import { mostOf, products, quantised } from './integers.js'
import {
  type ConvCase,
  forwardReference,
  inputGradientReference,
  outSize,
  weightGradientReference,
} from './ops-convolution.js'
import {
  addRecurrent,
  type CellLayer,
  type CellState,
  type CellStep,
  cellBackward,
  cellFactor,
  cellStart,
  cellStep,
  distanceOf,
} from './reference-cells.js'
import {
  adaptiveTaps,
  delayBack,
  delayed,
  factorOf,
  sampleNormBackward,
  sampleNormForward,
  shapeOf,
  upsampleTaps,
  windowOf,
} from './reference-layers.js'

export interface ReferenceOptions {
  method: Method
  stepMode?: StepMode
  timeSteps: number
  batch: number
  /** [C, H, W] */
  input: readonly [number, number, number]
  frames?: boolean
  normFallback?: 'channel' | 'layer'
  /** Online methods. */
  mseWeight?: number
  update?: 'afterwards' | 'everyStep'
  /** Online methods: the steps that are backpropagated; all by default. */
  backwardSteps?: readonly number[]
  /** bptt: steps of a segment, behind whose last one no gradient comes back. */
  truncate?: number
  /** For update 'everyStep'. */
  sgd?: { lr: number; momentum: number; weightDecay: number }
  /** Ends with `NearThreshold` at a potential that is nearer; default 0. */
  leastMargin?: number
}

/** A potential lies nearer to its threshold than `leastMargin`, or a weight to a half. */
export class NearThreshold extends Error {}

export interface ReferenceResult {
  loss: number
  /** [B][classes], time mean. */
  output: Float64Array
  /** Of the input at each step, [B][C][H][W]; in rate mode the same at each. */
  inputGradient: Float64Array[]
  /** By parameter name. */
  gradients: Record<string, Float64Array>
  /** Parameters and running statistics after the step; parameters move with 'everyStep' alone. */
  state: Record<string, Float64Array>
  /** Firing rate of each neuron layer, by name. */
  rates: Record<string, Float64Array>
  eligibilities: Record<string, Float64Array>
  /**
   * Smallest |u − θ| of any neuron: how much room there is before a rounding error flips a spike.
   */
  margin: number
}

type Tensor = Float64Array
type Shape = readonly [number, number, number]

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
const zerosLike = (x: Tensor): Tensor => new Float64Array(x.length)
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

function mean(steps: readonly Tensor[]): Tensor {
  return steps[0].map((_, i) => steps.reduce((sum, x) => sum + x[i], 0) / steps.length)
}

/** Σ over time. */
const sumOf = (steps: readonly Tensor[]): Tensor =>
  steps[0].map((_, i) => steps.reduce((sum, x) => sum + x[i], 0))

/** h'(x). */
export function surrogateDerivative(neuron: Pick<Cell, 'alpha' | 'surrogate'>, x: number): number {
  const a = neuron.alpha
  switch (neuron.surrogate) {
    case 'sigmoid':
      return a * sigmoid(a * x) * (1 - sigmoid(a * x))
    case 'atan':
      return a / 2 / (1 + ((Math.PI * a * x) / 2) ** 2)
    case 'triangle':
      return Math.max(0, a - a * a * Math.abs(x))
    case 'rectangle':
      return Math.abs(x) < 1 / (2 * a) ? a : 0
    case 'fastSigmoid':
      return 1 / (1 + a * Math.abs(x)) ** 2
    case 'piecewiseExp':
      return (a / 2) * Math.exp(-a * Math.abs(x))
    case 'erf':
      return (a / Math.sqrt(Math.PI)) * Math.exp(-a * a * x * x)
  }
}

/** A layer of the chain with its place and the state that it keeps between steps. */
interface Node {
  layer: Layer
  /** Of its parameters: a layer that is there twice shares them. */
  name: string
  /** Its place in the chain. */
  place: string
  from: Shape
  to: Shape
}

function outputShape(layer: Layer, from: Shape): Shape {
  const window = windowOf(layer)
  if (layer.kind === 'linear') return [layer.outFeatures, 1, 1]
  if (!window) return shapeOf(layer, from)
  const { kernelSize, stride, padding, dilation, outputPadding } = window
  const size = (n: number, i: 0 | 1): number => {
    const span = (kernelSize[i] - 1) * dilation[i] + 1
    if (!layer.kind.startsWith('convTranspose')) return outSize(n, span, stride[i], padding[i])
    return (n - 1) * stride[i] - 2 * padding[i] + span + outputPadding[i]
  }
  const channels = 'outChannels' in layer ? layer.outChannels : from[0]
  return [channels, size(from[1], 0), size(from[2], 1)]
}

/**
 * A convolution, a linear layer, whose window is its whole input, or a pool, whose channels are
 * groups of their own. Of a transposed convolution, that from its output to its input.
 */
export function convOf({ layer, from, to }: Omit<Node, 'name' | 'place'>, B: number): ConvCase {
  const isTransposed = layer.kind.startsWith('convTranspose')
  const [[C, H, W], [N, ...out]] = isTransposed ? [to, from] : [from, to]
  const whole = { kernelSize: [H, W], stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const
  const { kernelSize: kernel, stride, padding, dilation } = windowOf(layer) ?? whole
  const groups = 'groups' in layer ? layer.groups : layer.kind === 'linear' ? 1 : C
  const window = { kernel, stride, padding, dilation, groups, out }
  return { ...{ T: 1, timed: false, B, C, H, W, N }, ...window }
}

/**
 * What a step leaves for the way back through an all-time normalisation; m and i normalised each
 * channel, or are the running ones of the authors' code.
 */
interface AllTime {
  out: Tensor
  xhat: Tensor
  mu: Float64Array
  m: Float64Array
  i: Float64Array
}

class Reference {
  readonly nodes: Node[] = []
  readonly state: Record<string, Float64Array>
  readonly gradients: Record<string, Float64Array> = {}
  readonly rates: Record<string, Float64Array> = {}
  readonly eligibilities: Record<string, Float64Array> = {}
  margin = Number.POSITIVE_INFINITY

  constructor(
    layers: readonly Layer[],
    state: StateDict,
    private readonly options: ReferenceOptions,
  ) {
    this.state = Object.fromEntries(
      Object.entries(state).map(([name, { data }]) => [name, Float64Array.from(data)]),
    )
    let shape: Shape = options.input
    layers.forEach((layer, i) => {
      const to = outputShape(layer, shape)
      const name = String(layers.indexOf(layer))
      this.nodes.push({ layer, name, place: String(i), from: shape, to })
      shape = to
    })
    this.clearGradients()
  }

  clearGradients(): void {
    for (const [name, values] of Object.entries(this.state))
      if (!name.includes('running_')) this.gradients[name] = zerosLike(values)
  }

  private add(name: string, index: number, value: number): void {
    this.gradients[name][index] += value
  }

  // Convolution and linear layers.

  /**
   * The weight that multiplies: the parameter, or its standardised form gain·(w − μ)/√(F·var +
   * 1e-4); of a layer of whole numbers what they stand for. Gradients go straight through.
   */
  private weight(node: Node): Tensor {
    const weight = this.standardised(node)
    const { weights = 'f32' } = node.layer as Conv2d | Linear
    if (weights === 'f32') return weight
    const [outputs] = node.to
    const { margin } = quantised(weight, outputs, mostOf[weights])
    if (margin < 10 * (this.options.leastMargin ?? 0)) throw new NearThreshold()
    return products(weight, outputs, mostOf[weights])
  }

  private standardised({ layer, name }: Node): Tensor {
    const weight = this.state[`${name}.weight`]
    const { standardise } = layer as Conv2d | Linear
    if (!standardise) return weight
    const gain = this.state[`${name}.gain`]
    const fanIn = weight.length / gain.length
    return weight.map((w, i) => {
      const { mu, s } = this.standardisation(weight, Math.floor(i / fanIn), fanIn)
      return gain[Math.floor(i / fanIn)] * (w - mu) * s
    })
  }

  private standardisation(weight: Tensor, n: number, fanIn: number): { mu: number; s: number } {
    const row = weight.subarray(n * fanIn, (n + 1) * fanIn)
    const mu = row.reduce((a, b) => a + b, 0) / fanIn
    const variance = row.reduce((sum, w) => sum + (w - mu) ** 2, 0) / (fanIn - 1)
    return { mu, s: 1 / Math.sqrt(fanIn * variance + 1e-4) }
  }

  convForward(node: Node, x: Tensor): Tensor {
    const c = convOf(node, this.options.batch)
    const bias = this.state[`${node.name}.bias`]
    if (!isTransposed(node)) return forwardReference(c, x, this.weight(node), bias)
    const out = inputGradientReference(c, this.weight(node), x)
    return out.map((v, i) => v + (bias?.[this.channel(node, i)] ?? 0))
  }

  /**
   * Adds the gradients of weight and bias and returns that of the input. `x`: what the weight's
   * gradient multiplies with.
   */
  convBackward(node: Node, x: Tensor, delta: Tensor): Tensor {
    const c = convOf(node, this.options.batch)
    const bias = `${node.name}.bias`
    if (this.state[bias]) delta.forEach((d, i) => void this.add(bias, this.channel(node, i), d))
    const [read, given] = isTransposed(node) ? [delta, x] : [x, delta]
    this.addWeightGradient(node, weightGradientReference(c, read, given))
    if (isTransposed(node)) return forwardReference(c, delta, this.weight(node))
    return inputGradientReference(c, this.weight(node), delta)
  }

  /** Through the standardisation, where there is one, by the chain rule term by term. */
  private addWeightGradient({ layer, name }: Node, gradient: Tensor): void {
    const raw = this.state[`${name}.weight`]
    if (!(layer as Conv2d).standardise) {
      gradient.forEach((g, i) => void this.add(`${name}.weight`, i, g))
      return
    }
    const gain = this.state[`${name}.gain`]
    const fanIn = raw.length / gain.length
    gain.forEach((g, n) => {
      const { mu, s } = this.standardisation(raw, n, fanIn)
      for (let i = n * fanIn; i < (n + 1) * fanIn; i++) {
        this.add(`${name}.gain`, n, gradient[i] * (raw[i] - mu) * s)
        for (let j = n * fanIn; j < (n + 1) * fanIn; j++) {
          const dCentred = (i === j ? 1 : 0) - 1 / fanIn
          const dScale = -(s ** 3) * (fanIn / (fanIn - 1)) * (raw[j] - mu)
          this.add(`${name}.weight`, j, gradient[i] * g * (dCentred * s + (raw[i] - mu) * dScale))
        }
      }
    })
  }

  poolForward(node: Node, x: Tensor): Tensor {
    if (!hasTaps(node)) {
      const c = convOf(node, this.options.batch)
      return forwardReference(c, x, this.shares(node))
    }
    const out = new Float64Array(this.options.batch * product(node.to))
    this.eachTap(node, (o, i, share) => {
      out[o] += x[i] * share
    })
    return out
  }

  poolBackward(node: Node, delta: Tensor): Tensor {
    if (!hasTaps(node))
      return inputGradientReference(convOf(node, this.options.batch), this.shares(node), delta)
    const out = new Float64Array(this.options.batch * product(node.from))
    this.eachTap(node, (o, i, share) => {
      out[i] += delta[o] * share
    })
    return out
  }

  /** What a pool multiplies with: the parts of a mean, or ones. */
  private shares(node: Node): Tensor {
    const { C, kernel } = convOf(node, 1)
    const size = product(kernel)
    return new Float64Array(C * size).fill(node.layer.kind.startsWith('avg') ? 1 / size : 1)
  }

  private eachTap(
    { layer, from, to }: Node,
    visit: (out: number, input: number, share: number) => void,
  ): void {
    const taps = layer.kind === 'upsample' ? upsampleTaps(layer, from, to) : adaptiveTaps(from, to)
    for (let plane = 0; plane < this.options.batch * from[0]; plane++)
      for (const { out, input, share } of taps)
        visit(plane * to[1] * to[2] + out, plane * from[1] * from[2] + input, share)
  }

  // Normalisation of samples.

  sampleForward(node: Node, x: Tensor) {
    return sampleNormForward(node.layer, node.to, x, this.affine(node))
  }

  /** By x̂ and 1/σ of a step, or their means; adds the gradients of the parameters. */
  sampleBackward(node: Node, xhat: Tensor, invStd: Tensor, delta: Tensor): Tensor {
    const { name, layer, to } = node
    const back = sampleNormBackward(layer, to, { xhat, invStd, delta }, this.affine(node))
    for (const role of ['weight', 'bias'] as const)
      if (`${name}.${role}` in this.state)
        back[role].forEach((g, i) => void this.add(`${name}.${role}`, i, g))
    return back.input
  }

  private affine({ name }: Node) {
    return { weight: this.state[`${name}.weight`], bias: this.state[`${name}.bias`] }
  }

  // Batch normalisation over a group of steps.

  /** Channel of an element. */
  private channel({ to }: Node, i: number): number {
    return Math.floor(i / (to[1] * to[2])) % to[0]
  }

  /** Mean and 1/√(σ² + ε) over a group of steps; moves the running statistics. */
  private statistics(
    node: Node,
    steps: readonly Tensor[],
  ): { mu: Float64Array; invStd: Float64Array } {
    const layer = node.layer as BatchNorm2d
    const count = (steps.length * steps[0].length) / layer.channels
    const mu = new Float64Array(layer.channels)
    const variance = new Float64Array(layer.channels)
    for (const x of steps)
      x.forEach((v, i) => {
        mu[this.channel(node, i)] += v / count
      })
    for (const x of steps)
      x.forEach((v, i) => {
        variance[this.channel(node, i)] += (v - mu[this.channel(node, i)]) ** 2 / count
      })
    const [runningMean, runningVar] = [
      this.state[`${node.name}.running_mean`],
      this.state[`${node.name}.running_var`],
    ]
    for (let c = 0; c < layer.channels; c++) {
      runningMean[c] += layer.momentum * (mu[c] - runningMean[c])
      runningVar[c] +=
        layer.momentum * ((variance[c] * count) / Math.max(1, count - 1) - runningVar[c])
    }
    return { mu, invStd: variance.map((v) => 1 / Math.sqrt(v + layer.eps)) }
  }

  normForward(
    node: Node,
    steps: readonly Tensor[],
  ): { out: Tensor[]; xhat: Tensor[]; invStd: Float64Array } {
    const { mu, invStd } = this.statistics(node, steps)
    const [gamma, beta] = [this.state[`${node.name}.weight`], this.state[`${node.name}.bias`]]
    const xhat = steps.map((x) =>
      x.map((v, i) => (v - mu[this.channel(node, i)]) * invStd[this.channel(node, i)]),
    )
    return {
      out: xhat.map((x) =>
        x.map((v, i) => gamma[this.channel(node, i)] * v + beta[this.channel(node, i)]),
      ),
      xhat,
      invStd,
    }
  }

  /** ∂L/∂x = γ·invStd·(δ − mean δ − x̂·mean(δ x̂)), the means over everything that is given. */
  normBackward(
    node: Node,
    xhat: readonly Tensor[],
    invStd: Float64Array,
    deltas: readonly Tensor[],
  ): Tensor[] {
    const { channels } = node.layer as BatchNorm2d
    const gamma = this.state[`${node.name}.weight`]
    const count = (deltas.length * deltas[0].length) / channels
    const [sum, sumX] = [new Float64Array(channels), new Float64Array(channels)]
    deltas.forEach((delta, t) => {
      delta.forEach((d, i) => {
        sum[this.channel(node, i)] += d
        sumX[this.channel(node, i)] += d * xhat[t][i]
      })
    })
    for (let c = 0; c < channels; c++) {
      this.add(`${node.name}.weight`, c, sumX[c])
      this.add(`${node.name}.bias`, c, sum[c])
    }
    return deltas.map((delta, t) =>
      delta.map((d, i) => {
        const c = this.channel(node, i)
        return gamma[c] * invStd[c] * (d - sum[c] / count - (xhat[t][i] * sumX[c]) / count)
      }),
    )
  }

  /** For method os: what normalises all steps, and sums over the steps so far. */
  private readonly allTime = new Map<string, Record<'m' | 'i' | 'mean' | 'square', Float64Array>>()

  /**
   * Method os, one step: running statistics normalise a channel, unless a deviation is `bound`
   * times the other; they move behind the last step, by the moments of all steps together.
   */
  allTimeForward(node: Node, x: Tensor, t: number): AllTime {
    const { momentum, channels, eps } = node.layer as BatchNorm2d
    const { frames, timeSteps: T, normFallback = 'channel' } = this.options
    const [running, variance] = ['mean', 'var'].map((k) => this.state[`${node.name}.running_${k}`])
    if (t === 0)
      this.allTime.set(node.place, {
        m: running.slice(),
        i: variance.map((v) => 1 / Math.sqrt(v + eps)),
        mean: new Float64Array(channels),
        square: new Float64Array(channels),
      })
    const all = this.allTime.get(node.place) as Record<'m' | 'i' | 'mean' | 'square', Float64Array>
    const kept = [running.slice(), variance.slice()]
    const { mu, invStd } = this.statistics(node, [x])
    running.set(kept[0])
    variance.set(kept[1])
    invStd.forEach((i, c) => {
      all.mean[c] += mu[c] / T
      all.square[c] += (1 / i ** 2 - eps + mu[c] ** 2) / T
    })
    if (t === T - 1)
      for (let c = 0; c < channels; c++) {
        running[c] += momentum * (all.mean[c] - running[c])
        variance[c] += momentum * (all.square[c] - all.mean[c] ** 2 - variance[c])
      }
    const bound = frames ? 50 : 20
    const near = [...invStd].map((i, c) => Math.max(i / all.i[c], all.i[c] / i) <= bound)
    const byLayer = normFallback === 'layer'
    const runs = near.map((is) => (byLayer ? near.every(Boolean) : is))
    const [gamma, beta] = [this.state[`${node.name}.weight`], this.state[`${node.name}.bias`]]
    const xhat = x.map((v, k) => (v - mu[this.channel(node, k)]) * invStd[this.channel(node, k)])
    const out = x.map((v, k) => {
      const c = this.channel(node, k)
      return gamma[c] * (runs[c] ? (v - all.m[c]) * all.i[c] : xhat[k]) + beta[c]
    })
    const used = (running: Float64Array, own: Float64Array): Float64Array =>
      running.map((v, c) => (runs[c] || byLayer ? v : own[c]))
    return { out, xhat, mu, m: used(all.m, mu), i: used(all.i, invStd) }
  }

  allTimeBackward(node: Node, { xhat, mu, m, i }: AllTime, delta: Tensor): Tensor {
    const name = `${node.name}.weight`
    delta.forEach((d, k) => {
      const c = this.channel(node, k)
      this.add(name, c, d * (mu[c] - m[c]) * i[c])
    })
    return this.normBackward(node, [xhat], i, [delta])[0]
  }

  // Neurons.

  private readonly ratios = new Map<string, number>()

  /** Method os, one step of neurons with a stabilised threshold. */
  stabilizedFire(node: Node, current: Tensor, v: Tensor, t: number): { u: Tensor; s: Tensor } {
    const neuron = node.layer as StabilizedLif
    const { tau, decayInput, vReset, vThreshold, momentum } = neuron
    const rest = vReset ?? 0
    const u = current.map((x, i) => v[i] - (v[i] - rest) / tau + (decayInput ? x / tau : x))
    const mu = u.reduce((sum, x) => sum + x, 0) / u.length
    const sigma = Math.sqrt(u.reduce((sum, x) => sum + (x - mu) ** 2, 0) / (u.length - 1))
    if (t === 0) this.ratios.set(node.place, (vThreshold - mu) / sigma)
    const theta = mu + sigma * (this.ratios.get(node.place) as number)
    const running = this.state[`${node.name}.running_threshold`]
    running[0] += (momentum / this.options.timeSteps) * (theta - running[0])
    const s = u.map((x) => (x >= theta ? 1 : 0))
    u.forEach((x, i) => {
      this.margin = Math.min(this.margin, distanceOf(neuron, x - theta))
      v[i] = vReset === null ? x - theta * s[i] : s[i] ? rest : x
    })
    if (!(this.margin >= (this.options.leastMargin ?? 0))) throw new NearThreshold()
    // As of a threshold that stays.
    return { u: u.map((x) => x - theta + vThreshold), s }
  }

  rest(node: Node): Tensor {
    const { vReset } = node.layer as StabilizedLif
    return new Float64Array(this.options.batch * product(node.to)).fill(vReset ?? 0)
  }

  slope(node: Node, u: number): number {
    const neuron = node.layer as StabilizedLif
    return surrogateDerivative(neuron, u - neuron.vThreshold)
  }

  // Cells.

  cell({ layer, name, to }: Node): CellLayer {
    const { batch, truncate } = this.options
    return { cell: layer as Cell, name, shape: to, batch, state: this.state, truncate }
  }

  cellFires(node: Node, x: Tensor, state: CellState): CellStep {
    const { leastMargin = 0 } = this.options
    const step = cellStep(this.cell(node), x, state, (distance) => {
      this.margin = Math.min(this.margin, distance)
    })
    if (!(this.margin >= leastMargin)) throw new NearThreshold()
    return step
  }

  /** Through all steps; `learns`: parameters += their gradients. */
  cellBack(
    node: Node,
    steps: readonly CellStep[],
    deltas: readonly Tensor[],
    learns = true,
  ): Tensor[] {
    return cellBackward(this.cell(node), steps, deltas, this.cellSlope(node), (name, i, value) => {
      if (learns) this.add(name, i, value)
    })
  }

  /** One step by itself: the state before it, and the spikes that came to it, count as given. */
  cellBackOnce(node: Node, step: CellStep, delta: Tensor): Tensor {
    const layer = this.cell(node)
    const factor = cellFactor(layer, step, this.cellSlope(node))
    const gx = delta.map((d, i) => d * factor[i])
    addRecurrent(layer, gx, step.spikeBefore, (name, i, value) => this.add(name, i, value))
    return gx
  }

  private cellSlope(node: Node): (x: number) => number {
    const { alpha, surrogate } = node.layer as Cell
    return (x) => surrogateDerivative({ alpha, surrogate }, x)
  }

  // Loss.

  /**
   * ((1 − m)·CE + m·MSE) per image, averaged over the batch, and its gradient, both times `share`.
   */
  loss(
    logits: Tensor,
    target: readonly number[],
    m: number,
    share: number,
  ): { loss: number; delta: Tensor } {
    const { batch } = this.options
    const classes = logits.length / batch
    const delta = zerosLike(logits)
    let loss = 0
    for (let b = 0; b < batch; b++) {
      const row = logits.subarray(b * classes, (b + 1) * classes)
      const highest = Math.max(...row)
      const sum = row.reduce((a, z) => a + Math.exp(z - highest), 0)
      row.forEach((z, c) => {
        const hot = c === target[b] ? 1 : 0
        const p = Math.exp(z - highest) / sum
        if (hot) loss -= ((1 - m) * (z - highest - Math.log(sum)) * share) / batch
        loss += ((m * (z - hot) ** 2) / classes / batch) * share
        delta[b * classes + c] =
          (((1 - m) * (p - hot) + (m * 2 * (z - hot)) / classes) * share) / batch
      })
    }
    return { loss, delta }
  }
}

const isBatchNorm = ({ layer }: Node): boolean =>
  layer.kind === 'batchNorm2d' || layer.kind === 'batchNorm1d'

const isTransposed = ({ layer }: Node): boolean => layer.kind.startsWith('convTranspose')

/** Whether a layer reads shares of pixels by a list. */
const hasTaps = ({ layer: { kind } }: Node): boolean =>
  kind.startsWith('adaptive') || kind === 'upsample'

const isSampleNorm = ({ layer }: Node): boolean =>
  layer.kind === 'groupNorm' || layer.kind === 'layerNorm'

/** Layers whose steps do not see each other. */
function forwardStep(r: Reference, node: Node, x: Tensor): Tensor {
  const { layer } = node
  switch (layer.kind) {
    case 'conv1d':
    case 'conv2d':
    case 'convTranspose1d':
    case 'convTranspose2d':
    case 'linear':
      return r.convForward(node, x)
    case 'avgPool1d':
    case 'avgPool2d':
    case 'sumPool1d':
    case 'sumPool2d':
    case 'adaptiveAvgPool1d':
    case 'adaptiveAvgPool2d':
    case 'upsample':
      return r.poolForward(node, x)
    case 'groupNorm':
    case 'layerNorm':
      return r.sampleForward(node, x).out
    case 'scale':
      return x.map((v, i) => v * factorOf(layer, node.from, i))
    case 'flatten':
      return x
    default:
      throw new Error(`the reference knows no ${layer.kind}`)
  }
}

function backwardStep(r: Reference, node: Node, x: Tensor, delta: Tensor): Tensor {
  const { layer } = node
  switch (layer.kind) {
    case 'conv1d':
    case 'conv2d':
    case 'convTranspose1d':
    case 'convTranspose2d':
    case 'linear':
      return r.convBackward(node, x, delta)
    case 'avgPool1d':
    case 'avgPool2d':
    case 'sumPool1d':
    case 'sumPool2d':
    case 'adaptiveAvgPool1d':
    case 'adaptiveAvgPool2d':
    case 'upsample':
      return r.poolBackward(node, delta)
    case 'groupNorm':
    case 'layerNorm': {
      const { xhat, invStd } = r.sampleForward(node, x)
      return r.sampleBackward(node, xhat, invStd, delta)
    }
    case 'scale':
      return delta.map((v, i) => v * factorOf(layer, node.from, i))
    default:
      return delta
  }
}

/** What one layer leaves behind for its backward pass. */
interface Passed {
  inputs: Tensor[]
  groups: { xhat: Tensor[]; invStd: Float64Array }[]
  cells: CellStep[]
}

/** Rate-based backpropagation and BPTT: layer by layer, each over all T steps. */
function layerwise(
  r: Reference,
  frames: readonly Tensor[],
  target: readonly number[],
  options: ReferenceOptions,
): Pick<ReferenceResult, 'loss' | 'output' | 'inputGradient'> {
  const T = options.timeSteps
  const records: Passed[] = []
  let steps = frames.slice()
  for (const node of r.nodes) {
    const record: Passed = { inputs: steps, groups: [], cells: [] }
    records.push(record)
    if (node.layer.kind === 'delay') steps = delayed(node.layer, node.to, steps)
    else if (node.layer.kind === 'cell') {
      const state = cellStart(r.cell(node))
      record.cells = steps.map((x) => r.cellFires(node, x, state))
      steps = record.cells.map(({ out }) => out)
      if (node.layer.vThreshold !== null) {
        r.rates[node.place] = mean(steps)
        // What a constant that is added to the input of every step does to the time mean.
        const ones = steps.map((x) => x.map(() => 1 / T))
        r.eligibilities[node.place] = sumOf(r.cellBack(node, record.cells, ones, false))
      }
    } else if (isBatchNorm(node)) {
      const groups = options.stepMode === 's' ? steps.map((x) => [x]) : [steps]
      steps = groups.flatMap((group) => {
        const { out, xhat, invStd } = r.normForward(node, group)
        record.groups.push({ xhat, invStd })
        return out
      })
    } else steps = steps.map((x) => forwardStep(r, node, x))
  }
  const output = mean(steps)
  const rate = options.method === 'rate'
  const { loss, delta } = r.loss(output, target, 0, 1)
  // Rate: one gradient of means, by the paper divided by T. BPTT: every step's output has 1/T of
  // the mean's.
  let deltas: Tensor[] = Array.from({ length: rate ? 1 : T }, () => delta.map((d) => d / T))
  for (let i = r.nodes.length - 1; i >= 0; i--) {
    const node = r.nodes[i]
    const { inputs, groups, cells } = records[i]
    if (node.layer.kind === 'delay')
      deltas = delayBack(node.layer, node.to, deltas, T, options.truncate)
    else if (rate && isSampleNorm(node)) {
      const all = inputs.map((x) => r.sampleForward(node, x))
      const [xhat, invStd] = [mean(all.map((x) => x.xhat)), mean(all.map((x) => x.invStd))]
      deltas = [r.sampleBackward(node, xhat, invStd, deltas[0])]
    } else if (node.layer.kind === 'cell') {
      deltas = rate
        ? [sumOf(r.cellBack(node, cells, Array(T).fill(deltas[0].map((d) => d / T))))]
        : r.cellBack(node, cells, deltas)
    } else if (isBatchNorm(node)) {
      if (rate) {
        const invStd = groups[0].invStd.map(
          (_, c) => groups.reduce((sum, g) => sum + g.invStd[c], 0) / groups.length,
        )
        deltas = r.normBackward(node, [mean(groups.flatMap((g) => g.xhat))], invStd, deltas)
      } else if (groups.length === 1)
        deltas = r.normBackward(node, groups[0].xhat, groups[0].invStd, deltas)
      else
        deltas = deltas.map(
          (d, t) => r.normBackward(node, groups[t].xhat, groups[t].invStd, [d])[0],
        )
    } else deltas = deltas.map((d, t) => backwardStep(r, node, rate ? mean(inputs) : inputs[t], d))
  }
  // The one row of the rate method is each step's.
  const inputGradient = rate ? steps.map(() => deltas[0]) : deltas
  return { loss, output, inputGradient }
}

/** Share of a potential that a step leaves, of which traces of spikes are made. */
function leakOf({ tau, learn, recurrence, vThreshold }: Cell): number {
  if (typeof tau !== 'number' || learn.length > 0 || recurrence || vThreshold === null)
    throw new Error('the reference has no traces of such cells')
  return 1 - 1 / tau
}

/** OTTT, SLTT and OS: step by step, each backpropagated through space alone. */
function online(
  r: Reference,
  frames: readonly Tensor[],
  target: readonly number[],
  options: ReferenceOptions,
): Pick<ReferenceResult, 'loss' | 'output' | 'inputGradient'> {
  const { timeSteps: T, mseWeight = 0.05, backwardSteps, update, method } = options
  const potentials = r.nodes.map((node) =>
    node.layer.kind === 'stabilizedLif' ? r.rest(node) : undefined,
  )
  const states = r.nodes.map((node) =>
    node.layer.kind === 'cell' ? cellStart(r.cell(node)) : undefined,
  )
  const traces: (Tensor | undefined)[] = r.nodes.map(() => undefined)
  const velocities = Object.fromEntries(
    Object.entries(r.gradients).map(([name, g]) => [name, zerosLike(g)]),
  )
  const outputs: Tensor[] = []
  const inputGradient: Tensor[] = frames.map(zerosLike)
  const spikes: Record<string, Tensor[]> = {}
  let total = 0
  for (let t = 0; t < T; t++) {
    const records: {
      x: Tensor
      u?: Tensor
      xhat?: Tensor[]
      invStd?: Float64Array
      allTime?: AllTime
      cell?: CellStep
    }[] = []
    let x = frames[t]
    let lambda: number | undefined
    r.nodes.forEach((node, i) => {
      const { layer } = node
      const record: (typeof records)[number] = { x }
      records.push(record)
      if (layer.kind === 'stabilizedLif') {
        const { u, s } = r.stabilizedFire(node, x, potentials[i] as Tensor, t)
        record.u = u
        x = s
        spikes[node.place] = [...(spikes[node.place] ?? []), s]
        lambda = 1 - 1 / layer.tau
      } else if (layer.kind === 'cell') {
        record.cell = r.cellFires(node, x, states[i] as CellState)
        if (method === 'ottt') lambda = leakOf(layer)
        x = record.cell.out
        if (layer.vThreshold !== null) spikes[node.place] = [...(spikes[node.place] ?? []), x]
      } else if (layer.kind === 'batchNorm2d' && method === 'os') {
        record.allTime = r.allTimeForward(node, x, t)
        x = record.allTime.out
      } else if (isBatchNorm(node)) {
        const { out, xhat, invStd } = r.normForward(node, [x])
        record.xhat = xhat
        record.invStd = invStd
        x = out[0]
      } else {
        // Behind the first neurons: â_t = λ â_{t−1} + s_t, with their λ.
        const decay = lambda
        const weighs = layer.kind === 'linear' || layer.kind.startsWith('conv')
        if (method === 'ottt' && decay !== undefined && weighs) {
          const before = traces[i]
          record.x = x.map((v, k) => v + (before ? decay * before[k] : 0))
          traces[i] = record.x
        }
        x = forwardStep(r, node, x)
      }
    })
    outputs.push(x)
    const { loss, delta } = r.loss(x, target, mseWeight, 1 / T)
    total += loss
    if (backwardSteps && !backwardSteps.includes(t)) continue
    if (update === 'everyStep') r.clearGradients()
    let d = delta
    for (let i = r.nodes.length - 1; i >= 0; i--) {
      const node = r.nodes[i]
      const { x: input, u, xhat, invStd, allTime, cell } = records[i]
      if (cell) d = r.cellBackOnce(node, cell, d)
      else if (allTime) d = r.allTimeBackward(node, allTime, d)
      else if (node.layer.kind === 'stabilizedLif') {
        const kappa = node.layer.decayInput ? 1 / node.layer.tau : 1
        d = d.map((v, k) => v * kappa * r.slope(node, (u as Tensor)[k]))
      } else if (isBatchNorm(node))
        d = r.normBackward(node, xhat as Tensor[], invStd as Float64Array, [d])[0]
      else d = backwardStep(r, node, input, d)
    }
    inputGradient[t] = d
    if (update === 'everyStep')
      applySgd(
        r.state,
        r.gradients,
        velocities,
        options.sgd ?? { lr: 0.1, momentum: 0.9, weightDecay: 0 },
      )
  }
  for (const [name, steps] of Object.entries(spikes)) r.rates[name] = mean(steps)
  return { loss: total, output: mean(outputs), inputGradient }
}

/**
 * PyTorch's SGD: g ← g + decay·p; v ← momentum·v + g; p ← p − lr·(v, or g + momentum·v with
 * Nesterov).
 */
function applySgd(
  parameters: Record<string, Float64Array>,
  gradients: Record<string, ArrayLike<number>>,
  velocities: Record<string, Float64Array>,
  options: {
    lr: number
    momentum: number
    weightDecay: number
    nesterov?: boolean
    decays?: (name: string) => boolean
  },
): void {
  const { lr, momentum, weightDecay, nesterov = false, decays = () => true } = options
  for (const name of Object.keys(gradients))
    for (let i = 0; i < gradients[name].length; i++) {
      const g = gradients[name][i] + (decays(name) ? weightDecay : 0) * parameters[name][i]
      velocities[name][i] = momentum * velocities[name][i] + g
      parameters[name][i] -=
        lr * (nesterov ? g + momentum * velocities[name][i] : velocities[name][i])
    }
}

/**
 * One training step of a chain `sequential(...layers)`.
 * @param x [B, C, H, W], or [B, T, C, H, W] with `frames`.
 */
export function referenceStep(
  layers: readonly Layer[],
  state: StateDict,
  x: ArrayLike<number>,
  target: readonly number[],
  options: ReferenceOptions,
): ReferenceResult {
  const r = new Reference(layers, state, options)
  const size = options.batch * product(options.input)
  const all = Float64Array.from(x)
  const ofImage = size / options.batch
  const frames = Array.from({ length: options.timeSteps }, (_, t) =>
    options.frames
      ? Float64Array.from({ length: size }, (_, i) => {
          const b = Math.floor(i / ofImage)
          return all[(b * options.timeSteps + t) * ofImage + (i % ofImage)]
        })
      : all.subarray(0, size),
  )
  const { loss, output, inputGradient } = (
    options.method === 'rate' || options.method === 'bptt' ? layerwise : online
  )(r, frames, target, options)
  const { gradients, rates, eligibilities, margin } = r
  const found = { loss, output, inputGradient, gradients, state: r.state }
  return { ...found, rates, eligibilities, margin }
}
