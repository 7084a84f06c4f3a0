/** The end of a network: its output, the loss, and what of it goes back. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { type Exit, isOfCounts, isOfValues, lossKind } from '../loss/kind.js'
import { show, sizeOf } from '../nn/value.js'
import { isLong, type PlanOptions, purposeOf } from './context.js'
import { emitLoss } from './emit-loss.js'
import { giveTensorGradient, gradientRows } from './gradients.js'
import { isStandard, quoteMethodsWith, traitsOf } from './methods.js'
import type { Pass } from './pass.js'
import type { Expression } from './tensors.js'
import { standardTraining } from './training.js'
import { floatsOf } from './write-out.js'

/** The loss that a plan is made for. */
const lossOf = ({ training = standardTraining }: Pick<PlanOptions, 'training'>) => training.loss

/** What a loss of labels or of numbers reads: so many numbers a sample, or labels. */
export function targetFloats(options: PlanOptions): number {
  const { graph } = options
  return isOfValues(lossOf(options)) ? graph.nodes[graph.output].shape[0] : 0
}

/** @throws SpikewasmError for a loss or penalty that the method does not define */
export function checkLossOfMethod(options: PlanOptions): void {
  const { method, mseWeight, timeSteps, training = standardTraining } = options
  const { loss, penalties } = training
  const traits = traitsOf(options)
  const online = traits.backward === 'everyCall'
  const { exits, outputName } = options.graph
  const { ofExits, checkPlan } = lossKind(loss.kind)
  expect(
    exits === undefined || !purposeOf(options).training || ofExits === true,
    () =>
      `the network has several outputs (${[...(exits ?? []), { name: outputName }]
        .map(({ name }) => name)
        .join(', ')}), which loss selfDistillation() trains, got ${loss.kind}(); set loss, or ` +
      'return one output',
  )
  checkPlan?.(loss, options)
  const afterwards = quoteMethodsWith(({ backward }) => backward === 'afterwards')
  expect(
    !online || !isOfCounts(loss),
    () =>
      `loss ${loss.kind}({ of: 'counts' }) needs all steps before its gradient, which method ` +
      `'${method}' has not; use ${afterwards}, or of: 'rates'`,
  )
  expect(
    !online || penalties.length === 0,
    () =>
      `penalties need all steps before their gradient, which method '${method}' has not; use ` +
      `${afterwards}, or penalties: [] to take away those of compile or an earlier fit`,
  )
  expect(
    !online || loss.kind === 'crossEntropy' || isStandard('mseWeight', mseWeight, timeSteps),
    () => `mseWeight is an option of loss crossEntropy(), got it with ${loss.kind}(); leave it out`,
  )
}

export function lowerLoss(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  others: readonly Exit[] = [],
): void {
  const loss = lossOf(pass.options)
  const { lower } = lossKind(loss.kind)
  if (pass.training && lower) lower({ pass, node, x, others }, loss)
  else lowerOutput(pass, node, x)
}

function lowerOutput(pass: Pass, node: GraphNode, x: Expression): void {
  const { b, context, options, images } = pass
  const { buffers, method, online } = context
  expect(
    node.shape[1] === 1 && node.shape[2] === 1,
    () =>
      `${node.name || 'network'}: the last layer must give one value per class, got ` +
      `${show(node)}; end in linear(${sizeOf(node.shape)}, classes)` +
      (node.flat ? '' : ' behind flatten()'),
  )
  const logits = floatsOf(pass, node, x)
  const loss = lossOf(options)
  // Online methods differentiate each step's own output.
  const instantaneous = online || lossKind(loss.kind).ofSteps === true
  const rows = instantaneous ? logits.steps : 1
  const delta = pass.training
    ? pass.imageBuffer('gradient of the output', logits.stored * rows * 4)
    : undefined
  const over = method.lossOver === 'images' && !instantaneous ? 1 : options.timeSteps
  emitLoss(b, {
    logits: logits.buffer,
    output: buffers.output,
    predictions: buffers.predictions,
    images,
    steps: pass.callSteps,
    totalSteps: options.timeSteps,
    outputOver: isLong(options) ? 1 : undefined,
    channels: logits.stored,
    classes: node.shape[0],
    rows: logits.steps,
    loss: buffers.losses && {
      losses: buffers.losses,
      delta,
      gradientScale: 1 / images / over,
      instantaneous,
      allSteps: !online,
      mseWeight: online ? options.mseWeight : 0,
      of: loss,
    },
  })
  if (!buffers.losses) return
  // Of the time mean every step's output has its share.
  const share = instantaneous ? 1 : 1 / gradientRows(pass, logits)
  if (delta) pass.backward(node, () => giveTensorGradient(logits, delta, rows, share))
}
