/**
 * Operations of a network, counted while it is evaluated, by the definitions of NeuroBench (Yik et
 * al., Nature Communications 16, 2025, doi 10.1038/s41467-025-56739-4; metrics of its code).
 */

import { ActivityCount } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { EPSILON } from '../compile/emit/norm.js'
import { unpack } from '../compile/layout.js'
import type { NeuronCounts, ValueCounts } from '../compile/pass.js'
import { programOf, storedAt } from '../engine/memory/arena.js'
import { integersAt, refreshIntegers } from '../engine/run/quantised.js'
import type { Session } from '../engine/session.js'
import type { Buffer } from '../kernels/records/words.js'
import { recurrentWeight } from '../network/cell.js'
import { type GraphNode, ownerOf } from '../network/trace.js'
import { type Shape, sizeOf } from '../network/value.js'
import { windowsOfSeries } from '../network/window.js'
import type { Conv2d } from '../nn/layers/index.js'
import { activityNumber, wantActivity } from './sample-spikes.js'

/** What a layer did, means over the samples. What a kind of layer has not is absent. */
export interface LayerOperations {
  /** Kind of the layer: `conv2d`, `neuron`, … */
  readonly kind: string
  /** A layer with weights: products with values that are not all 0 and ±1. */
  readonly effectiveMacs?: number
  /** A layer with weights: additions of a weight, because each value it reads is 0 or ±1. */
  readonly effectiveAcs?: number
  /** A layer with weights: operations if no weight and no value were 0. */
  readonly dense?: number
  /** Share of the weights that are 0. */
  readonly connectionSparsity?: number
  /** Neurons and relu: share of the outputs, over all steps, that are 0. */
  readonly activationSparsity?: number
  /** Neurons and integrators: how often a potential was another than a step before. */
  readonly membraneUpdates?: number
}

/**
 * Operations of one sample, means over all that were evaluated: sums over the layers, and shares of
 * all weights and outputs, 0 where there are none.
 */
export interface Operations extends Required<Omit<LayerOperations, 'kind'>> {
  /** What these accumulates would take in 45 nm. */
  readonly energy: Energy
  /** The same of each layer, by name. */
  readonly layers: Readonly<Record<string, LayerOperations>>
}

/** An estimate of the energy of additions and products alone, without memory and control. */
export interface Energy {
  /** Microjoules of one sample. */
  readonly microjoules: number
  /** Picojoules of a multiply-accumulate. */
  readonly macPicojoules: number
  /** Picojoules of an accumulate. */
  readonly acPicojoules: number
  /** Where these numbers come from. */
  readonly source: string
}

/** Horowitz 2014, 45 nm, 0.9 V: a float32 product takes 3.7 pJ, a sum 0.9 pJ. */
const AC_PICOJOULES = 0.9
const MAC_PICOJOULES = 4.6
const ENERGY_SOURCE =
  "M. Horowitz, Computing's energy problem, ISSCC 2014: float32 in 45 nm, MAC 4.6 pJ, AC 0.9 pJ"

/** Counts that words of 32 bits hold for sure. */
const MOST_COUNTS = 2 ** 31

/** How many outputs each input value reaches: of all weights, and of those that are not 0. */
interface Fan {
  readonly dense: number
  /** [C][H][W] */
  readonly active: Float64Array
}

type Windowed = Pick<Conv2d, 'kernelSize' | 'stride' | 'padding' | 'dilation' | 'groups'>

/**
 * Fan-out of each input of a layer [out][in][kernel]; no `weight`: none of it is 0.
 *
 * @param back of a transposed one, whose weight is [in][out][kernel]
 */
function convFan(
  windows: Windowed,
  back: boolean,
  weight: ArrayLike<number> | undefined,
  [C, H, W]: Shape,
  [out, outH, outW]: Shape,
): Fan {
  const { kernelSize, groups } = windows
  const [kernelH, kernelW] = kernelSize
  const taps = kernelH * kernelW
  const [groupIn, groupOut] = [C / groups, out / groups]
  const active = new Float64Array(C * H * W)
  const rows = reaching(windows, 0, back, H, outH)
  const columns = reaching(windows, 1, back, W, outW)
  let places = 0
  for (const row of rows) for (const column of columns) places += row.length * column.length
  const nonZero = new Float64Array(taps).fill(groupOut)
  for (let c = 0, at = 0; c < C; c++) {
    if (weight) {
      const group = Math.floor(c / groupIn)
      nonZero.fill(0)
      for (let o = 0; o < groupOut; o++) {
        const row = back ? c * groupOut + o : (group * groupOut + o) * groupIn + (c % groupIn)
        for (let tap = 0; tap < taps; tap++) if (weight[row * taps + tap] !== 0) nonZero[tap]++
      }
    } else if (c > 0) {
      active.copyWithin(at, 0, H * W)
      at += H * W
      continue
    }
    for (const row of rows)
      for (const column of columns) {
        let sum = 0
        for (const ky of row) for (const kx of column) sum += nonZero[ky * kernelW + kx]
        active[at++] = sum
      }
  }
  return { dense: places * C * groupOut, active }
}

/** Fan-out of each input of a weight [out][size], or [out][size][count]. */
function fullFan(weight: ArrayLike<number> | undefined, size: number, out: number, count = 1): Fan {
  const active = new Float64Array(size)
  if (!weight) active.fill(out * count)
  else
    for (let at = 0; at < size * out * count; at++)
      if (weight[at] !== 0) active[Math.floor(at / count) % size]++
  return { dense: size * out * count, active }
}

/** Fan-out of a weight of all neurons [size][size], or of each neuron by itself [size]. */
function recurrentFan({ data, size: numbers }: Weight, size: number): Fan {
  if (numbers > size) return fullFan(data, size, size)
  const active = new Float64Array(size).map((_, i) => (data?.[i] === 0 ? 0 : 1))
  return { dense: size, active }
}

/** For each place along an axis the rows of the kernel that reach an output from it. */
function reaching(
  { kernelSize, stride, padding, dilation = [1, 1] }: Windowed,
  axis: 0 | 1,
  back: boolean,
  size: number,
  out: number,
): number[][] {
  return Array.from({ length: size }, (_, place) =>
    Array.from({ length: kernelSize[axis] }, (_, k) => k).filter((k) => {
      const tap = k * dilation[axis] - padding[axis]
      const to = back ? place * stride[axis] + tap : (place - tap) / stride[axis]
      return Number.isInteger(to) && to >= 0 && to < out
    }),
  )
}

/** Counts that were taken from the model's memory. */
interface Taken {
  /** [H][W][stored] */
  readonly counts: Float64Array
  others: boolean
}

/**
 * Counts what a model does while `evaluate` runs. Only the samples count, no repeats that fill a
 * batch. Whoever makes one holds the model's lock, and ends it.
 */
export class OperationCounts {
  private readonly values: ReadonlyMap<ValueCounts, Taken>
  private readonly neurons: Map<NeuronCounts, { changes: number; spikes: number }>
  private samples = 0
  /** Samples whose counts are still in memory. */
  private waiting = 0

  constructor(private readonly session: Session) {
    const { activity } = programOf(session, 'evaluate')
    if (!activity) fail('the model counts no operations')
    this.values = new Map(
      activity.values.map((probe) => [
        probe,
        { counts: new Float64Array(probe.shape[1] * probe.shape[2] * probe.stored), others: false },
      ]),
    )
    this.neurons = new Map(activity.neurons.map((probe) => [probe, { changes: 0, spikes: 0 }]))
    this.take(false)
    wantActivity(session, 1)
  }

  /** A batch with so many samples has run. */
  async add(samples: number): Promise<void> {
    this.samples += samples
    this.waiting += samples
    const next = this.waiting + this.session.batchSize
    if (next * this.session.timeSteps > MOST_COUNTS) await this.collect()
  }

  /** Later steps run without the sums that counting needs. */
  end(): void {
    wantActivity(this.session, 0)
  }

  /** Adds up what has been counted. */
  private async collect(): Promise<void> {
    const values = [...this.values.keys()].flatMap(({ counts, others = [] }) => [counts, others])
    const neurons = [...this.neurons.keys()].map(({ counts }) => counts)
    await this.session.refresh([...values.flat(), ...neurons])
    this.take(true)
  }

  /** Takes counts out of the memory, and adds them up if they are of this evaluation. */
  private take(counts: boolean): void {
    const { buffer } = this.session.memory
    for (const [probe, taken] of this.values) {
      const size = taken.counts.length
      const found = new Uint32Array(buffer, probe.counts.address, size * probe.copies)
      const others = new Uint32Array(buffer, probe.others?.address ?? 0, probe.units)
      if (counts) {
        for (let i = 0; i < found.length; i++) taken.counts[i % size] += found[i]
        taken.others ||= others.some((other) => other !== 0)
      }
      found.fill(0)
      others.fill(0)
      this.cleared(probe.counts, probe.others)
    }
    for (const [probe, sums] of this.neurons) {
      const view = new DataView(buffer, probe.counts.address, probe.units * ActivityCount.Bytes)
      for (let at = 0; at < view.byteLength; at += ActivityCount.Bytes) {
        if (counts) {
          sums.changes += activityNumber(view, at + ActivityCount.Changes)
          sums.spikes += activityNumber(view, at + ActivityCount.Spikes)
        }
        for (let i = 0; i < ActivityCount.Bytes; i += 4) view.setUint32(at + i, 0, true)
      }
      this.cleared(probe.counts)
    }
    this.waiting = 0
  }

  private cleared(...buffers: readonly (Buffer | undefined)[]): void {
    for (const buffer of buffers) if (buffer) this.session.wrote(buffer.address, buffer.bytes)
  }

  /** What was counted since it was made. */
  async result(): Promise<Operations> {
    await this.collect()
    await refreshIntegers(this.session)
    const { nodes } = this.session.graph
    const layers: Record<string, LayerOperations> = {}
    const sums = new Sums()
    const names = namesOfCalls(nodes)
    const put = (node: GraphNode, found: Omit<LayerOperations, 'kind'>): void => {
      const name = names[node.index]
      layers[name] = { ...layers[name], kind: node.kind, ...found }
    }
    for (const [probe, taken] of this.values) {
      const node = nodes[probe.node]
      if (probe.of === 'output') {
        const active = taken.counts.reduce((a, b) => a + b, 0)
        const activationSparsity = this.sparsity(active, sizeOf(node.shape), sums)
        put(node, { activationSparsity })
      } else put(node, this.synapses(node, probe, taken, sums))
    }
    for (const [probe, { changes, spikes }] of this.neurons) {
      const membraneUpdates = changes / this.samples
      sums.membraneUpdates += membraneUpdates
      put(nodes[probe.node], {
        ...(probe.spiking && { activationSparsity: this.sparsity(spikes, probe.neurons, sums) }),
        membraneUpdates,
      })
    }
    const { active, outputs, zero, weights, ...found } = sums
    const { effectiveMacs, effectiveAcs } = found
    return {
      ...found,
      activationSparsity: outputs > 0 ? 1 - active / outputs : 0,
      connectionSparsity: weights > 0 ? zero / weights : 0,
      energy: {
        microjoules: (effectiveMacs * MAC_PICOJOULES + effectiveAcs * AC_PICOJOULES) / 1e6,
        macPicojoules: MAC_PICOJOULES,
        acPicojoules: AC_PICOJOULES,
        source: ENERGY_SOURCE,
      },
      layers,
    }
  }

  /** Share of so many outputs of a sample and step that were 0. */
  private sparsity(active: number, size: number, sums: Sums): number {
    const all = size * this.session.timeSteps * this.samples
    sums.active += active
    sums.outputs += all
    return 1 - active / all
  }

  /** What a layer's weights did with the values that it reads. */
  private synapses(
    node: GraphNode,
    probe: ValueCounts,
    { counts, others }: Taken,
    sums: Sums,
  ): Omit<LayerOperations, 'kind'> {
    const { session } = this
    const { layer } = node
    const recurrent = probe.of === 'recurrent'
    const role = recurrent && layer && 'recurrence' in layer ? recurrentWeight(layer) : 'weight'
    const weight = weightOf(session, node, role)
    const fan = recurrent
      ? recurrentFan(weight, sizeOf(node.shape))
      : fanOf(node, weight, session.graph.nodes[node.inputs[0]].shape)
    const effective = effectiveOf(probe, counts, fan.active) / this.samples
    const products = probe.scaled || others
    const dense = fan.dense * session.timeSteps
    sums.zero += weight.zero
    sums.weights += weight.size
    sums.dense += dense
    const [effectiveMacs, effectiveAcs] = products ? [effective, 0] : [0, effective]
    sums.effectiveMacs += effectiveMacs
    sums.effectiveAcs += effectiveAcs
    return { effectiveMacs, effectiveAcs, dense, connectionSparsity: weight.zero / weight.size }
  }
}

/** Names of nodes; those of further calls of one layer say which call it is. */
function namesOfCalls(nodes: readonly GraphNode[]): readonly string[] {
  const calls = new Map<string, number>()
  return nodes.map(({ name }) => {
    const call = (calls.get(name) ?? 0) + 1
    calls.set(name, call)
    return call === 1 ? name : `${name} (call ${call})`
  })
}

/** Sums over all layers. */
class Sums {
  effectiveMacs = 0
  effectiveAcs = 0
  dense = 0
  membraneUpdates = 0
  active = 0
  outputs = 0
  zero = 0
  weights = 0
}

interface Weight {
  readonly size: number
  /** How many are 0. */
  readonly zero: number
  /** In PyTorch's layout, as the network reads it; absent where none is 0. */
  readonly data?: Float32Array
}

/** Most weights are not 0, which is seen where they are: padding is. */
function weightOf(session: Session, node: GraphNode, role: string): Weight {
  const { index, layer } = node
  const { parameters, named } = session.plan
  const place = (role: string) => {
    const found = parameters.find((p) => p.node === ownerOf(node) && p.role === role)
    if (!found) throw new Error(`node ${index} has no ${role}`)
    return { layout: found.layout, stored: storedAt(session, named.parameters.address, found) }
  }
  const { layout, stored } = place(role)
  const size = layout.shape.reduce((a, b) => a * b, 1)
  const integers = session.plan.integers.find((of) => of.node === ownerOf(node))
  if (integers && role === 'weight') {
    const data = Float32Array.from(integersAt(session, integers).values)
    return { size, zero: zerosOf(data), data }
  }
  const standardise = layer && 'standardise' in layer && layer.standardise
  if (!standardise && zerosOf(stored) === stored.length - size) return { size, zero: 0 }
  let data = unpack(layout, stored)
  if (standardise) {
    const gain = place('gain')
    data = standardised(data, unpack(gain.layout, gain.stored))
  }
  return { size, zero: zerosOf(data), data }
}

/**
 * A weight [out, …] after weight standardisation (`WeightStandardise` in the engine), in PyTorch's
 * order: gain · (w − μ) / √(F·var + ε), with the mean and the unbiased variance of a channel's F
 * elements.
 *
 * @param gain one number for each output channel
 */
function standardised(weight: Float32Array, gain: ArrayLike<number>): Float32Array {
  const fanIn = weight.length / gain.length
  const result = new Float32Array(weight.length)
  for (let n = 0; n < gain.length; n++) {
    const channel = weight.subarray(n * fanIn, (n + 1) * fanIn)
    const mean = channel.reduce((sum, w) => sum + w, 0) / fanIn
    const squares = channel.reduce((sum, w) => sum + (w - mean) ** 2, 0)
    const factor = gain[n] / Math.sqrt((fanIn * squares) / (fanIn - 1) + EPSILON)
    for (const [i, w] of channel.entries()) result[n * fanIn + i] = factor * (w - mean)
  }
  return result
}

/** How many are 0 or −0. */
function zerosOf({ buffer, byteOffset, length }: Float32Array): number {
  const bits = new Int32Array(buffer, byteOffset, length)
  const value = 0x7fffffff
  let zeros = 0
  let i = 0
  // Four at a time take a third of the time: a network has millions.
  for (; i + 4 <= length; i += 4) {
    if ((bits[i] & value) === 0) zeros++
    if ((bits[i + 1] & value) === 0) zeros++
    if ((bits[i + 2] & value) === 0) zeros++
    if ((bits[i + 3] & value) === 0) zeros++
  }
  for (; i < length; i++) if ((bits[i] & value) === 0) zeros++
  return zeros
}

function fanOf({ layer, shape, name }: GraphNode, { data }: Weight, from: Shape): Fan {
  if (layer?.kind === 'conv2d' || layer?.kind === 'convTranspose2d')
    return convFan(layer, layer.kind !== 'conv2d', data, from, shape)
  if (layer?.kind === 'conv1d' || layer?.kind === 'convTranspose1d') {
    const windows = { ...layer, ...windowsOfSeries(layer) }
    return convFan(windows, layer.kind !== 'conv1d', data, from, shape)
  }
  if (layer?.kind === 'linear') return fullFan(data, sizeOf(from), shape[0])
  if (layer?.kind === 'dcls1d') return fullFan(data, sizeOf(from), shape[0], layer.kernelCount)
  throw new Error(`${name}: no rule how often its weights are used`)
}

/** Σ over the values of the steps at which they are not 0, times the weights that they meet. */
function effectiveOf(
  { shape: [C, H, W], stored }: ValueCounts,
  counts: Float64Array,
  active: Float64Array,
): number {
  let sum = 0
  for (let p = 0; p < H * W; p++)
    for (let c = 0; c < C; c++) sum += counts[p * stored + c] * active[c * H * W + p]
  return sum
}
