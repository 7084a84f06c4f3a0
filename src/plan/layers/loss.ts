/** The end of a network: cross entropy of the time mean, and what of it goes back. */

import { LossWord, Op } from '../../../assembly/opcodes.js'
import { expect } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import { giveTensorGradient, gradientRows } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import type { Pass } from '../pass.js'
import type { Expression } from '../tensors.js'
import { type Buffer, f32, ref } from '../words.js'
import { materialise } from './sum.js'

export function lowerLoss(pass: Pass, node: GraphNode, x: Expression): void {
  const { b, context, options, images } = pass
  const { buffers, method, online } = context
  const plain = plainFloat(x)
  expect(
    node.shape[1] === 1 && node.shape[2] === 1,
    () =>
      `${node.name || 'network'}: the last layer must give one value per class, got [${node.shape.join(', ')}]`,
  )
  const logits = plain && !plain.input ? plain : materialise(pass, node, x)
  const delta = pass.training
    ? b.buffer('gradient of the output', images * logits.stored * 4)
    : undefined
  b.emitWords(Op.CrossEntropy, 1, {
    [LossWord.Logits]: ref(logits.buffer as Buffer),
    [LossWord.Images]: images,
    [LossWord.T]: context.callSteps,
    [LossWord.C]: logits.stored,
    [LossWord.Classes]: node.shape[0],
    [LossWord.Output]: ref(buffers.output),
    [LossWord.Delta]: delta ? ref(delta) : 0,
    [LossWord.GradientScale]: f32(
      1 / images / (method.lossOver === 'images' ? 1 : options.timeSteps),
    ),
    [LossWord.TotalSteps]: options.timeSteps,
    [LossWord.Losses]: ref(buffers.losses),
    [LossWord.Predictions]: ref(buffers.predictions),
    [LossWord.StepBytes]: logits.steps > 1 ? logits.stored * 4 : 0,
    [LossWord.MseWeight]: f32(online ? options.mseWeight : 0),
    [LossWord.Instantaneous]: online ? 1 : 0,
  })
  // Every step's output has its share of the time mean.
  if (delta)
    pass.backward(node, () => giveTensorGradient(logits, delta, 1, 1 / gradientRows(pass, logits)))
}
