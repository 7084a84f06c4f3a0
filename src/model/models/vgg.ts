/**
 * VGG networks (Simonyan and Zisserman 2015) of spiking neurons, with the parameter names of the
 * paper's code: `feature.N`, `classifier.N`.
 */

import { checkArguments, fail } from '../../base/errors.js'
import type { Module } from '../../network/module.js'
import { checkInputShape, type InputShape, sizeOf } from '../../network/value.js'
import * as layers from '../../nn/layers/index.js'
import { type Block, sequential } from '../containers.js'
import { completeNetwork, type NetworkOptions } from './options.js'

/** Initial values in the paper's code: weights normal, biases 0. */
const init = { normal: 0.5 }

/** Stands in lists of channels for a pooling layer. */
const POOL = 0

/** @param features channels of convolutions with normalisation and neurons, or `POOL` */
function vgg(
  features: readonly number[],
  last: Module,
  outputs: number,
  { inChannels, classes, neuron }: Required<Omit<NetworkOptions, 'neuron'>> & NetworkOptions,
): Block {
  let channels = inChannels
  const stages = features.flatMap((feature): Module[] => {
    if (feature === POOL) return [layers.avgPool2d(2)]
    const conv = layers.conv2d(channels, feature, 3, { padding: 1, init })
    channels = feature
    return [conv, layers.batchNorm2d(feature), layers.lif(neuron)]
  })
  return sequential({
    feature: sequential(...stages, last),
    flatten: layers.flatten(),
    classifier: sequential(layers.linear(outputs, classes, { init })),
  })
}

/**
 * VGG-11 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 8 convolutions, 1
 * linear layer; 11.0 million parameters. H and W are at least 16 (CIFAR: 32).
 * @throws SpikewasmError when an option is wrong
 */
export function vgg11(options: NetworkOptions = {}, ...more: []): Block {
  const of = completeNetwork('vgg11', options, more)
  const features = [64, POOL, 128, 256, POOL, 512, 512, POOL, 512, POOL, 512, 512]
  return vgg(features, layers.adaptiveAvgPool2d(1), 512, of)
}

/**
 * VGG-13 of the paper's code, [inChannels, H, W] → [classes]: 10 convolutions, 1 linear layer; 9.4
 * million parameters. H and W are at least 16 (CIFAR: 32).
 * @throws SpikewasmError when an option is wrong
 */
export function vgg13(options: NetworkOptions = {}, ...more: []): Block {
  const of = completeNetwork('vgg13', options, more)
  const features = [64, 64, POOL, 128, 128, POOL, 256, 256, POOL, 512, 512, 512, POOL, 512]
  return vgg(features, layers.adaptiveAvgPool2d(1), 512, of)
}

/** Options of `vggsnn`; each has a default. */
export interface VggsnnOptions extends NetworkOptions {
  /**
   * Height and width of the input in pixels: 48 (for event cameras; CIFAR10-DVS has 2 channels), 32
   * (for CIFAR), or another multiple of 24. Default 48.
   */
  imageSize?: number
}

/**
 * VGGSNN of the paper (Yu et al., NeurIPS 2024), [inChannels, imageSize, imageSize] → [classes]: 8
 * convolutions, 1 linear layer over 3×3 pixels; 9.3 million parameters, whatever `imageSize` is.
 * @throws SpikewasmError when an option is wrong
 */
export function vggsnn(options: VggsnnOptions = {}, ...more: []): Block {
  const of = completeNetwork('vggsnn', options, more, 10, ['imageSize'])
  const { imageSize = 48 } = of
  if (imageSize !== 32 && !(Number.isInteger(imageSize) && imageSize > 0 && imageSize % 24 === 0))
    fail(
      `vggsnn.imageSize must be 32 or a multiple of 24, got ${imageSize}; resize the ` +
        'images or build the network with sequential()',
    )
  // Three poolings leave an eighth of the sides. From 4×4 to 3×3, PyTorch's adaptive pooling takes
  // windows of 2×2 that overlap.
  const last = imageSize === 32 ? layers.avgPool2d(2, { stride: 1 }) : layers.adaptiveAvgPool2d(3)
  const features = [64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512]
  return vgg(features, last, 512 * 3 * 3, of)
}

// Small networks: seconds of training on digits, minutes on MNIST.

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
  neuron: layers.NeuronOptions = {},
  ...more: []
): Block {
  checkArguments('mlp', more)
  checkInputShape('mlp: input', input)
  return sequential(
    layers.flatten(),
    layers.linear(sizeOf(input), 256),
    layers.lif(neuron),
    layers.linear(256, classes),
  )
}

/** Makes networks with convolutions of so many channels, each before a pooling of 2×2. */
export const pooledNetwork =
  (name: string, sample: string, channels: readonly number[]) =>
  (input: InputShape, classes: number, neuron: layers.NeuronOptions = {}, ...more: []): Block => {
    checkArguments(name, more)
    checkInputShape(`${name}: input`, input)
    const [C, H = 0, W = 0] = input
    const least = 2 ** channels.length
    if (!(H >= least && W >= least))
      fail(
        `${name}: input must be [C, H, W] of ${sample}, H and W at least ${least}, got ` +
          `[${input.join(', ')}]; mlp takes any input`,
      )
    const stages = channels.flatMap((to, i) => [
      layers.conv2d([C, ...channels][i], to, 3, { padding: 1, bias: false }), // [to, H, W]
      layers.batchNorm2d(to),
      layers.lif(neuron),
      layers.avgPool2d(2), // [to, ⌊H/2⌋, ⌊W/2⌋]
    ])
    const features = (channels.at(-1) ?? C) * Math.floor(H / least) * Math.floor(W / least)
    return sequential(...stages, layers.flatten(), layers.linear(features, classes))
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
