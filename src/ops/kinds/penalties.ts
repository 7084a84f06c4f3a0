/** The loss of several outputs, and penalties on firing rates. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger } from '../../errors.js'
import * as losses from '../../loss/index.js'
import { emitRatePenalty, penaltyUnits } from '../../plan/penalties.js'
import { output as outputRecord } from '../../plan/records/loss.js'
import { selfDistillation as distillation } from '../../plan/records/self-distillation.js'
import { ref } from '../../plan/words.js'
import { gives, op, takes } from '../op.js'
import * as is from '../options.js'
import { checkShape, type Extent, imagesOf, MOST_STEPS, sizeOf } from '../shapes.js'
import { bytes, classes, floats, numbers, word } from '../tensor.js'
import { ofTarget, over, validSetting } from './losses.js'

/**
 * The loss `selfDistillation` of several outputs z_k, and its gradients:
 *
 *     teacher = mean of the outputs of a sample whose greatest is its target
 *     loss = mean over samples of alpha Σ_k cross entropy
 *            + beta τ² Σ_k mean over samples with a teacher of
 *              KL(softmax(teacher/τ) ‖ softmax(z_k/τ))
 */
export const selfDistillation = op('selfDistillation', {
  options: {
    /** All outputs one behind the other, [exits, B, C], the last one being the network's. */
    input: is.needed<readonly number[]>(),
    /** Weight of the cross entropies. Default 1. */
    alpha: is.given<number>(),
    /** Weight of the divergences from the teacher. Default 0.3. */
    beta: is.given<number>(),
    /** For the softmax of the divergences, τ. Default 3. */
    temperature: is.given<number>(),
  },
  tensors({ input: shape }, { op }) {
    checkShape(`${op}.input`, shape, 'exits B C')
    const [exits, B, C] = shape
    checkInteger(`${op}.input: exits`, exits, 1, 1000)
    // Rows of all outputs, one behind the other.
    const extent: Extent = { shape: [...shape], timed: false, T: 1, B: exits * B, C, H: 1, W: 1 }
    return {
      /** [exits, B, C] */
      input: takes(floats(extent)),
      /** The right class of each sample, from 0, [B]. */
      target: takes(classes(B, C)),
      /** [exits, B, C] */
      gradient: gives(floats(extent)),
      /** One of each sample; their mean is the loss. */
      losses: gives(numbers([B])),
      /** Over the valid samples, [1]. */
      loss: gives(word<Float32Array>(Control.Loss, 'float32')),
    }
  },
  sets: ({ input }) => validSetting(input[1]),
  emit({ b }, { input, losses: each, gradient }, { input: shape, ...options }, made) {
    const { alpha, beta, temperature } = losses.selfDistillation(options)
    const [exitCount, images, classes] = shape
    const { stored: channels } = made.input
    const predictions = b.buffer('predictions', images * 4, 'statistics')
    const rowsOf = images * channels * 4
    const means = b.buffer('outputs', exitCount * rowsOf, 'statistics')
    const sizes = { images, channels, classes, predictions }
    const exits = Array.from({ length: exitCount }, (_, exit) => ({
      output: ref(means, exit * rowsOf),
      delta: ref(gradient, exit * rowsOf),
    }))
    for (const [exit, { output: out }] of exits.entries()) {
      const one = { logits: ref(input, exit * rowsOf), out, steps: 1, totalSteps: 1, stepBytes: 0 }
      b.emit(outputRecord, 1, { ...sizes, ...one })
    }
    const numbers = { alpha, beta, temperature, gradientScale: 1 / images }
    b.emit(distillation, 1, { ...sizes, ...numbers, losses: each, exits, exitCount })
    return ofTarget(made.target)
  },
})

/**
 * The gradient by the firing rates of a penalty on them:
 *
 *     rate = counts / timeSteps
 *     penalty  = weight · mean over the valid samples and their neurons of |rate − target|, or of
 *                (rate − target)²
 *     gradient = weight / (valid · neurons of a sample) · sign(rate − target), or
 *                · 2 · (rate − target)
 *
 * Samples behind the valid ones have gradient 0.
 */
export const ratePenalty = op('ratePenalty', {
  options: {
    /** Shape of the counts, [B, C] or [B, C, H, W]. */
    input: is.untimed,
    /** The steps that were counted. */
    timeSteps: is.integer(1, MOST_STEPS),
    /** Factor of the penalty, ≥ 0. */
    weight: is.needed<number>(),
    /** 'L1': |rate − target|. 'L2', the default: (rate − target)². */
    norm: is.given<'L1' | 'L2'>(),
    /** The wanted firing rate, 0…1; default 0. */
    target: is.given<number>(),
    /**
     * What the gradient is divided by: the samples ('images', the default, as through time), or
     * samples and steps ('imagesAndSteps', as in the rate method).
     */
    over,
  },
  tensors: ({ input }) => ({
    /** Spikes of each neuron, such as `ops.lif` counts them. */
    counts: takes(bytes(input)),
    /** The input's shape. */
    gradient: gives(floats(input)),
  }),
  sets: ({ input }) => validSetting(input.B),
  emit({ b }, { counts, gradient: out }, { input, timeSteps: steps, over, ...of }) {
    const all = imagesOf(input)
    const penalty = losses.ratePenalty(of)
    const { units } = penaltyUnits(all.images, all.shape, all.stored)
    const partials = b.buffer('sums of units', units * 8, 'statistics')
    const scale = of.weight / sizeOf(all.shape) / (over === 'images' ? 1 : steps)
    emitRatePenalty(b, { ...all, steps, counts, out, partials, penalty, scale })
  },
})
