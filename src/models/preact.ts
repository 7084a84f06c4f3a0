/**
 * Pre-activation ResNet (He et al. 2016; Hu et al. 2021) of spiking neurons: blocks add currents to
 * a stream of currents that no neuron interrupts.
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

/** [from, H, W] → [to, H / stride, W / stride]. */
function preactBlock(from: number, to: number, stride: number, neuron?: NeuronOptions): Block {
  const children = {
    sn1: lif(neuron),
    conv1: heConv(from, to, 3, stride),
    bn1: batchNorm2d(to),
    sn2: lif(neuron),
    conv2: heConv(to, to, 3),
    bn2: batchNorm2d(to),
    downsample:
      stride === 1 && from === to
        ? identity()
        : sequential(heConv(from, to, 1, stride), batchNorm2d(to)),
  }
  return block(children, (m, x, { add }) => {
    const inner = m.sn2(m.bn1(m.conv1(m.sn1(x))))
    return add(m.bn2(m.conv2(inner)), m.downsample(x))
  })
}

/**
 * PreAct-ResNet-34 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 21.8
 * million parameters. H and W are multiples of 32 (ImageNet: 224); 1000 classes by default.
 * @throws SpikewasmError when an option is wrong
 */
export function preactResnet34(options: NetworkOptions = {}, ...more: []): Block {
  checkArguments('preactResnet34', more)
  checkNetwork('preactResnet34', options)
  const { inChannels = 3, classes = 1000, neuron } = options
  return sequential({
    conv1: heConv(inChannels, 64, 7, 2),
    bn1: batchNorm2d(64),
    maxpool: maxPool2d(3, { stride: 2, padding: 1 }),
    ...resnet34Stages((from, to, stride) => preactBlock(from, to, stride, neuron)),
    avgpool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    fc: linear(512, classes),
  })
}
