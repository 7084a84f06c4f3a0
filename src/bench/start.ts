/** Start-up: loading, compiling and the first step, each time in a fresh process. */
import { fileURLToPath } from 'node:url'
import type { NetworkOptions } from './cases/steps.js'
import { inChild } from './child.js'
import { marksOf } from './figures.js'
import type { Group } from './group.js'
import { summarise } from './measure.js'
import { chooseModels } from './networks.js'
import { watchOthers } from './others.js'
import { deviation, digits, emptyReport, type Report, time } from './report.js'

const child = fileURLToPath(new URL('./start-child.js', import.meta.url))
const [ROUNDS, QUICK_ROUNDS] = [9, 3]
const TIME_STEPS = 4
/** A process that takes longer hangs. */
const TIMEOUT_MS = 120_000

interface Start {
  readonly load: number
  readonly compile: number
  readonly first: number
  readonly processorMs: number
  /** Of the first step or image. */
  readonly rates: string
}

/** What a row is: which of a process's times. */
const rows = [
  { name: 'load', kind: 'train', of: (start: Start) => start.load },
  { name: 'compile', kind: 'train', of: (start: Start) => start.compile },
  { name: 'first step', kind: 'train', of: (start: Start) => start.first },
  { name: 'compile inference', kind: 'predict', of: (start: Start) => start.compile },
  { name: 'first image', kind: 'predict', of: (start: Start) => start.first },
] as const

const startOnce = (kind: string, model: string, timeSteps: number): Promise<Start> =>
  inChild(`start ${model}`, child, [kind, model, String(timeSteps)], TIMEOUT_MS)

const nameOf = (model: string, what: string, timeSteps: number): string =>
  `start ${model} ${what} T${timeSteps}`

/** One group for each network. */
export function startGroups(options: NetworkOptions, label: string): Group[] {
  const timeSteps = options.timeSteps ?? TIME_STEPS
  const rounds = options.quick ? QUICK_ROUNDS : ROUNDS
  return chooseModels(options.model, options.quick).names.map((model) => ({
    section: 'start',
    names: rows.map(({ name }) => nameOf(model, name, timeSteps)),
    run: async (wanted, progress, signal) => {
      const chosen = rows.filter(({ name }) => wanted.has(nameOf(model, name, timeSteps)))
      const kinds = [...new Set(chosen.map(({ kind }) => kind))]
      const starts = new Map<string, Start[]>(kinds.map((kind) => [kind, []]))
      const others = watchOthers()
      let processorMs = 0
      // All kinds take turns, so that what disturbs for a while disturbs each of them.
      for (let round = 1; round <= rounds; round++)
        for (const kind of kinds) {
          if (signal?.aborted) return emptyReport()
          progress(`start ${model} ${kind}, process ${round} of ${rounds}`)
          const start = await startOnce(kind, model, timeSteps)
          processorMs += start.processorMs
          starts.get(kind)?.push(start)
        }
      const share = others(processorMs)
      const figures = chosen.map(({ name, kind, of }) => ({
        name: nameOf(model, name, timeSteps),
        density: name.startsWith('first') ? (starts.get(kind)?.[0]?.rates ?? '') : '',
        ...summarise((starts.get(kind) ?? []).map(of)),
      }))
      return reportStarts(model, figures, share, label)
    },
  }))
}

interface Figures extends ReturnType<typeof summarise> {
  readonly name: string
  readonly density: string
}

function reportStarts(
  model: string,
  figures: readonly Figures[],
  others: number,
  label: string,
): Report {
  const report = emptyReport()
  const conditions = figures.map(({ spread }) => marksOf({ others, speed: 1, spread }))
  const marked = conditions.some((text) => text !== '')
  report.tables.push({
    title: `start: ${model}`,
    notes: [
      `Medians of ${figures[0]?.samples ?? 0} fresh processes, one thread. load: importing the ` +
        'package; Node itself starts before.',
    ],
    lesser: ['fastest', 'density', 'spread'],
    head: ['benchmark', 'time', 'spread', 'fastest', 'density', ...(marked ? ['conditions'] : [])],
    rows: figures.map(({ name, median, spread, best, density }, i) => [
      name,
      time(median),
      deviation(spread),
      time(best),
      density,
      ...(marked ? [conditions[i]] : []),
    ]),
  })
  for (const [i, { name, median, spread, best, samples, density }] of figures.entries()) {
    if (conditions[i] !== '') report.marks.set(name, conditions[i])
    report.smallerIsBetter.push({
      name,
      unit: 'ms',
      value: median,
      range: deviation(spread),
      extra: [`fastest ${digits(best)} ms, ${samples} processes`, density, conditions[i], label]
        .filter((text) => text !== '')
        .join('\n'),
    })
  }
  return report
}
