/** Batch normalisation forward. */

import { Control, Moments } from '../../../assembly/opcodes.js'
import { checkBoolean, checkInteger, describe, expect } from '../../errors.js'
import { batchNorm2d } from '../../layers/index.js'
import { storedChannels } from '../../plan/layout.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { emitNormFinish, emitNormStatistics } from '../../plan/norm.js'
import { normEvaluate } from '../../plan/records/norm.js'
import { noPool, type UnitSums } from '../../plan/tensors.js'
import type { OpBuilder, Planned } from '../builder.js'
import {
  type Chosen,
  type OutputsOf,
  type Selected,
  type SomeOutputs,
  selecting,
} from '../selecting.js'
import { checkShape, type Extent, extentOf, MOST_STEPS, showShape } from '../shapes.js'
import { controlTensor, groupTensor } from '../special.js'
import { channelTensor, floatTensor, type OpTensor, plainTensor } from '../tensor.js'
import { asFloat, asNorm, denseRows } from '../terms.js'
import type { ActivityInput, Asks, If, Only, OpTypes, Ranked, With } from '../types.js'

/** Options of `ops.batchNorm`. */
export interface BatchNormOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** Added to the variance, > 0; default 1e-5. */
  readonly eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  readonly momentum?: number
  /** Default true: by the statistics of the batch. False: by the running ones. */
  readonly training?: boolean
  /** There are a weight and a bias. Default true. */
  readonly affine?: boolean
  /**
   * In training, 'm', the default: statistics over all time steps together; 's': each step has its
   * own.
   */
  readonly stepMode?: 'm' | 's'
  /**
   * Time steps that an input without T stands for, as it is the same at each. They count in the
   * unbiased variance, and in step mode s the running statistics move so often. Default 1.
   */
  readonly timeSteps?: number
  /**
   * Shape [units, 4, channels as stored] of the partial sums that `conv2d` with `moments` gives:
   * statistics are made of them and not of the input. Not where steps have their own.
   */
  readonly moments?: readonly number[]
}

/** What `ops.batchNorm` can compute. */
export type BatchNormResults = {
  /** Normalised values, of the input's shape. */
  readonly output: Float32Array
  /** Mean of each channel, [C], or [T, C] in step mode s. Training alone, as is `invStd`. */
  readonly mean: Float32Array
  /** 1 / √(variance + eps), as `mean`. */
  readonly invStd: Float32Array
  /** Factor of the map output = scale · input + shift, as `mean`; without training [C]. */
  readonly scale: Float32Array
  /** Summand of that map, of the shape of `scale`. */
  readonly shift: Float32Array
  /** Mean of `invStd` over the time steps, [C]: in step mode s. */
  readonly meanInvStd: Float32Array
}
type Name = keyof BatchNormResults

/** The plan's own memory besides the results. */
export type BatchNormMemory<O> = {
  /** Values before normalisation, [B][H][W][T][C]. */
  readonly input: Float32Array
  /** Running means, [C]; training moves them. */
  readonly runningMean: Float32Array
  /** Running variances, unbiased, [C]; training moves them. */
  readonly runningVar: Float32Array
} & With<
  Asks<O, 'affine', true>,
  {
    /** Factors of the normalised values, [C]. */
    readonly weight: Float32Array
    /** Summands of the normalised values, [C]. */
    readonly bias: Float32Array
  }
> &
  With<
    Asks<O, 'moments'>,
    {
      /** Partial sums of a convolution, [units, 4, channels as stored]. */
      readonly moments: Float32Array
    }
  > &
  With<
    Asks<O, 'training', true>,
    {
      /** One number: 1 since a variance was not finite, until it is set to 0. */
      readonly nonFinite: Int32Array
    }
  >

/** Running statistics. */
export type Running = [runningMean: Float32Array, runningVar: Float32Array]
/** Whether running statistics are the last arguments, and training goes on from them. */
export type EndsEarly<O> = [
  Asks<O, 'affine', true>,
  Asks<O, 'moments'>,
  Asks<O, 'training', true>,
] extends [false, false, true]
  ? true
  : false

/** Ranks of the options. */
export type BatchNormRanks = ActivityInput & {
  /** [units, 4, channels as stored]. */
  readonly moments: 3
}

/** `ops.batchNorm`: arguments are input, running statistics, and what the options ask for. */
export interface BatchNormTypes extends OpTypes {
  /** Shapes have the right rank, and there is a result. */
  readonly rules: Ranked<this['options'], BatchNormRanks> & SomeOutputs<this['options']>
  /** As PyTorch's `batch_norm` has them; moments. */
  readonly args: [
    input: Float32Array,
    ...running: If<EndsEarly<this['options']>, [], Running>,
    ...affine: Only<
      Asks<this['options'], 'affine', true>,
      [weight: Float32Array, bias: Float32Array]
    >,
    ...moments: Only<Asks<this['options'], 'moments'>, [moments: Float32Array]>,
  ]
  /** Running statistics, if nothing is behind them and training goes on from them. */
  readonly updated: If<EndsEarly<this['options']>, Running, []>
  /** None. */
  readonly settings: never
  /** What `outputs` names. */
  readonly result: Selected<BatchNormResults, OutputsOf<this['options'], readonly ['output']>>
  /** The plan's own memory by name. */
  readonly memory: BatchNormMemory<this['options']> &
    Chosen<BatchNormResults, OutputsOf<this['options'], readonly ['output']>>
}

const names = ['output', 'mean', 'invStd', 'scale', 'shift', 'meanInvStd'] as const

/** Checked options. */
interface Job {
  readonly input: Extent
  readonly eps: number
  readonly momentum: number
  readonly training: boolean
  readonly affine: boolean
  readonly byStep: boolean
  readonly timeSteps: number
}

/** @throws SpikewasmError unless it is 'm' or 's' */
export function isByStep(op: string, stepMode: unknown = 'm'): boolean {
  expect(
    stepMode === 'm' || stepMode === 's',
    () => `${op}.stepMode must be 'm' or 's', got ${describe(stepMode)}`,
  )
  return stepMode === 's'
}

function jobOf(op: string, options: BatchNormOptions, outputs: ReadonlySet<Name>): Job {
  const input = extentOf(`${op}.input`, options.input)
  const { eps, momentum } = batchNorm2d(input.C, { eps: options.eps, momentum: options.momentum })
  const training = checkBoolean(`${op}.training`, options.training, true)
  const affine = checkBoolean(`${op}.affine`, options.affine, true)
  const byStep = isByStep(op, options.stepMode) && training
  const { timeSteps = input.T } = options
  checkInteger(`${op}.timeSteps`, timeSteps, 1, MOST_STEPS)
  expect(
    !input.timed || timeSteps === input.T,
    () => `${op}.timeSteps is of inputs without T; leave it out for ${showShape(input.shape)}`,
  )
  for (const name of ['mean', 'invStd', 'meanInvStd'] as const)
    expect(
      !outputs.has(name) || (training && (byStep || name !== 'meanInvStd')),
      () =>
        `${op}.outputs: '${name}' needs training${name === 'meanInvStd' ? ' in step mode s' : ''}`,
    )
  return { input, eps, momentum, training, affine, byStep, timeSteps }
}

/** Partial sums as an argument. */
function momentsOf(
  { b, op }: OpBuilder,
  options: BatchNormOptions,
  job: Job,
): OpTensor | undefined {
  const { moments: shape } = options
  if (shape === undefined) return undefined
  checkShape(`${op}.moments`, shape, 'units 4 channels')
  const stored = storedChannels(job.input.C)
  expect(
    shape[1] === Moments.Rows && shape[2] === stored,
    () =>
      `${op}.moments of ${job.input.C} channels must be [units, ${Moments.Rows}, ${stored}], got ` +
      showShape(shape),
  )
  expect(
    job.training && !(job.byStep && job.input.T > 1),
    () =>
      `${op}.moments are of training with statistics over all steps together; leave them out ` +
      'otherwise',
  )
  return plainTensor(b, { name: 'moments' }, shape)
}

function build(o: OpBuilder, options: BatchNormOptions, outputs: ReadonlySet<Name>): Planned {
  const { b, op } = o
  const job = jobOf(op, options, outputs)
  const { input, training, affine, byStep, timeSteps } = job
  const { B, T, C, H, W } = input
  const x = floatTensor(b, { name: 'input' }, input)
  const vector = (name: string): OpTensor => groupTensor(b, { name }, input, byStep)
  const channels = (name: string, updated = false): OpTensor =>
    channelTensor(b, { name, updated }, C)
  const running = [channels('runningMean', training), channels('runningVar', training)]
  const [weight, bias] = affine ? [channels('weight'), channels('bias')] : []
  const moments = momentsOf(o, options, job)
  const [scale, shift] = [vector('scale'), vector('shift')]
  const groups = byStep ? T : 1
  const shape = { channels: x.stored, groups }
  const map = {
    weight: weight?.buffer,
    bias: bias?.buffer,
    epsilon: job.eps,
    runningMean: running[0].buffer,
    runningVar: running[1].buffer,
    scale: scale.buffer,
    shift: shift.buffer,
  }
  const made: Partial<Record<Name, OpTensor>> = { scale, shift }
  if (training) {
    Object.assign(made, { mean: vector('mean'), invStd: vector('invStd') })
    if (outputs.has('meanInvStd')) made.meanInvStd = channels('meanInvStd')
    const rows = B * H * W * T
    const given = moments && { buffer: moments.buffer, units: options.moments?.[0] as number }
    const { buffer: partial, units }: UnitSums =
      given ?? emitNormStatistics(b, op, { ...shape, rows }, x.buffer)
    emitNormFinish(b, {
      ...shape,
      ...map,
      rows,
      units,
      partial,
      repeats: byStep ? 1 : timeSteps / T,
      moves: byStep ? timeSteps / T : undefined,
      momentum: job.momentum,
      mean: (made.mean as OpTensor).buffer,
      invStd: (made.invStd as OpTensor).buffer,
      meanInvStd: made.meanInvStd?.buffer,
      totalSteps: timeSteps,
    })
  } else b.emit(normEvaluate, 1, { ...shape, ...map })
  if (outputs.has('output')) {
    made.output = floatTensor(b, { name: 'output' }, input)
    const tensor = asFloat(x, input)
    const norm = asNorm(tensor, scale, shift, groups)
    const terms = [{ tensor, norm, pool: noPool, scale: 1 }]
    const out = made.output.buffer
    const sum = { shape: tensor.shape, terms }
    emitMaterialise(b, sum, B, T, T, false, out, x.stored, denseRows)
  }
  return {
    inputs: [
      x,
      ...running,
      ...(affine ? [weight, bias] : []),
      ...(moments ? [moments] : []),
    ].filter((tensor) => tensor !== undefined),
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    others: training ? [controlTensor({ name: 'nonFinite' }, Control.NonFinite, 'int32')] : [],
  }
}

/**
 * Batch normalisation, as `batchNorm2d` in a network (Ioffe and Szegedy, ICML 2015; over time steps
 * as tdBN, Zheng et al., AAAI 2021):
 *
 *     mean, var = those of a channel over T, B, H, W; in step mode s over B, H, W of each step
 *     invStd = 1 / √(var + eps)
 *     output = weight · (input − mean) · invStd + bias = scale · input + shift
 *     runningMean ← (1 − momentum) · runningMean + momentum · mean
 *     runningVar  ← (1 − momentum) · runningVar + momentum · var · n/(n − 1),  n values
 *
 * With `training: false` mean and var are the running ones, which stay. A network hands scale and
 * shift to its neurons and does not write the output: `outputs: ['scale', 'shift', …]`. Where a
 * variance is not finite running statistics stay; `nonFinite` of the plan is 1 then, until somebody
 * sets it to 0. A single value has variance 0, and n/(n − 1) counts 1; PyTorch refuses it.
 *
 * Arguments of `run`, as PyTorch's `batch_norm` has them: input, runningMean, runningVar (both
 * updated in training), weight, bias (with `affine`), moments (with `moments`; the input is then
 * read for the output alone). Result: what `outputs` names, the output by default.
 */
export const batchNorm = selecting<BatchNormOptions, BatchNormResults, BatchNormTypes>(
  'batchNorm',
  ['input', 'eps', 'momentum', 'training', 'affine', 'stepMode', 'timeSteps', 'moments'],
  names,
  ['output'],
  build,
)
