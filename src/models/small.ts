/** Small networks: seconds of training on digits, minutes on MNIST. */

import { type Block, sequential } from '../containers.js'
import { checkArguments, fail } from '../errors.js'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  type NeuronOptions,
} from '../layers/index.js'
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

/** Makes networks with convolutions of so many channels, each before a pooling of 2×2. */
export const pooledNetwork =
  (name: string, sample: string, channels: readonly number[]) =>
  (input: InputShape, classes: number, neuron: NeuronOptions = {}, ...more: []): Block => {
    checkArguments(name, more)
    checkInputShape(`${name}: input`, input)
    const [C, H = 0, W = 0] = input
    const least = 2 ** channels.length
    if (!(H >= least && W >= least))
      fail(
        `${name}: input must be [C, H, W] of ${sample}, H and W at least ${least}, got ` +
          `[${input.join(', ')}]; mlp takes any input`,
      )
    const layers = channels.flatMap((to, i) => [
      conv2d([C, ...channels][i], to, 3, { padding: 1, bias: false }), // [to, H, W]
      batchNorm2d(to),
      lif(neuron),
      avgPool2d(2), // [to, ⌊H/2⌋, ⌊W/2⌋]
    ])
    const features = (channels.at(-1) ?? C) * Math.floor(H / least) * Math.floor(W / least)
    return sequential(...layers, flatten(), linear(features, classes))
  }

/**
 * A small convolutional network, [C, H, W] → [classes]: twice 3×3 convolution – BatchNorm – LIF –
 * 2×2 average pooling, with 16 and 32 channels; then flatten – linear.
 *
 * @param input [C, H, W] of one sample, H and W at least 4
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 * @function
 */
export const cnn = pooledNetwork('cnn', 'an image', [16, 32])

/**
 * A small convolutional network for frames of events, [C, H, W] → [classes]: three times 3×3
 * convolution – BatchNorm – LIF – 2×2 average pooling, with 16, 32 and 64 channels; then flatten –
 * linear.
 *
 * @param input [C, H, W] of a frame, H and W at least 8
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 * @function
 */
export const eventCnn = pooledNetwork('eventCnn', 'a frame', [16, 32, 64])
