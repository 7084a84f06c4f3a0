/** Spiking neurons forward. */

import { checkInteger, expect } from '../../errors.js'
import { cellKind } from '../../layers/cells.js'
import type { OpBuilder, Planned } from '../builder.js'
import { forwardOf, jobOf } from '../neuron-job.js'
import {
  type ChargeArguments,
  type ChargeMemory,
  type ChargeOptions,
  chargeOptions,
  currentsOf,
  neuronOf,
} from '../neurons.js'
import type { StepSettings } from '../passes.js'
import {
  type Chosen,
  type Has,
  type OutputsOf,
  type Selected,
  type SomeOutputs,
  selecting,
} from '../selecting.js'
import { MOST_STEPS } from '../shapes.js'
import type { ActivityInput, If, Only, OpTypes, Ranked, With } from '../types.js'

/** What `ops.lif` can compute. Without [B, T, …] a result has the current's shape at one step. */
export type LifResults = {
  /** 0 or 1 [B, T, …]. */
  readonly spikes: Uint8Array
  /** Spikes of each neuron over all steps, […]. */
  readonly counts: Uint8Array
  /** Spikes per step, […]. */
  readonly rates: Float32Array
  /** The factor of rate-based backpropagation, […]. */
  readonly eligibilities: Float32Array
  /** κ h'(u − θ) [B, T, …]: the factor of the online methods. */
  readonly surrogates: Float32Array
  /** Mean over time of the normalised current (x − mean)·invStd, […]. */
  readonly xhat: Float32Array
  /** The same of the second current. */
  readonly residualXhat: Float32Array
  /** Potential behind the last step, […]; with it a run can go on from the run before. */
  readonly potential: Float32Array
}
/** A result of `ops.lif`, as its option `outputs` names it. */
export type LifOutput = keyof LifResults

const allOutputs: readonly LifOutput[] = [
  'spikes',
  'counts',
  'rates',
  'eligibilities',
  'surrogates',
  'xhat',
  'residualXhat',
  'potential',
]

/** Options of `ops.lif`. */
export interface LifOptions extends ChargeOptions {
  /**
   * Steps of all runs together, where runs go on from each other: means and eligibilities are over
   * them. Needs the output `potential`. Default: the steps of one run.
   */
  readonly totalSteps?: number
}

/** What `ops.lif` returns without the option `outputs`. */
export type LifStandard = readonly ['spikes', 'rates', 'eligibilities']

/** Whether one of these results is asked for. */
export type Wants<O, Name extends LifOutput> = Has<Name, OutputsOf<O, LifStandard>>

/** The plan's own memory besides the results. */
export type LifMemory<O> = ChargeMemory<O, Wants<O, 'xhat'>, Wants<O, 'residualXhat'>> & {
  /** Masks of the spikes, whatever is asked for. */
  readonly spikes: Uint8Array
} & With<
    Wants<O, 'counts' | 'rates' | 'eligibilities' | 'surrogates'>,
    {
      /** Spikes of each neuron over all steps, [B][H][W][C]. */
      readonly counts: Uint8Array
    }
  > &
  With<
    Wants<O, 'potential'>,
    {
      /** Potentials, and their derivatives where they differ by neuron: [rows][B][H][W][C]. */
      readonly state: Float32Array
    }
  >

/** `ops.lif`: arguments are what neurons read, as far as options ask for it. */
export interface LifTypes extends OpTypes {
  /** Shapes have the right rank, and there is a result. */
  readonly rules: Ranked<this['options'], ActivityInput> & SomeOutputs<this['options']>
  /** The current, and what the options ask for. */
  readonly args: ChargeArguments<
    this['options'],
    Wants<this['options'], 'xhat'>,
    Wants<this['options'], 'residualXhat'>
  >
  /** With the output `potential`: what a run goes on from. */
  readonly updated: Only<Wants<this['options'], 'potential'>, [potential: Float32Array]>
  /** With the output `potential`. */
  readonly settings: If<Wants<this['options'], 'potential'>, StepSettings>
  /** What `outputs` names. */
  readonly result: Selected<LifResults, OutputsOf<this['options'], LifStandard>>
  /** The plan's own memory by name. */
  readonly memory: LifMemory<this['options']> &
    Chosen<LifResults, OutputsOf<this['options'], LifStandard>>
}

function totalStepsOf(op: string, given: number | undefined, steps: number, carries: boolean) {
  if (given === undefined) return steps
  checkInteger(`${op}.totalSteps`, given, steps, MOST_STEPS)
  expect(
    carries || given === steps,
    () => `${op}.totalSteps ${given} needs the output 'potential', from which runs go on`,
  )
  return given
}

function build(o: OpBuilder, options: LifOptions, outputs: ReadonlySet<LifOutput>): Planned {
  const layer = neuronOf(o.op, options)
  const currents = currentsOf(o, options, outputs)
  const carries = outputs.has('potential')
  const totalSteps = totalStepsOf(o.op, options.totalSteps, currents.extent.T, carries)
  return forwardOf(o, jobOf(o, cellKind, layer, { ...currents, totalSteps }), 'spikes', outputs)
}

/**
 * Leaky integrate-and-fire neurons over all time steps, as `lif()`, `integrateAndFire()` (τ
 * Infinity) and `plif()` (`learnable`) have them in a network:
 *
 *     u[t] = λ·v[t − 1] + (1 − λ)·v0 + κ·I[t]      λ = 1 − 1/τ, κ = 1 or 1/τ (decayInput)
 *     s[t] = 1 where u[t] ≥ θ, else 0
 *     v[t] = u[t] − θ·s[t] (soft reset), or v0 where s[t] = 1 (hard)
 *     I[t] = scale·input[t] + shift  (+ the second current)  (+ factor · spikes of the shortcut)
 *     eligibility = κ/T · Σ over t of h'(u[t] − θ)·ρ[t]
 *                   ρ[1] = 1, ρ[t + 1] = 1 + λ·ρ[t]·∂v[t]/∂u[t]
 *
 * v0 is `vReset`, or 0 where that is null. h' is the surrogate. The eligibility is that of
 * rate-based backpropagation (Yu et al., NeurIPS 2024, arXiv 2410.11488).
 *
 * Arguments of `run`, as far as options ask for them: input; scale, shift (mean, invStd for the
 * output `xhat`); residual, residualScale, residualShift (residualMean, residualInvStd); shortcut
 * (Uint8Array); w; and with the output `potential`: potential, which is updated. Setting: `step`,
 * the number of the run's first step. At 0 (the default) neurons start from v0, behind it they go
 * on from potential, and from the plan's derivatives and sums.
 *
 * Result: what `outputs` names; a single one as it is, several as an object.
 */
export const lif = selecting<LifOptions, LifResults, LifTypes>(
  'lif',
  [...chargeOptions, 'totalSteps'],
  allOutputs,
  ['spikes', 'rates', 'eligibilities'],
  build,
)
