/** Batch normalisation and its gradients. */

import { Moments } from '../../../assembly/opcodes.js'
import { fail } from '../../base/errors.js'
import * as norms from '../../compile/emit/norm.js'
import { storedChannels } from '../../compile/layout.js'
import { noPool } from '../../compile/tensors.js'
import { normAllTime, normEvaluate } from '../../kernels/records/norm.js'
import type { Buffer } from '../../kernels/records/words.js'
import type { BatchNormOptions } from '../../nn/layers/batch-norm.js'
import * as layers from '../../nn/layers/index.js'
import type { OpBuilder } from '../builder.js'
import { asked, changes, gives, makes, op, shows, takes, updates } from '../op.js'
import * as is from '../options.js'
import { checkShape, type Extent, showShape } from '../shapes.js'
import { channels, floats, groups as grouped, nonFinite, numbers } from '../tensor.js'
import { emitSum } from './sums.js'

/** Writes the output = scale · input + shift, with a map of each step, or of all. */
function emitOutput(o: OpBuilder, input: Extent, byStep: boolean): void {
  const term = { input, output: input, spikes: false, pool: noPool, scale: 1 }
  emitSum(o, [{ ...term, affine: byStep ? 'steps' : true }], false, false)
}

const statistics = is.ofLayer<BatchNormOptions>(['eps', 'momentum'])

const normOptions = {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  input: is.activity,
  ...statistics,
  /** Default true: by the statistics of the batch. False: by the running ones. */
  training: is.flag(true),
  /** There are a weight and a bias. Default true. */
  affine: is.flag(true),
  /**
   * In training, 'm', the default: statistics over all time steps together; 's': each step has its
   * own.
   */
  stepMode: is.oneOf(['m', 's']),
  /**
   * Time steps that an input without T stands for, as it is the same at each. They count in the
   * unbiased variance, and in step mode s the running statistics move so often. Default 1.
   */
  timeSteps: is.steps,
  /**
   * Shape [units, 4, channels as stored] of the partial sums that `conv2d` with `moments` gives:
   * statistics are made of them and not of the input. Not where steps have their own.
   */
  moments: is.given<readonly number[]>(),
  /** Names of what to compute and return. Default ['output']. */
  outputs: is.outputs('output', 'mean', 'invStd', 'scale', 'shift', 'meanInvStd'),
}

/** Checks what of batch normalisation goes together. */
function normOf(
  { input, training, moments, eps, momentum, ...of }: is.Checked<typeof normOptions>,
  { op, asked }: OpBuilder,
) {
  const byStep = of.stepMode === 's' && training
  if (input.timed && (of.timeSteps ?? input.T) !== input.T)
    fail(`${op}.timeSteps is of inputs without T; leave it out for ${showShape(input.shape)}`)
  for (const name of ['mean', 'invStd', 'meanInvStd'] as const)
    if (asked.has(name) && !(training && (byStep || name !== 'meanInvStd')))
      fail(
        `${op}.outputs: '${name}' needs training${name === 'meanInvStd' ? ' in step mode s' : ''}`,
      )
  const norm = { byStep, layer: layers.batchNorm2d(input.C, { eps, momentum }) }
  if (moments === undefined) return norm
  checkShape(`${op}.moments`, moments, 'units 4 channels')
  const stored = storedChannels(input.C)
  if (moments[1] !== Moments.Rows || moments[2] !== stored)
    fail(
      `${op}.moments of ${input.C} channels must be [units, ${Moments.Rows}, ${stored}], got ` +
        showShape(moments),
    )
  if (!training || (byStep && input.T > 1))
    fail(
      `${op}.moments are of training with statistics over all steps together; leave them out ` +
        'otherwise',
    )
  return norm
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
 * variance is not finite running statistics stay. A single value has variance 0, and n/(n − 1)
 * counts 1; PyTorch refuses it.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const norm = ops.batchNorm.plan({ input: [4, 1], outputs: ['output', 'mean'] })
 * const [runningMean, runningVar] = [Float32Array.of(0), Float32Array.of(1)]
 * const [weight, bias] = [Float32Array.of(1), Float32Array.of(0)]
 * const x = Float32Array.of(1, 2, 3, 6)
 * const { output, mean } = norm.run(x, runningMean, runningVar, weight, bias)
 * console.log(mean[0], runningMean[0].toFixed(1)) // 3 0.3
 * console.log([...output].map((y) => y.toFixed(2)).join(' ')) // -1.07 -0.53 -0.00 1.60
 * ```
 */
export const batchNorm = op('batchNorm', {
  options: normOptions,
  returns: 'output',
  derive: normOf,
  tensors({ input, training, affine, moments, byStep }) {
    const { C } = input
    const vector = grouped(input, byStep)
    const running = training ? updates(channels(C)) : takes(channels(C))
    return {
      /** With `moments` read for the output alone. */
      input: takes(floats(input)),
      /** [C]; training moves it. */
      runningMean: running,
      /** Unbiased, [C]; training moves it. */
      runningVar: running,
      /** [C], with `affine`. */
      weight: affine && takes(channels(C)),
      /** [C], with `affine`. */
      bias: affine && takes(channels(C)),
      /** Partial sums of a convolution, with `moments`. */
      moments: moments && takes(numbers(moments)),
      /** Factor of the map output = scale · input + shift, [C], or [T, C] in step mode s. */
      scale: makes(vector),
      /** Summand of that map, as `scale`. */
      shift: makes(vector),
      /** Mean of each channel, as `scale`; in training. */
      mean: training && makes(vector),
      /** 1 / √(variance + eps), as `mean`. */
      invStd: training && makes(vector),
      /** Mean of `invStd` over the time steps, [C]: in step mode s. */
      meanInvStd: asked(channels(C)),
      /** Normalised values, of the input's shape. */
      output: asked(floats(input)),
      /** 1 since a variance was not finite, until it is set to 0. */
      nonFinite: training && shows(nonFinite),
    }
  },
  emit(o, at, { input, training, byStep, layer, timeSteps = input.T, moments }) {
    const { b, op, made } = o
    const { B, T, H, W } = input
    const shape = { channels: made.input.stored, groups: byStep ? T : 1 }
    const rows = B * H * W * T
    const { eps: epsilon, momentum } = layer
    const { weight, bias, runningMean, runningVar, scale, shift, meanInvStd } = at
    const map = { ...shape, weight, bias, epsilon, runningMean, runningVar, scale, shift }
    if (!training) b.emit(normEvaluate, 1, map)
    else {
      const { buffer: partial, units } = at.moments
        ? { buffer: at.moments, units: moments?.[0] as number }
        : norms.emitNormStatistics(b, op, { ...shape, rows }, at.input)
      norms.emitNormFinish(b, {
        ...map,
        rows,
        units,
        partial,
        momentum,
        meanInvStd,
        totalSteps: timeSteps,
        repeats: byStep ? 1 : timeSteps / T,
        moves: byStep ? timeSteps / T : undefined,
        mean: at.mean as Buffer,
        invStd: at.invStd as Buffer,
      })
    }
    if (at.output) emitOutput(o, input, byStep)
  },
})

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
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const x = Float32Array.of(1, 2, 3, 6)
 * const [zero, one] = [() => Float32Array.of(0), () => Float32Array.of(1)]
 * const before = [zero(), one(), one(), zero()]
 * const norm = ops.batchNorm.plan({ input: [4, 1], outputs: ['mean', 'invStd'] })
 * const { mean, invStd } = norm.run(x, ...before)
 * const delta = Float32Array.of(1, 0, 0, 0)
 * const back = ops.batchNormBackward({ input: [4, 1] }, delta, x, mean, invStd, one())
 * // What moves all inputs alike changes nothing.
 * console.log(Math.abs(back.inputGradient.reduce((a, b) => a + b, 0)) < 1e-6, back.biasGradient[0])
 * ```
 */
export const batchNormBackward = op('batchNormBackward', {
  options: {
    /**
     * Shape of the input, and of its gradient: [B, C], [B, C, H, W], or one of these behind T. The
     * rate method has gradients of time means, without T.
     */
    input: is.activity,
    /** As in `ops.batchNorm`. Default 'm'. */
    stepMode: is.oneOf(['m', 's']),
    /**
     * Arguments are normalised values x̂ and invStd, as in the rate method, where x̂ is a time
     * mean. Default false: input, mean and invStd.
     */
    normalised: is.flag(),
    /** There are a weight and a bias. Default true. */
    affine: is.flag(true),
    /** Gradients of weight and bias are added to what is there (online methods). Default false. */
    accumulate: is.flag(),
  },
  returns: ['inputGradient', 'weightGradient', 'biasGradient'],
  when: ['affine', false, ['inputGradient']],
  tensors({ input, stepMode, normalised, affine, accumulate }) {
    const rows = takes(floats(input))
    const vector = takes(grouped(input, stepMode === 's' && input.timed))
    const parameter = accumulate ? changes(channels(input.C)) : gives(channels(input.C))
    return {
      /** The gradient of the output. */
      delta: rows,
      /** Normalised values, with `normalised`. */
      xhat: normalised && rows,
      /** Values before normalisation. */
      input: !normalised && rows,
      /** For `ops.batchNorm`: [C], or [T, C] in step mode s. */
      mean: !normalised && vector,
      /** 1 / √(variance + eps), as `mean`. */
      invStd: vector,
      /** [C], with `affine`. */
      weight: affine && takes(channels(input.C)),
      /** For the weight, summed over all but the channels, [C]. */
      weightGradient: affine && parameter,
      /** For the bias, summed over all but the channels, [C]. */
      biasGradient: affine && parameter,
      /** For the input, in its shape. */
      inputGradient: gives(floats(input)),
    }
  },
  emit({ b, op, made }, at, { input, stepMode, normalised, accumulate }) {
    const { B, T, H, W, timed } = input
    const { xhat, mean, invStd } = at
    const [rows, byStep] = [B * H * W * T, stepMode === 's']
    // A time mean has one x̂ and the mean of the steps' deviations.
    const ofMeans = normalised && byStep && !timed
    norms.emitNormBackward(b, {
      name: op,
      rows,
      channels: made.inputGradient.stored,
      groups: byStep && timed ? T : 1,
      delta: at.delta,
      out: at.inputGradient,
      weight: at.weight,
      weightGradient: at.weightGradient,
      biasGradient: at.biasGradient,
      accumulate,
      ...(normalised ? { xhat } : { in: at.input, mean }),
      ...(ofMeans ? { meanInvStd: invStd } : { invStd }),
      inParts: (_, emit) => emit(rows, 0),
    })
  },
})

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
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const [mean, variance] = [Float32Array.of(0), Float32Array.of(1)]
 * const one = [Float32Array.of(1), Float32Array.of(0)]
 * const norm = ops.batchNormAllTime.plan({ input: [2, 2, 1], momentum: 0.5, eps: 1e-12 })
 * const output = norm.run(Float32Array.of(1, 5, 3, 7), ...one, mean, variance)
 * console.log(...output, mean[0], variance[0]) // 1 5 3 7 2 3
 * ```
 */
export const batchNormAllTime = op('batchNormAllTime', {
  options: {
    /** [B, T, C] or [B, T, C, H, W]. */
    input: is.timed,
    ...statistics,
    /** Inputs are frames of events: the bound is 50 instead of 20. Default false. */
    frames: is.given<boolean>(),
  },
  tensors: ({ input }) => ({
    /** Floats. */
    input: takes(floats(input)),
    /** [C] */
    weight: takes(channels(input.C)),
    /** [C] */
    bias: takes(channels(input.C)),
    /** [C] */
    runningMean: updates(channels(input.C)),
    /** [C] */
    runningVar: updates(channels(input.C)),
    /** Hidden: the map of each step. */
    scale: makes(grouped(input, true)),
    /** Hidden, as `scale`. */
    shift: makes(grouped(input, true)),
    /** Hidden: statistics of each step. */
    mean: makes(grouped(input, true)),
    /** Hidden, as `mean`. */
    invStd: makes(grouped(input, true)),
    /** The input's shape. */
    output: gives(floats(input)),
  }),
  emit(o, at, { input, frames, ...of }) {
    const { b, op, made } = o
    const { B, T, C, H, W } = input
    const { eps: epsilon, momentum } = layers.batchNorm2d(C, of)
    const { stored } = made.input
    const shape = { channels: stored, groups: T }
    const rows = B * H * W * T
    const { weight, bias, runningMean, runningVar, scale, shift, mean, invStd } = at
    const results = { scale, shift, mean, invStd }
    const map = { ...shape, weight, bias, epsilon, momentum, ...results, totalSteps: T }
    const { buffer: partial, units } = norms.emitNormStatistics(b, op, { ...shape, rows }, at.input)
    norms.emitNormFinish(b, { ...map, rows, units, partial, repeats: 1 })
    b.emit(normAllTime, 1, {
      ...map,
      realChannels: C,
      runningMean,
      runningVar,
      frozen: b.buffer('frozen statistics', 2 * stored * 4, 'statistics'),
      totals: b.buffer('totals over time', 2 * stored * 8, 'statistics'),
      bound: norms.allTimeBound(frames ?? false),
      used: b.buffer('used statistics', 2 * T * stored * 4),
    })
    emitOutput(o, input, true)
  },
})
