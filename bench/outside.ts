/**
 * What training steps spend outside kernels, and what more threads gain.
 *
 * Outside kernels means reordering the batch, dispatch, barriers, and workers that wait for others.
 * With one thread it is the step minus the sum of `model.profile()`. With N threads the kernels
 * need at least that sum / N, if they divide perfectly and do not disturb each other; so what is
 * left over is an upper bound of the time outside, and of the whole loss to imbalance and shared
 * caches. Steps on one thread, on N threads, and the profile take turns: whatever disturbs the
 * machine for a while disturbs what is divided and what it is divided by.
 */

import { median as medianOf } from '../src/base/numbers.js'
import { trainedModel } from '../src/bench/cases/networks.js'
import { thisBuild } from '../src/bench/compare/builds.js'
import { BUSY, watchOthers } from '../src/bench/conditions.js'
import type { Figure } from '../src/bench/loops.js'
import {
  batchOf,
  chooseModels,
  describeMethod,
  describeRates,
  type MethodChoice,
  makeBatch,
  methods,
} from '../src/bench/networks.js'
import { digits, percent } from '../src/bench/report.js'
import type { Model } from '../src/model/model.js'
import type { Section } from './section.js'

const [ROUNDS, QUICK_ROUNDS] = [15, 3]

/** Times of one round, in milliseconds. */
interface Round {
  readonly single: number
  readonly several: number
  /** Sum of the kernels, on one thread. */
  readonly kernels: number
}

const refuse = (refused: string): Figure => ({ refused })
const isRefused = (figure: Figure): figure is { readonly refused: string } => 'refused' in figure

/** What a measurement may be off, as a share of itself, before it is called impossible. */
const ERROR = 0.05
/** Rounds that are further from each other say nothing together: median absolute deviation. */
const SCATTER = 0.1

const scatterOf = (values: readonly number[], middle: number): number =>
  medianOf(values.map((value) => Math.abs(value - middle)))

const usable = (values: readonly number[]): boolean =>
  values.length > 0 && values.every((value) => Number.isFinite(value) && value > 0)

/** One training step, and the kernels that it runs, timed next to each other. */
export interface StepPair {
  readonly stepMs: number
  /** Sum of the kernels on one thread. */
  readonly kernelMs: number
}

/**
 * Share of a step that is not kernels, 0…1. With several threads kernels need at least their sum
 * divided by the threads; so it is an upper bound then.
 */
export function outsideOf(pairs: readonly StepPair[], threads: number): Figure {
  if (!usable(pairs.flatMap(({ stepMs, kernelMs }) => [stepMs, kernelMs])))
    return refuse('nothing was measured')
  const shares = pairs.map(({ stepMs, kernelMs }) => 1 - kernelMs / threads / stepMs)
  const outside = medianOf(shares)
  const scatter = scatterOf(shares, outside)
  if (scatter > SCATTER)
    return refuse(`rounds differ by ± ${(100 * scatter).toFixed(0)} % of a step`)
  if (outside >= 0) return { value: outside }
  // Timing each record costs a little, so that nothing outside may look like less than nothing.
  if (outside >= -ERROR) return { value: 0 }
  return refuse('kernels took longer than the step that holds them: the machine was disturbed')
}

/** How many times as fast several threads are as one, from steps that took turns. */
export function gainOf(
  single: readonly number[],
  several: readonly number[],
  threads: number,
): Figure {
  if (!usable(single) || !usable(several)) return refuse('nothing was measured')
  const gains = single.map((ms, i) => ms / several[i])
  const gain = medianOf(gains)
  const scatter = scatterOf(gains, gain) / gain
  if (scatter > SCATTER) return refuse(`rounds differ by ± ${(100 * scatter).toFixed(0)} %`)
  if (gain > threads * (1 + ERROR))
    return refuse(`more than ${threads} threads can gain: the machine was disturbed`)
  return { value: Math.min(gain, threads) }
}

async function stepMs(model: Model): Promise<number> {
  const { x, y } = makeBatch(model.batchSize)
  const start = performance.now()
  await model.trainStep(x, y, { lr: 0 })
  return performance.now() - start
}

async function takeTurns(one: Model, several: Model, rounds: number): Promise<Round[]> {
  for (const model of [one, several]) for (let i = 0; i < 3; i++) await stepMs(model)
  const all: Round[] = []
  for (let round = 0; round < rounds; round++) {
    const [before, more, profile] = [await stepMs(one), await stepMs(several), await one.profile(1)]
    const [moreAgain, after] = [await stepMs(several), await stepMs(one)]
    all.push({
      single: (before + after) / 2,
      several: (more + moreAgain) / 2,
      kernels: profile.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    })
  }
  return all
}

/** A method, as steps on one thread, on several and the profile show it. */
async function measureMethod(
  { options }: Section,
  name: string,
  choice: MethodChoice,
  build: Awaited<ReturnType<typeof thisBuild>>,
) {
  const { threads, timeSteps, quick } = options
  const setting = { model: name, choice, timeSteps, batchSize: batchOf(name) }
  const one = await trainedModel(build, { ...setting, threads: 1 }, quick)
  const several = await trainedModel(build, { ...setting, threads }, quick)
  try {
    const others = watchOthers()
    const rounds = await takeTurns(one, several, quick ? QUICK_ROUNDS : ROUNDS)
    const taken = others()
    const of = (key: keyof Round): number[] => rounds.map((round) => round[key])
    const pairs = (key: keyof Round): StepPair[] =>
      rounds.map((round) => ({ stepMs: round[key], kernelMs: round.kernels }))
    const [outside, outsideMore] = [
      outsideOf(pairs('single'), 1),
      outsideOf(pairs('several'), threads),
    ]
    const gain = gainOf(of('single'), of('several'), threads)
    const reasons = [outside, outsideMore, gain].filter(isRefused).map((f) => f.refused)
    const busy = taken > BUSY ? [`busy ${percent(taken)}`] : []
    return {
      method: describeMethod(choice),
      rates: one.firingRates(),
      ...{ outside, outsideMore, gain, conditions: [...busy, ...new Set(reasons)].join('; ') },
      median: (key: keyof Round): string => digits(medianOf(of(key))),
    }
  } finally {
    await one.dispose()
    await several.dispose()
  }
}

const show = (figure: Figure, text: (value: number) => string): string =>
  isRefused(figure) ? '–' : text(figure.value)

export async function benchOutside(section: Section): Promise<void> {
  const build = await thisBuild()
  const { threads, timeSteps, quick, model } = section.options
  for (const name of chooseModels(model, quick)) {
    const rows: Awaited<ReturnType<typeof measureMethod>>[] = []
    const size = `batch ${batchOf(name)}, T ${timeSteps}, ${threads} threads`
    for (const choice of methods) {
      section.progress(`outside ${name} ${describeMethod(choice)}`)
      const row = await measureMethod(section, name, choice, build)
      rows.push(row)
      const { gain, method } = row
      if (isRefused(gain)) continue
      const about = [`step on one thread over step on ${threads}`]
      const figure = `gain ${name} ${method} B${batchOf(name)} T${timeSteps} threads ${threads}`
      section.entry(figure, 'x', gain.value, about, undefined, 'biggerIsBetter')
    }
    section.table(
      `Outside kernels: ${name}, ${size}`,
      [
        'kernels: sum of model.profile(), on one thread. outside: share of a step that is not ' +
          'kernels, on one thread and on all of them; with N threads at most that much, since ' +
          'kernels need at least their sum / N. gain: step of one thread over that of all.',
        'All of them took turns. –: the machine was disturbed, and the last column says how.',
      ],
      [
        ['method', ({ method }) => method],
        ['ms, one', ({ median }) => median('single')],
        [`ms, ${threads}`, ({ median }) => median('several')],
        ['kernels ms', ({ median }) => median('kernels')],
        ['outside, one', ({ outside }) => show(outside, percent)],
        [`outside, ${threads}`, (row) => show(row.outsideMore, (value) => `≤ ${percent(value)}`)],
        ['gain', ({ gain }) => show(gain, (value) => `${digits(value)} ×`)],
        ['rate', ({ rates }) => describeRates(rates)],
        ['conditions', ({ conditions }) => conditions],
      ],
      rows,
    )
  }
}
