/** Options of the networks. */

import { describe, expect, isOptions } from '../errors.js'
import type { NeuronOptions } from '../layers/index.js'

/** Options that the networks of the paper share; each has a default. */
export interface NetworkOptions {
  /** Channels C of the input, an integer ≥ 1; default 3. */
  inChannels?: number
  /** Outputs, one for each class; default 10, or 1000 for the ImageNet networks. */
  classes?: number
  /** Options of all neurons (`lif`); the defaults are the paper's. */
  neuron?: NeuronOptions
}

/**
 * @throws SpikewasmError for an unknown option, or one that is not a positive integer where one is
 *   needed.
 */
export function checkNetwork(
  name: string,
  options: NetworkOptions,
  known: readonly string[] = [],
): void {
  expect(
    isOptions(options),
    () =>
      `${name} takes an object of options, as in ${name}({ classes: 10 }), got ` +
      describe(options),
  )
  const names = ['inChannels', 'classes', 'neuron', ...known]
  for (const key of Object.keys(options))
    expect(
      names.includes(key),
      () => `${name}.${key} is not an option; known are ${names.join(', ')}`,
    )
  for (const key of ['inChannels', 'classes'] as const) {
    const value = options[key]
    expect(
      value === undefined || (Number.isInteger(value) && value >= 1),
      () => `${name}.${key} must be an integer ≥ 1, got ${describe(value)}`,
    )
  }
}
