/** Evaluation over a data set. */

import { Batches } from '../data/batches.js'
import { type Dataset, expectDataset } from '../data/dataset.js'
import { checkOptions, describe, expect, expectFinite } from '../errors.js'
import { checkInputShape, imageShape } from '../nn/value.js'
import { breathe } from '../runtime/breathe.js'
import type { Session } from '../runtime/session.js'
import { firingRates } from '../runtime/views.js'

/** What `evaluate` returns. */
export interface Evaluation {
  /** Mean cross entropy over all samples, in nats. */
  readonly loss: number
  /** Share of samples whose largest output is that of their label, 0…1. */
  readonly accuracy: number
  /** Spikes per neuron and time step, 0…1, by layer name. */
  readonly firingRates: Record<string, number>
  /** Number of samples. */
  readonly count: number
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /**
   * Ends the evaluation before its next batch; `evaluate` then rejects with the signal's reason.
   */
  signal?: AbortSignal
}

/**
 * @throws SpikewasmError when the data is no data set, or its shape or classes do not match the
 *   model's.
 */
export function checkDataset(session: Session, data: Dataset): void {
  expectDataset('the data', data)
  const shape = imageShape(checkInputShape(`the data ${data.name}: shape`, data.shape))
  expect(
    !session.frames,
    () =>
      `the model was compiled with frames, but the data ${data.name} gives one image a sample; ` +
      'compile without frames, or use trainStep and predict',
  )
  expect(
    shape.every((n, i) => n === session.input[i]),
    () =>
      `the data ${data.name} has samples of [${data.shape.join(', ')}], the model was ` +
      `compiled for input [${session.asked.join(', ')}]`,
  )
  expect(
    data.classes <= session.classes,
    () =>
      `the data ${data.name} has ${data.classes} classes, the model's last layer gives ` +
      `${session.classes}`,
  )
}

/**
 * @throws SpikewasmError unless it is a signal. Its controller, given by mistake, would never
 * abort.
 */
export function checkSignal(name: string, signal: AbortSignal | undefined): void {
  expect(
    signal === undefined || typeof signal?.throwIfAborted === 'function',
    () => `${name} must be an AbortSignal, such as controller.signal, got ${describe(signal)}`,
  )
}

/**
 * Fills a slot with a batch and returns the number of samples. A batch that is not full is repeated
 * until the slot is, so that firing rates stay meaningful.
 */
export function fillBatch(session: Session, batches: Batches, batch: number, slot: 0 | 1): number {
  const { images, labels } = session.slot(slot)
  const count = batches.fill(batch, images, labels)
  const size = images.length / labels.length
  expectFinite(`the data ${batches.dataset.name}, batch ${batch + 1},`, images, size, count)
  for (let b = count; b < labels.length; b++)
    images.copyWithin(b * size, (b % count) * size, (b % count) * size + size)
  return count
}

/** `Model.evaluate`. The caller must hold the model's lock. */
export async function evaluate(
  session: Session,
  data: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkOptions('evaluate', options, ['signal'])
  checkSignal('evaluate.signal', options.signal)
  checkDataset(session, data)
  const batches = new Batches(data, { batchSize: session.batchSize })
  let [loss, correct, count] = [0, 0, 0]
  const sums: Record<string, number> = {}
  let next = fillBatch(session, batches, 0, 0)
  for (let batch = 0; batch < batches.length; batch++) {
    if (session.workersOf('evaluate') === 1) await breathe()
    options.signal?.throwIfAborted()
    const running = session.run('evaluate', (batch & 1) as 0 | 1, next)
    // The next batch is prepared while the workers compute.
    const [result, following] = await Promise.all([
      running,
      fillAhead(session, batches.length, batch + 1, running, (slot) =>
        fillBatch(session, batches, batch + 1, slot),
      ),
    ])
    next = following
    loss += result.loss * result.count
    correct += result.correct
    count += result.count
    for (const [name, rate] of Object.entries(firingRates(session, session.lastRun)))
      sums[name] = (sums[name] ?? 0) + rate / batches.length
  }
  return { loss: loss / count, accuracy: correct / count, firingRates: sums, count }
}

/**
 * Fills the next batch, if there is one, while a step runs. If that fails, it throws when the step
 * has ended, so that no step runs on unnoticed.
 */
export async function fillAhead(
  session: Session,
  batches: number,
  batch: number,
  running: Promise<unknown>,
  fill: (slot: 0 | 1) => number | Promise<number>,
): Promise<number> {
  if (batch >= batches) return 0
  // With one slot there is nowhere to put it before.
  if (session.plan.named.images.length === 1) await running
  try {
    return await fill((batch & 1) as 0 | 1)
  } catch (error) {
    await running
    throw error
  }
}
