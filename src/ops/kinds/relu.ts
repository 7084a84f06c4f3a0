/** Rectified linear units, forward and back. */

import { checkBoolean, checkInteger, expect } from '../../errors.js'
import { reluBackward as backwardRecord, reluForward as record } from '../../plan/layers/relu.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type Operation, operation } from '../operation.js'
import { passOver, type StepSettings, stepSetting } from '../passes.js'
import { extentOf, MOST_STEPS, still } from '../shapes.js'
import { bytesTensor, floatTensor } from '../tensor.js'

/** Options of `ops.relu`. */
export interface ReluOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /**
   * Also count at how many of the steps the result is above 0, which the gradient of time means
   * needs. Default false.
   */
  readonly counts?: boolean
}

type Own = { readonly input: Float32Array; readonly output: Float32Array }

/** `ops.relu`: with `counts` two results, else one. */
export type ReluOperation = Operation<
  ReluOptions & { readonly counts?: false },
  [input: Float32Array],
  Float32Array,
  Own
> &
  Operation<
    ReluOptions & { readonly counts: true },
    [input: Float32Array, settings: StepSettings],
    { readonly output: Float32Array; readonly counts: Uint8Array },
    Own & { readonly counts: Uint8Array }
  >

function build({ b, op }: OpBuilder, options: ReluOptions): Planned {
  const extent = extentOf(`${op}.input`, options.input)
  const counting = checkBoolean(`${op}.counts`, options.counts, false)
  const x = floatTensor(b, { name: 'input' }, extent)
  const y = floatTensor(b, { name: 'output' }, extent)
  const counts = counting ? bytesTensor(b, { name: 'counts' }, still(extent)) : undefined
  const { fields, units } = passOver(extent, x.stored, extent.T)
  b.emit(record, units, {
    ...fields,
    in: x.buffer,
    out: y.buffer,
    counts: counts?.buffer,
    steps: extent.T,
  })
  return {
    inputs: [x],
    outputs: [y, ...(counts ? [counts] : [])],
    control: counting ? stepSetting(op, MOST_STEPS - extent.T) : undefined,
  }
}

/**
 * y = max(0, x). Argument of `run`: input. Result: of the same shape. With `counts` { output,
 * counts }: bytes without the time axis. Setting with `counts`: `step`, the number of the run's
 * first step; behind 0 (the default) counts go on from the run before.
 */
export const relu = operation<ReluOptions, [input: Float32Array], Float32Array, Own>(
  'relu',
  ['input', 'counts'],
  build,
) as unknown as ReluOperation

/** Options of `ops.reluBackward`. */
export interface ReluBackwardOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. With `counts` without T. */
  readonly delta: readonly number[]
  /** The gradient is of time means: `counts` [B, C, …] is the second argument. Default false. */
  readonly counts?: boolean
  /** With `counts`: the steps that were counted. */
  readonly timeSteps?: number
}

function buildBackward({ b, op }: OpBuilder, options: ReluBackwardOptions): Planned {
  const { timeSteps } = options
  const counted = checkBoolean(`${op}.counts`, options.counts, false)
  if (counted) checkInteger(`${op}.timeSteps`, timeSteps as number, 1, MOST_STEPS)
  expect(
    counted || timeSteps === undefined,
    () => `${op}.timeSteps is of counts; set counts: true or leave it out`,
  )
  const extent = extentOf(`${op}.delta`, options.delta, counted ? 'never' : 'maybe')
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const activity = counted ? undefined : floatTensor(b, { name: 'output' }, extent)
  const counts = counted ? bytesTensor(b, { name: 'counts' }, extent) : undefined
  const gradient = floatTensor(b, { name: 'gradient' }, extent)
  const { fields, units } = passOver(extent, delta.stored, timeSteps ?? extent.T)
  b.emit(backwardRecord, units, {
    ...fields,
    delta: delta.buffer,
    activity: activity?.buffer,
    counts: counts?.buffer,
    out: gradient.buffer,
    steps: extent.T,
    factor: 1 / (timeSteps ?? extent.T),
  })
  return {
    inputs: [delta, ...(activity ? [activity] : []), ...(counts ? [counts] : [])],
    outputs: [gradient],
  }
}

/**
 * The gradient of `ops.relu`: δ where y > 0, else 0. With `counts`, of time means: δ · counts /
 * timeSteps, the mean of that derivative.
 *
 * Arguments of `run`: delta; `output`, what `ops.relu` gave (or its input), or with `counts` the
 * counts (Uint8Array). Result: of delta's shape.
 */
export const reluBackward = operation<
  ReluBackwardOptions,
  [delta: Float32Array, activity: Float32Array | Uint8Array],
  Float32Array,
  { readonly delta: Float32Array; readonly gradient: Float32Array }
>('reluBackward', ['delta', 'counts', 'timeSteps'], buildBackward)
