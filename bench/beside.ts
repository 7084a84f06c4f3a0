/**
 * Our training steps and another's, one after the other in the order ours, theirs, ours. What other
 * processes took of the machine meanwhile is told too: threads that wait for each other often are
 * slowed most by a busy machine.
 */

import { median } from '../src/base/numbers.js'
import { watchOthers } from '../src/bench/conditions.js'
import { describeRates, type makeBatch } from '../src/bench/networks.js'
import { type Column, deviation, digits, percent } from '../src/bench/report.js'
import { summarise } from '../src/bench/run.js'
import type { Model } from '../src/model/model.js'
import type { PeerStep, StepTimes } from './codes.js'
import type { BenchOptions } from './options.js'
import type { Section } from './section.js'

const LEARNING_RATE = 0.02

/** Share of the processors that others took from which on a row is not to be trusted. */
const DISTURBED = 0.1

/**
 * How long steps are timed. Some train before: firing rates are then no longer those of fresh
 * weights.
 */
export const stepBudget = ({ steps, quick }: BenchOptions) => ({
  trainingSteps: quick ? 2 : 10,
  minSteps: steps ?? (quick ? 3 : 10),
  seconds: quick ? 0.3 : 2,
})
export type StepBudget = ReturnType<typeof stepBudget>

/** A batch, the same for all sides. */
export type TrainingBatch = ReturnType<typeof makeBatch>

/** As the scripts read it: images, then labels as int32. */
export const encodeBatch = ({ x, y }: TrainingBatch): Buffer =>
  Buffer.concat([Buffer.from(x.buffer), Buffer.from(Int32Array.from(y).buffer)])

/** Options of the scripts. */
export const stepSettings = ({ trainingSteps, minSteps, seconds }: StepBudget) => ({
  'training-steps': trainingSteps,
  'min-steps': minSteps,
  seconds,
  lr: LEARNING_RATE,
})

/** Milliseconds of steps at learning rate 0, which leaves weights and firing rates as they are. */
async function timeSteps(
  model: Model,
  { x, y }: TrainingBatch,
  { minSteps, seconds }: StepBudget,
): Promise<number[]> {
  const times: number[] = []
  // One for the caches.
  await model.trainStep(x, y, { lr: 0 })
  for (let total = 0; times.length < minSteps || total < 1000 * seconds; total += times.at(-1)!) {
    const start = performance.now()
    await model.trainStep(x, y, { lr: 0 })
    times.push(performance.now() - start)
  }
  return times
}

/** Both sides of a step. */
export interface Beside {
  readonly ours: StepTimes
  readonly theirs: PeerStep
  /** Medians of ours before and behind theirs. */
  readonly turns: readonly [before: number, after: number]
  /** Our spikes per neuron and step by layer. */
  readonly rates: Readonly<Record<string, number>>
  /** Share of the processors that other processes took, the largest of the measurements. */
  readonly others: number
}

/**
 * Trains a model for a few steps and times it before and behind theirs.
 * @param step runs theirs and returns its times
 * @returns or why theirs cannot be measured
 */
export async function measureBeside(
  model: Model,
  batch: TrainingBatch,
  budget: StepBudget,
  step: () => PeerStep,
): Promise<Beside | { readonly leftOut: string }> {
  for (let i = 0; i < budget.trainingSteps; i++)
    await model.trainStep(batch.x, batch.y, { lr: LEARNING_RATE })
  let most = 0
  const watched = async <R>(work: () => R | Promise<R>, childMs = (_: R) => 0): Promise<R> => {
    const others = watchOthers()
    const found = await work()
    most = Math.max(most, others(childMs(found)))
    return found
  }
  const mine = (): Promise<number[]> => watched(() => timeSteps(model, batch, budget))
  const before = await mine()
  const theirs = await watched(step, ({ processorMs }) => processorMs)
  if (theirs.leftOut !== undefined) return { leftOut: theirs.leftOut }
  const after = await mine()
  return {
    ours: summarise([...before, ...after]),
    theirs,
    turns: [median(before), median(after)],
    rates: model.firingRates(),
    others: most,
  }
}

export const describeOthers = (share: number): string =>
  `${percent(share)}${share > DISTURBED ? ', disturbed' : ''}`

const ratio = (a: number, b: number): string => (a / b).toFixed(2)

export const besideColumns: readonly Column<Beside>[] = [
  ['ours ms', ({ ours }) => digits(ours.median)],
  ['theirs ms', ({ theirs }) => digits(theirs.median)],
  ['ratio', ({ ours, theirs }) => ratio(ours.median, theirs.median)],
  ['fastest', ({ ours, theirs }) => ratio(ours.best, theirs.best)],
  ['spread', ({ ours, theirs }) => `${deviation(ours.spread)}, ${deviation(theirs.spread)}`],
  ['before, after', ({ turns }) => turns.map(digits).join(', ')],
  ['others', ({ others }) => describeOthers(others)],
  ['rate', ({ rates }) => describeRates(rates)],
  ['theirs MiB', ({ theirs }) => digits(theirs.residentMiB)],
]

/** What these columns mean. */
export const besideNotes = [
  'ms: median of the steps at learning rate 0. ratio: ours / theirs, of the medians and of the ' +
    'fastest steps. spread: of ours and theirs.',
  'before, after: ours before and behind theirs. others: share of the processors that other ' +
    'processes took meanwhile, the largest of the measurements; what is marked as disturbed says ' +
    'little.',
  'rate: our spikes per neuron and step, mean of the layers (lowest–highest); theirs is dense. ' +
    'MiB: largest resident set of their process; --only memory has ours.',
]

/** Entries of both sides, and of their ratio. @param torch version of PyTorch */
export function addBeside(section: Section, name: string, beside: Beside, torch: string): void {
  const { ours, theirs, turns, rates, others } = beside
  const time = (who: string, { median, spread, best, samples }: StepTimes, about: string): void =>
    section.entry(
      `${name} | ${who}`,
      'ms',
      median,
      [`fastest ${digits(best)} ms, ${samples} samples`, about],
      deviation(spread),
    )
  const [before, after] = turns.map(digits)
  const about = `before the other's ${before} ms, after ${after} ms`
  time('spikewasm', ours, `rate ${describeRates(rates)}; ${about}`)
  time('their code', theirs, `PyTorch ${torch}, ${Math.round(theirs.residentMiB)} MiB`)
  section.entry(`${name} | ratio`, 'ours / theirs', ours.median / theirs.median, [
    `fastest ${ratio(ours.best, theirs.best)}, other processes ${describeOthers(others)}`,
  ])
}
