/** Spiking layers and integrators: presets of neurons. */

import { checkArguments, describe, fail } from '../../base/errors.js'
import { defineLayer } from '../../compile/pass.js'
import * as cell from '../../network/cell.js'
import { kindOf, layerOf } from '../../network/kind.js'
import { presetOf } from '../../network/presets.js'
import type { PerNeuron } from '../../network/value.js'
import type { Init } from '../../network/weights.js'
import type { Equations } from './equations.js'
import { neuronKind } from './neuron-kind.js'

export const cellKind = defineLayer<cell.Cell>(
  'cell',
  neuronKind(presetOf, ({ type }) => type, cell.cellAgain),
)

const make = (type: cell.CellType, options: object, more: readonly unknown[]): cell.Cell => {
  checkArguments(type, more)
  return layerOf(cellKind, cell.cellOf(type, options))
}

/**
 * Leaky integrate-and-fire neurons, one for each number of the input: [C, H, W] → [C, H, W], spikes
 * 0 or 1. At each time step, with input current I and potential v:
 *
 * - charge: u = v − (v − v0)/τ + I, or u = v + (I − (v − v0))/τ with `decayInput`
 * - fire: the spike s is 1 where u ≥ vThreshold, else 0
 * - reset: v = u − vThreshold·s, or v = (1 − s)·u + s·vReset where `vReset` is a number
 *
 * v0 is `vReset`, or 0 where that is null; v starts at v0 for each batch. Defaults are those of the
 * paper on rate-based backpropagation (Yu et al., NeurIPS 2024, arXiv 2410.11488).
 *
 * `tau`, `vThreshold` and `vReset` may be arrays: a number for each channel (length C) or each
 * neuron (length C·H·W).
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function lif(options: cell.CellOptions = {}, ...more: []): cell.Cell {
  return make('lif', options, more)
}

/**
 * Integrate-and-fire neurons: as `lif`, without leak (τ = ∞). [C, H, W] → [C, H, W].
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function integrateAndFire(
  options: Omit<cell.CellOptions, 'tau' | 'decayInput'> = {},
  ...more: []
): cell.Cell {
  return make('integrateAndFire', options, more)
}

/**
 * LIF neurons with a learnable time constant (PLIF; Fang et al., ICCV 2021): as `lif`, with 1/τ =
 * σ(w) and a parameter `w`: a scalar for the layer, or one for each channel or neuron where `tau`
 * is such an array. `tau` is where τ starts, default 2. Methods rate and bptt can train it.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function plif(options: cell.CellOptions = {}, ...more: []): cell.Cell {
  return make('plif', options, more)
}

/**
 * LIF neurons on a synaptic current (CUBA): [C, H, W] → [C, H, W]. At each step i ← i·(1 −
 * 1/tauSyn) + x, and then as `lif` with i as the input. With `decayInput` x is divided by tauSyn
 * and i by τ. i starts at 0 for each batch and goes on while a neuron rests.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function cubaLif(options: cell.CubaLifOptions = {}, ...more: []): cell.Cell {
  return make('cubaLif', options, more)
}

/**
 * LIF neurons whose threshold adapts (ALIF; Bellec et al., NeurIPS 2018 and Nature Communications
 * 2020): [C, H, W] → [C, H, W]. As `lif`, or with `tauSyn` as `cubaLif`, but a neuron fires at
 * vThreshold + beta·a, where a ← a·(1 − 1/tauAdaptation) + s behind each step. A soft reset
 * subtracts vThreshold.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function alif(options: cell.AlifOptions = {}, ...more: []): cell.Cell {
  return make('alif', options, more)
}

/**
 * Leaky integrators (LI), as a readout or between layers: [C, H, W] → [C, H, W], at each step the
 * potential v ← v − (v − vRest)/τ + x, or v + (x − (v − vRest))/τ with `decayInput`. There are no
 * spikes. v starts at 0 for each batch.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function leakyIntegrator(options: cell.LeakyIntegratorOptions = {}, ...more: []): cell.Cell {
  return make('leakyIntegrator', options, more)
}

/**
 * Integrators (I): as `leakyIntegrator` without leak, v ← v + x. [C, H, W] → [C, H, W].
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function integrator(options: { inputScale?: PerNeuron } = {}, ...more: []): cell.Cell {
  return make('integrator', options, more)
}

/** Cells by the names of their functions. */
export const presets = { lif, integrateAndFire, plif, cubaLif, alif, leakyIntegrator, integrator }

/** Options of `recurrent`. */
export interface RecurrentOptions {
  /** Whether there is a bias for each neuron; default true, as in PyTorch. */
  bias?: boolean
  /** Where weight and bias start; default 'default', PyTorch's of a linear layer. */
  init?: Init
  /**
   * False: a neuron hears itself alone, by one weight of its own and without a bias, as snnTorch's
   * `RLeaky(all_to_all=False)`. Default true: it hears all neurons of the layer.
   */
  allToAll?: boolean
}

/**
 * A spiking layer whose own spikes of the step before are added to its input: x[t] + W·s[t − 1] +
 * b. [C, H, W] → [C, H, W]. Parameters, for N = C·H·W neurons in PyTorch's order:
 * `recurrent.weight` [N, N] and `recurrent.bias` [N]. There are no spikes before the first step.
 * With `allToAll: false` it is x[t] + V·s[t − 1], with `recurrent.V` [N], which starts at 1.
 * Methods bptt, ottt, sltt and os can train it.
 *
 * @param layer a spiking layer: `lif()`, `cubaLif()`, `alif()`, `neuron(…)` …
 * @throws SpikewasmError when it does not spike or is recurrent already, or for a wrong option
 */
export function recurrent<L extends cell.Cell | Equations>(
  layer: L,
  options: RecurrentOptions = {},
  ...more: []
): L {
  checkArguments('recurrent', more)
  const kind = 'recurrence' in Object(layer) ? kindOf(layer) : undefined
  if (kind === undefined)
    fail(`recurrent() takes a spiking layer such as lif() or cubaLif(), got ${describe(layer)}`)
  if (kind.spikes?.(layer) !== true)
    fail(
      `recurrent(${kind.label?.(layer)}()) has no spikes to send; it takes cells that spike, as ` +
        'lif()',
    )
  return { ...layer, recurrence: cell.recurrenceOf(layer, options) }
}
