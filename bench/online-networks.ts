/**
 * The VGG networks of the authors of OTTT (github.com/pkuxmq/OTTT-SNN) and SLTT
 * (github.com/qymeng94/SLTT) on images of 32×32, with the parameter names of their code.
 */

import { classes } from '../src/bench/networks.js'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  type Block,
  batchNorm2d,
  conv2d,
  flatten,
  identity,
  lif,
  linear,
  type Module,
  scale,
  sequential,
} from '../src/index.js'
import type { OnlineMethod } from './official-code.js'

const [IN_CHANNELS, PIXELS] = [3, 32]

/** Inputs of the classifier: one pixel of so many channels. */
const LAST = 512

/**
 * `online_spiking_vgg11_ws` as train_cifar.py makes it: scaled weight standardisation, spikes times
 * 2.74, no normalisation; 9,228,362 parameters.
 */
function otttVgg(): Block {
  let channels = IN_CHANNELS
  const features = [64, 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512] as const
  const layers = features.flatMap((feature, i): Module[] => {
    if (feature === 'M') return [avgPool2d(2)]
    const conv = conv2d(channels, feature, 3, { padding: 1, standardise: true })
    channels = feature
    // Theirs wraps what multiplies spikes, for the gradients of traces.
    return [i === 0 ? conv : sequential({ op: conv }), lif({ tau: 2 }), scale(2.74)]
  })
  return sequential({
    features: sequential(...layers),
    avgpool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    classifier: sequential(sequential({ op: linear(LAST, classes) })),
  })
}

/**
 * `spiking_vgg11_bn` as train_SLTT.py makes it, without its dropout of rate 0, and with a
 * classifier of one pixel (theirs reads 49 copies of it): 9,231,114 parameters.
 */
function slttVgg(): Block {
  let channels = IN_CHANNELS
  const neuron = { tau: 1.1, surrogate: 'triangle', detachReset: true } as const
  const stage = (...widths: number[]): Block =>
    sequential(
      ...widths.flatMap((width): Module[] => {
        const conv = conv2d(channels, width, 3, { padding: 1 })
        channels = width
        return [conv, batchNorm2d(width), lif(neuron), identity()]
      }),
      avgPool2d(2),
    )
  return sequential({
    layer1: stage(64),
    layer2: stage(128),
    layer3: stage(256, 256),
    layer4: stage(512, 512),
    layer5: stage(512, 512),
    classifier: sequential(flatten(), linear(LAST, classes)),
  })
}

export const onlineInput = [IN_CHANNELS, PIXELS, PIXELS] as const

/** Makes the network of a method's authors. */
export const onlineNetworks: Readonly<Record<OnlineMethod, () => Block>> = {
  ottt: otttVgg,
  sltt: slttVgg,
}
