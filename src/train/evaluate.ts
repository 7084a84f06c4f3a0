/** Evaluation over a data set. */

import { Batches } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { expect, expectFinite } from '../errors.js'
import type { Model } from '../model.js'

export interface Evaluation {
  /** Mean cross entropy. */
  readonly loss: number
  /** 0…1 */
  readonly accuracy: number
  /** Spikes per neuron and step by layer, 0…1. */
  readonly firingRates: Record<string, number>
  readonly count: number
}

/** @throws SpikewasmError when the data's shape or classes do not match the model's. */
export function checkDataset(model: Model, data: Dataset): void {
  expect(
    data.shape.every((n, i) => n === model.input[i]),
    () => `the data ${data.name} has samples of [${data.shape.join(', ')}], the model was compiled for input [${model.input.join(', ')}]`,
  )
  expect(
    data.classes <= model.classes,
    () => `the data ${data.name} has ${data.classes} classes, the model's last layer gives ${model.classes}`,
  )
}

/** Fills a slot with a batch; what is left of it is filled with repeats, so that firing rates stay meaningful. Returns the number of samples. */
export function fillBatch(model: Model, batches: Batches, batch: number, slot: 0 | 1): number {
  const { images, labels } = model.slot(slot)
  const count = batches.fill(batch, images, labels)
  const size = images.length / labels.length
  expectFinite(`the data ${batches.dataset.name}, batch ${batch + 1},`, images, size, count)
  for (let b = count; b < labels.length; b++) images.copyWithin(b * size, (b % count) * size, (b % count) * size + size)
  return count
}

export async function evaluate(model: Model, data: Dataset, options: { signal?: AbortSignal } = {}): Promise<Evaluation> {
  checkDataset(model, data)
  const batches = new Batches(data, { batchSize: model.batchSize })
  let [loss, correct, count] = [0, 0, 0]
  const firingRates: Record<string, number> = {}
  let next = fillBatch(model, batches, 0, 0)
  for (let batch = 0; batch < batches.length; batch++) {
    if (model.threads === 1) await breathe()
    options.signal?.throwIfAborted()
    const running = model.runSlot('evaluate', (batch & 1) as 0 | 1, next)
    // The next batch is prepared while the workers compute.
    const following = fillAhead(model, batches, batch + 1, running)
    const result = await running
    next = await following
    loss += result.loss * result.count
    correct += result.correct
    count += result.count
    for (const [name, rate] of Object.entries(model.firingRates())) firingRates[name] = (firingRates[name] ?? 0) + rate / batches.length
  }
  return { loss: loss / count, accuracy: correct / count, firingRates, count }
}

/** Fills the next batch, if there is one, beside a running step; a failure is thrown when that step has ended, so that nothing runs on unnoticed. */
export async function fillAhead(model: Model, batches: Batches, batch: number, running: Promise<unknown>): Promise<number> {
  if (batch >= batches.length) return 0
  try {
    return fillBatch(model, batches, batch, (batch & 1) as 0 | 1)
  } catch (error) {
    await running
    throw error
  }
}

/** Time for callbacks, timers and signals between two steps that run on this thread. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
