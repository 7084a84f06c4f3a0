/**
 * ResNets (He et al. 2016) of spiking neurons for CIFAR, with the parameter names of the paper's
 * code: the currents of a block and of its shortcut are added.
 */

import { type Block, block, sequential } from '../containers.js'
import { checkArguments } from '../errors.js'
import {
  adaptiveAvgPool2d,
  batchNorm2d,
  type Conv2d,
  conv2d,
  flatten,
  identity,
  lif,
  linear,
  type NeuronOptions,
} from '../layers/index.js'
import { checkNetwork, type NetworkOptions } from './options.js'

const conv3x3 = (from: number, to: number, stride = 1): Conv2d =>
  conv2d(from, to, 3, { stride, padding: 1, bias: false })

/** [from, H, W] → [to, H / stride, W / stride]. */
function basicBlock(from: number, to: number, stride: number, neuron?: NeuronOptions): Block {
  const children = {
    conv1: conv3x3(from, to, stride),
    bn1: batchNorm2d(to),
    spike1: lif(neuron),
    conv2: conv3x3(to, to),
    bn2: batchNorm2d(to),
    shortcut:
      stride === 1 && from === to
        ? identity()
        : sequential(conv2d(from, to, 1, { stride, bias: false }), batchNorm2d(to)),
    spike2: lif(neuron),
  }
  return block(children, (m, x, { add }) => {
    const inner = m.spike1(m.bn1(m.conv1(x)))
    return m.spike2(add(m.bn2(m.conv2(inner)), m.shortcut(x)))
  })
}

/**
 * A stem `conv0` of channels[0] and one stage `layer1`, … of blocks for each of `channels`; every
 * stage but the first halves the image.
 */
export function resnetStages<const N extends number>(
  inChannels: number,
  channels: readonly number[],
  blocks: readonly number[],
  neuron?: NeuronOptions,
): Record<'conv0' | `layer${N}`, Block> {
  const stages: Record<string, Block> = {
    conv0: sequential(conv3x3(inChannels, channels[0]), batchNorm2d(channels[0]), lif(neuron)),
  }
  let from = channels[0]
  channels.forEach((to, i) => {
    const first = basicBlock(from, to, i === 0 ? 1 : 2, neuron)
    const others = Array.from({ length: blocks[i] - 1 }, () => basicBlock(to, to, 1, neuron))
    stages[`layer${i + 1}`] = sequential(first, ...others)
    from = to
  })
  return stages
}

function resnet(
  inChannels: number,
  channels: readonly number[],
  blocks: readonly number[],
  classifier: Block,
  neuron?: NeuronOptions,
): Block {
  return sequential({
    ...resnetStages(inChannels, channels, blocks, neuron),
    avg_pool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    classifier,
  })
}

/**
 * ResNet-18 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 11.2 million
 * parameters. H and W are 32 for CIFAR.
 * @throws SpikewasmError when an option is wrong
 */
export function resnet18(options: NetworkOptions = {}, ...more: []): Block {
  checkArguments('resnet18', more)
  checkNetwork('resnet18', options)
  const { inChannels = 3, classes = 10, neuron } = options
  return resnet(
    inChannels,
    [64, 128, 256, 512],
    [2, 2, 2, 2],
    sequential(linear(512, classes)),
    neuron,
  )
}

/**
 * ResNet-19 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: wider than
 * `resnet18`, with three stages and a hidden layer of 256 in the classifier; 12.7 million
 * parameters. H and W are 32 for CIFAR.
 * @throws SpikewasmError when an option is wrong
 */
export function resnet19(options: NetworkOptions = {}, ...more: []): Block {
  checkArguments('resnet19', more)
  checkNetwork('resnet19', options)
  const { inChannels = 3, classes = 10, neuron } = options
  return resnet(
    inChannels,
    [128, 256, 512],
    [3, 3, 2],
    sequential(linear(512, 256), lif(neuron), linear(256, classes)),
    neuron,
  )
}
