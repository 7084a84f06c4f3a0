/** Neurons as equations, wherever these come from. */

import type { Equations, Written } from '../equations/step.js'
import type { Values } from './numbers.js'

/** Neurons as their equations say, whatever made them. */
export interface NeuronModel {
  readonly equations: Equations
  readonly parameters: Readonly<Record<string, Values>>
  readonly surrogate: Written
  readonly alpha: number
  /** Names of what is learnt, in the order of the state dict, and their names there. */
  readonly learn: ReadonlyMap<string, string>
  /** States before the first step: a number, or a parameter's. */
  readonly init: Readonly<Record<string, number | string>>
  /** Share of the potential that a step leaves, by which traces decay; NaN: no single one. */
  readonly leak: number
  /** The same as an expression of parameters. */
  readonly leakExpression?: Written
  /** Seed of the numbers that the equations draw. */
  readonly seed?: number
  /** A step's current reaches the output of later steps alone. */
  readonly isLate?: boolean
  /** Its own spikes as a current, those of a neuron itself or of the layer, or null. */
  readonly recurrence: { readonly allToAll?: false } | null
}
