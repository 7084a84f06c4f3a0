/** Options of the networks. */

import { describe, fail, isOptions } from '../../base/errors.js'
import { checkedElsewhere, complete, integer, type Rules } from '../../base/rules.js'
import type { NeuronOptions } from '../../nn/layers/index.js'

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
 * A network's options with what was left out.
 *
 * @param more what came behind them
 * @param classes where no number is given
 * @param own options that it checks itself
 * @throws SpikewasmError for an unknown option, or one that is not a positive integer where one is
 *   needed.
 */
export function completeNetwork<O extends NetworkOptions>(
  name: string,
  options: O,
  more: readonly unknown[],
  classes = 10,
  own: readonly string[] = [],
) {
  if (!isOptions(options))
    fail(
      `${name} takes an object of options, as in ${name}({ classes: 10 }), got ` +
        describe(options),
    )
  const count = (preset: number) => integer(1, undefined, preset)
  const rules = {
    inChannels: count(3),
    classes: count(classes),
    ...checkedElsewhere<Record<string, unknown>>(['neuron', ...own]),
  }
  return complete(name, rules as Rules<O & Record<'inChannels' | 'classes', number>>, options, more)
}

// Names of the networks, apart from what makes them: to list them nothing else need be loaded.

export const modelNames = [
  'mlp',
  'cnn',
  'eventCnn',
  'vgg11',
  'vgg13',
  'vggsnn',
  'resnet18',
  'esdResnet18',
  'resnet19',
  'sewResnet34',
  'preactResnet34',
] as const

export type ModelName = (typeof modelNames)[number]
