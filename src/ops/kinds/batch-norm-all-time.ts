/** Batch normalisation over all time steps, as method os trains. */

import { checkInteger } from '../../errors.js'
import { batchNorm2d } from '../../layers/index.js'
import { emitMaterialise } from '../../plan/materialise.js'
import { allTimeBound, emitNormFinish, emitNormStatistics } from '../../plan/norm.js'
import { normAllTime } from '../../plan/records/norm.js'
import { noPool } from '../../plan/tensors.js'
import { operation } from '../operation.js'
import { extentOf, MOST_STEPS } from '../shapes.js'
import { groupTensor } from '../special.js'
import { channelTensor, floatTensor } from '../tensor.js'
import { asFloat, asNorm, denseRows } from '../terms.js'
import type { Fixed, TimedInput } from '../types.js'

/** Options of `ops.batchNormAllTime`. */
export interface BatchNormAllTimeOptions {
  /** [B, T, C] or [B, T, C, H, W]. */
  readonly input: readonly number[]
  /** Added to the variance, > 0; default 1e-5. */
  readonly eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  readonly momentum?: number
  /** Inputs are frames of events: the bound is 50 instead of 20. Default false. */
  readonly frames?: boolean
}

/**
 * Batch normalisation over all time steps, computed online (Zhu et al., ICLR 2024), in training:
 *
 *     output[t] = weight · (input[t] − runningMean) / √(runningVar + eps) + bias
 *     behind the last step  mean = mean over t of mean[t],
 *                           var = mean over t of (var[t] + mean[t]²) − mean²
 *     runningMean ← (1 − momentum) · runningMean + momentum · mean, and runningVar alike
 *
 * with mean[t] and var[t] over B, H, W. Where one deviation of a channel is more than 20 times the
 * other, the step normalises it by its own statistics. The gradient is that of
 * `ops.batchNormBackward` of each step with the deviation that was used.
 *
 * Arguments of `run`: input, weight, bias; updated: runningMean, runningVar, [C] each. Result: the
 * output, of the input's shape.
 */
export const batchNormAllTime = operation<
  BatchNormAllTimeOptions,
  Fixed<
    TimedInput,
    [input: Float32Array, weight: Float32Array, bias: Float32Array],
    Float32Array,
    {
      /** [B][H][W][T][C] */
      readonly input: Float32Array
      /** As the input. */
      readonly output: Float32Array
      /** [C] */
      readonly weight: Float32Array
      /** [C] */
      readonly bias: Float32Array
      /** [C] */
      readonly runningMean: Float32Array
      /** [C] */
      readonly runningVar: Float32Array
    },
    [runningMean: Float32Array, runningVar: Float32Array]
  >
>('batchNormAllTime', ['input', 'eps', 'momentum', 'frames'], ({ b, op }, options) => {
  const input = extentOf(`${op}.input`, options.input, 'always')
  const { B, T, C, H, W } = input
  checkInteger(`${op}.input: T`, T, 1, MOST_STEPS)
  const { eps, momentum } = batchNorm2d(C, { eps: options.eps, momentum: options.momentum })
  const x = floatTensor(b, { name: 'input' }, input)
  const [weight, bias] = ['weight', 'bias'].map((name) => channelTensor(b, { name }, C))
  const [runningMean, runningVar] = ['runningMean', 'runningVar'].map((name) =>
    channelTensor(b, { name, updated: true }, C),
  )
  const [scale, shift, mean, invStd] = ['scale', 'shift', 'mean', 'invStd'].map((name) =>
    groupTensor(b, { name }, input, true),
  )
  const shape = { channels: x.stored, groups: T }
  const rows = B * H * W * T
  const map = {
    ...shape,
    weight: weight.buffer,
    bias: bias.buffer,
    epsilon: eps,
    momentum,
    scale: scale.buffer,
    shift: shift.buffer,
    mean: mean.buffer,
    invStd: invStd.buffer,
    totalSteps: T,
  }
  const { buffer: partial, units } = emitNormStatistics(b, op, { ...shape, rows }, x.buffer)
  emitNormFinish(b, { ...map, rows, units, partial, repeats: 1 })
  b.emit(normAllTime, 1, {
    ...map,
    realChannels: C,
    runningMean: runningMean.buffer,
    runningVar: runningVar.buffer,
    frozen: b.buffer('frozen statistics', 2 * x.stored * 4, 'statistics'),
    totals: b.buffer('totals over time', 2 * x.stored * 8, 'statistics'),
    bound: allTimeBound(options.frames ?? false),
    used: b.buffer('used statistics', 2 * T * x.stored * 4),
  })
  const output = floatTensor(b, { name: 'output' }, input)
  const tensor = asFloat(x, input)
  const norm = asNorm(tensor, scale, shift, T)
  const sum = { shape: tensor.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
  emitMaterialise(b, sum, B, T, T, false, output.buffer, x.stored, denseRows)
  return { inputs: [x, weight, bias, runningMean, runningVar], outputs: [output] }
})
