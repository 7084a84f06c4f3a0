/** The end of a network: its output, the loss, and what of it goes back. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { giveTensorGradient, gradientRows } from './gradients.js'
import { plainFloat } from './materialise.js'
import type { Pass } from './pass.js'
import type { ProgramBuilder } from './program.js'
import { crossEntropy, output } from './records/loss.js'
import type { FieldsOf } from './records/schema.js'
import type { Expression } from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** What the end of a network reads and writes. */
export interface Loss {
  readonly logits: Buffer
  /** [images][channels] */
  readonly output: Buffer
  readonly predictions: Buffer
  readonly images: number
  /** Steps of a call, and of all calls together. */
  readonly steps: number
  readonly totalSteps: number
  /** Classes as stored, and as they are. */
  readonly channels: number
  readonly classes: number
  /** Rows of an image's logits: 1 when they are the same at every step. */
  readonly rows: number
  /** Where there are labels. */
  readonly loss?: Pick<
    FieldsOf<typeof crossEntropy>,
    'losses' | 'delta' | 'gradientScale' | 'mseWeight' | 'instantaneous'
  >
}

/** Output and predictions, and with labels the loss and its gradient. */
export function emitLoss(b: ProgramBuilder, { output: out, rows, loss, ...of }: Loss): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  b.emit(output, 1, { ...shared, out })
  if (loss) b.emit(crossEntropy, 1, { ...shared, output: out, ...loss })
}

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
  const over = method.lossOver === 'images' ? 1 : options.timeSteps
  emitLoss(b, {
    logits: logits.buffer as Buffer,
    output: buffers.output,
    predictions: buffers.predictions,
    images,
    steps: pass.callSteps,
    totalSteps: options.timeSteps,
    channels: logits.stored,
    classes: node.shape[0],
    rows: logits.steps,
    loss: buffers.losses && {
      losses: buffers.losses,
      delta,
      gradientScale: 1 / images / over,
      mseWeight: online ? options.mseWeight : 0,
      instantaneous: online,
    },
  })
  if (!buffers.losses) return
  // Of the time mean every step's output has its share.
  const share = online ? 1 : 1 / gradientRows(pass, logits)
  if (delta) pass.backward(node, () => giveTensorGradient(logits, delta, rows, share))
}
