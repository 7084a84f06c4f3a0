/** The layers that networks are made of: the file of a new kind is a line here. */

import type { OfKind } from '../../network/kind.js'
import type * as layers from './index.js'

type Made<F> = F extends (...of: never) => infer L ? Extract<L, OfKind<string>> : never

declare module '../../network/kind.js' {
  interface Layers {
    made: Made<(typeof layers)[keyof typeof layers]>
  }
}

export type {
  AlifOptions,
  Cell,
  CellOptions,
  CellParameter,
  CellType,
  CubaLifOptions,
  LeakyIntegratorOptions,
  Neuron,
  NeuronOptions,
  Recurrence,
} from '../../network/cell.js'
export type { LearnDelayOptions, LearntDelays } from '../../network/delays.js'
export type { Layer, Pair, Size } from '../../network/kind.js'
export type { SurrogateName } from '../../network/surrogates.js'
export type { PerNeuron, Values } from '../../network/value.js'
export type { Init, LinearOptions } from '../../network/weights.js'
export type { AdaptiveAvgPool1d, AdaptiveAvgPool2d } from './adaptive-pool.js'
export { adaptiveAvgPool1d, adaptiveAvgPool2d } from './adaptive-pool.js'
export { type Softmax, softmax } from './attention.js'
export * from './batch-norm.js'
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
} from './cells.js'
export * from './convolution.js'
export { type Dcls1d, type Dcls1dOptions, dcls1d } from './dcls.js'
export { type Delay, delay } from './delay.js'
export * from './elementwise.js'
export { type EquationOptions, type Equations, neuron } from './equations.js'
export * from './membranes.js'
export * from './pool.js'
export type { Expand, Permute, Reshape, Slice } from './rearrange.js'
export { expand, permute, reshape, slice } from './rearrange.js'
export type { GroupNorm, LayerNorm, SampleNormOptions } from './sample-norm.js'
export { groupNorm, layerNorm } from './sample-norm.js'
export { type StabilizedLif, type StabilizedLifOptions, stabilizedLif } from './stabilized-lif.js'
export { type Upsample, type UpsampleMode, type UpsampleOptions, upsample } from './upsample.js'
