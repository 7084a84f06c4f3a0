/**
 * The neurons that the package has, as the texts that `neuron()` takes.
 *
 * @module neurons
 */

import { checkArguments, describe, fail } from '../base/errors.js'
import { presetOf } from '../network/presets.js'
import { surrogateTexts } from '../network/surrogates.js'
import { presets } from '../nn/layers/cells.js'
import type { Cell, Equations, Values } from '../nn/layers/index.js'
import * as membranes from '../nn/layers/membranes.js'

/** Neurons as what `neuron(text, parameters, options)` makes them of. */
export interface NeuronEntry {
  /** What a time step does, line by line. */
  readonly text: string
  /** Numbers by the names that the text has for them. */
  readonly parameters: Readonly<Record<string, Values>>
  /** Names of those that are learnt. */
  readonly learn: readonly string[]
  /** States before the first step, or parameters that say them; 0 where nothing is said. */
  readonly init: Readonly<Record<string, number | string>>
  /** What stands in for the derivative of a spike. */
  readonly surrogate: string
  /** Its sharpness. */
  readonly alpha: number
  /** Length of a time step. */
  readonly dt: number
  /** How lines dv/dt = … move v. */
  readonly solver: Equations['solver']
  /** Seed of what rand() and randn() draw. */
  readonly seed: number
}

/**
 * A layer of neurons as a text.
 * @param layer `lif()`, `cubaLif({ tau: 3 })`, `neuron(…)`, …; none that is recurrent
 */
export function of(layer: Cell | Equations, ...more: []): NeuronEntry {
  checkArguments('neurons.of', more)
  const { kind, recurrence } = Object(layer) as Partial<Cell | Equations>
  if ((kind !== 'cell' && kind !== 'equations') || recurrence)
    fail(
      `neurons.of takes a layer of neurons such as lif() that is not recurrent, got ` +
        (recurrence
          ? 'one that is; give it what recurrent() was given'
          : (kind ?? describe(layer))),
    )
  const { surrogate } = layer
  if (layer.kind === 'equations') {
    const { text, parameters, learn, init, alpha, dt, solver, seed } = layer
    return { text, parameters, learn, init, surrogate, alpha, dt, solver, seed }
  }
  const { equations, parameters, learn, init, alpha } = presetOf(layer)
  const { text } = equations
  const shared = { dt: 1, solver: 'euler', seed: 0 } as const
  return { text, parameters, learn: [...learn.keys()], init, surrogate, alpha, ...shared }
}

/** All presets at their defaults, by the names of their functions. */
export function list(...more: []): Readonly<Record<string, NeuronEntry>> {
  checkArguments('neurons.list', more)
  const makers: Readonly<Record<string, () => Cell | Equations>> = { ...presets, ...membranes }
  const entries = Object.entries(makers).map(([name, make]) => [name, of(make())])
  return Object.fromEntries(entries)
}

/** Texts of all surrogates by name: of x, potential minus threshold, and alpha. */
export function surrogates(...more: []): Readonly<Record<string, string>> {
  checkArguments('neurons.surrogates', more)
  return { ...surrogateTexts }
}
