/** All kinds of layers: a new one is a line in each of the three lists. */

import { type BatchNorm2d, batchNorm2dKind } from './batch-norm.js'
import { type Conv2d, conv2dKind } from './conv2d.js'
import { type LayerKind, sameShape } from './kind.js'
import { type Linear, linearKind } from './linear.js'
import { type Neuron, neuronKind } from './neuron.js'
import {
  type AdaptiveAvgPool2d,
  type AvgPool2d,
  adaptiveAvgPool2dKind,
  type MaxPool2d,
  windowKind,
} from './pool.js'
import {
  type Dropout,
  dropoutKind,
  type Flatten,
  flattenKind,
  type Identity,
  type Scale,
} from './simple.js'

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

const kinds: { readonly [K in Layer['kind']]: LayerKind<Extract<Layer, { kind: K }>> } = {
  conv2d: conv2dKind,
  linear: linearKind,
  batchNorm2d: batchNorm2dKind,
  neuron: neuronKind,
  avgPool2d: windowKind,
  maxPool2d: windowKind,
  adaptiveAvgPool2d: adaptiveAvgPool2dKind,
  flatten: flattenKind,
  dropout: dropoutKind,
  scale: sameShape,
  identity: sameShape,
}

/** The kind of a layer, whose functions are to be called with that layer. */
export const kindOf = <L extends Layer>({ kind }: L): LayerKind<L> => kinds[kind] as LayerKind<L>
