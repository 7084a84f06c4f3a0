/** The loss of all outputs of a network with several. */

import { fail } from '../errors.js'
import { giveTensorGradient, gradientRows } from '../plan/gradients.js'
import { emitLoss } from '../plan/loss.js'
import { quoteMethodsWith, traitsOf } from '../plan/methods.js'
import * as records from '../plan/records/self-distillation.js'
import type { Buffer } from '../plan/words.js'
import { floatsOf } from '../plan/write-out.js'
import { range } from '../rules.js'
import { defineLoss, type End, lossKind } from './kind.js'
import { crossEntropy } from './kinds.js'

declare module './made.js' {
  interface Losses {
    selfDistillation: SelfDistillation
  }
}

/** Options of `selfDistillation`; each has a default. */
export interface SelfDistillationOptions {
  /** Weight of the cross entropy of each output, ≥ 0; default 1. */
  alpha?: number
  /** Weight of the divergence of each output from the teacher, ≥ 0; default 0.3. */
  beta?: number
  /** Temperature of the softmax of the divergences, > 0; default 3. */
  temperature?: number
}

/** What `selfDistillation` makes: its options, completed. */
export interface SelfDistillation extends Readonly<Required<SelfDistillationOptions>> {
  /** Which loss it is. */
  readonly kind: 'selfDistillation'
}

/**
 * Enhanced self-distillation, for a network with several outputs (a forward function that returns
 * them by name): alpha · Σ cross entropy + beta · temperature² · Σ KL divergence from the teacher,
 * summed over the outputs. The teacher of a sample is the mean of those of its outputs that are
 * right; a sample without one has no divergence. No gradient goes through the teacher.
 *
 * After the code of "Enhanced Self-Distillation Framework for Efficient Spiking Neural Network
 * Training" (Intelli-Chip-Lab, 2025), which trains with rate-based backpropagation; its defaults
 * are alpha 1, beta 0.3 and temperature 3. In method 'rate' the gradient is divided by T, as that
 * of other losses. Evaluation is of the last output, by its cross entropy.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const selfDistillation = defineLoss<SelfDistillation, SelfDistillationOptions>(
  'selfDistillation',
  {
    options: {
      alpha: range('≥ 0', 1),
      beta: range('≥ 0', 0.3),
      temperature: range('0.001…1000000', 3),
    },
    ofExits: true,
    checkPlan(_loss, options) {
      const { graph, method, stepMode } = options
      if (graph.exits === undefined)
        fail(
          'loss selfDistillation() needs a network with two outputs or more: return them by name ' +
            'in its forward function, as in { early, output }',
        )
      const fitting = quoteMethodsWith(({ loop }) => loop === 'layers')
      if (traitsOf(options).loop !== 'layers' || stepMode !== 'm')
        fail(
          `loss selfDistillation() needs method ${fitting} ` +
            `with stepMode 'm', got '${method}' with stepMode '${stepMode}'`,
        )
    },
    // Evaluation is of the last output.
    emit: (b, _loss, fields, numbers) =>
      lossKind('crossEntropy').emit(b, crossEntropy(), fields, numbers),
    lower,
  },
)

function lower({ pass, node, x, others }: End, loss: SelfDistillation): void {
  const { b, context, options, images } = pass
  const { buffers, method } = context
  const { alpha, beta, temperature } = loss
  const classes = node.shape[0]
  const exits = [...others, { name: 'the network', value: x }].map(({ name, value }, i) => {
    const isLast = i === others.length
    const logits = floatsOf(pass, node, value)
    const bytes = images * logits.stored * 4
    const out = isLast ? buffers.output : b.buffer(`output of ${name}`, bytes)
    const predictions = isLast
      ? buffers.predictions
      : b.buffer(`predictions of ${name}`, images * 4)
    const delta = pass.imageBuffer(`gradient of the output of ${name}`, logits.stored * 4)
    emitLoss(b, {
      logits: logits.buffer,
      output: out,
      predictions,
      images,
      steps: pass.callSteps,
      totalSteps: options.timeSteps,
      channels: logits.stored,
      classes,
      rows: logits.steps,
    })
    return { logits, output: out, delta }
  })
  const over = method.lossOver === 'images' ? 1 : options.timeSteps
  b.emit(records.selfDistillation, 1, {
    predictions: buffers.predictions,
    losses: buffers.losses as Buffer,
    images,
    channels: exits[0].logits.stored,
    classes,
    gradientScale: 1 / images / over,
    exits: exits.map(({ output, delta }) => ({ output, delta })),
    exitCount: exits.length,
    alpha,
    beta,
    temperature,
  })
  pass.backward(node, () => {
    for (const { logits, delta } of exits)
      giveTensorGradient(logits, delta, 1, 1 / gradientRows(pass, logits))
  })
}
