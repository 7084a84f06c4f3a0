/** The end of a network: its output, the loss, and what of it goes back. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import type { SelfDistillation } from '../loss/index.js'
import { show, sizeOf } from '../nn/value.js'
import { isLong, type PlanOptions, purposeOf } from './context.js'
import { giveTensorGradient, gradientRows } from './gradients.js'
import { plainFloat } from './materialise.js'
import { isStandard, quoteMethodsWith, traitsOf } from './methods.js'
import type { Pass } from './pass.js'
import type { ProgramBuilder } from './program.js'
import { crossEntropy, meanSquaredError, output, tet } from './records/loss.js'
import type { FieldsOf } from './records/schema.js'
import { selfDistillation } from './records/self-distillation.js'
import type { Expression, FloatTensor } from './tensors.js'
import { standardTraining } from './training.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** Which loss, with the numbers that its record has beside those of all losses. */
export type LossKind =
  | ({ readonly kind: 'crossEntropy' } & Pick<
      FieldsOf<typeof crossEntropy>,
      'mseWeight' | 'labelSmoothing' | 'outputScale'
    >)
  | ({ readonly kind: 'mse' } & Pick<
      FieldsOf<typeof meanSquaredError>,
      'outputScale' | 'low' | 'high' | 'values'
    >)
  | ({ readonly kind: 'tet' } & Pick<FieldsOf<typeof tet>, 'lambda' | 'mean' | 'allSteps'>)

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
  /** What the output is divided by; default all steps. */
  readonly outputOver?: number
  /** Classes as stored, and as they are. */
  readonly channels: number
  readonly classes: number
  /** Rows of an image's logits: 1 when they are the same at every step. */
  readonly rows: number
  /** Where there are labels. */
  readonly loss?: Pick<
    FieldsOf<typeof crossEntropy>,
    'losses' | 'delta' | 'gradientScale' | 'instantaneous'
  > & { readonly of: LossKind }
}

/** Output and predictions, and with labels the loss and its gradient. */
export function emitLoss(
  b: ProgramBuilder,
  { output: out, rows, loss, outputOver, ...of }: Loss,
): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  b.emit(output, 1, { ...shared, out, totalSteps: outputOver ?? of.totalSteps })
  if (!loss) return
  const { of: which, instantaneous, ...places } = loss
  const { kind, ...own } = which
  const fields = { ...shared, output: out, ...places }
  if (which.kind === 'mse') b.emit(meanSquaredError, 1, { ...fields, ...own, instantaneous })
  else if (which.kind === 'tet') {
    const { lambda, mean, allSteps } = which
    b.emit(tet, 1, { ...fields, lambda, mean, allSteps, instantaneous })
  } else {
    const { mseWeight, labelSmoothing, outputScale } = which
    const numbers = { mseWeight, instantaneous, labelSmoothing, outputScale }
    b.emit(crossEntropy, 1, { ...fields, ...numbers })
  }
}

/** The loss that a plan is made for. */
const lossOf = ({ training = standardTraining }: Pick<PlanOptions, 'training'>) => training.loss

/** What a loss of labels or of numbers reads: so many numbers a sample, or labels. */
export function targetFloats(options: PlanOptions): number {
  const loss = lossOf(options)
  const { graph } = options
  return loss.kind === 'mse' && loss.targets === 'values' ? graph.nodes[graph.output].shape[0] : 0
}

/** @throws SpikewasmError for a loss or penalty that the method does not define */
export function checkLossOfMethod(options: PlanOptions): void {
  const { method, mseWeight, timeSteps, training = standardTraining } = options
  const { loss, penalties } = training
  const traits = traitsOf(options)
  const online = traits.backward === 'everyCall'
  const { exits, outputName } = options.graph
  expect(
    exits === undefined || !purposeOf(options).training || loss.kind === 'selfDistillation',
    () =>
      `the network has several outputs (${[...(exits ?? []), { name: outputName }]
        .map(({ name }) => name)
        .join(', ')}), which loss selfDistillation() trains, got ${loss.kind}(); set loss, or ` +
      'return one output',
  )
  expect(
    loss.kind !== 'selfDistillation' || exits !== undefined,
    () =>
      'loss selfDistillation() needs a network with two outputs or more: return them by name in ' +
      'its forward function, as in { early, output }',
  )
  expect(
    loss.kind !== 'selfDistillation' || (traits.loop === 'layers' && options.stepMode === 'm'),
    () =>
      `loss selfDistillation() needs method ${quoteMethodsWith(({ loop }) => loop === 'layers')} ` +
      `with stepMode 'm', got '${options.method}' with stepMode '${options.stepMode}'`,
  )
  const afterwards = quoteMethodsWith(({ backward }) => backward === 'afterwards')
  expect(
    loss.kind !== 'tet' || traits.rows === 'steps',
    () =>
      `loss tet() needs a gradient of each step, which method '${method}' has not; use ` +
      quoteMethodsWith(({ rows }) => rows === 'steps'),
  )
  expect(
    !online || loss.kind === 'tet' || loss.kind === 'selfDistillation' || loss.of === 'rates',
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

/** The loss as its record has it. */
function kindOf(options: PlanOptions, online: boolean): LossKind {
  const loss = lossOf(options)
  // Evaluation is of the last output.
  if (loss.kind === 'selfDistillation') return { kind: 'crossEntropy', mseWeight: 0 }
  if (loss.kind === 'tet')
    return { kind: 'tet', lambda: loss.lambda, mean: loss.mean, allSteps: !online }
  const counts = loss.of === 'counts' && options.timeSteps > 1
  const factor = counts ? options.timeSteps : 1
  const scale = factor / (isLong(options) && !online ? options.timeSteps : 1)
  const outputScale = scale === 1 ? undefined : scale
  if (loss.kind === 'crossEntropy')
    return {
      kind: 'crossEntropy',
      mseWeight: online ? options.mseWeight : 0,
      labelSmoothing: loss.labelSmoothing || undefined,
      outputScale,
    }
  if (loss.targets === 'values') return { kind: 'mse', outputScale, values: true }
  const { incorrectRate, correctRate } = loss
  return { kind: 'mse', outputScale, low: incorrectRate * factor, high: correctRate * factor }
}

/** An output besides the last. */
interface Other {
  readonly name: string
  readonly value: Expression
}

export function lowerLoss(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  others: readonly Other[] = [],
): void {
  const loss = lossOf(pass.options)
  if (pass.training && loss.kind === 'selfDistillation') lowerExits(pass, node, x, others, loss)
  else lowerOutput(pass, node, x)
}

/** Self-distillation: time means of all outputs, their loss, and their gradients. */
function lowerExits(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  others: readonly Other[],
  { alpha, beta, temperature }: SelfDistillation,
): void {
  const { b, context, options, images } = pass
  const { buffers, method } = context
  const classes = node.shape[0]
  const exits = [...others, { name: 'the network', value: x }].map(({ name, value }, i) => {
    const isLast = i === others.length
    const plain = plainFloat(value)
    const logits: FloatTensor = plain && !plain.input ? plain : materialise(pass, node, value)
    const bytes = images * logits.stored * 4
    const out = isLast ? buffers.output : b.buffer(`output of ${name}`, bytes)
    const predictions = isLast
      ? buffers.predictions
      : b.buffer(`predictions of ${name}`, images * 4)
    const delta = pass.imageBuffer(`gradient of the output of ${name}`, logits.stored * 4)
    emitLoss(b, {
      logits: logits.buffer as Buffer,
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
}

function lowerOutput(pass: Pass, node: GraphNode, x: Expression): void {
  const { b, context, options, images } = pass
  const { buffers, method, online } = context
  const plain = plainFloat(x)
  expect(
    node.shape[1] === 1 && node.shape[2] === 1,
    () =>
      `${node.name || 'network'}: the last layer must give one value per class, got ` +
      `${show(node)}; end in linear(${sizeOf(node.shape)}, classes)` +
      (node.flat ? '' : ' behind flatten()'),
  )
  const logits = plain && !plain.input ? plain : materialise(pass, node, x)
  const of = kindOf(options, online)
  // Online methods differentiate each step's own output, and so does TET.
  const instantaneous = online || of.kind === 'tet'
  const rows = instantaneous ? logits.steps : 1
  const delta = pass.training
    ? pass.imageBuffer('gradient of the output', logits.stored * rows * 4)
    : undefined
  const over = method.lossOver === 'images' && !instantaneous ? 1 : options.timeSteps
  emitLoss(b, {
    logits: logits.buffer as Buffer,
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
      of,
    },
  })
  if (!buffers.losses) return
  // Of the time mean every step's output has its share.
  const share = instantaneous ? 1 : 1 / gradientRows(pass, logits)
  if (delta) pass.backward(node, () => giveTensorGradient(logits, delta, rows, share))
}
