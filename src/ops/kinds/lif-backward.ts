/** Gradients back through spiking neurons. */

import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { emitNeuronGradient } from '../../plan/gradients.js'
import { emitNeuronBackwardTime } from '../../plan/neuron-record.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../../plan/records/gradient.js'
import { sumScalars } from '../../plan/records/sums.js'
import { type Contribution, noPool } from '../../plan/tensors.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type ChargeOptions, chargeOf, chargeOptions, neuronOf } from '../neurons.js'
import { type Operation, operation } from '../operation.js'
import { type Extent, extentOf, showShape, still } from '../shapes.js'
import { floatTensor, type OpTensor, plainTensor } from '../tensor.js'
import { imageOf, type WindowOptions, windowed, windowOptions } from '../windows.js'

/** A gradient that comes from one of those who read the spikes. */
export interface ArrivingGradient extends Partial<WindowOptions> {
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
  /**
   * The gradients that arrive, which are added up. A `kernelSize` means that the reader sees the
   * spikes through average pooling. Default one gradient of the neurons' own shape.
   */
  readonly gradients?: readonly ArrivingGradient[]
}

interface Arriving {
  readonly tensor: OpTensor
  readonly contribution: Contribution
}

function arrivingOf(
  o: OpBuilder,
  extent: Extent,
  mode: string,
  given: unknown,
  i: number,
): Arriving {
  const what = `${o.op}.gradients[${i}]`
  checkOptions(what, given, ['scale', 'still', ...windowOptions])
  const { kernelSize, stride, padding, scale = 1, ...more } = given as ArrivingGradient
  expect(
    typeof scale === 'number' && Number.isFinite(scale),
    () => `${what}.scale must be a finite number, got ${describe(scale)}`,
  )
  const isStill = checkBoolean(`${what}.still`, more.still, false)
  expect(
    !isStill || mode === 'time',
    () => `${what}.still is of mode 'time'; leave it out with '${mode}'`,
  )
  expect(
    kernelSize !== undefined || (stride === undefined && padding === undefined),
    () => `${what}: stride and padding are of windows; give kernelSize too`,
  )
  expect(
    kernelSize === undefined || extent.shape.length > 3,
    () => `${what}: windows need an image [B, C, H, W], got ${showShape(extent.shape)}`,
  )
  const own = isStill ? still(extent) : extent
  const windows = kernelSize !== undefined && windowed(what, { kernelSize, stride, padding }, own)
  const { output: from, pool } = windows || { output: own, pool: noPool }
  const tensor = floatTensor(o.b, { name: i === 0 ? 'gradient' : `gradient${i}` }, from)
  const contribution = {
    buffer: tensor.buffer,
    steps: from.T,
    outH: from.H,
    outW: from.W,
    pool,
    scale: scale * (1 / (pool.kernel[0] * pool.kernel[1])),
  }
  return { tensor, contribution }
}

function allArriving(
  o: OpBuilder,
  { mode, gradients = [{}] }: LifBackwardOptions,
  extent: Extent,
): Arriving[] {
  expect(
    Array.isArray(gradients) && gradients.length > 0,
    () => `${o.op}.gradients must be a list of at least one, got ${describe(gradients)}`,
  )
  return gradients.map((given, i) => arrivingOf(o, extent, mode, given, i))
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
  const arriving = allArriving(o, options, extent)
  const factor = floatTensor(b, { name: rate ? 'eligibilities' : 'surrogates' }, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  emitNeuronGradient(
    { b, images: extent.B },
    rate ? neuronBackwardRate : neuronBackwardOnline,
    {
      shape: imageOf(extent),
      stored: inputGradient.stored,
      gradient: arriving.map(({ contribution }) => contribution),
    },
    factor.buffer,
    extent.T,
    inputGradient.buffer,
  )
  return { inputs: [...arriving.map(({ tensor }) => tensor), factor], outputs: [inputGradient] }
}

function throughTime(o: OpBuilder, options: LifBackwardOptions): Planned {
  const { b } = o
  const { extent, scope, record, units, inputs } = chargeOf(o, options)
  const arriving = allArriving(o, options, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const partials = record.learnable ? b.buffer('tau gradient', units * 4, 'statistics') : undefined
  const contributions = arriving.map(({ contribution }) => contribution)
  // In the order in which a network adds two: the sum is the same.
  if (contributions.length === 2) contributions.reverse()
  emitNeuronBackwardTime(
    scope,
    record,
    inputGradient.buffer,
    contributions,
    partials && ref(partials),
  )
  const wGradient = partials && plainTensor(b, { name: 'wGradient' }, [1])
  if (partials && wGradient)
    b.emit(sumScalars, 1, { out: wGradient.buffer, in: partials, count: units })
  return {
    inputs: [...arriving.map(({ tensor }) => tensor), ...inputs],
    outputs: [inputGradient, ...(wGradient ? [wGradient] : [])],
  }
}

/** Gradients that arrive, and behind them what the mode needs. */
type Arguments = [gradient: Float32Array, ...others: (Float32Array | Uint8Array)[]]
type Own = { readonly gradient: Float32Array; readonly inputGradient: Float32Array }

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
    { readonly inputGradient: Float32Array; readonly wGradient: Float32Array },
    Own & { readonly wGradient: Float32Array }
  >

/**
 * The gradient of the currents from that of the spikes. With ∂L/∂s = Σ over `gradients` of scale ·
 * (each pooled gradient, handed back to the pixels of its windows):
 *
 *     'rate'    ∂L/∂I = ∂L/∂r · eligibility             (time means; Yu et al., arXiv 2410.11488)
 *     'online'  ∂L/∂I[t] = ∂L/∂s[t] · κ h'(u[t] − θ)    (OTTT, SLTT)
 *     'time'    ∂L/∂u[t] = ∂L/∂s[t] · h'(u[t] − θ) + λ · ∂L/∂u[t + 1] · ∂v[t]/∂u[t]
 *               ∂L/∂I[t] = κ · ∂L/∂u[t]                 (BPTT; u is computed again)
 *
 * With `learnable` also ∂L/∂w of 1/τ = σ(w).
 *
 * Arguments of `run`: `gradient`, `gradient1`, …; then in mode 'rate' eligibilities, in
 * 'online' surrogates, in 'time' what `ops.lif` reads: input, scale, shift, residual,
 * residualScale, residualShift, shortcut, w, as far as options ask for them.
 *
 * Result: the gradient of the current, of the neurons' shape ([T, …] through time, also where the
 * current has no time axis: its gradient is the sum over time). It is that behind scale and shift:
 * of the sum of all currents. With `learnable` { inputGradient, wGradient [1] }.
 */
export const lifBackward = operation<LifBackwardOptions, Arguments, Float32Array, Own>(
  'lifBackward',
  [...chargeOptions, 'mode', 'gradients'],
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
