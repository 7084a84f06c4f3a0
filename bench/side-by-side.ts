/**
 * Our training steps and another's, one after the other in the order ours, theirs, ours. What other
 * processes took of the machine meanwhile is told too: threads that wait for each other often are
 * slowed most by a busy machine.
 */

import { watchOthers } from '../src/bench/conditions.js'
import { batchOf, compileWith, type MethodChoice, type Setting } from '../src/bench/networks.js'
import { percent } from '../src/bench/report.js'
import * as sw from '../src/index.js'
import { median as medianOf } from '../src/median.js'
import type { Model } from '../src/model.js'
import type { PeerStep, StepTimes } from './official-code.js'
import type { BenchOptions } from './options.js'

/**
 * Steps that train before time is taken, as the scripts do by default: firing rates are no longer
 * those of fresh weights.
 */
const [TRAINING_STEPS, QUICK_TRAINING_STEPS] = [10, 2]
const LEARNING_RATE = 0.02

export { describeRates } from '../src/bench/networks.js'

/** Share of the processors that others took from which on a row is not to be trusted. */
const DISTURBED = 0.1

export interface StepBudget {
  readonly trainingSteps: number
  readonly minSteps: number
  readonly seconds: number
}

/** For tables to quote; `--steps` and `--quick` change it. */
export const stepBudget = ({ steps, quick }: BenchOptions): StepBudget => ({
  trainingSteps: quick ? QUICK_TRAINING_STEPS : TRAINING_STEPS,
  minSteps: steps ?? (quick ? 3 : 10),
  seconds: quick ? 0.3 : 2,
})

/** Compiles a network of the registry. */
export const compileNetwork = (
  model: string,
  choice: MethodChoice,
  timeSteps: number,
  threads: number,
  { batchSize = batchOf(model), ...more }: Partial<Setting> = {},
): Promise<Model> => compileWith(sw, { model, choice, timeSteps, threads, batchSize, ...more })

/** A batch, the same for all sides. */
export interface TrainingBatch {
  readonly x: Float32Array
  readonly y: readonly number[]
}

/** As the scripts read it: images, then labels as int32. */
export const encodeBatch = ({ x, y }: TrainingBatch): Buffer =>
  Buffer.concat([
    Buffer.from(x.buffer, x.byteOffset, x.byteLength),
    Buffer.from(Int32Array.from(y).buffer),
  ])

/** Options of the scripts. */
export const stepSettings = ({ trainingSteps, minSteps, seconds }: StepBudget) => ({
  'training-steps': trainingSteps,
  'min-steps': minSteps,
  seconds,
  lr: LEARNING_RATE,
})

export async function train(
  model: Model,
  { x, y }: TrainingBatch,
  { trainingSteps }: StepBudget,
): Promise<void> {
  for (let i = 0; i < trainingSteps; i++) await model.trainStep(x, y, { lr: LEARNING_RATE })
}

/** Milliseconds of steps at learning rate 0, which leaves weights and firing rates as they are. */
export async function timeSteps(
  model: Model,
  { x, y }: TrainingBatch,
  { minSteps, seconds }: StepBudget,
): Promise<number[]> {
  const times: number[] = []
  // One for the caches.
  await model.trainStep(x, y, { lr: 0 })
  for (
    let total = 0;
    times.length < minSteps || total < 1000 * seconds;
    total += times[times.length - 1]
  ) {
    const start = performance.now()
    await model.trainStep(x, y, { lr: 0 })
    times.push(performance.now() - start)
  }
  return times
}

export function summarise(times: readonly number[]): StepTimes {
  const median = medianOf(times)
  return {
    median,
    best: Math.min(...times),
    spread: (100 * medianOf(times.map((t) => Math.abs(t - median)))) / median,
    samples: times.length,
  }
}

export interface SideBySide<Theirs> {
  readonly ours: StepTimes
  /** Medians of ours before and behind theirs. */
  readonly before: number
  readonly after: number
  /** Our spikes per neuron and step by layer. */
  readonly rates: Readonly<Record<string, number>>
  /** Share of the processors that other processes took, the largest of the three measurements. */
  readonly others: number
  readonly theirs: Theirs
}

/**
 * Trains a model for a few steps and times it before and behind theirs.
 * @param theirs runs theirs and returns its times; `processorMs` of a process of its own
 */
export async function measureSideBySide<Theirs extends StepTimes & Partial<PeerStep>>(
  model: Model,
  batch: TrainingBatch,
  budget: StepBudget,
  theirs: () => Theirs | Promise<Theirs>,
): Promise<SideBySide<Theirs>> {
  await train(model, batch, budget)
  let others = watchOthers()
  const before = await timeSteps(model, batch, budget)
  const disturbed = [others()]
  others = watchOthers()
  const their = await theirs()
  disturbed.push(others(their.processorMs))
  others = watchOthers()
  const after = await timeSteps(model, batch, budget)
  disturbed.push(others())
  return {
    ours: summarise([...before, ...after]),
    before: medianOf(before),
    after: medianOf(after),
    rates: model.firingRates(),
    others: Math.max(...disturbed),
    theirs: their,
  }
}

export const describeOthers = (share: number): string =>
  `${percent(share)}${share > DISTURBED ? ', disturbed' : ''}`
