/** Self-distillation: time means of all outputs, their loss, and their gradients. */

import { expect } from '../../errors.js'
import type { SelfDistillation } from '../../loss/index.js'
import { emitLoss } from '../emit-loss.js'
import { giveTensorGradient, gradientRows } from '../gradients.js'
import { quoteMethodsWith, traitsOf } from '../methods.js'
import { selfDistillation } from '../records/self-distillation.js'
import type { Buffer } from '../words.js'
import { floatsOf } from '../write-out.js'
import { crossEntropyKind } from './cross-entropy.js'
import type { LossPlan } from './loss-plan.js'

export const selfDistillationPlan: LossPlan<SelfDistillation> = {
  check(_loss, options) {
    expect(
      options.graph.exits !== undefined,
      () =>
        'loss selfDistillation() needs a network with two outputs or more: return them by name ' +
        'in its forward function, as in { early, output }',
    )
    const fitting = quoteMethodsWith(({ loop }) => loop === 'layers')
    expect(
      traitsOf(options).loop === 'layers' && options.stepMode === 'm',
      () =>
        `loss selfDistillation() needs method ${fitting} ` +
        `with stepMode 'm', got '${options.method}' with stepMode '${options.stepMode}'`,
    )
  },
  // Evaluation is of the last output.
  kindOf: () =>
    crossEntropyKind({ mseWeight: 0, labelSmoothing: undefined, outputScale: undefined }),
  lower({ pass, node, x, others }, { alpha, beta, temperature }) {
    const { b, context, options, images } = pass
    const { buffers, method } = context
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
    b.emit(
      selfDistillation,
      1,
      {
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
      },
      { scratch: 8 * classes },
    )
    pass.backward(node, () => {
      for (const { logits, delta } of exits)
        giveTensorGradient(logits, delta, 1, 1 / gradientRows(pass, logits))
    })
  },
}
