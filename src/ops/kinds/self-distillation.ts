/** The loss of a network with several outputs. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger } from '../../errors.js'
import { selfDistillation as lossOf, type SelfDistillationOptions } from '../../loss/index.js'
import { output } from '../../plan/records/loss.js'
import { selfDistillation as kind } from '../../plan/records/self-distillation.js'
import { ref } from '../../plan/words.js'
import { operation } from '../operation.js'
import { checkShape, type Extent } from '../shapes.js'
import { classTensor, controlTensor } from '../special.js'
import { floatTensor, plainTensor } from '../tensor.js'
import type { Fixed } from '../types.js'
import { type LossSettings, validControl } from './losses.js'

/** Options of `ops.selfDistillation`: those of the loss, and what outputs there are. */
export interface SelfDistillationOpOptions extends Readonly<SelfDistillationOptions> {
  /** All outputs one behind the other, [exits, B, C], the last one being the network's. */
  readonly input: readonly number[]
}

/**
 * The loss `selfDistillation` of several outputs z_k, and its gradients:
 *
 *     teacher = mean of the outputs of a sample whose greatest is its target
 *     loss = mean over samples of alpha Σ_k cross entropy
 *            + beta τ² Σ_k mean over samples with a teacher of
 *              KL(softmax(teacher/τ) ‖ softmax(z_k/τ))
 *
 * Arguments of `run`: input [exits, B, C], target (Int32Array [B], classes from 0); settings:
 * `valid` samples, the first ones. Results: loss [1], gradient [exits, B, C], losses [B].
 */
export const selfDistillation = operation<
  SelfDistillationOpOptions,
  Fixed<
    unknown,
    [input: Float32Array, target: Int32Array],
    {
      /** Over the valid samples, [1]. */
      readonly loss: Float32Array
      /** [exits, B, C] */
      readonly gradient: Float32Array
      /** Of each sample; their mean is the loss. */
      readonly losses: Float32Array
    },
    {
      /** [exits][B][C] */
      readonly input: Float32Array
      /** The right class of each sample, from 0, [B]. */
      readonly target: Int32Array
    },
    [],
    LossSettings
  >
>('selfDistillation', ['input', 'alpha', 'beta', 'temperature'], ({ b, op }, options) => {
  const { input: shape, alpha, beta, temperature } = options
  checkShape(`${op}.input`, shape, 'exits B C')
  const [exits, B, C] = Array.from(shape)
  checkInteger(`${op}.input: exits`, exits, 1, 1000)
  const loss = lossOf({ alpha, beta, temperature })
  // Rows of all outputs, one behind the other.
  const extent: Extent = { shape, timed: false, T: 1, B: exits * B, C, H: 1, W: 1 }
  const logits = floatTensor(b, { name: 'input' }, extent)
  const target = classTensor(b, op, { name: 'target' }, B, C)
  const gradient = floatTensor(b, { name: 'gradient' }, extent)
  const losses = plainTensor(b, { name: 'losses' }, [B])
  const predictions = b.buffer('predictions', B * 4, 'statistics')
  const means = b.buffer('outputs', exits * B * logits.stored * 4, 'statistics')
  const at = (exit: number): number => exit * B * logits.stored * 4
  const sizes = { images: B, channels: logits.stored, classes: C }
  for (let exit = 0; exit < exits; exit++)
    b.emit(output, 1, {
      ...sizes,
      logits: ref(logits.buffer, at(exit)),
      out: ref(means, at(exit)),
      predictions,
      steps: 1,
      totalSteps: 1,
      stepBytes: 0,
    })
  b.emit(
    kind,
    1,
    {
      ...sizes,
      ...{ alpha: loss.alpha, beta: loss.beta, temperature: loss.temperature },
      predictions,
      losses: losses.buffer,
      gradientScale: 1 / B,
      exits: Array.from({ length: exits }, (_, exit) => ({
        output: ref(means, at(exit)),
        delta: ref(gradient.buffer, at(exit)),
      })),
      exitCount: exits,
    },
    { scratch: 8 * C },
  )
  return {
    inputs: [logits, target],
    outputs: [controlTensor({ name: 'loss' }, Control.Loss, 'float32'), gradient, losses],
    start: (block) => block.address(Control.Target, target),
    before: target.checkOwn,
    control: validControl(op, B),
  }
})
