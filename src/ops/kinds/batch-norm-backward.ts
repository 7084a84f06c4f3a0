/** Batch normalisation backward. */

import { checkBoolean } from '../../errors.js'
import { emitNormBackward } from '../../plan/norm.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { groupTensor } from '../special.js'
import { channelTensor, floatTensor, type OpTensor } from '../tensor.js'
import type { ActivityInput, Asks, If, Only, OpTypes, Ranked, With } from '../types.js'
import { isByStep } from './batch-norm.js'

/** Options of `ops.batchNormBackward`. */
export interface BatchNormBackwardOptions {
  /**
   * Shape of the input, and of its gradient: [B, C], [B, C, H, W], or one of these behind T. The
   * rate method has gradients of time means, without T.
   */
  readonly input: readonly number[]
  /** As in `ops.batchNorm`. Default 'm'. */
  readonly stepMode?: 'm' | 's'
  /**
   * Arguments are normalised values x̂ and invStd, as in the rate method, whose x̂ are time means.
   * Default false: input, mean and invStd.
   */
  readonly normalised?: boolean
  /** There are a weight and a bias. Default true. */
  readonly affine?: boolean
  /** Gradients of weight and bias are added to what is there (online methods). Default false. */
  readonly accumulate?: boolean
}

/** Gradients; those of weight and bias with `affine`. */
export type BatchNormGradients = {
  /** Of the input, of its shape. */
  readonly inputGradient: Float32Array
  /** Of the weight, summed over all but the channels, [C]. */
  readonly weightGradient: Float32Array
  /** Of the bias, summed over all but the channels, [C]. */
  readonly biasGradient: Float32Array
}

function build({ b, op }: OpBuilder, options: BatchNormBackwardOptions): Planned {
  const input = extentOf(`${op}.input`, options.input)
  const { B, T, C, H, W, timed } = input
  const byStep = isByStep(op, options.stepMode)
  const normalised = checkBoolean(`${op}.normalised`, options.normalised, false)
  const affine = checkBoolean(`${op}.affine`, options.affine, true)
  const accumulate = checkBoolean(`${op}.accumulate`, options.accumulate, false)
  const rows = (name: string): OpTensor => floatTensor(b, { name }, input)
  const grouped = byStep && timed
  const vector = (name: string): OpTensor => groupTensor(b, { name }, input, grouped)
  const delta = rows('delta')
  const own = normalised ? [rows('xhat')] : [rows('input'), vector('mean')]
  const invStd = vector('invStd')
  const weight = affine ? channelTensor(b, { name: 'weight' }, C) : undefined
  const parameter = (name: string): OpTensor => channelTensor(b, { name, updated: accumulate }, C)
  const gradients = affine ? [parameter('weightGradient'), parameter('biasGradient')] : []
  const inputGradient = rows('inputGradient')
  const [first, mean] = own.map(({ buffer }) => buffer)
  const total = B * H * W * T
  emitNormBackward(b, {
    name: op,
    rows: total,
    channels: inputGradient.stored,
    groups: grouped ? T : 1,
    delta: delta.buffer,
    out: inputGradient.buffer,
    ...(normalised ? { xhat: first } : { in: first, mean }),
    // A time mean has one x̂ and the mean of the steps' deviations.
    ...(normalised && byStep && !timed ? { meanInvStd: invStd.buffer } : { invStd: invStd.buffer }),
    weight: weight?.buffer,
    weightGradient: gradients[0]?.buffer,
    biasGradient: gradients[1]?.buffer,
    accumulate,
    inParts: (_, emit) => emit(total, 0),
  })
  return {
    inputs: [delta, ...own, invStd, ...(weight ? [weight] : []), ...(accumulate ? gradients : [])],
    outputs: [inputGradient, ...gradients],
  }
}

/** The plan's own memory. */
export type BatchNormBackwardMemory<O> = {
  /** The output's gradient, [B][H][W][T][C]. */
  readonly delta: Float32Array
  /** 1 / √(variance + eps), [C], or [T][C] where each step has its own. */
  readonly invStd: Float32Array
  /** The input's gradient, as `delta`. */
  readonly inputGradient: Float32Array
} & If<
  Asks<O, 'normalised'>,
  {
    /** Normalised values, as `delta`. */
    readonly xhat: Float32Array
  },
  {
    /** Values before normalisation, as `delta`. */
    readonly input: Float32Array
    /** Means, as `invStd`. */
    readonly mean: Float32Array
  }
> &
  With<
    Asks<O, 'affine', true>,
    {
      /** Factors of the normalised values, [C]. */
      readonly weight: Float32Array
    } & Pick<BatchNormGradients, 'weightGradient' | 'biasGradient'>
  >

/** `ops.batchNormBackward`: arguments are delta, and behind it what the options ask for. */
export interface BatchNormBackwardTypes extends OpTypes {
  /** Shapes have the right rank. */
  readonly rules: Ranked<this['options'], ActivityInput>
  /** delta; input and mean, or xhat; invStd; with `affine` weight. */
  readonly args: [
    delta: Float32Array,
    ...values: If<
      Asks<this['options'], 'normalised'>,
      [xhat: Float32Array],
      [input: Float32Array, mean: Float32Array]
    >,
    invStd: Float32Array,
    ...weight: Only<Asks<this['options'], 'affine', true>, [weight: Float32Array]>,
  ]
  /** With `affine` and `accumulate` the gradients so far. */
  readonly updated: Only<
    Asks<this['options'], 'accumulate'>,
    Only<
      Asks<this['options'], 'affine', true>,
      [weightGradient: Float32Array, biasGradient: Float32Array]
    >
  >
  /** None. */
  readonly settings: never
  /** With `affine` three results, else one. */
  readonly result: If<Asks<this['options'], 'affine', true>, BatchNormGradients, Float32Array>
  /** The plan's own memory by name. */
  readonly memory: BatchNormBackwardMemory<this['options']>
}

/**
 * Gradients of batch normalisation, as in a network:
 *
 *     x̂ = (input − mean) · invStd
 *     weightGradient = Σ delta · x̂,  biasGradient = Σ delta, over all but the channels
 *     inputGradient = weight · invStd · (delta − mean delta − x̂ · mean (delta · x̂))
 *
 * Means are over what one statistic was made of: see `stepMode` of `ops.batchNorm`. In the rate
 * method all are time means: delta and x̂ [B, C, H, W], with `normalised`; invStd in step mode
 * s is the `meanInvStd` of `ops.batchNorm`.
 *
 * Arguments of `run`: delta, the gradient of the output; input, mean, invStd, or with `normalised`
 * xhat, invStd; with `affine` weight; with `accumulate` weightGradient, biasGradient (both
 * updated). Results: inputGradient, weightGradient, biasGradient; without `affine` inputGradient as
 * it is.
 */
export const batchNormBackward = operation<BatchNormBackwardOptions, BatchNormBackwardTypes>(
  'batchNormBackward',
  ['input', 'stepMode', 'normalised', 'affine', 'accumulate'],
  build,
)
