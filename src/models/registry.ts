/** Networks by name, for the command line. A new one is one line here. */

import type { Module } from '../nn/containers.js'
import type { NeuronOptions } from '../nn/layers.js'
import { cnn } from './cnn.js'
import { mlp } from './mlp.js'

/** Makes a network for samples of [C, H, W] with so many classes; `neuron` applies to all its neurons. */
export type ModelFactory = (input: readonly [number, number, number], classes: number, neuron?: NeuronOptions) => Module

export const models = {
  mlp,
  cnn,
} satisfies Record<string, ModelFactory>

export type ModelName = keyof typeof models

export const modelNames = Object.keys(models) as ModelName[]
