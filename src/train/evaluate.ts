/** Evaluation over a data set. */

import { checkInteger, checkSignal, describe, expectWeights, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { by, complete, optional, type Rules, truth } from '../base/rules.js'
import {
  expectTargets,
  isIgnored,
  isOfCounts,
  isOfValues,
  type Loss,
  lossKind,
  targetFloatsOf,
} from '../compile/loss-kind.js'
import { hasTargetSteps } from '../compile/training.js'
import { Batches } from '../data/batches.js'
import { type Dataset, expectDataset } from '../data/datasets/dataset.js'
import type { Slot } from '../engine/compile-options.js'
import { output } from '../engine/memory/arena.js'
import { evaluateBatch, hostLossOf, withSignal } from '../engine/run/host-loss.js'
import { expectFiniteOutput } from '../engine/run/non-finite.js'
import { expectFiniteSlot, repeatSamples } from '../engine/run/run-words.js'
import { wantsAverages, withAverages } from '../engine/run/update.js'
import type { Session } from '../engine/session.js'
import { breathe } from '../engine/threads/breathe.js'
import { inTurn } from '../engine/threads/calls.js'
import { runsHere } from '../engine/threads/processors.js'
import { checkInputShape, imageShape, showShapes } from '../network/value.js'
import { checkMetrics, type Metrics, type Rows, startMetrics } from './metrics.js'
import { OperationCounts, type Operations } from './operations.js'
import { extras } from './registered.js'
import { rowsOf } from './rows.js'
import { SampleSpikes } from './sample-spikes.js'

// Measures of a network's answers, gathered batch by batch.

/** How well one class is told from the others. Where there is nothing to divide by, it is 0. */
export interface ClassMetrics {
  /** Share of the samples with this answer that are of this class, 0…1. */
  readonly precision: number
  /** Share of the samples of this class with this answer, 0…1. */
  readonly recall: number
  /** Harmonic mean of precision and recall, 0…1. */
  readonly f1: number
  /** Samples of this class. */
  readonly count: number
}

/** Answers of a network on labelled samples. */
export interface Answers {
  /** Samples of each label with each answer, [label][answer]; absent above 1,000 classes. */
  readonly confusion?: number[][]
  /** One for each class, in the order of the labels. */
  readonly perClass: ClassMetrics[]
  /** Share of the samples whose label is among the k largest outputs, 0…1; present with a k. */
  readonly topK?: number
}

/** The matrix of more classes would be too large to be of use. */
const MOST_CONFUSED = 1000

/**
 * Counts answers.
 *
 * @param k counts samples whose label is among the k largest outputs; undefined: does not
 */
export function makeTally(classes: number, k: number | undefined) {
  const matrix = classes <= MOST_CONFUSED ? new Uint32Array(classes * classes) : undefined
  const [right, answered, labelled] = [0, 0, 0].map(() => new Uint32Array(classes))
  let [samples, within] = [0, 0]
  return {
    /**
     * @param labels as many as samples count; those below 0 are passed over
     * @param answers their classes
     * @param logits [samples][classes]
     */
    add(labels: ArrayLike<number>, answers: ArrayLike<number>, logits: Float32Array): void {
      for (let i = 0; i < labels.length; i++) {
        const [label, answer] = [labels[i], answers[i]]
        if (label < 0) continue
        samples++
        labelled[label]++
        answered[answer]++
        if (label === answer) right[label]++
        if (matrix) matrix[label * classes + answer]++
        if (k !== undefined && rankOf(logits, i * classes, classes, label) < k) within++
      }
    },
    result: (): Answers => ({
      ...(matrix ? { confusion: matrixOf(matrix, classes) } : {}),
      perClass: Array.from({ length: classes }, (_, c) => {
        const precision = ratio(right[c], answered[c])
        const recall = ratio(right[c], labelled[c])
        const f1 = ratio(2 * right[c], answered[c] + labelled[c])
        return { precision, recall, f1, count: labelled[c] }
      }),
      ...(k === undefined ? {} : { topK: ratio(within, samples) }),
    }),
  }
}

const ratio = (part: number, all: number): number => (all === 0 ? 0 : part / all)

const matrixOf = (matrix: Uint32Array, classes: number): number[][] =>
  Array.from({ length: classes }, (_, label) => [
    ...matrix.subarray(label * classes, (label + 1) * classes),
  ])

/** How many outputs come before a label's: larger ones, and equal ones of lower classes. */
function rankOf(logits: Float32Array, at: number, classes: number, label: number): number {
  const own = logits[at + label]
  let rank = 0
  for (let c = 0; c < classes; c++) {
    const other = logits[at + c]
    if (other > own || (other === own && c < label)) rank++
  }
  return rank
}

/** Mean of |output − target| over all that is not ignored; outputs are sums for a loss of those. */
export function absoluteErrors(loss: Loss, timeSteps: number) {
  const scale = isOfCounts(loss) ? timeSteps : 1
  let [sum, count] = [0, 0]
  return {
    add({ outputs, targets = new Float32Array() }: Pick<Rows, 'outputs' | 'targets'>): void {
      let batch = 0
      for (let i = 0; i < targets.length; i++) {
        if (isIgnored(loss, targets[i])) continue
        batch += Math.abs(outputs[i] * scale - targets[i])
        count++
      }
      sum += batch
    },
    result: (): number => ratio(sum, count),
  }
}

// The option that says which threads read ahead; they themselves are in `read-ahead.ts`.

/** More threads than any machine that trains has for reading. */
const MOST_WORKERS = 64

/** @throws SpikewasmError unless it is an integer from 0 to 64, or absent */
export function checkNumWorkers(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= MOST_WORKERS))
    fail(
      `${name} must be 0 (the calling thread prepares batches) or the number of threads that do, ` +
        `at most ${MOST_WORKERS}, got ${describe(value)}; leave it out to have it chosen`,
    )
}

/** What `evaluate` returns. What belongs to labels is absent where the loss is of targets. */
export interface Evaluation extends Partial<Answers> {
  /** The model's loss, mean over all samples, without penalties; cross entropy in nats. */
  readonly loss: number
  /** Share of samples whose largest output is that of their label, 0…1. */
  readonly accuracy?: number
  /** Mean over samples and outputs of |output − target|; present where the loss is of targets. */
  readonly meanAbsoluteError?: number
  /** What the option `metrics` asked for, by name. */
  readonly metrics?: Readonly<Record<string, number>>
  /** Spikes per neuron and time step, 0…1, by layer name, mean over the samples. */
  readonly firingRates: Record<string, number>
  /** Operations of a sample by NeuroBench's definitions; absent with `operations: false`. */
  readonly operations?: Operations
  /** Number of samples. */
  readonly count: number
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /**
   * Ends the evaluation before its next batch; `evaluate` then rejects with the signal's reason.
   */
  signal?: host.AbortSignal
  /** Counts samples whose label is among the k largest outputs, 1 … classes. Default: none. */
  topK?: number
  /**
   * Evaluates with the moving averages that `fit` keeps with `ema`, in place of the parameters,
   * which stay as they are. Default false.
   */
  averages?: boolean
  /** Measures of your own, of all answers; see `Metric`. */
  metrics?: Metrics
  /** Whether operations are counted; default true. It takes a tenth of the time. */
  operations?: boolean
  /**
   * Threads that read samples ahead (Node), as in `fit`; 0: the calling thread reads them. Default:
   * threads where samples lie in files and there are enough of them to pay.
   */
  numWorkers?: number
}

/** As messages say it. */
const nameOf = (loss: Loss): string => {
  const targets = 'targets' in loss ? loss.targets : undefined
  return `${loss.kind}(${typeof targets === 'string' ? `{ targets: '${targets}' }` : ''})`
}

/** Whether answers are judged as right or wrong. */
export const hasAccuracy = ({ loss, judges }: Session): boolean => !isOfValues(loss) && judges

/**
 * @param loss what the data are for; default: the session's
 * @throws SpikewasmError when the data is no data set, or its shape, classes or targets do not
 *   match the model's.
 */
export function checkDataset(session: Session, data: Dataset, loss = session.loss): void {
  expectDataset('the data', data)
  const shape = imageShape(checkInputShape(`the data ${data.name}: shape`, data.shape))
  const { timeSteps: T } = data
  const [named, wanted] = [data.inputs ?? data.shape, session.inputs ?? session.asked]
  if ((data.inputs || session.inputs) && showShapes(named) !== showShapes(wanted))
    fail(
      `the data ${data.name} has samples of ${showShapes(named)}, the model was compiled for ` +
        `input ${showShapes(wanted)}; give both the same inputs in the same order`,
    )
  if (session.frames && T === undefined)
    fail(
      `the model was compiled with frames, but the data ${data.name} gives one image a sample; ` +
        'compile without frames, or give data with timeSteps',
    )
  if (!session.frames && T !== undefined)
    fail(
      `the data ${data.name} gives ${T} frames a sample, but the model was compiled without ` +
        `frames; compile it with frames: true and timeSteps: ${T}`,
    )
  if (T !== undefined && T !== session.timeSteps)
    fail(
      `the data ${data.name} gives ${T} frames a sample, but the model was compiled for ` +
        `${session.timeSteps} time steps; compile it with timeSteps: ${T}`,
    )
  if (!shape.every((n, i) => n === session.input[i]))
    fail(
      `the data ${data.name} has samples of [${data.shape.join(', ')}], the model was ` +
        `compiled for input [${session.asked.join(', ')}]`,
    )
  const { targets } = data
  const { isHost } = lossKind(loss.kind)
  const size = targetFloatsOf(loss, session.plan.options)
  if (size > 0) {
    if (targets === undefined)
      fail(
        `the data ${data.name} has labels alone, the loss ${nameOf(loss)} needs targets; give ` +
          'them to fromArrays, or choose another loss',
      )
    if (targets.size !== size || typeof targets.read !== 'function')
      fail(
        `the data ${data.name} has ${describe(targets.size)} targets a sample, the ` +
          (isHost || hasTargetSteps(loss)
            ? `loss ${nameOf(loss)} needs ${size} with ${session.timeSteps} time steps`
            : `model's last layer gives ${session.classes} outputs`),
      )
    return
  }
  if (targets !== undefined && !(data.classes > 0))
    fail(
      `the data ${data.name} has targets and no labels, which the loss ${nameOf(loss)} needs; ` +
        "give labels, or loss: mse or custom(text) with targets: 'values', or custom(f) with " +
        `targets: ${targets.size}`,
    )
  if (!(isHost || data.classes <= session.classes))
    fail(
      `the data ${data.name} has ${data.classes} classes, the model's last layer gives ` +
        `${session.classes}`,
    )
}

/**
 * Fills a slot with a batch and returns the number of samples. A batch that is not full is repeated
 * until the slot is, so that firing rates stay meaningful.
 *
 * @param take says whether threads have put its samples there
 * @throws SpikewasmError for targets and weights that the session's loss cannot be of
 */
export async function fillBatch(
  session: Session,
  batches: Batches,
  batch: number,
  slot: 0 | 1,
  take?: (into: Slot) => Promise<boolean> | undefined,
): Promise<number> {
  const { batchSize, parts, loss, classes, targetFloats: size } = session
  const { dataset } = batches
  const into = session.slot(slot)
  const { images, labels, targets, weights } = into
  const count = Math.min(batches.batchSize, dataset.length - batch * batches.batchSize)
  if (!(await take?.(into))) {
    const preparing = session.lock.ask(() => batches.prepare(batch))
    if (preparing) await preparing
    batches.fill(batch, images, labels, targets, weights)
    const what = `the data ${dataset.name}, batch ${batch + 1},`
    expectFiniteSlot(what, images, batchSize, count, parts)
  }
  const name = (of: string): string => `the data ${dataset.name}, ${of} of batch ${batch + 1},`
  if (weights) expectWeights(name('weights'), weights.subarray(0, count))
  if (targets)
    expectTargets(name('targets'), loss, classes, targets.subarray(0, count * size), size)
  repeatSamples(images, batchSize, count, parts)
  return count
}

/** `Model.evaluate`. */
export async function evaluateInTurn(
  session: Session,
  data: Dataset,
  options: EvaluateOptions,
): Promise<Evaluation> {
  session.checkAlive()
  const rules: Rules<EvaluateOptions> = {
    signal: optional(by(checkSignal)),
    topK: optional(by(() => {})),
    averages: optional(truth()),
    metrics: optional(by(checkMetrics)),
    operations: optional(truth()),
    numWorkers: optional(by(checkNumWorkers)),
  }
  const asked = complete('evaluate', rules, options)
  return inTurn(session, [], () => evaluate(session, data, asked), asked.signal)
}

/** The same for whoever holds the model's lock, and has checked the options by themselves. */
export async function evaluate(
  session: Session,
  data: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { operations: counting = true, topK } = options
  checkDataset(session, data)
  if (data.weightOf) await session.replan(undefined, { weighted: true })
  if (topK !== undefined && (isOfValues(session.loss) || hostLossOf(session)))
    fail('evaluate.topK must be left out where the loss is of targets: there are no classes')
  if (topK !== undefined) checkInteger('evaluate.topK', topK, 1, session.classes)
  const averages = wantsAverages('evaluate.averages', session, options.averages)
  const run = async (): Promise<Evaluation> => {
    if (!counting) return measure(session, data, options)
    const counts = new OperationCounts(session)
    try {
      return await measure(session, data, options, counts)
    } finally {
      counts.end()
    }
  }
  return averages ? withAverages(session, run) : run()
}

async function measure(
  session: Session,
  data: Dataset,
  options: EvaluateOptions,
  counts?: OperationCounts,
): Promise<Evaluation> {
  const batches = new Batches(data, { batchSize: session.batchSize }, 'slots')
  const { numWorkers } = options
  const task = { first: 0, epochs: 1, numWorkers, isTest: true }
  const { batchSize } = batches
  const threads = await extras().readAhead?.(session, batches.dataset, { batchSize }, task)
  const fill = (batch: number, slot: 0 | 1): Promise<number> =>
    fillBatch(session, batches, batch, slot, (into) => threads?.take(batch, into))
  try {
    const run = () => pass(session, batches, fill, options, counts)
    return await withSignal(session, options.signal, run)
  } finally {
    await threads?.close()
  }
}

/** Fills the next batch while the engine runs this one. */
async function pass(
  session: Session,
  { dataset: data, length }: Batches,
  fill: (batch: number, slot: 0 | 1) => Promise<number>,
  { topK, signal, metrics }: EvaluateOptions,
  counts: OperationCounts | undefined,
): Promise<Evaluation> {
  const isHost = hostLossOf(session) !== undefined
  const tally = isHost ? undefined : makeTally(session.classes, topK)
  const measured = startMetrics(metrics)
  const errors = absoluteErrors(session.loss, session.timeSteps)
  let [loss, weight, correct, answered, count] = [0, 0, 0, 0, 0]
  const spikes = new SampleSpikes(session)
  let next = await fill(0, 0)
  for (let batch = 0; batch < length; batch++) {
    if (runsHere(session.workersOf('evaluate'))) await breathe()
    signal?.throwIfAborted()
    const slot = session.slot((batch & 1) as 0 | 1)
    // Copies: where there is one slot, the next batch takes its place.
    const labels = slot.labels.slice(0, next)
    const targets = slot.targets?.slice(0, next * session.targetFloats)
    const judging = (batch & 1) as 0 | 1
    const running = spikes.of(next, () => evaluateBatch(session, judging, next))
    // The next batch is prepared while the workers compute.
    const filling = (into: 0 | 1) => fill(batch + 1, into)
    const [result, filled] = await fillAhead(session, length, batch + 1, running, filling)
    next = filled
    await counts?.add(result.count)
    loss += result.loss * result.weight
    weight += result.weight
    const logits = output(session, session.timeSteps, result.count)
    const first = count
    expectFiniteOutput(session, logits, (row) => `sample ${first + row} of ${data.name}`)
    correct += result.correct
    answered += result.answers
    const rows = rowsOf(session, labels, targets)
    if (rows.labels) tally?.add(rows.labels, rows.predictions, rows.outputs)
    else if (!isHost) errors.add(rows)
    measured.add(rows, result.count)
    count += result.count
  }
  const accuracy = session.judges ? { accuracy: ratio(correct, answered) } : {}
  const answers = isOfValues(session.loss)
    ? { meanAbsoluteError: errors.result() }
    : { ...accuracy, ...tally?.result() }
  const own = measured.result()
  const operations = counts && { operations: await counts.result() }
  const firingRates = spikes.rates()
  return { loss: ratio(loss, weight), ...answers, ...own, firingRates, ...operations, count }
}

/**
 * Fills the next batch, if there is one, while a step runs. Where one of the two fails it throws
 * when both have ended: no step runs on unnoticed, nothing is written into the memory behind it.
 */
export async function fillAhead<T>(
  session: Session,
  batches: number,
  batch: number,
  running: Promise<T>,
  fill: (slot: 0 | 1) => Promise<number>,
): Promise<[T, number]> {
  const filling = async (): Promise<number> => {
    if (batch >= batches) return 0
    // With one slot there is nowhere to put it before.
    if (session.plan.named.images.length === 1) await running
    return fill((batch & 1) as 0 | 1)
  }
  const ahead = filling()
  await Promise.allSettled([running, ahead])
  return [await running, await ahead]
}
