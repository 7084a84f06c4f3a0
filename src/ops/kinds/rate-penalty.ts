/** The gradient of a penalty on firing rates. */

import { checkInteger } from '../../errors.js'
import { ratePenalty as penaltyOptions } from '../../loss/index.js'
import { emitRatePenalty, penaltyUnits } from '../../plan/penalties.js'
import { operation } from '../operation.js'
import { extentOf, MOST_STEPS } from '../shapes.js'
import { bytesTensor, floatTensor } from '../tensor.js'
import type { Fixed, StillInput } from '../types.js'
import { checkOver, type LossSettings, type Over, validControl } from './losses.js'

/** Options of `ops.ratePenalty`. */
export interface RatePenaltyOptions {
  /** Shape of the counts, [B, C] or [B, C, H, W]. */
  readonly input: readonly number[]
  /** The steps that were counted. */
  readonly timeSteps: number
  /** Factor of the penalty, ≥ 0. */
  readonly weight: number
  /** 'L1': |rate − target|. 'L2', the default: (rate − target)². */
  readonly norm?: 'L1' | 'L2'
  /** The wanted firing rate, 0…1; default 0. */
  readonly target?: number
  /**
   * What the gradient is divided by: the samples ('images', the default, as through time), or
   * samples and steps ('imagesAndSteps', as in the rate method).
   */
  readonly over?: Over
}

/**
 * The gradient by the firing rates of a penalty on them:
 *
 *     rate = counts / timeSteps
 *     penalty  = weight · mean over the valid samples and their neurons of |rate − target|, or of
 *                (rate − target)²
 *     gradient = weight / (valid · neurons of a sample) · sign(rate − target), or
 *                · 2 · (rate − target)
 *
 * Argument of `run`: counts (Uint8Array), such as those of `ops.lif`; settings: `valid` samples,
 * the first ones; the others have gradient 0. Result: gradient, of the input's shape.
 */
export const ratePenalty = operation<
  RatePenaltyOptions,
  Fixed<
    StillInput,
    [counts: Uint8Array],
    Float32Array,
    {
      /** Spikes of each neuron, [B][H][W][C]. */
      readonly counts: Uint8Array
      /** The result, as `counts`. */
      readonly gradient: Float32Array
    },
    [],
    LossSettings
  >
>(
  'ratePenalty',
  ['input', 'timeSteps', 'weight', 'norm', 'target', 'over'],
  ({ b, op }, { input, timeSteps, over = 'images', weight, norm, target }) => {
    const extent = extentOf(`${op}.input`, input, 'never')
    checkInteger(`${op}.timeSteps`, timeSteps, 1, MOST_STEPS)
    checkOver(`${op}.over`, over)
    const penalty = penaltyOptions({ weight, norm, target })
    const { B, C, H, W } = extent
    const counts = bytesTensor(b, { name: 'counts' }, extent)
    const gradient = floatTensor(b, { name: 'gradient' }, extent)
    const shape = [C, H, W] as const
    const { units } = penaltyUnits(B, shape, counts.stored)
    emitRatePenalty(b, {
      counts: counts.buffer,
      out: gradient.buffer,
      partials: b.buffer('sums of units', units * 8, 'statistics'),
      images: B,
      shape,
      stored: counts.stored,
      steps: timeSteps,
      penalty,
      scale: weight / (C * H * W) / (over === 'images' ? 1 : timeSteps),
    })
    return { inputs: [counts], outputs: [gradient], control: validControl(op, B) }
  },
)
