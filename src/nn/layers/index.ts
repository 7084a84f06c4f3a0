/** The layers that networks are made of. A new kind is a line here and one in kinds.ts. */

import type { AdaptiveAvgPool1d } from './adaptive-avg-pool1d.js'
import type { AdaptiveAvgPool2d } from './adaptive-avg-pool2d.js'
import type { AvgPool1d } from './avg-pool1d.js'
import type { AvgPool2d } from './avg-pool2d.js'
import type { BatchNorm2d } from './batch-norm.js'
import type { BatchNorm1d } from './batch-norm1d.js'
import type { Cell } from './cell.js'
import type { Conv1d } from './conv1d.js'
import type { Conv2d } from './conv2d.js'
import type { Delay } from './delay.js'
import type { Dropout } from './dropout.js'
import type { Equations } from './equations.js'
import type { Flatten } from './flatten.js'
import type { GroupNorm } from './group-norm.js'
import type { Identity } from './identity.js'
import type { LayerNorm } from './layer-norm.js'
import type { Linear } from './linear.js'
import type { MaxPool1d } from './max-pool1d.js'
import type { MaxPool2d } from './max-pool2d.js'
import type { Relu } from './relu.js'
import type { Scale } from './scale.js'
import type { StabilizedLif } from './stabilized-lif.js'
import type { SumPool1d } from './sum-pool1d.js'
import type { SumPool2d } from './sum-pool2d.js'
import type { TimeMean } from './time-mean.js'

export { type AdaptiveAvgPool1d, adaptiveAvgPool1d } from './adaptive-avg-pool1d.js'
export { type AdaptiveAvgPool2d, adaptiveAvgPool2d } from './adaptive-avg-pool2d.js'
export { type AvgPool1d, avgPool1d } from './avg-pool1d.js'
export { type AvgPool2d, avgPool2d } from './avg-pool2d.js'
export { type BatchNorm2d, batchNorm2d } from './batch-norm.js'
export { type BatchNorm1d, batchNorm1d } from './batch-norm1d.js'
export type { Cell, CellType, Neuron } from './cell.js'
export type {
  AlifOptions,
  CellOptions,
  CellParameter,
  CubaLifOptions,
  LeakyIntegratorOptions,
  NeuronOptions,
} from './cell-options.js'
export { type Conv1d, type Conv1dOptions, conv1d } from './conv1d.js'
export { type Conv2d, type ConvOptions, conv2d } from './conv2d.js'
export { type Delay, delay } from './delay.js'
export { type Dropout, dropout } from './dropout.js'
export {
  type ElementwiseOptions,
  type EquationOptions,
  type Equations,
  elementwise,
  neuron,
} from './equations.js'
export { type Flatten, flatten } from './flatten.js'
export { type GroupNorm, groupNorm } from './group-norm.js'
export { type Identity, identity } from './identity.js'
export type { Pair, Size } from './kind.js'
export { type LayerNorm, layerNorm } from './layer-norm.js'
export { type Linear, linear } from './linear.js'
export { type MaxPool1d, maxPool1d } from './max-pool1d.js'
export { type MaxPool2d, type MaxPoolOptions, type MaxPoolRate, maxPool2d } from './max-pool2d.js'
export {
  type AdexOptions,
  adex,
  type ExponentialIntegrateAndFireOptions,
  exponentialIntegrateAndFire,
  type IzhikevichOptions,
  izhikevich,
  type MembraneOptions,
  type QuadraticIntegrateAndFireOptions,
  quadraticIntegrateAndFire,
  type ResonateAndFireOptions,
  resonateAndFire,
} from './membranes.js'
export type { BatchNormOptions, SampleNormOptions } from './normalise.js'
export type { PerNeuron, Values } from './numbers.js'
export type { Recurrence } from './recurrence.js'
export { type Relu, relu } from './relu.js'
export { type Scale, scale } from './scale.js'
export {
  alif,
  cubaLif,
  integrateAndFire,
  integrator,
  leakyIntegrator,
  lif,
  plif,
  type RecurrentOptions,
  recurrent,
} from './spiking.js'
export {
  type StabilizedLif,
  type StabilizedLifOptions,
  stabilizedLif,
} from './stabilized-lif.js'
export { type SumPool1d, sumPool1d } from './sum-pool1d.js'
export { type SumPool2d, sumPool2d } from './sum-pool2d.js'
export type { SurrogateName } from './surrogates.js'
export { type TimeMean, timeMean } from './time-mean.js'
export type { Init, LinearOptions } from './weights.js'
export type { Pool1dOptions, PoolOptions } from './window.js'

/**
 * A layer as plain data, told apart by its `kind`. Layers are made by functions such as `conv2d`
 * and `lif`, which check their options; they hold no weights until the network is compiled.
 */
export type Layer =
  | Conv2d
  | Linear
  | BatchNorm2d
  | Equations
  | Cell
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
  | AdaptiveAvgPool1d
  | AvgPool1d
  | BatchNorm1d
  | Conv1d
  | Delay
  | GroupNorm
  | LayerNorm
  | MaxPool1d
  | SumPool1d
  | SumPool2d
