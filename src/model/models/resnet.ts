/**
 * ResNets (He et al. 2016) of spiking neurons, with the parameter names of the code of the papers
 * that they come from.
 */

import type { Module } from '../../network/module.js'
import * as layers from '../../nn/layers/index.js'
import { type Block, block, sequential } from '../containers.js'
import { completeNetwork, type NetworkOptions } from './options.js'

type Neuron = layers.NeuronOptions | undefined

/** Makes a block, [from, H, W] → [to, H / stride, W / stride]. */
type MakeBlock = (from: number, to: number, stride: number) => Block

/** What passes by a block: itself, or projected where the block changes its sizes. */
const shortcut = (project: MakeBlock, from: number, to: number, stride: number): Module =>
  stride === 1 && from === to ? layers.identity() : project(from, to, stride)

const conv3x3 = (from: number, to: number, stride = 1): layers.Conv2d =>
  layers.conv2d(from, to, 3, { stride, padding: 1, bias: false })

const projection: MakeBlock = (from, to, stride) =>
  sequential(layers.conv2d(from, to, 1, { stride, bias: false }), layers.batchNorm2d(to))

/** The currents of a block and of its shortcut are added. */
const basicBlock =
  (neuron: Neuron): MakeBlock =>
  (from, to, stride) =>
    block(
      {
        conv1: conv3x3(from, to, stride),
        bn1: layers.batchNorm2d(to),
        spike1: layers.lif(neuron),
        conv2: conv3x3(to, to),
        bn2: layers.batchNorm2d(to),
        shortcut: shortcut(projection, from, to, stride),
        spike2: layers.lif(neuron),
      },
      (m, x, { add }) => {
        const inner = m.spike1(m.bn1(m.conv1(x)))
        return m.spike2(add(m.bn2(m.conv2(inner)), m.shortcut(x)))
      },
    )

/**
 * Stages `layer1`, … of blocks behind each other, one for each of `channels`: every stage but the
 * first halves the image in its first block.
 *
 * @param counts blocks of each stage
 */
const stagesOf = <N extends number>(
  make: MakeBlock,
  channels: readonly number[],
  counts: readonly number[],
) =>
  Object.fromEntries(
    channels.map((to, i) => {
      const first = i === 0 ? make(to, to, 1) : make(channels[i - 1], to, 2)
      const more = Array.from({ length: counts[i] - 1 }, () => make(to, to, 1))
      return [`layer${i + 1}`, sequential(first, ...more)]
    }),
  ) as Record<`layer${N}`, Block>

/** A stem `conv0` of channels[0], and stages of basic blocks. */
export const resnetStages = <const N extends number>(
  { inChannels, neuron }: NetworkOptions & { inChannels: number },
  channels: readonly number[],
  counts: readonly number[],
) => ({
  conv0: sequential(
    conv3x3(inChannels, channels[0]),
    layers.batchNorm2d(channels[0]),
    layers.lif(neuron),
  ),
  ...stagesOf<N>(basicBlock(neuron), channels, counts),
})

const resnet = (stages: Readonly<Record<string, Block>>, classifier: Block): Block =>
  sequential({
    ...stages,
    avg_pool: layers.adaptiveAvgPool2d(1),
    flatten: layers.flatten(),
    classifier,
  })

const widths = [64, 128, 256, 512]

/**
 * ResNet-18 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 11.2 million
 * parameters. H and W are 32 for CIFAR.
 * @throws SpikewasmError when an option is wrong
 */
export function resnet18(options: NetworkOptions = {}, ...more: []): Block {
  const of = completeNetwork('resnet18', options, more)
  return resnet(resnetStages(of, widths, [2, 2, 2, 2]), sequential(layers.linear(512, of.classes)))
}

/**
 * ResNet-19 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: wider than
 * `resnet18`, with three stages and a hidden layer of 256 in the classifier; 12.7 million
 * parameters. H and W are 32 for CIFAR.
 * @throws SpikewasmError when an option is wrong
 */
export function resnet19(options: NetworkOptions = {}, ...more: []): Block {
  const of = completeNetwork('resnet19', options, more)
  const hidden = [layers.linear(512, 256), layers.lif(of.neuron)]
  const classifier = sequential(...hidden, layers.linear(256, of.classes))
  return resnet(resnetStages(of, [128, 256, 512], [3, 3, 2]), classifier)
}

/**
 * Two depthwise separable convolutions and a shortcut of 1×1, with `relu`: `DeepConv` of the
 * authors' code, [from, H, W] → [to, H / stride, W / stride].
 */
export function deepConv(from: number, to: number, stride = 2): Block {
  const separable = (to: number, stride: number): Module[] => [
    layers.conv2d(from, from, 3, { stride, padding: 1, groups: from, bias: false }),
    layers.conv2d(from, to, 1, { bias: false }),
    layers.batchNorm2d(to),
    layers.relu(),
  ]
  const children = {
    op: sequential(...separable(from, stride), ...separable(to, 1)),
    residual: layers.conv2d(from, to, 1, { stride, bias: false }),
    res_bn: layers.batchNorm2d(to),
    act: layers.relu(),
  }
  return block(children, (m, x, { add }) => m.act(add(m.res_bn(m.residual(x)), m.op(x))))
}

/**
 * ResNet-18 with three branches for the loss `selfDistillation`, [inChannels, 32, 32] → [classes]:
 * outputs `exit1`, `exit2`, `exit3` of the rates of its first three stages, and `output`, which
 * predicts. Prediction, evaluation and exported files compute `output` alone.
 * @throws SpikewasmError when an option is wrong
 */
export function esdResnet18(options: NetworkOptions = {}, ...more: []): Block {
  const of = completeNetwork('esdResnet18', options, more)
  const { classes } = of
  const branch = (stage: number): Block =>
    sequential(
      ...widths.slice(stage, -1).map((from, i) => deepConv(from, widths[stage + i + 1])),
      layers.avgPool2d(4),
    )
  const children = {
    ...resnetStages<1 | 2 | 3 | 4>(of, widths, [2, 2, 2, 2]),
    avg_pool: layers.adaptiveAvgPool2d(1),
    flatten: layers.flatten(),
    classifier: sequential(layers.linear(512, classes)),
    rates: layers.timeMean(),
    scala1: branch(0),
    scala2: branch(1),
    scala3: branch(2),
    fc1: layers.linear(512, classes),
    fc2: layers.linear(512, classes),
    fc3: layers.linear(512, classes),
  }
  return block(children, (m, x) => {
    const first = m.layer1(m.conv0(x))
    const second = m.layer2(first)
    const third = m.layer3(second)
    return {
      exit1: m.fc1(m.flatten(m.scala1(m.rates(first)))),
      exit2: m.fc2(m.flatten(m.scala2(m.rates(second)))),
      exit3: m.fc3(m.flatten(m.scala3(m.rates(third)))),
      output: m.classifier(m.flatten(m.avg_pool(m.layer4(third)))),
    }
  })
}

/**
 * Convolution with a bias; weights start normal with variance 2 / fanOut (He et al. 2015), biases
 * as PyTorch's default.
 */
export function heConv(from: number, to: number, kernelSize: number, stride = 1): layers.Conv2d {
  const init = { normal: Math.sqrt(2 / (to * kernelSize * kernelSize)), bias: 'default' } as const
  return layers.conv2d(from, to, kernelSize, { stride, padding: kernelSize >> 1, init })
}

/**
 * A ResNet-34 for ImageNet: a stem, four stages of blocks, [64, H, W] → [512, H/8, W/8], and its
 * end.
 */
function resnet34(stem: Readonly<Record<string, Module>>, make: MakeBlock, classes: number): Block {
  return sequential({
    ...stem,
    maxpool: layers.maxPool2d(3, { stride: 2, padding: 1 }),
    ...stagesOf(make, widths, [3, 4, 6, 3]),
    avgpool: layers.adaptiveAvgPool2d(1),
    flatten: layers.flatten(),
    fc: layers.linear(512, classes),
  })
}

const heProjection: MakeBlock = (from, to, stride) =>
  sequential(heConv(from, to, 1, stride), layers.batchNorm2d(to))

/** Blocks add currents to a stream of currents that no neuron interrupts. */
const preactBlock =
  (neuron: Neuron): MakeBlock =>
  (from, to, stride) =>
    block(
      {
        sn1: layers.lif(neuron),
        conv1: heConv(from, to, 3, stride),
        bn1: layers.batchNorm2d(to),
        sn2: layers.lif(neuron),
        conv2: heConv(to, to, 3),
        bn2: layers.batchNorm2d(to),
        downsample: shortcut(heProjection, from, to, stride),
      },
      (m, x, { add }) => {
        const inner = m.sn2(m.bn1(m.conv1(m.sn1(x))))
        return add(m.bn2(m.conv2(inner)), m.downsample(x))
      },
    )

/**
 * PreAct-ResNet-34 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 21.8
 * million parameters. H and W are multiples of 32 (ImageNet: 224); 1000 classes by default.
 * @throws SpikewasmError when an option is wrong
 */
export function preactResnet34(options: NetworkOptions = {}, ...more: []): Block {
  const { inChannels, classes, neuron } = completeNetwork('preactResnet34', options, more, 1000)
  const stem = { conv1: heConv(inChannels, 64, 7, 2), bn1: layers.batchNorm2d(64) }
  return resnet34(stem, preactBlock(neuron), classes)
}

const convNeuron =
  (kernelSize: number, neuron: Neuron): MakeBlock =>
  (from, to, stride) =>
    sequential(heConv(from, to, kernelSize, stride), layers.batchNorm2d(to), layers.lif(neuron))

/**
 * Spikes of a block and of its shortcut are added (Fang et al. 2021), so that a layer's input can
 * be 0, 1, 2, …
 */
const sewBlock =
  (neuron: Neuron): MakeBlock =>
  (from, to, stride) =>
    block(
      {
        convNeuron1: convNeuron(3, neuron)(from, to, stride),
        convNeuron2: convNeuron(3, neuron)(to, to, 1),
        downsample: shortcut(convNeuron(1, neuron), from, to, stride),
      },
      (m, x, { add }) => add(m.convNeuron2(m.convNeuron1(x)), m.downsample(x)),
    )

/**
 * SEW-ResNet-34 of the paper (Yu et al., NeurIPS 2024), [inChannels, H, W] → [classes]: 21.8
 * million parameters. H and W are multiples of 32 (ImageNet: 224); 1000 classes by default.
 * @throws SpikewasmError when an option is wrong
 */
export function sewResnet34(options: NetworkOptions = {}, ...more: []): Block {
  const { inChannels, classes, neuron } = completeNetwork('sewResnet34', options, more, 1000)
  const stem = { convNeuron1: convNeuron(7, neuron)(inChannels, 64, 2) }
  return resnet34(stem, sewBlock(neuron), classes)
}
