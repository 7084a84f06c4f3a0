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
import type { OutputProbe } from '../cuts.js'
import { storedChannels } from '../layout.js'
import {
  type End,
  type Exit,
  isOfCounts,
  isOfSteps,
  type LossFields,
  type LossNumbers,
  lossKind,
  targetFloatsOf,
} from '../loss-kind.js'
import { isStandard, quoteMethodsWith, traitsOf } from '../methods.js'
import type { FloatBuffer, Pass } from '../pass.js'
import type { ProgramBuilder } from '../program.js'
import type { Expression, Shape } from '../tensors.js'
import { hasTargetSteps, standardTraining } from '../training.js'
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
  { output: out, rows, loss, outputOver, stepOutputs, outputSteps, ...of }: Ending,
): void {
  const shared = { ...of, stepBytes: rows > 1 ? of.channels * 4 : 0 }
  const totalSteps = outputOver ?? of.totalSteps
  b.emit(records.output, 1, { ...shared, out, totalSteps, stepOutputs, outputSteps })
  if (!loss) return
  const { of: which, mseWeight, instantaneous, allSteps, ...places } = loss
  const factor = isOfCounts(which) ? of.totalSteps : 1
  // The sum over time where the output is not divided by the steps.
  const scale = outputOver && !instantaneous ? factor / of.totalSteps : factor
  const outputScale = scale === 1 ? undefined : scale
  const numbers = { mseWeight, instantaneous, allSteps, factor, outputScale }
  lossKind(which.kind).emit(b, which, { ...shared, output: out, ...places }, numbers)
}

/** Whether the host reads the output of each step when an evaluation has run. */
export function readsSteps({ training = standardTraining }: PlanOptions): boolean {
  const { loss, stepOutputs, parts } = training
  const isAsked = parts || lossKind(loss.kind).isHost
  return stepOutputs || hasTargetSteps(loss) || ((isAsked && isOfSteps(loss)) ?? false)
}

/** Whether the host reads outputs behind the forward pass, and may write their gradients. */
export const isForHost = ({ training = standardTraining }: PlanOptions): boolean =>
  (training.parts || lossKind(training.loss.kind).isHost) ?? false

/** The loss that a plan is made for. */
export const lossOf = ({ training = standardTraining }: Pick<PlanOptions, 'training'>) =>
  training.loss

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
      `the network has several outputs (${names}), which loss selfDistillation() or ` +
        `custom(function) trains, got ${loss.kind}(); set loss, or return one output`,
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
  else lowerOutputs({ pass, node, x, others }, loss)
  // The host reads them behind all records of the forward pass.
  if (!isForHost(pass.options)) return
  for (const { mean, logits } of pass.outputs) for (const of of [mean, logits]) pass.b.touch(of)
}

/**
 * Emits the outputs, the last one last, and puts the ways of their gradients on the tape.
 *
 * @param loss that the last output is compared by; undefined: by a record of its own, or the host
 */
export function lowerOutputs(end: End, loss?: Loss): readonly OutputProbe[] {
  const { pass, node, x, others } = end
  const { losses } = pass.context.buffers
  const ways: (() => void)[] = []
  const add = ({ name, node: of, value }: Exit, places: OutputPlaces, loss?: Loss) => {
    expectVector(of)
    const logits = floatsOf(pass, node, value)
    const probe = probeOf(pass, name, logits, places.output)
    emitOutput(pass, probe, places, losses && loss)
    const { timeSteps: T } = pass.options
    const all = !pass.training && places.stepOutputs
    pass.outputs.push(all ? { ...probe, logits: all, rows: T, steps: T } : probe)
    const { delta } = probe
    // Every step's output has its share of the time mean, but whole it is in a sum.
    const whole = isLong(pass.options) ? pass.options.timeSteps : 1
    const share = isInstantaneous(pass) ? 1 : whole / gradientRows(pass, logits)
    if (delta && losses) ways.push(() => giveTensorGradient(logits, delta, deltaRows(probe), share))
  }
  for (const exit of others) add(exit, placesOf(pass, exit.name, exit.value.shape[0]))
  const last = { name: pass.options.graph.outputName ?? '', node, value: x }
  add(last, pass.context.buffers, loss)
  pass.backward(node, () => {
    for (const way of ways) way()
  })
  return pass.outputs
}

type OutputPlaces = Pick<Pass['context']['buffers'], 'output' | 'predictions' | 'stepOutputs'>

/** Where an output besides the last goes: as that one, for all images of the batch. */
function placesOf(pass: Pass, name: string, classes: number): OutputPlaces {
  const { options, context, training, b } = pass
  const bytes = options.batchSize * storedChannels(classes) * 4
  // The host reads them when all groups of images have run.
  const kind = training ? 'scratch' : 'recorded'
  const each = `outputs of steps of ${name}`
  return {
    output: pass.carried(`output of ${name}`, bytes, kind),
    predictions: b.buffer(`predictions of ${name}`, options.batchSize * 4),
    stepOutputs:
      context.buffers.stepOutputs && pass.carried(each, bytes * options.timeSteps, 'recorded'),
  }
}

function expectVector(node: GraphNode): void {
  if (node.shape[1] * node.shape[2] > 1)
    fail(
      `${node.name || 'network'}: the last layer must give one value per class, got ` +
        `${show(node)}; end in linear(${sizeOf(node.shape)}, classes)` +
        (node.flat ? '' : ' behind flatten()') +
        `, or in reshape([${sizeOf(node.shape)}]) where all of them are outputs`,
    )
}

/** Whether each step's own output is differentiated: in online methods it always is. */
const isInstantaneous = ({ context, options }: Pass): boolean =>
  context.online || isOfSteps(lossOf(options))

/** Rows of the gradient of an output. */
export const deltaRows = ({ ofSteps, rows }: OutputProbe): number => (ofSteps ? rows : 1)

function probeOf(pass: Pass, name: string, logits: FloatBuffer, mean: Buffer): OutputProbe {
  const { options, images, context, callSteps: steps } = pass
  const { stored, steps: rows, buffer, shape } = logits
  const ofSteps = isInstantaneous(pass)
  const { outputName } = options.graph
  const of = name === outputName ? 'the network' : name
  const deltaBytes = stored * (ofSteps ? rows : 1) * 4
  const deltaName = `gradient of the output${of && ` of ${of}`}`
  const delta = pass.training ? pass.imageBuffer(deltaName, deltaBytes) : undefined
  const over = context.method.lossOver === 'images' && !ofSteps ? 1 : options.timeSteps
  const meanScale = isLong(options) ? 1 / options.timeSteps : 1
  const own = { name, mean, meanScale, logits: buffer, rows, stored, classes: shape[0], steps }
  return { ...own, ofSteps, delta, gradientScale: 1 / images / over }
}

function emitOutput(
  pass: Pass,
  probe: OutputProbe,
  { predictions, stepOutputs }: OutputPlaces,
  loss?: Loss,
): void {
  const { options, context, images, callSteps: steps } = pass
  const { mean: output, logits, rows, stored: channels, classes, delta, gradientScale } = probe
  const { online, buffers } = context
  const mseWeight = online ? options.mseWeight : 0
  const numbers = { instantaneous: isInstantaneous(pass), allSteps: !online, mseWeight }
  const losses = buffers.losses as Buffer
  const places = { logits, output, predictions, images }
  emitLoss(pass.b, {
    ...places,
    steps,
    totalSteps: options.timeSteps,
    channels,
    classes,
    rows,
    ...(!pass.training && stepOutputs && { stepOutputs, outputSteps: options.timeSteps }),
    outputOver: isLong(options) ? 1 : undefined,
    loss: loss && { losses, delta, gradientScale, ...numbers, of: loss },
  })
}

// Records of penalties on firing rates.

/** What a penalty's record is made from. */
export interface PenaltyRecord
  extends Pick<
    FieldsOf<typeof ratePenalty>,
    'counts' | 'sums' | 'out' | 'partials' | 'stored' | 'steps' | 'scale'
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
