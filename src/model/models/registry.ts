/** Networks by name, for the command line. A new one is a line here and a name in `options.ts`. */

import type { Module } from '../../network/module.js'
import type { InputShape } from '../../network/value.js'
import type { NeuronOptions } from '../../nn/layers/index.js'
import type { ModelName } from './options.js'
import { esdResnet18, preactResnet34, resnet18, resnet19, sewResnet34 } from './resnet.js'
import { cnn, eventCnn, mlp, vgg11, vgg13, vggsnn } from './vgg.js'

/**
 * Makes a network for samples of [C, H, W], `mlp` of any shape, with so many classes; `neuron`
 * applies to all its neurons.
 */
export type ModelFactory = (input: InputShape, classes: number, neuron?: NeuronOptions) => Module

export const models = {
  mlp,
  cnn,
  eventCnn,
  vgg11: ([inChannels], classes, neuron) => vgg11({ inChannels, classes, neuron }),
  vgg13: ([inChannels], classes, neuron) => vgg13({ inChannels, classes, neuron }),
  vggsnn: ([inChannels, imageSize = 1], classes, neuron) =>
    vggsnn({ inChannels, classes, neuron, imageSize }),
  resnet18: ([inChannels], classes, neuron) => resnet18({ inChannels, classes, neuron }),
  esdResnet18: ([inChannels], classes, neuron) => esdResnet18({ inChannels, classes, neuron }),
  resnet19: ([inChannels], classes, neuron) => resnet19({ inChannels, classes, neuron }),
  sewResnet34: ([inChannels], classes, neuron) => sewResnet34({ inChannels, classes, neuron }),
  preactResnet34: ([inChannels], classes, neuron) =>
    preactResnet34({ inChannels, classes, neuron }),
} satisfies Record<ModelName, ModelFactory>

export { type ModelName, modelNames } from './options.js'
