/** Rectified linear units, forward and back. */

import { checkBoolean, checkInteger, expect } from '../../errors.js'
import { reluBackward as backwardRecord, reluForward as record } from '../../plan/records/relu.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { passOver, type StepSettings, stepSetting } from '../passes.js'
import { type Has, type OutputsOf, type Selecting, selecting } from '../selecting.js'
import { extentOf, MOST_STEPS, still } from '../shapes.js'
import { bytesTensor, floatTensor, type OpTensor } from '../tensor.js'
import type { ActivityInput, Asks, If, OnlyWith, OpTypes, Ranked } from '../types.js'

/** Options of `ops.relu`. */
export interface ReluOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
}

/** What `ops.relu` can compute. */
export type ReluResults = {
  /** max(0, x). */
  readonly output: Float32Array
  /** At how many of the steps it is above 0, without T: the gradient of time means needs it. */
  readonly counts: Uint8Array
}
type Name = keyof ReluResults

/** `ops.relu`: with the result `counts` runs have settings. */
export interface ReluTypes
  extends Selecting<
    ActivityInput,
    [input: Float32Array],
    ReluResults,
    {
      /** Floats [B][H][W][T][C]. */
      readonly input: Float32Array
      /** The output, whatever is asked for. */
      readonly output: Float32Array
    },
    readonly ['output'],
    unknown
  > {
  /** With the result `counts`. */
  readonly settings: If<
    Has<'counts', OutputsOf<this['options'], readonly ['output']>>,
    StepSettings
  >
}

function build({ b, op }: OpBuilder, options: ReluOptions, outputs: ReadonlySet<Name>): Planned {
  const extent = extentOf(`${op}.input`, options.input)
  const x = floatTensor(b, { name: 'input' }, extent)
  const output = floatTensor(b, { name: 'output' }, extent)
  const counting = outputs.has('counts')
  const counts = counting ? bytesTensor(b, { name: 'counts' }, still(extent)) : undefined
  const { fields, units } = passOver(extent, x.stored, extent.T)
  b.emit(record, units, {
    ...fields,
    in: x.buffer,
    out: output.buffer,
    counts: counts?.buffer,
    steps: extent.T,
  })
  const made: Readonly<Record<Name, OpTensor | undefined>> = { output, counts }
  return {
    inputs: [x],
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    others: outputs.has('output') ? [] : [output],
    control: counting ? stepSetting(op, MOST_STEPS - extent.T) : undefined,
  }
}

/**
 * output = max(0, input).
 *
 * Argument of `run`: input. Result: what `outputs` names, the output by default, of the input's
 * shape; counts are bytes without the time axis. Setting with `counts`: `step`, the number of the
 * run's first step; behind 0 (the default) counts go on from the run before.
 */
export const relu = selecting<ReluOptions, ReluResults, ReluTypes>(
  'relu',
  ['input'],
  ['output', 'counts'],
  ['output'],
  build,
)

/** Options of `ops.reluBackward`. */
export interface ReluBackwardOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. With `counts` without T. */
  readonly input: readonly number[]
  /** The gradient is of time means: `counts` [B, C, …] is the second argument. Default false. */
  readonly counts?: boolean
  /** With `counts`: the steps that were counted. */
  readonly timeSteps?: number
}

/** The rule that counts need steps, and nothing else has them. */
export type StepsOfCounts<O> =
  Asks<O, 'counts'> extends true
    ? {
        /** The steps that were counted. */
        readonly timeSteps: number
      }
    : Asks<O, 'counts'> extends false
      ? {
          /** Steps are of counts. */
          readonly timeSteps?: OnlyWith<'counts: true'>
        }
      : unknown

/** `ops.reluBackward`: with `counts` these are the second argument. */
export interface ReluBackwardTypes extends OpTypes {
  /** Shapes have the right rank; counts need steps. */
  readonly rules: Ranked<this['options'], ActivityInput> & StepsOfCounts<this['options']>
  /** The output's gradient; the output, or counts. */
  readonly args: [
    delta: Float32Array,
    activity: If<Asks<this['options'], 'counts'>, Uint8Array, Float32Array>,
  ]
  /** None. */
  readonly updated: []
  /** None. */
  readonly settings: never
  /** The input's gradient. */
  readonly result: Float32Array
  /** The plan's own memory by name. */
  readonly memory: ReluBackwardMemory<this['options']>
}

/** The plan's own memory. */
export type ReluBackwardMemory<O> = {
  /** The output's gradient, [B][H][W][T][C]. */
  readonly delta: Float32Array
  /** The result, as `delta`. */
  readonly inputGradient: Float32Array
} & If<
  Asks<O, 'counts'>,
  {
    /** At how many steps the output was above 0, [B][H][W][C]. */
    readonly counts: Uint8Array
  },
  {
    /** What `ops.relu` gave, as `delta`. */
    readonly output: Float32Array
  }
>

function buildBackward({ b, op }: OpBuilder, options: ReluBackwardOptions): Planned {
  const { timeSteps } = options
  const counted = checkBoolean(`${op}.counts`, options.counts, false)
  if (counted) checkInteger(`${op}.timeSteps`, timeSteps as number, 1, MOST_STEPS)
  expect(
    counted || timeSteps === undefined,
    () => `${op}.timeSteps is of counts; set counts: true or leave it out`,
  )
  const extent = extentOf(`${op}.input`, options.input, counted ? 'never' : 'maybe')
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const activity = counted ? undefined : floatTensor(b, { name: 'output' }, extent)
  const counts = counted ? bytesTensor(b, { name: 'counts' }, extent) : undefined
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const { fields, units } = passOver(extent, delta.stored, timeSteps ?? extent.T)
  b.emit(backwardRecord, units, {
    ...fields,
    delta: delta.buffer,
    activity: activity?.buffer,
    counts: counts?.buffer,
    out: inputGradient.buffer,
    steps: extent.T,
    factor: 1 / (timeSteps ?? extent.T),
  })
  return {
    inputs: [delta, ...(activity ? [activity] : []), ...(counts ? [counts] : [])],
    outputs: [inputGradient],
  }
}

/**
 * The gradient of `ops.relu`: delta where the output is > 0, else 0. With `counts`, of time means:
 * delta · counts / timeSteps, the mean of that derivative.
 *
 * Arguments of `run`: delta, the gradient of the output; `output`, what `ops.relu` gave (or its
 * input), or with `counts` the counts (Uint8Array). Result: of delta's shape.
 */
export const reluBackward = operation<ReluBackwardOptions, ReluBackwardTypes>(
  'reluBackward',
  ['input', 'counts', 'timeSteps'],
  buildBackward,
)
