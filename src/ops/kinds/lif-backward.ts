/** Gradients back through spiking neurons. */

import { checkOptions, describe, expect } from '../../errors.js'
import { avgPool2d, type Size } from '../../nn/layers/index.js'
import { emitNeuronGradient } from '../../plan/gradients.js'
import { emitNeuronBackwardTime } from '../../plan/neuron-record.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../../plan/records/gradient.js'
import { sumScalars } from '../../plan/records/sums.js'
import { type Contribution, noPool, type Pool } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type ChargeOptions,
  chargeOf,
  chargeOptions,
  neuronOf,
  pooledExtent,
  shapeOf,
} from '../neurons.js'
import { type Operation, operation } from '../operation.js'
import { type Extent, extentOf, still } from '../shapes.js'
import { floatTensor, type OpTensor, plainTensor } from '../tensor.js'

/** A gradient that comes from one of those who read the spikes. */
export interface DeltaOptions {
  /** The reader sees the spikes through average pooling: the gradient is that of the means. */
  readonly avgPool?: {
    readonly kernelSize: Size
    /** Default: the kernel's size. */
    readonly stride?: Size
    /** Default 0. */
    readonly padding?: Size
  }
  /** A factor that the reader has multiplied the spikes with; default 1. */
  readonly scale?: number
  /** Through time: it is the same at every step and has no time axis. Default false. */
  readonly still?: boolean
}

/** Options of `ops.lifBackward`. */
export interface LifBackwardOptions extends ChargeOptions {
  /**
   * 'rate': rate-based backpropagation, by the eligibilities. 'time': through time, from the
   * currents. 'online': at each step alone, by the surrogates.
   */
  readonly mode: 'rate' | 'time' | 'online'
  /**
   * Shape of the neurons: 'rate' [B, C, H, W] or [B, C]; 'online' the same, or these behind T;
   * 'time' as `ops.lif` takes it.
   */
  readonly input: readonly number[]
  /** The gradients that arrive, which are added up. Default one of the neurons' own shape. */
  readonly deltas?: readonly DeltaOptions[]
}

interface Delta {
  readonly tensor: OpTensor
  readonly contribution: Contribution
}

/** The window of a reader, and the size of what it sees. */
function poolOf(what: string, extent: Extent, given: DeltaOptions['avgPool']) {
  const { H, W } = extent
  if (given === undefined) return { pool: noPool, factor: 1, outH: H, outW: W }
  checkOptions(what, given, ['kernelSize', 'stride', 'padding'])
  const { kernelSize, stride, padding } = given
  const layer = avgPool2d(kernelSize, {
    ...(stride !== undefined && { stride }),
    ...(padding !== undefined && { padding }),
  })
  const size = (n: number, axis: 0 | 1): number =>
    Math.floor((n + 2 * layer.padding[axis] - layer.kernelSize[axis]) / layer.stride[axis]) + 1
  const [outH, outW] = [size(H, 0), size(W, 1)]
  expect(
    outH >= 1 && outW >= 1,
    () =>
      `${what}: its kernel ${layer.kernelSize.join('×')} is larger than the padded input of ` +
      `${H}×${W}`,
  )
  const pool: Pool = { kernel: layer.kernelSize, stride: layer.stride, padding: layer.padding }
  return { pool, factor: 1 / (layer.kernelSize[0] * layer.kernelSize[1]), outH, outW }
}

function deltaOf(o: OpBuilder, extent: Extent, mode: string, given: unknown, i: number): Delta {
  const what = `${o.op}.deltas[${i}]`
  checkOptions(what, given, ['avgPool', 'scale', 'still'])
  const { avgPool, scale = 1, still: isStill = false } = given as DeltaOptions
  expect(
    typeof scale === 'number' && Number.isFinite(scale),
    () => `${what}.scale must be a finite number, got ${describe(scale)}`,
  )
  expect(
    isStill === false || (isStill === true && mode === 'time'),
    () => `${what}.still must be false, or true in mode 'time', got ${describe(isStill)}`,
  )
  const { pool, factor, outH, outW } = poolOf(`${what}.avgPool`, extent, avgPool)
  const own = pooledExtent(isStill ? still(extent) : extent, outH, outW)
  const tensor = floatTensor(o.b, { name: i === 0 ? 'delta' : `delta${i}` }, own)
  const contribution = {
    buffer: tensor.buffer,
    steps: own.T,
    outH,
    outW,
    pool,
    scale: scale * factor,
  }
  return { tensor, contribution }
}

function deltasOf(o: OpBuilder, { mode, deltas = [{}] }: LifBackwardOptions, extent: Extent) {
  expect(
    Array.isArray(deltas) && deltas.length > 0,
    () => `${o.op}.deltas must be a list of at least one gradient, got ${describe(deltas)}`,
  )
  return deltas.map((given, i) => deltaOf(o, extent, mode, given, i))
}

/** Times a factor of each neuron: its eligibility, or its surrogate at each step. */
function byFactor(o: OpBuilder, options: LifBackwardOptions): Planned {
  const { b, op } = o
  const { mode } = options
  neuronOf(op, options)
  for (const name of ['timeSteps', 'affine', 'residual', 'shortcut', 'learnable'] as const)
    expect(
      options[name] === undefined || options[name] === false,
      () =>
        `${op}.${name} is an option of mode 'time', which reads the currents; leave it out with ` +
        `'${mode}'`,
    )
  const rate = mode === 'rate'
  const extent = extentOf(`${op}.input`, options.input, rate ? 'never' : 'maybe')
  const deltas = deltasOf(o, options, extent)
  const factor = floatTensor(b, { name: rate ? 'eligibilities' : 'surrogates' }, extent)
  const gradient = floatTensor(b, { name: 'gradient' }, extent)
  emitNeuronGradient(
    { b, images: extent.B },
    rate ? neuronBackwardRate : neuronBackwardOnline,
    {
      shape: shapeOf(extent),
      stored: gradient.stored,
      gradient: deltas.map(({ contribution }) => contribution),
    },
    factor.buffer,
    extent.T,
    gradient.buffer,
  )
  return { inputs: [...deltas.map(({ tensor }) => tensor), factor], outputs: [gradient] }
}

function throughTime(o: OpBuilder, options: LifBackwardOptions): Planned {
  const { b } = o
  const { extent, scope, record, units, inputs } = chargeOf(o, options)
  const deltas = deltasOf(o, options, extent)
  const gradient = floatTensor(b, { name: 'gradient' }, extent)
  const partials = record.learnable ? b.buffer('tau gradient', units * 4, 'statistics') : undefined
  const contributions = deltas.map(({ contribution }) => contribution)
  // In the order in which a network adds two: the sum is the same.
  if (contributions.length === 2) contributions.reverse()
  emitNeuronBackwardTime(scope, record, gradient.buffer, contributions, partials && ref(partials))
  const wGradient = partials && plainTensor(b, { name: 'wGradient' }, [1])
  if (partials && wGradient)
    b.emit(sumScalars, 1, { out: wGradient.buffer, in: partials, count: units })
  return {
    inputs: [...deltas.map(({ tensor }) => tensor), ...inputs],
    outputs: [gradient, ...(wGradient ? [wGradient] : [])],
  }
}

/** Gradients that arrive, and behind them what the mode needs. */
type Arguments = [delta: Float32Array, ...others: (Float32Array | Uint8Array)[]]
type Own = { readonly delta: Float32Array; readonly gradient: Float32Array }

/** `ops.lifBackward`: with `learnable` two results, else one. */
export type LifBackwardOperation = Operation<
  LifBackwardOptions & { readonly learnable?: false },
  Arguments,
  Float32Array,
  Own
> &
  Operation<
    LifBackwardOptions & { readonly mode: 'time'; readonly learnable: true },
    Arguments,
    { readonly gradient: Float32Array; readonly wGradient: Float32Array },
    Own & { readonly wGradient: Float32Array }
  >

/**
 * The gradient of the currents from that of the spikes. With ∂L/∂s = Σ over `deltas` of scale ·
 * (each pooled gradient, handed back to the pixels of its windows):
 *
 *     'rate'    ∂L/∂I = ∂L/∂r · eligibility             (time means; Yu et al., arXiv 2410.11488)
 *     'online'  ∂L/∂I[t] = ∂L/∂s[t] · κ h'(u[t] − θ)    (OTTT, SLTT)
 *     'time'    ∂L/∂u[t] = ∂L/∂s[t] · h'(u[t] − θ) + λ · ∂L/∂u[t + 1] · ∂v[t]/∂u[t]
 *               ∂L/∂I[t] = κ · ∂L/∂u[t]                 (BPTT; u is computed again)
 *
 * With `learnable` also ∂L/∂w of 1/τ = σ(w).
 *
 * Arguments of `run`: the gradients `delta`, `delta1`, …; then in mode 'rate' eligibilities, in
 * 'online' surrogates, in 'time' what `ops.lif` reads: input, scale, shift, residual,
 * residualScale, residualShift, shortcut, w, as far as options ask for them.
 *
 * Result: the gradient of the current, of the neurons' shape ([T, …] through time, also where the
 * current has no time axis: its gradient is the sum over time). It is that behind scale and shift:
 * of the sum of all currents. With `learnable` { gradient, wGradient [1] }.
 */
export const lifBackward = operation<LifBackwardOptions, Arguments, Float32Array, Own>(
  'lifBackward',
  [...chargeOptions, 'mode', 'deltas'],
  (o, options) => {
    const { mode } = options
    const known = ['rate', 'time', 'online']
    expect(
      known.includes(mode),
      () => `${o.op}.mode must be one of ${known.join(', ')}, got ${describe(mode)}`,
    )
    return mode === 'time' ? throughTime(o, options) : byFactor(o, options)
  },
) as unknown as LifBackwardOperation
