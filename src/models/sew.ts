/**
 * SEW-ResNet (Fang et al. 2021): the spikes of a block and of its shortcut are added, so that a
 * layer's input can be 0, 1, 2, …
 */

import { type Block, block, sequential } from '../containers.js'
import { checkArguments } from '../errors.js'
import {
  adaptiveAvgPool2d,
  batchNorm2d,
  flatten,
  identity,
  lif,
  linear,
  maxPool2d,
  type NeuronOptions,
} from '../layers/index.js'
import { heConv, resnet34Stages } from './imagenet.js'
import { checkNetwork, type NetworkOptions } from './options.js'

function convNeuron(
  from: number,
  to: number,
  kernelSize: number,
  stride: number,
  neuron?: NeuronOptions,
): Block {
  return sequential(heConv(from, to, kernelSize, stride), batchNorm2d(to), lif(neuron))
}

/** [from, H, W] → [to, H / stride, W / stride]. */
function sewBlock(from: number, to: number, stride: number, neuron?: NeuronOptions): Block {
  const children = {
    convNeuron1: convNeuron(from, to, 3, stride, neuron),
    convNeuron2: convNeuron(to, to, 3, 1, neuron),
    downsample: stride === 1 && from === to ? identity() : convNeuron(from, to, 1, stride, neuron),
  }
  return block(children, (m, x, { add }) => add(m.convNeuron2(m.convNeuron1(x)), m.downsample(x)))
}

/**
 * SEW-ResNet-34 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 21.8
 * million parameters. H and W are multiples of 32 (ImageNet: 224); 1000 classes by default.
 * @throws SpikewasmError when an option is wrong
 */
export function sewResnet34(options: NetworkOptions = {}, ...more: []): Block {
  checkArguments('sewResnet34', more)
  checkNetwork('sewResnet34', options)
  const { inChannels = 3, classes = 1000, neuron } = options
  return sequential({
    convNeuron1: convNeuron(inChannels, 64, 7, 2, neuron),
    maxpool: maxPool2d(3, { stride: 2, padding: 1 }),
    ...resnet34Stages((from, to, stride) => sewBlock(from, to, stride, neuron)),
    avgpool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    fc: linear(512, classes),
  })
}
