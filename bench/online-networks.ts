/**
 * The VGG networks of the authors of OTTT (github.com/pkuxmq/OTTT-SNN) and SLTT
 * (github.com/qymeng94/SLTT) on images of 32×32, with the parameter names of their code.
 */

import { classes, makeBatch } from '../src/bench/networks.js'
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
import { compile } from '../src/model/compile.js'
import type { Model } from '../src/model/model.js'
import type { TrainingBatch } from './beside.js'
import type { Code } from './codes.js'

export type OnlineCode = Exclude<Code, 'official'>

const [IN_CHANNELS, PIXELS] = [3, 32]
/** T of both. */
export const ONLINE_STEPS = 6

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
export const onlineNetworks: Readonly<Record<OnlineCode, () => Block>> = {
  ottt: otttVgg,
  sltt: slttVgg,
}

export const compileOnline = (
  method: OnlineCode,
  threads: number,
  batchSize: number,
): Promise<Model> =>
  compile(onlineNetworks[method](), {
    input: onlineInput,
    method,
    timeSteps: ONLINE_STEPS,
    threads,
    batchSize,
    seed: 0,
  })

/**
 * Noise of 4×4 cells, each 8×8 pixels. Noise of single pixels cancels in pooling, and the deep
 * layers of OTTT's network, which does not normalise, would be silent.
 */
export function coarseBatch(size: number): TrainingBatch {
  const [C, H, W] = onlineInput
  const cell = 8
  const { x: cells, y } = makeBatch(size, [C, H / cell, W / cell])
  const x = Float32Array.from({ length: size * C * H * W }, (_, i) => {
    const [plane, row, column] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W]
    const [down, across] = [Math.floor(row / cell), Math.floor(column / cell)]
    return cells[(plane * (H / cell) + down) * (W / cell) + across]
  })
  return { x, y }
}
