/** The layers that networks are made of. A new kind is a line here and one in kinds.ts. */

import type { BatchNorm2d } from './batch-norm.js'
import type { Conv2d } from './conv2d.js'
import type { Linear } from './linear.js'
import type { Neuron } from './neuron.js'
import type { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from './pool.js'
import type { Dropout, Flatten, Identity, Scale } from './simple.js'

export { type BatchNorm2d, type BatchNormOptions, batchNorm2d } from './batch-norm.js'
export { type Conv2d, type ConvOptions, conv2d } from './conv2d.js'
export type { Pair, Size } from './kind.js'
export { type Linear, linear } from './linear.js'
export {
  integrateAndFire,
  lif,
  type Neuron,
  type NeuronOptions,
  plif,
  type SurrogateName,
} from './neuron.js'
export {
  type AdaptiveAvgPool2d,
  type AvgPool2d,
  adaptiveAvgPool2d,
  avgPool2d,
  type MaxPool2d,
  maxPool2d,
  type PoolOptions,
} from './pool.js'
export {
  type Dropout,
  dropout,
  type Flatten,
  flatten,
  type Identity,
  identity,
  type Scale,
  scale,
} from './simple.js'
export type { Init, LinearOptions } from './weights.js'

/**
 * A layer as plain data, told apart by its `kind`. Layers are made by functions such as `conv2d`
 * and `lif`, which check their options; they hold no weights until the network is compiled.
 */
export type Layer =
  | Conv2d
  | Linear
  | BatchNorm2d
  | Neuron
  | AvgPool2d
  | MaxPool2d
  | AdaptiveAvgPool2d
  | Flatten
  | Dropout
  | Scale
  | Identity
