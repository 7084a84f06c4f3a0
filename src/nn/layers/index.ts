/** The layers that networks are made of. A new kind is a line here and one in kinds.ts. */

import type { AdaptiveAvgPool2d } from './adaptive-avg-pool2d.js'
import type { AvgPool2d } from './avg-pool2d.js'
import type { BatchNorm2d } from './batch-norm.js'
import type { Conv2d } from './conv2d.js'
import type { Dropout } from './dropout.js'
import type { Flatten } from './flatten.js'
import type { Identity } from './identity.js'
import type { Linear } from './linear.js'
import type { MaxPool2d } from './max-pool2d.js'
import type { Neuron } from './neuron.js'
import type { Relu } from './relu.js'
import type { Scale } from './scale.js'
import type { StabilizedLif } from './stabilized-lif.js'
import type { TimeMean } from './time-mean.js'

export { type AdaptiveAvgPool2d, adaptiveAvgPool2d } from './adaptive-avg-pool2d.js'
export { type AvgPool2d, avgPool2d } from './avg-pool2d.js'
export { type BatchNorm2d, type BatchNormOptions, batchNorm2d } from './batch-norm.js'
export { type Conv2d, type ConvOptions, conv2d } from './conv2d.js'
export { type Dropout, dropout } from './dropout.js'
export { type Flatten, flatten } from './flatten.js'
export { type Identity, identity } from './identity.js'
export type { Pair, Size } from './kind.js'
export { type Linear, linear } from './linear.js'
export { type MaxPool2d, maxPool2d } from './max-pool2d.js'
export {
  integrateAndFire,
  lif,
  type Neuron,
  type NeuronOptions,
  plif,
  type SurrogateName,
} from './neuron.js'
export { type Relu, relu } from './relu.js'
export { type Scale, scale } from './scale.js'
export {
  type StabilizedLif,
  type StabilizedLifOptions,
  stabilizedLif,
} from './stabilized-lif.js'
export { type TimeMean, timeMean } from './time-mean.js'
export type { Init, LinearOptions } from './weights.js'
export type { PoolOptions } from './window.js'

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
  | Relu
  | StabilizedLif
  | TimeMean
