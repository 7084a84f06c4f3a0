/**
 * Our training steps and another's, one after the other in the order ours, theirs, ours. What other
 * processes took of the machine meanwhile is told too: threads that wait for each other often are
 * slowed most by a busy machine.
 */

import { median } from '../src/base/numbers.js'
import { watchOthers } from '../src/bench/conditions.js'
import { summarise } from '../src/bench/loops.js'
import {
  batchOf,
  compileWith,
  describeRates,
  type MethodChoice,
  type makeBatch,
  type Setting,
} from '../src/bench/networks.js'
import { peakGflops } from '../src/bench/peak.js'
import { type Column, deviation, digits, percent } from '../src/bench/report.js'
import { type MethodTraits, traitsOf } from '../src/compile/methods.js'
import * as sw from '../src/index.js'
import type { Model } from '../src/model/model.js'
import type { PeerStep, StepTimes } from './official-code.js'
import { type DenseMethod, denseOperations, flop, limitMs, ownOperations } from './operations.js'
import type { BenchOptions } from './options.js'
import type { Section } from './section.js'

const LEARNING_RATE = 0.02

/** Share of the processors that others took from which on a row is not to be trusted. */
const DISTURBED = 0.1

/**
 * How long steps are timed. Some train before: firing rates are then no longer those of fresh
 * weights.
 */
export interface StepBudget {
  readonly trainingSteps: number
  readonly minSteps: number
  readonly seconds: number
}

/** For tables to quote; `--steps` and `--quick` change it. */
export const stepBudget = ({ steps, quick }: BenchOptions): StepBudget => ({
  trainingSteps: quick ? 2 : 10,
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
export type TrainingBatch = ReturnType<typeof makeBatch>

/** As the scripts read it: images, then labels as int32. */
export const encodeBatch = ({ x, y }: TrainingBatch): Buffer =>
  Buffer.concat([Buffer.from(x.buffer), Buffer.from(Int32Array.from(y).buffer)])

/** Options of the scripts. */
export const stepSettings = ({ trainingSteps, minSteps, seconds }: StepBudget) => ({
  'training-steps': trainingSteps,
  'min-steps': minSteps,
  ...{ seconds, lr: LEARNING_RATE },
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
  for (let total = 0; times.length < minSteps || total < 1000 * seconds; total += times.at(-1)!) {
    const start = performance.now()
    await model.trainStep(x, y, { lr: 0 })
    times.push(performance.now() - start)
  }
  return times
}

type Other = StepTimes & Partial<PeerStep>

/** Both sides of a step. What is theirs is absent where ours is measured alone. */
export interface Beside {
  readonly ours: StepTimes
  readonly theirs?: Other
  /** Medians of ours before and behind theirs. */
  readonly before: number
  readonly after: number
  /** Our spikes per neuron and step by layer. */
  readonly rates: Readonly<Record<string, number>>
  /** Share of the processors that other processes took, the largest of the measurements. */
  readonly others: number
  readonly operations: { readonly ours: number; readonly theirs: number }
  /** Milliseconds at the peak. */
  readonly limits: { readonly ours: number; readonly theirs: number }
  /** Ours in a process of its own, where it was measured. */
  readonly residentMiB?: number
}

/**
 * Trains a model for a few steps and times it before and behind theirs.
 * @param of whose operations are counted: another code's dense ones, or another method of ours
 * @param theirs runs theirs and returns its times; `processorMs` of a process of its own
 */
export async function measureBeside(
  model: Model,
  batch: TrainingBatch,
  budget: StepBudget,
  of: DenseMethod | MethodTraits,
  theirs?: () => Other | Promise<Other>,
): Promise<Beside> {
  await train(model, batch, budget)
  let most = 0
  const watched = async <R>(work: () => R | Promise<R>, ownMs?: (found: R) => number) => {
    const others = watchOthers()
    const found = await work()
    most = Math.max(most, others(ownMs?.(found)))
    return found
  }
  const mine = (): Promise<number[]> => watched(() => timeSteps(model, batch, budget))
  const before = await mine()
  const their = theirs && (await watched(theirs, ({ processorMs = 0 }) => processorMs))
  const after = their ? await mine() : before
  const rates = model.firingRates()
  const { session, timeSteps: T, batchSize } = model
  const { graph, threads } = session
  const own = (traits: MethodTraits) => ownOperations(graph, traits, rates, T, batchSize)
  const counted = {
    ours: own(traitsOf(model)),
    theirs: typeof of === 'string' ? denseOperations(graph, of, T, batchSize) : own(of),
  }
  const peak = peakGflops() * threads
  return {
    ours: summarise(their ? [...before, ...after] : before),
    theirs: their,
    ...{ before: median(before), after: median(after), rates, others: most },
    operations: { ours: flop(counted.ours), theirs: flop(counted.theirs) },
    limits: {
      ours: limitMs(counted.ours, peak),
      theirs: limitMs(counted.theirs, their?.peakGflops ?? peak),
    },
  }
}

export const describeOthers = (share: number): string =>
  `${percent(share)}${share > DISTURBED ? ', disturbed' : ''}`

/** A column of both sides, empty where theirs is not there. */
const both = (text: (theirs: Other, of: Beside) => string) => (of: Beside) =>
  of.theirs ? text(of.theirs, of) : ''
const ratio = (a: number, b: number): string => (a / b).toFixed(2)
const mib = (size: number | undefined): string => (size === undefined ? '' : digits(size))

export const besideColumns: readonly Column<Beside>[] = [
  ['ours ms', ({ ours }) => digits(ours.median)],
  ['theirs ms', both(({ median }) => digits(median))],
  ['ratio', both(({ median }, { ours }) => ratio(ours.median, median))],
  ['fastest', both(({ best }, { ours }) => ratio(ours.best, best))],
  ['spread', both(({ spread }, { ours }) => `${deviation(ours.spread)}, ${deviation(spread)}`)],
  ['before, after', both((_, { before, after }) => `${digits(before)}, ${digits(after)}`)],
  ['others', ({ others }) => describeOthers(others)],
  ['rate', ({ rates }) => describeRates(rates)],
  ['ours MiB', ({ residentMiB }) => mib(residentMiB)],
  ['theirs MiB', both(({ residentMiB }) => mib(residentMiB))],
  ['ours GFLOP', ({ operations }) => digits(operations.ours / 1e9)],
  ['limit ms', ({ limits }) => digits(limits.ours)],
  ['× limit', ({ ours, limits }) => ratio(ours.median, limits.ours)],
  ['theirs GFLOP', both((_, { operations }) => digits(operations.theirs / 1e9))],
  ['limit ms', both((_, { limits }) => digits(limits.theirs))],
  ['× limit', both(({ median }, { limits }) => ratio(median, limits.theirs))],
]

/** What these columns mean, for each table that has them. */
export const besideNotes = [
  'ms: median of the steps at learning rate 0. ratio: ours / theirs, of the medians and of the ' +
    'fastest steps. spread: of ours and theirs.',
  'before, after: ours before and behind theirs. others: share of the processors that other ' +
    'processes took meanwhile, the largest of the measurements; what is marked as disturbed says ' +
    'little.',
  'rate: our spikes per neuron and step, mean of the layers (lowest–highest); theirs is dense. ' +
    'MiB: largest resident set, each in a process of its own; ours after a process with the package ' +
    "alone has about 50, theirs with PyTorch's libraries.",
  'limit: the time of the additions and multiply-adds of convolutions and linear layers alone, ' +
    "of ours at WebAssembly's measured 128-bit peak of one thread times the threads, of theirs " +
    'at what the fastest of a product of matrices and two convolutions reached in its process. A ' +
    'multiply-add counts 2.',
  'Counted of ours: forward an addition for each spike and weight that meet (behind pooling each ' +
    'spike of a window, at most the dense product), for the image its dense product once; ' +
    'gradients of inputs dense, once (rate) or at each step; gradients of weights dense with ' +
    "time means (rate) and traces (ottt), additions of spikes else. Winograd's algorithm does with " +
    'fewer, so that × limit can be below 1.',
  'Counted of theirs: dense products, at each step forward and for both gradients; rate: forward ' +
    'at each step, then once more with both gradients; an image needs no gradient.',
]

/** Entries of both sides, and of their ratio. @param other who theirs is */
export function addBeside(
  section: Section,
  name: string,
  { ours, theirs, before, after, rates, limits, others, residentMiB }: Beside,
  other: string,
  torch?: string,
): void {
  const time = (who: string, { median, spread, best, samples }: StepTimes, about: string): void =>
    section.entry(
      `${name} | ${who}`,
      'ms',
      median,
      [`fastest ${digits(best)} ms, ${samples} samples`, about],
      deviation(spread),
    )
  const turns = `before the other's ${digits(before)} ms, after ${digits(after)} ms`
  const about = `rate ${describeRates(rates)}; limit ${digits(limits.ours)} ms`
  time('spikewasm', ours, theirs ? `${about}; ${turns}` : about)
  if (!theirs) return
  time(other, theirs, `limit ${digits(limits.theirs)} ms; PyTorch ${torch}`)
  const fastest = (ours.best / theirs.best).toFixed(3)
  section.entry(`${name} | ratio`, 'ours / theirs', ours.median / theirs.median, [
    `fastest ${fastest}, other processes ${describeOthers(others)}`,
  ])
  if (residentMiB === undefined || theirs.residentMiB === undefined) return
  for (const [who, size] of Object.entries({ spikewasm: residentMiB, [other]: theirs.residentMiB }))
    section.entry(`${name} | ${who}, peak memory`, 'MiB', Math.round(size))
}
