/** The end of a network: its output, the loss, and what of it goes back. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { giveTensorGradient, gradientRows } from './gradients.js'
import { plainFloat } from './materialise.js'
import type { Pass } from './pass.js'
import { crossEntropy, output } from './records/loss.js'
import type { Expression } from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

export function lowerLoss(pass: Pass, node: GraphNode, x: Expression): void {
  const { b, context, options, images } = pass
  const { buffers, method, online } = context
  const plain = plainFloat(x)
  expect(
    node.shape[1] === 1 && node.shape[2] === 1,
    () =>
      `${node.name || 'network'}: the last layer must give one value per class, got ` +
      `[${node.shape.join(', ')}]`,
  )
  const logits = plain && !plain.input ? plain : materialise(pass, node, x)
  // Online methods differentiate each step's own output.
  const rows = online ? logits.steps : 1
  const delta = pass.training
    ? pass.imageBuffer('gradient of the output', logits.stored * rows * 4)
    : undefined
  const shared = {
    logits: logits.buffer as Buffer,
    predictions: buffers.predictions,
    images,
    steps: pass.callSteps,
    totalSteps: options.timeSteps,
    channels: logits.stored,
    classes: node.shape[0],
    stepBytes: logits.steps > 1 ? logits.stored * 4 : 0,
  }
  b.emit(output, 1, { ...shared, out: buffers.output })
  if (!buffers.losses) return
  const over = method.lossOver === 'images' ? 1 : options.timeSteps
  b.emit(crossEntropy, 1, {
    ...shared,
    output: buffers.output,
    losses: buffers.losses,
    delta,
    gradientScale: 1 / images / over,
    mseWeight: online ? options.mseWeight : 0,
    instantaneous: online,
  })
  // Of the time mean every step's output has its share.
  const share = online ? 1 : 1 / gradientRows(pass, logits)
  if (delta) pass.backward(node, () => giveTensorGradient(logits, delta, rows, share))
}
