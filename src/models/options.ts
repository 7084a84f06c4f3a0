/** Options of the networks. */

import { describe, expect, isOptions } from '../errors.js'
import type { NeuronOptions } from '../layers/index.js'
import { checkedElsewhere, complete, integer, optional } from '../rules.js'

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
  const count = optional(integer(1))
  const rules = {
    inChannels: count,
    classes: count,
    ...checkedElsewhere<Record<string, unknown>>(['neuron', ...known]),
  }
  complete(name, rules, options)
}
