/** What convolutions and linear layers share. */

import { checkBoolean, checkOptions, describe, fail } from '../base/errors.js'
import { by, checkBy, oneOf, type Rules, such, truth } from '../base/rules.js'
import { count, type Initial, type Pair, type ParameterSpec } from './kind.js'
import { finite, show, sizeOf, type Value } from './value.js'

/**
 * Initial values of a layer. `'default'`: PyTorch's, weight and bias uniform in ±1/√fanIn (fanIn:
 * inputs of one output). An object: the weight normal with mean 0, the bias as it says.
 */
export type Init =
  | 'default'
  | {
      /** Standard deviation of the weight, ≥ 0. */
      normal: number
      /** Where the bias starts; default 'zeros'. */
      bias?: 'zeros' | 'default'
    }

/**
 * What weights are while a network computes. `'int8'`, `'int6'`: whole numbers, −127 … 127 or
 * −31 … 31, times a scale for each output channel.
 */
export type WeightType = 'f32' | 'int8' | 'int6'

/** The largest whole number of each type; floats have none. */
export const largestOf = { f32: undefined, int8: 127, int6: 31 } as const

export const weightTypes = Object.keys(largestOf) as WeightType[]

export const weightOptions = ['bias', 'standardise', 'init', 'weights']

/** Options of `linear`, which convolutions take too; each has a default. */
export interface LinearOptions {
  /** Whether there is a bias for each output; default true, as in PyTorch. */
  bias?: boolean
  /**
   * Scaled weight standardisation with a learnable `gain` for each output (Brock et al., ICLR
   * 2021), as in the networks of OTTT; default false.
   */
  standardise?: boolean
  /**
   * Where weight and bias start: as PyTorch's, or by `{ normal: deviation, bias: 'zeros' }`.
   * Default 'default', PyTorch's.
   */
  init?: Init
  /**
   * What the weight is, where it is not as `weights` of `compile` says: 'f32' for a first or last
   * layer, say. Default: as that says.
   */
  weights?: WeightType
}

/** What layers with a weight have in common. */
export interface Weighted
  extends Readonly<Required<Omit<LinearOptions, 'weights'>>>,
    Readonly<Pick<LinearOptions, 'weights'>> {}

/** Rules of a bias and of where parameters start. */
export const weightRules: Rules<Pick<Weighted, 'bias' | 'init'>> = {
  bias: truth(true),
  init: by<Init>(checkInit, 'default'),
}

function checkInit(name: string, init: Init): void {
  if (init === 'default') return
  const { normal, bias } = Object(init)
  const isNormal = typeof init === 'object' && Number.isFinite(normal) && normal >= 0
  if (!(isNormal && [undefined, 'zeros', 'default'].includes(bias)))
    fail(
      `${name} must be 'default' or { normal: standard deviation, bias?: 'zeros' or ` +
        `'default' }, got ${describe(init)}`,
    )
  checkOptions(name, init, ['normal', 'bias'])
}

/**
 * Checks and completes the options of a weight.
 * @param inputs inputs of one output
 */
export function weights(name: string, inputs: number, options: LinearOptions): Weighted {
  const { init = 'default', weights: type } = options
  if (type !== undefined) checkBy(`${name}.weights`, oneOf(weightTypes), type)
  checkBy(`${name}.init`, weightRules.init, init)
  const standardise = checkBoolean(`${name}.standardise`, options.standardise, false)
  if (standardise && !(inputs > 1))
    fail(`${name}.standardise needs more than one input for each output`)
  const bias = checkBoolean(`${name}.bias`, options.bias, true)
  return { bias, standardise, init, ...(type && { weights: type }) }
}

/**
 * Checks the channels of a convolution, and completes into how many groups they fall.
 * @throws SpikewasmError unless `groups` divides both numbers of channels
 */
export function channelGroups(
  name: string,
  inChannels: number,
  outChannels: number,
  given: number | undefined,
): number {
  const groups = count(`${name}.groups`, given ?? 1)
  for (const [side, channels] of [
    ['inChannels', count(`${name}.inChannels`, inChannels)],
    ['outChannels', count(`${name}.outChannels`, outChannels)],
  ] as const)
    if (channels % groups !== 0)
      fail(
        `${name}.groups must divide inChannels and outChannels, got ${groups} with ` +
          `${side} ${channels}; choose a divisor of both`,
      )
  return groups
}

/** @throws SpikewasmError unless `x` is a vector of so many features */
export function expectFeatures(where: string, x: Value, features: number): void {
  const [c, h, w] = x.shape
  if (!x.flat && !(h === 1 && w === 1))
    fail(`${where}: expects features, got the image ${show(x)}; put flatten() before it`)
  if (c * h * w !== features)
    fail(
      `${where}: expects ${features} features, got ${c * h * w}` +
        (h * w > 1 ? ` (from [${c}, ${h}, ${w}])` : ''),
    )
}

/** @throws SpikewasmError unless a convolution's input has its channels */
export const expectChannels = (where: string, x: Value, inChannels: number): void => {
  if (x.shape[0] !== inChannels)
    fail(`${where}: expects ${inChannels} input channels, got ${x.shape[0]} (input ${show(x)})`)
}

/** What convolutions have in common; `S`: a size, of an image or of a series. */
export interface Convolution<S = number | Pair> extends Weighted {
  /** C of the input. */
  readonly inChannels: number
  /** C of the output. */
  readonly outChannels: number
  /** Sizes of the kernel, height and width or a length. */
  readonly kernelSize: S
  /** Pixels between two places of the kernel, down and across or along the series. */
  readonly stride: S
  /** Zeros added on every side. */
  readonly padding: S
  /** Pixels from one place of the kernel to the next; absent: 1. */
  readonly dilation?: S | undefined
  /** Equal parts of the channels that are convolved apart. */
  readonly groups: number
}

/** Weight [outChannels, inChannels / groups, …kernel], gain, bias; the fan-in is a group's. */
export function convolutionParameters(layer: Convolution): ParameterSpec[] {
  const each = [layer.inChannels / layer.groups, ...[layer.kernelSize].flat()]
  return weightParameters(layer, [layer.outChannels, ...each], sizeOf(each))
}

/**
 * Parameters of a layer with a weight: weight, gain, bias.
 * @param fan inputs of one output
 */
export function weightParameters(
  { bias, standardise, init }: Weighted,
  shape: readonly number[],
  fan: number,
): ParameterSpec[] {
  // PyTorch's default for weights and biases of both kinds: uniform in ±1/√fan.
  const standard: Initial = { uniform: 1 / Math.sqrt(fan) }
  const weight: Initial = init === 'default' ? standard : { normal: init.normal }
  const start: Initial = init === 'default' || init.bias === 'default' ? standard : 0
  const perOutput = shape.map((size, axis) => (axis === 0 ? size : 1))
  return [
    { name: 'weight', shape, decays: true, initial: weight },
    ...(standardise ? [{ name: 'gain', shape: perOutput, decays: false, initial: 1 }] : []),
    ...(bias ? [{ name: 'bias', shape: shape.slice(0, 1), decays: false, initial: start }] : []),
  ]
}

// What layers of normalisation share.

/** What is added to a variance. */
export const epsilon = such<number>(
  '> 0 and finite as a float32',
  (eps) => finite(eps) && Math.fround(eps) > 0,
  1e-5,
)

/** A weight and a bias of a shape. */
export const affineParameters = (shape: readonly number[]): ParameterSpec[] => [
  { name: 'weight', shape, decays: false, initial: 1 },
  { name: 'bias', shape, decays: false, initial: 0 },
]
