/**
 * Training steps: every method over T and threads, how much of a step is spent outside kernels, and
 * what a second thread gains.
 *
 * Outside kernels means reordering the batch, dispatch, barriers, and workers that wait for others.
 * With one thread it is the step minus the sum of `model.profile()`. With N threads the kernels
 * need at least that sum / N, if they divide perfectly and do not disturb each other; so what is
 * left over is an upper bound of the time outside, and of the whole loss to imbalance and shared
 * caches.
 */

import { type Budget, measureAsync, type Timing } from '../src/bench/measure.js'
import {
  batchOf,
  chooseModels,
  compileNetwork,
  describeMethod,
  type MethodChoice,
  makeBatch,
  methods,
} from '../src/bench/networks.js'
import { deviation, digits, emptyReport, percent, type Report } from '../src/bench/report.js'
import type { Model } from '../src/model.js'
import type { StateDict } from '../src/runtime/state.js'
import type { BenchOptions } from './options.js'

const TIME_STEPS = [1, 2, 4, 8, 16]
const USUAL_TIME_STEPS = 4
/** Steps of training that make rates differ from those of fresh weights. */
const PRETRAINING_STEPS = 30

const budgets: Record<'quick' | 'thorough', Budget> = {
  quick: { warmupMs: 60, measureMs: 60, minCalls: 3 },
  thorough: { warmupMs: 500, measureMs: 1000, minCalls: 3 },
}

interface Configuration {
  readonly choice: MethodChoice
  readonly timeSteps: number
}

/**
 * All of methods × T for one named model; else all methods at T = 4, and rate m and bptt m at every
 * T.
 */
function configurations({ model, quick }: BenchOptions): Configuration[] {
  const all = methods.flatMap((choice) => TIME_STEPS.map((timeSteps) => ({ choice, timeSteps })))
  if (quick) return all.filter(({ timeSteps }) => timeSteps === USUAL_TIME_STEPS)
  if (model !== undefined) return all
  return all.filter(
    ({ choice, timeSteps }) =>
      timeSteps === USUAL_TIME_STEPS || (choice.stepMode === 'm' && choice.method !== 'ottt'),
  )
}

interface StepResult {
  readonly timing: Timing
  readonly kernelMs: number
  readonly rates: readonly number[]
}

async function train(model: Model, steps: number): Promise<void> {
  const { x, y } = makeBatch(model.batchSize)
  for (let i = 0; i < steps; i++) await model.trainStep(x, y, { lr: 0.02 })
}

/** Steps at learning rate 0, so that weights and with them firing rates stay what they are. */
async function measureSteps(model: Model, budget: Budget, quick: boolean): Promise<StepResult> {
  const { x, y } = makeBatch(model.batchSize)
  const timing = await measureAsync(() => model.trainStep(x, y, { lr: 0 }), budget)
  const rates = Object.values(model.firingRates())
  const profile = await model.profile(quick ? 2 : 3)
  return {
    timing,
    kernelMs: profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    rates,
  }
}

/** Threads to measure: 1, 2, 4, … and the largest. */
function threadCounts(largest: number): number[] {
  const counts: number[] = []
  for (let n = 1; n < largest; n *= 2) counts.push(n)
  return [...counts, largest]
}

async function withModel<V>(model: Model, use: (model: Model) => Promise<V>): Promise<V> {
  try {
    return await use(model)
  } finally {
    await model.dispose()
  }
}

export async function benchSteps(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const report = emptyReport()
  const budget = options.quick ? budgets.quick : budgets.thorough
  const { names, missing } = chooseModels(options.model, options.quick)
  for (const name of names) {
    const B = batchOf(name)
    progress(`${name}: training first`)
    const state: StateDict = await withModel(
      await compileNetwork(name, methods[0], USUAL_TIME_STEPS, options.threads),
      async (model) => {
        await train(model, options.quick ? 5 : PRETRAINING_STEPS)
        return model.stateDict()
      },
    )
    const rows: string[][] = []
    for (const { choice, timeSteps } of configurations(options)) {
      let single: Timing | undefined
      for (const threads of threadCounts(options.threads)) {
        progress(`${name} ${describeMethod(choice)} T=${timeSteps} threads=${threads}`)
        const { timing, kernelMs, rates } = await withModel(
          await compileNetwork(name, choice, timeSteps, threads),
          async (model) => {
            model.loadStateDict(state)
            return measureSteps(model, budget, options.quick)
          },
        )
        const step = timing.median
        single ??= timing
        const outside = 1 - kernelMs / threads / step
        const mean = rates.reduce((a, b) => a + b, 0) / rates.length
        const density =
          `rate ${mean.toFixed(2)} ` +
          `(${Math.min(...rates).toFixed(2)}–${Math.max(...rates).toFixed(2)})`
        const bound = threads > 1 ? '≤ ' : ''
        rows.push([
          describeMethod(choice),
          String(timeSteps),
          String(threads),
          digits(step),
          deviation(timing.spread),
          digits((1000 * B) / step),
          `${digits(single.median / step)} ×`,
          `${digits(single.best / timing.best)} ×`,
          digits(kernelMs),
          `${bound}${percent(outside)}`,
          density,
          digits(timing.first),
          digits(timing.cold),
        ])
        const entry = {
          name:
            `step | ${name} | ${describeMethod(choice)} | T ${timeSteps} | batch ` +
            `${B} | threads ${threads}`,
          range: deviation(timing.spread),
          extra: [
            `${digits(single.median / step)} × one thread (fastest steps ` +
              `${digits(single.best / timing.best)} ×), outside kernels ${bound}${percent(outside)}`,
            `first step ${digits(timing.first)} ms, cold tier ${digits(timing.cold)} ` +
              `ms, fastest ${digits(timing.best)} ms, ${timing.samples} samples`,
            density,
            label,
          ].join('\n'),
        }
        report.smallerIsBetter.push({ ...entry, unit: 'ms', value: step })
        report.biggerIsBetter.push({ ...entry, unit: 'images/s', value: (1000 * B) / step })
      }
    }
    report.tables.push({
      title: `Training steps: ${name}, batch ${B}, 3×32×32 noise`,
      notes: [
        'A step is trainStep: reordering the batch, forward, backward, update. gain: ' +
          'median step of one thread over this one, and the same of the fastest steps',
        '(steadier where others use the machine too).',
        'kernels: sum of model.profile(), on one thread. outside: share of a step that ' +
          'is not kernels; with N threads at most that much, since kernels need at least their ' +
          'sum / N; below 0: less than timing each record costs.',
        'rate: spikes per neuron and step, mean of the layers (lowest–highest).',
        ...missing.map((other) => `${other} is not in this version's registry and was left out.`),
      ],
      head: [
        'method',
        'T',
        'threads',
        'ms',
        'spread',
        'images/s',
        'gain',
        'gain, fastest',
        'kernels ms',
        'outside',
        'density',
        'first ms',
        'cold ms',
      ],
      rows,
    })
  }
  return report
}
