/** The end of a network: its output, the loss, and what of it goes back. */

import { fail } from '../../base/errors.js'
import * as records from '../../kernels/records/loss.js'
import { ratePenalty } from '../../kernels/records/loss.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import type { Buffer } from '../../kernels/records/words.js'
import type { Loss, Penalty } from '../../network/optimizer.js'
import type { GraphNode } from '../../network/trace.js'
import { show, sizeOf } from '../../network/value.js'
import { inUnits } from '../budgets.js'
import { isLong, type PlanOptions, purposeOf } from '../context.js'
import {
  type Exit,
  isOfCounts,
  type LossFields,
  type LossNumbers,
  lossKind,
  targetFloatsOf,
} from '../loss-kind.js'
import { isStandard, quoteMethodsWith, traitsOf } from '../methods.js'
import type { Pass } from '../pass.js'
import type { ProgramBuilder } from '../program.js'
import type { Expression, Shape } from '../tensors.js'
import { standardTraining } from '../training.js'
import { giveTensorGradient, gradientRows } from './gradients.js'
import { floatsOf } from './write-out.js'

/** What all losses read and write, beside the output, and what they may ask of their training. */
type LossPlaces = Pick<LossFields, 'losses' | 'delta' | 'gradientScale'> &
  Omit<LossNumbers, 'factor' | 'outputScale'>

/** What the end of a network reads and writes. */
interface Ending extends Omit<FieldsOf<typeof records.output>, 'out' | 'stepBytes'> {
  /** [images][channels] */
  readonly output: Buffer
  /** What the output is divided by; default all steps. */
  readonly outputOver?: number
  /** Rows of an image's logits: 1 when they are the same at every step. */
  readonly rows: number
  /** Where there are labels. */
  readonly loss?: LossPlaces & { readonly of: Loss }
}

/** Output and predictions, and with labels the loss and its gradient. */
export function emitLoss(
  b: ProgramBuilder,
  { output: out, rows, loss, outputOver, ...of }: Ending,
): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  b.emit(records.output, 1, { ...shared, out, totalSteps: outputOver ?? of.totalSteps })
  if (!loss) return
  const { of: which, mseWeight, instantaneous, allSteps, ...places } = loss
  const factor = isOfCounts(which) ? of.totalSteps : 1
  // The sum over time where the output is not divided by the steps.
  const scale = outputOver && !instantaneous ? factor / of.totalSteps : factor
  const outputScale = scale === 1 ? undefined : scale
  const numbers = { mseWeight, instantaneous, allSteps, factor, outputScale }
  lossKind(which.kind).emit(b, which, { ...shared, output: out, ...places }, numbers)
}

/** The loss that a plan is made for. */
const lossOf = ({ training = standardTraining }: Pick<PlanOptions, 'training'>) => training.loss

/** Numbers of a sample's target in a plan; 0 where it is a label. */
export const targetFloats = (options: PlanOptions): number =>
  targetFloatsOf(lossOf(options), options)

/** @throws SpikewasmError for a loss or penalty that the method does not define */
export function checkLossOfMethod(options: PlanOptions): void {
  const { method, mseWeight, timeSteps, training = standardTraining } = options
  const { loss, penalties } = training
  const traits = traitsOf(options)
  const { exits, outputName } = options.graph
  const { ofExits, checkPlan } = lossKind(loss.kind)
  const names = [...(exits ?? []).map(({ name }) => name), outputName].join(', ')
  if (exits && purposeOf(options).training && !ofExits)
    fail(
      `the network has several outputs (${names}), which loss selfDistillation() trains, got ` +
        `${loss.kind}(); set loss, or return one output`,
    )
  checkPlan?.(loss, options)
  if (traits.backward !== 'everyCall') return
  const afterwards = quoteMethodsWith(({ backward }) => backward === 'afterwards')
  if (isOfCounts(loss))
    fail(
      `loss ${loss.kind}({ of: 'counts' }) needs all steps before its gradient, which method ` +
        `'${method}' has not; use ${afterwards}, or of: 'rates'`,
    )
  if (penalties.length > 0)
    fail(
      `penalties need all steps before their gradient, which method '${method}' has not; use ` +
        `${afterwards}, or penalties: [] to take away those of compile or an earlier fit`,
    )
  if (loss.kind !== 'crossEntropy' && !isStandard('mseWeight', mseWeight, timeSteps))
    fail(`mseWeight is an option of loss crossEntropy(), got it with ${loss.kind}(); leave it out`)
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
  if (node.shape[1] * node.shape[2] > 1)
    fail(
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
  const { output, predictions, losses } = buffers
  const numbers = { instantaneous, allSteps: !online, mseWeight: online ? options.mseWeight : 0 }
  const places = { logits: logits.buffer, output, predictions, images }
  const steps = { steps: pass.callSteps, totalSteps: options.timeSteps, rows: logits.steps }
  emitLoss(b, {
    ...places,
    ...steps,
    channels: logits.stored,
    classes: node.shape[0],
    outputOver: isLong(options) ? 1 : undefined,
    loss: losses && { losses, delta, gradientScale: 1 / images / over, ...numbers, of: loss },
  })
  if (!losses) return
  // Every step's output has its share of the time mean.
  const share = instantaneous ? 1 : 1 / gradientRows(pass, logits)
  if (delta) pass.backward(node, () => giveTensorGradient(logits, delta, rows, share))
}

// Records of penalties on firing rates.

/** What a penalty's record is made from. */
export interface PenaltyRecord
  extends Pick<
    FieldsOf<typeof ratePenalty>,
    'counts' | 'out' | 'partials' | 'stored' | 'steps' | 'scale'
  > {
  readonly images: number
  readonly shape: Shape
  readonly penalty: Pick<Penalty, 'norm' | 'target'>
}

/** Units of a penalty: each has a sum of its own. */
export function penaltyUnits(images: number, [, height, width]: Shape, stored: number) {
  const pixels = images * height * width
  return { pixels, ...inUnits(pixels, stored) }
}

export function emitRatePenalty(b: ProgramBuilder, record: PenaltyRecord): void {
  const { images, shape, stored, penalty, steps, scale, ...places } = record
  const { units, ...sizes } = penaltyUnits(images, shape, stored)
  const [channels, height, width] = shape
  const fields = { ...places, ...sizes, stored, channels, pixelsPerImage: height * width, steps }
  const { target, norm } = penalty
  b.emit(ratePenalty, units, { ...fields, target, scale, absolute: norm === 'L1' })
}
