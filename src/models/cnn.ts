/** A small convolutional network: seconds of training on digits, minutes on MNIST. */

import { type Block, sequential } from '../containers.js'
import { checkArguments, expect } from '../errors.js'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  type NeuronOptions,
} from '../layers/index.js'
import { checkInputShape, type InputShape } from '../nn/value.js'

/**
 * A small convolutional network, [C, H, W] → [classes]: twice 3×3 convolution – BatchNorm – LIF –
 * 2×2 average pooling, with 16 and 32 channels; then flatten – linear.
 *
 * @param input [C, H, W] of one sample, H and W at least 4
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 */
export function cnn(
  input: InputShape,
  classes: number,
  neuron: NeuronOptions = {},
  ...more: []
): Block {
  checkArguments('cnn', more)
  checkInputShape('cnn: input', input)
  const [C, H = 0, W = 0] = input
  expect(
    H >= 4 && W >= 4,
    () =>
      `cnn: input must be [C, H, W] of an image, H and W at least 4, got [${input.join(', ')}]; ` +
      'mlp takes any input',
  )
  const pooledTwice = (size: number): number => Math.floor(Math.floor(size / 2) / 2)
  return sequential(
    conv2d(C, 16, 3, { padding: 1, bias: false }), // [16, H, W]
    batchNorm2d(16),
    lif(neuron),
    avgPool2d(2), // [16, ⌊H/2⌋, ⌊W/2⌋]
    conv2d(16, 32, 3, { padding: 1, bias: false }),
    batchNorm2d(32),
    lif(neuron),
    avgPool2d(2), // [32, ⌊⌊H/2⌋/2⌋, ⌊⌊W/2⌋/2⌋]
    flatten(),
    linear(32 * pooledTwice(H) * pooledTwice(W), classes),
  )
}
