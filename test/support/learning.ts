/** Exported networks that learn beside the models that they come from. */

import * as assert from 'uvu/assert'
import type { NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { openNet } from '../../src/edge/net.js'
import { readState } from '../../src/edge/state.js'
import type { Model, StateDict } from '../../src/index.js'
import { differing, sizeOf, uniform } from './exported.js'

type Random = () => number

/** A batch as a file and a model take it, [B][T][C][H][W]. */
export function makeBatch(model: Model, random: Random) {
  const { batchSize: B, classes, frames, timeSteps } = model
  const T = frames ? timeSteps : 1
  const size = sizeOf(model)
  const x = uniform(random, B * T * size)
  const labels = Int32Array.from({ length: B }, () => Math.floor(random() * classes))
  return { x, labels }
}

/** Numbers of two state dicts that differ in any bit. */
export function differingState(a: StateDict, b: StateDict): number {
  const names = Object.keys(a)
  if (names.join() !== Object.keys(b).join()) return Number.POSITIVE_INFINITY
  return names.reduce((sum, name) => sum + differing(a[name].data, b[name].data), 0)
}

const noRate = (_step: number): number | undefined => undefined

/**
 * Exports a model and has the file and the model learn the same batches: parameters, statistics,
 * losses, right answers and outputs afterwards agree in every bit.
 *
 * @param lr the learning rate of a step where it is not the model's
 */
export async function learnSame(
  model: Model,
  random: Random,
  steps: number,
  { lr = noRate, target = 'simd' as NetTarget, title = '' } = {},
): Promise<void> {
  const bytes = await exportWasm(model, { mode: 'train', target, batchSize: model.batchSize })
  const net = await openNet(bytes)
  const { training, info } = net
  if (!training) throw new Error('the file does not learn')
  let results = 0
  for (let step = 0; step < steps; step++) {
    const batch = makeBatch(model, random)
    const rate = lr(step)
    if (rate !== undefined) training.options[0] = rate
    net.input.set(batch.x)
    training.labels.set(batch.labels)
    training.trainStep()
    const { loss, correct } = await model.trainStep(batch.x, batch.labels, { lr: rate })
    if (loss !== training.loss() || correct !== training.correct()) results++
  }
  const state = differingState(readState(info, training.params), model.stateDict())
  const x = uniform(random, sizeOf(model) * (model.frames ? model.timeSteps : 1))
  const { logits } = await model.predict(x)
  net.input.set(x)
  net.infer()
  const outputs = differing(net.output, logits)
  assert.equal({ state, results, outputs }, { state: 0, results: 0, outputs: 0 }, title)
}
