/** Scaled weight standardisation. */

import { checkBoolean, checkInteger, expect } from '../../errors.js'
import {
  blockWidth,
  groupedLayout,
  type ParameterLayout,
  storedChannels,
  weightLayout,
} from '../../plan/layout.js'
import {
  weightStandardise as forward,
  weightStandardiseBackward,
} from '../../plan/records/standardise.js'
import { standardiseBlocks } from '../../plan/standardise.js'
import type { OpBuilder } from '../builder.js'
import { groupingOf } from '../convolution.js'
import { operation } from '../operation.js'
import { checkShape, showShape, sizeOf } from '../shapes.js'
import { channelTensor, type OpTensor, weightTensor } from '../tensor.js'
import type { Asks, If, Only, OpTypes, Ranked, With } from '../types.js'

/** Options of `ops.weightStandardise` and `ops.weightStandardiseGradient`. */
export interface WeightStandardiseOptions {
  /** Of a convolution [N, C / groups, kernelH, kernelW], or of a linear layer [N, features]. */
  readonly weight: readonly number[]
  /** Of a convolution. Default 1. */
  readonly groups?: number
  /** A gain for each output is multiplied with. Default false: gains of 1. */
  readonly gain?: boolean
  /** H·W of the image that a linear layer reads flattened. Default 1. */
  readonly pixels?: number
  /** The weight is of a model's first layer, whose input keeps its own channels. Default false. */
  readonly image?: boolean
}

const options = ['weight', 'groups', 'gain', 'pixels', 'image'] as const

interface Standardising {
  readonly layout: ParameterLayout
  readonly N: number
  readonly units: number
  readonly sizes: ReturnType<typeof standardiseBlocks>['sizes']
}

function sizesOf(op: string, given: WeightStandardiseOptions): Standardising {
  const { groups = 1, pixels = 1 } = given
  checkShape(`${op}.weight`, given.weight, 'N C kH kW', 'N features')
  const shape = Array.from(given.weight)
  const [N, inputs, kernelH = 1, kernelW = 1] = shape
  const image = checkBoolean(`${op}.image`, given.image, false)
  checkInteger(`${op}.groups`, groups, 1)
  checkInteger(`${op}.pixels`, pixels, 1)
  const isLinear = shape.length === 2
  expect(
    isLinear || pixels === 1,
    () => `${op}.pixels is of linear layers; leave it out for weight ${showShape(shape)}`,
  )
  expect(
    inputs % pixels === 0,
    () => `${op}.pixels must divide the ${inputs} features of the weight, got ${pixels}`,
  )
  expect(
    N % groups === 0 && (!isLinear || groups === 1),
    () => `${op}.groups must divide the ${N} outputs of a convolution's weight, got ${groups}`,
  )
  expect(
    sizeOf(shape) > N,
    () => `${op}: weight ${showShape(shape)} needs more than one input for each output`,
  )
  const channels = inputs / pixels
  const taps = isLinear ? pixels : kernelH * kernelW
  const inC = image ? channels * groups : storedChannels(channels * groups)
  const grouping = groupingOf(N, channels, groups, inC)
  expect(
    !grouping || grouping.depthwise || grouping.groupOut % 4 === 0,
    () =>
      `${op}: each group of the weight must make a multiple of 4 outputs, or 1 from 1 channel, ` +
      `got ${N / groups} (weight ${showShape(shape)}, groups ${groups}); change the shape or the ` +
      'groups',
  )
  const layout = grouping
    ? groupedLayout(shape, taps, grouping)
    : weightLayout(shape, N, channels, taps, inC)
  // Only the weight's sizes matter.
  const places = { images: 1, inH: 1, inW: 1, outH: 1, outW: 1 }
  const windows = { strideH: 1, strideW: 1, padH: 0, padW: 0, kernelH: taps, kernelW: 1 }
  const outputs = { inC, outC: storedChannels(N), blockWidth: blockWidth(N) }
  const g = { ...places, ...windows, ...outputs, ...(grouping && { grouping }) }
  return { layout, N, ...standardiseBlocks(op, g, channels) }
}

/** Memory with a gain. */
export type Gain = {
  /** A factor for each output. */
  readonly gain: Float32Array
}

/** The plan's own memory. */
export type WeightStandardiseMemory<O> = {
  /** In blocks of output channels. */
  readonly weight: Float32Array
  /** The result, as the weight. */
  readonly output: Float32Array
} & With<Asks<O, 'gain'>, Gain>

/** Ranks of the options. */
export type WeightStandardiseRanks = {
  /** Of a linear layer, or of a convolution. */
  readonly weight: 2 | 4
}

/** `ops.weightStandardise`: with a gain there is an argument more. */
export interface WeightStandardiseTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], WeightStandardiseRanks>
  /** Weight, gain. */
  readonly args: [
    weight: Float32Array,
    ...gain: Only<Asks<this['options'], 'gain'>, [gain: Float32Array]>,
  ]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** Of the weight's shape. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: WeightStandardiseMemory<this['options']>
}

const gainOf = (
  { b, op }: OpBuilder,
  { gain }: WeightStandardiseOptions,
  N: number,
): OpTensor | undefined =>
  checkBoolean(`${op}.gain`, gain, false) ? channelTensor(b, { name: 'gain' }, N) : undefined

/**
 * Scaled weight standardisation (Brock et al., arXiv 2101.08692), over the F inputs of each output:
 *
 *     y[n, k] = gain[n] · (w[n, k] − μ[n]) / √(F · var[n] + 10⁻⁴)
 *
 * with the mean μ and the unbiased variance of w[n].
 *
 * Arguments of `run`: weight, with `gain` gain [N]. Result: of the weight's shape.
 */
export const weightStandardise = operation<WeightStandardiseOptions, WeightStandardiseTypes>(
  'weightStandardise',
  options,
  (o, given) => {
    const { b, op } = o
    const { layout, N, units, sizes } = sizesOf(op, given)
    const w = weightTensor(b, { name: 'weight' }, layout)
    const gain = gainOf(o, given, N)
    const y = weightTensor(b, { name: 'output' }, layout)
    b.emit(forward, units, { weight: w.buffer, gain: gain?.buffer, ...sizes, out: y.buffer })
    return { inputs: [w, ...(gain ? [gain] : [])], outputs: [y] }
  },
)

/** The plan's own memory. */
export type WeightStandardiseGradientMemory<O> = {
  /** In blocks of output channels. */
  readonly weight: Float32Array
  /** Of the standardised weight, then of the weight. */
  readonly gradient: Float32Array
} & With<
  Asks<O, 'gain'>,
  Gain & {
    /** A number for each output. */
    readonly gainGradient: Float32Array
  }
>

/** Results with `gain`. */
export type WeightStandardiseGradients = {
  /** Of the weight. */
  readonly gradient: Float32Array
  /** Of the gain, [N]. */
  readonly gainGradient: Float32Array
}

/** `ops.weightStandardiseGradient`: with a gain there are an argument and a result more. */
export interface WeightStandardiseGradientTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], WeightStandardiseRanks>
  /** Weight, gain. */
  readonly args: [
    weight: Float32Array,
    ...gain: Only<Asks<this['options'], 'gain'>, [gain: Float32Array]>,
    gradient: Float32Array,
  ]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** With `gain` two results, else one. */
  readonly result: If<Asks<this['options'], 'gain'>, WeightStandardiseGradients, Float32Array>
  /** The plan's own memory by name. */
  readonly memory: WeightStandardiseGradientMemory<this['options']>
}

/**
 * Gradients of `weightStandardise`, with s = (F · var + 10⁻⁴)^−½, d the gradient of its result, and
 * sums and means over the inputs of an output:
 *
 *     dw = gain · s · (d − mean d − (w − μ) · s² · F / (F − 1) · Σ d (w − μ))
 *     dgain = s · Σ d (w − μ)
 *
 * Arguments of `run`: weight, with `gain` gain [N], gradient: that of the result, which becomes
 * that of the weight. Result: gradient; with `gain` an object of `gradient` and `gainGradient`.
 */
export const weightStandardiseGradient = operation<
  WeightStandardiseOptions,
  WeightStandardiseGradientTypes
>('weightStandardiseGradient', options, (o, given) => {
  const { b, op } = o
  const { layout, N, units, sizes } = sizesOf(op, given)
  const w = weightTensor(b, { name: 'weight' }, layout)
  const gain = gainOf(o, given, N)
  const delta = weightTensor(b, { name: 'gradient', updated: true }, layout)
  const gainGradient = gain && channelTensor(b, { name: 'gainGradient' }, N)
  b.emit(weightStandardiseBackward, units, {
    weight: w.buffer,
    gain: gain?.buffer,
    ...sizes,
    gradient: delta.buffer,
    gainGradient: gainGradient?.buffer,
  })
  return {
    inputs: [w, ...(gain ? [gain] : []), delta],
    outputs: [delta, ...(gainGradient ? [gainGradient] : [])],
  }
})
