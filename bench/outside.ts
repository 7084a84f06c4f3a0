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
import { thisBuild } from '../src/bench/build.js'
import { trainedModel } from '../src/bench/cases/steps.js'
import { type Figure, gainOf, isRefused, marksOf, outsideOf } from '../src/bench/figures.js'
import { summarise } from '../src/bench/measure.js'
import {
  batchOf,
  chooseModels,
  describeMethod,
  describeRates,
  makeBatch,
  methods,
} from '../src/bench/networks.js'
import { watchOthers } from '../src/bench/others.js'
import { digits, emptyReport, percent, type Report } from '../src/bench/report.js'
import { median as medianOf } from '../src/median.js'
import type { Model } from '../src/model.js'
import type { BenchOptions } from './options.js'

const [ROUNDS, QUICK_ROUNDS] = [15, 3]

/** Times of one round, in milliseconds. */
interface Round {
  readonly single: number
  readonly several: number
  /** Sum of the kernels, on one thread. */
  readonly kernels: number
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

const show = (figure: Figure, text: (value: number) => string): string =>
  isRefused(figure) ? '–' : text(figure.value)

export async function benchOutside(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const report = emptyReport()
  const build = await thisBuild()
  const { threads, timeSteps, quick } = options
  for (const name of chooseModels(options.model, quick).names) {
    const batchSize = batchOf(name)
    const rows: string[][] = []
    for (const choice of methods) {
      const method = describeMethod(choice)
      progress(`outside ${name} ${method}`)
      const setting = { model: name, choice, timeSteps, batchSize }
      const one = await trainedModel(build, { ...setting, threads: 1 }, quick)
      const several = await trainedModel(build, { ...setting, threads }, quick)
      try {
        const others = watchOthers()
        const rounds = await takeTurns(one, several, quick ? QUICK_ROUNDS : ROUNDS)
        const conditions = {
          others: others(),
          speed: 1,
          spread: summarise(rounds.map(({ single }) => single)).spread,
        }
        const outside = outsideOf(
          rounds.map(({ single, kernels }) => ({ stepMs: single, kernelMs: kernels })),
          1,
        )
        const outsideMore = outsideOf(
          rounds.map((round) => ({ stepMs: round.several, kernelMs: round.kernels })),
          threads,
        )
        const gain = gainOf(
          rounds.map(({ single }) => single),
          rounds.map((round) => round.several),
          threads,
        )
        const reasons = [outside, outsideMore, gain].filter(isRefused).map((f) => f.refused)
        rows.push([
          method,
          digits(medianOf(rounds.map(({ single }) => single))),
          digits(medianOf(rounds.map((round) => round.several))),
          digits(medianOf(rounds.map(({ kernels }) => kernels))),
          show(outside, percent),
          show(outsideMore, (value) => `≤ ${percent(value)}`),
          show(gain, (value) => `${digits(value)} ×`),
          describeRates(one.firingRates()),
          [marksOf(conditions), ...new Set(reasons)].filter((text) => text !== '').join('; '),
        ])
        if (!isRefused(gain))
          report.biggerIsBetter.push({
            name: `gain ${name} ${method} B${batchSize} T${timeSteps} threads ${threads}`,
            unit: 'x',
            value: gain.value,
            extra: `step on one thread over step on ${threads}\n${label}`,
          })
      } finally {
        await one.dispose()
        await several.dispose()
      }
    }
    report.tables.push({
      title: `Outside kernels: ${name}, batch ${batchSize}, T ${timeSteps}, ${threads} threads`,
      notes: [
        'kernels: sum of model.profile(), on one thread. outside: share of a step that is not ' +
          'kernels, on one thread and on all of them; with N threads at most that much, since ' +
          'kernels need at least their sum / N. gain: step of one thread over that of all.',
        'All of them took turns. –: the machine was disturbed, and the last column says how.',
      ],
      head: [
        'method',
        'ms, one',
        `ms, ${threads}`,
        'kernels ms',
        'outside, one',
        `outside, ${threads}`,
        'gain',
        'rate',
        'conditions',
      ],
      rows,
    })
  }
  return report
}
