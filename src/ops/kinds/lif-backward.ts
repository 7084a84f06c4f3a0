/** Gradients back through spiking neurons. */

import { describe, expect } from '../../errors.js'
import { cellKind } from '../../layers/cells.js'
import { emitNeuronGradient } from '../../plan/gradients.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../../plan/records/gradient.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  contribution,
  type GradientMemory,
  type GradientsOf,
  type GradientTerm,
} from '../contributions.js'
import { backwardOf, jobOf } from '../neuron-job.js'
import {
  type ChargeArguments,
  type ChargeMemory,
  type ChargeOptions,
  chargeOptions,
  currentsOf,
  neuronOf,
} from '../neurons.js'
import { operation } from '../operation.js'
import { type Extent, extentOf } from '../shapes.js'
import { floatTensor } from '../tensor.js'
import type {
  ActivityInput,
  Asks,
  Certain,
  If,
  OpTypes,
  Option,
  Ranked,
  TermRules,
  With,
} from '../types.js'
import { imageOf } from '../windows.js'

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
   * The gradients that arrive from those who read the spikes, which are added up. Default: one, of
   * the neurons' own shape. `still` is of mode 'time'.
   */
  readonly deltas?: readonly GradientTerm[]
}

function arrivingOf(
  o: OpBuilder,
  { mode, deltas = [{}] }: LifBackwardOptions,
  extent: Extent,
): ReturnType<typeof contribution>[] {
  const what = `${o.op}.deltas`
  expect(
    Array.isArray(deltas) && deltas.length > 0,
    () => `${what} must be a list of at least one, got ${describe(deltas)}`,
  )
  return Array.from(deltas, (given, i) => {
    const name = deltas.length === 1 ? 'delta' : `delta${i}`
    const arriving = contribution(o, `${what}[${i}]`, name, extent, given)
    expect(
      mode === 'time' || !given.still,
      () => `${what}[${i}].still is of mode 'time'; leave it out with '${mode}'`,
    )
    return arriving
  })
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
  const arriving = arrivingOf(o, options, extent)
  const factor = floatTensor(b, { name: rate ? 'eligibilities' : 'surrogates' }, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  emitNeuronGradient(
    { b, images: extent.B },
    rate ? neuronBackwardRate : neuronBackwardOnline,
    {
      shape: imageOf(extent),
      stored: inputGradient.stored,
      gradient: arriving.map(({ gradient }) => gradient),
    },
    factor.buffer,
    extent.T,
    inputGradient.buffer,
  )
  return { inputs: [...arriving.map(({ tensor }) => tensor), factor], outputs: [inputGradient] }
}

function throughTime(o: OpBuilder, options: LifBackwardOptions): Planned {
  const layer = neuronOf(o.op, options)
  const job = jobOf(o, cellKind, layer, currentsOf(o, options))
  return backwardOf(o, job, arrivingOf(o, options, job.extent))
}

/** Gradients that arrive: one without the option. */
export type Deltas<O> = Option<O, 'deltas', readonly [unknown]>

/** The plan's own memory. */
export type LifBackwardMemory<O> = {
  /** The current's gradient, [B][H][W][T][C]. */
  readonly inputGradient: Float32Array
} & (Deltas<O> extends readonly [unknown]
  ? {
      /** The spikes' gradient, [B][H][W][T][C]. */
      readonly delta: Float32Array
    }
  : GradientMemory<Deltas<O>>) &
  ModeMemory<O, Option<O, 'mode', never>>

/** What the mode reads, in the plan's own memory. */
export type ModeMemory<O, Mode> = Mode extends 'rate'
  ? {
      /** Of `ops.lif`, [B][H][W][C]. */
      readonly eligibilities: Float32Array
    }
  : Mode extends 'online'
    ? {
        /** Of `ops.lif`, [B][H][W][T][C]. */
        readonly surrogates: Float32Array
      }
    : ChargeMemory<O> &
        With<
          Asks<O, 'learnable'>,
          {
            /** The gradient of w: one number. */
            readonly wGradient: Float32Array
          }
        >

/** What the mode reads, as arguments. */
export type ModeArguments<O, Mode> = Mode extends 'rate'
  ? [eligibilities: Float32Array]
  : Mode extends 'online'
    ? [surrogates: Float32Array]
    : ChargeArguments<O>

/** What is of currents needs the mode that reads them; there is a gradient. */
export type LifBackwardRules<O> = TermRules<O, 'deltas', GradientTerm> &
  ([Certain<O, 'timeSteps' | 'affine' | 'residual' | 'shortcut' | 'learnable'>] extends [never]
    ? unknown
    : {
        /** The options need it. */
        readonly mode: 'time'
      })

/** Results with `learnable`. */
export type LifGradients = {
  /** The current's gradient, of the shape of the neurons. */
  readonly inputGradient: Float32Array
  /** The gradient of w, where 1/τ = σ(w): one number. */
  readonly wGradient: Float32Array
}

/** `ops.lifBackward`: arguments are gradients, and behind them what the mode needs. */
export interface LifBackwardTypes extends OpTypes {
  /** Shapes have the right rank, and options go with the mode. */
  readonly rules: Ranked<this['options'], ActivityInput> & LifBackwardRules<this['options']>
  /** `delta`, or several; eligibilities, surrogates, or what `ops.lif` reads. */
  readonly args: [
    ...deltas: GradientsOf<Deltas<this['options']>>,
    ...read: ModeArguments<this['options'], Option<this['options'], 'mode', never>>,
  ]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** With `learnable` two results, else one. */
  readonly result: If<Asks<this['options'], 'learnable'>, LifGradients, Float32Array>
  /** The plan's own memory by name. */
  readonly memory: LifBackwardMemory<this['options']>
}

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
 * Arguments of `run`: `delta`, or `delta0`, `delta1`, …; then in mode 'rate' eligibilities, in
 * 'online' surrogates, in 'time' what `ops.lif` reads: input, scale, shift, residual,
 * residualScale, residualShift, shortcut, w, as far as options ask for them.
 *
 * Result: the gradient of the current, of the neurons' shape ([B, T, …] through time, also where
 * the current has no time axis: its gradient is the sum over time). It is behind scale and shift:
 * of the sum of all currents. With `learnable` { inputGradient, wGradient [1] }.
 */
export const lifBackward = operation<LifBackwardOptions, LifBackwardTypes>(
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
)
