/** A small network for recordings of event cameras. */

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

const CHANNELS = [16, 32, 64]

/**
 * A small convolutional network for frames of events, [C, H, W] → [classes]: three times 3×3
 * convolution – BatchNorm – LIF – 2×2 average pooling, with 16, 32 and 64 channels; then flatten –
 * linear.
 *
 * @param input [C, H, W] of a frame, H and W at least 8
 * @param classes outputs, one for each class
 * @param neuron options of all neurons
 * @throws SpikewasmError when a size or a neuron's option is out of range
 */
export function eventCnn(
  input: InputShape,
  classes: number,
  neuron: NeuronOptions = {},
  ...more: []
): Block {
  checkArguments('eventCnn', more)
  checkInputShape('eventCnn: input', input)
  const [C, H = 0, W = 0] = input
  expect(
    H >= 8 && W >= 8,
    () =>
      `eventCnn: input must be [C, H, W] of a frame, H and W at least 8, got ` +
      `[${input.join(', ')}]; mlp takes any input`,
  )
  const layers = CHANNELS.flatMap((channels, i) => [
    conv2d(i === 0 ? C : CHANNELS[i - 1], channels, 3, { padding: 1, bias: false }),
    batchNorm2d(channels),
    lif(neuron),
    avgPool2d(2),
  ])
  const pooled = (size: number): number => CHANNELS.reduce((left) => Math.floor(left / 2), size)
  return sequential(...layers, flatten(), linear(64 * pooled(H) * pooled(W), classes))
}
