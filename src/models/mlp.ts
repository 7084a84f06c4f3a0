/** A small fully connected network. */

import { type Block, sequential } from '../containers.js'
import { flatten, lif, linear, type NeuronOptions } from '../nn/layers/index.js'
import type { Shape } from '../nn/value.js'
import { checkInput } from './options.js'

/**
 * A small fully connected network, [C, H, W] → [classes]: flatten – linear to 256 – LIF – linear.
 *
 * @param input [C, H, W] of one sample
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 */
export function mlp(input: Shape, classes: number, neuron: NeuronOptions = {}): Block {
  checkInput('mlp', input)
  const [C, H, W] = input
  return sequential(flatten(), linear(C * H * W, 256), lif(neuron), linear(256, classes))
}
