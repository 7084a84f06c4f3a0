/** A small fully connected network. */

import { type Block, sequential } from '../containers.js'
import { checkArguments } from '../errors.js'
import { flatten, lif, linear, type NeuronOptions } from '../layers/index.js'
import { checkInputShape, type InputShape, sizeOf } from '../nn/value.js'

/**
 * A small fully connected network, any input → [classes]: flatten – linear to 256 – LIF – linear.
 *
 * @param input sizes of one sample: [C, H, W], [C, L] or [features]
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 */
export function mlp(
  input: InputShape,
  classes: number,
  neuron: NeuronOptions = {},
  ...more: []
): Block {
  checkArguments('mlp', more)
  checkInputShape('mlp: input', input)
  return sequential(flatten(), linear(sizeOf(input), 256), lif(neuron), linear(256, classes))
}
