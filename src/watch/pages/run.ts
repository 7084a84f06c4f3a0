/** A training run as plain data, and its figures: for the report of a run, and for a page live. */

import { plainText } from '../../base/errors.js'
import type { EpochFigures as ScheduleFigures } from '../../network/optimizer.js'
import type { Chart, Figure, Series } from './chart.js'

// Long histories, thinned: a page has as many points as an eye can tell apart.

/** Numbers of all records together. */
const MOST_NUMBERS = 16_000
const MOST_RECORDS = 800

/** How many records of so many layers are kept. */
export const mostRecords = (layers: number): number =>
  Math.max(50, Math.min(MOST_RECORDS, Math.floor(MOST_NUMBERS / (10 + layers))))

/** The best record by a figure; undefined where none has it. */
export function bestOf<R extends EpochFigures>(records: readonly R[]): R | undefined {
  const has = (key: 'testAccuracy' | 'testLoss'): boolean =>
    records.some((record) => record[key] !== undefined)
  const key = has('testAccuracy') ? 'testAccuracy' : has('testLoss') ? 'testLoss' : 'trainLoss'
  const sign = key === 'testAccuracy' ? 1 : -1
  let best: R | undefined
  for (const record of records) {
    const value = record[key]
    if (value === undefined || !Number.isFinite(value)) continue
    if (!best || sign * value > sign * (best[key] as number)) best = record
  }
  return best
}

/** At most so many records at about equal distances; the first, the last and the best are kept. */
export function thinned<R extends EpochFigures>(records: readonly R[], most: number): R[] {
  if (records.length <= most) return [...records]
  const every = Math.ceil(records.length / Math.max(1, most - 2))
  const best = bestOf(records)
  const last = records.length - 1
  return records.filter((record, i) => i % every === 0 || i === last || record === best)
}

/** What a page shows of an epoch; records of trainings have it. */
export interface EpochFigures extends ScheduleFigures {
  readonly stepMs: number
  readonly samplesPerSecond: number
  readonly firingRates: Readonly<Record<string, number>>
}

/** A point of the curves: means since the point before. */
export interface StepPoint {
  /** Epochs so far, with the share of the one that runs. */
  readonly at: number
  readonly loss: number
  /** Mean of the epoch so far, 0…1; null where there are no labels. */
  readonly accuracy: number | null
  readonly learningRate: number
  readonly stepMs: number
  /** By layer, in the order of `layers`. */
  readonly rates: readonly number[]
}

/** Numbers of points, of which each is a column. */
export const columns = ['at', 'loss', 'accuracy', 'learningRate', 'stepMs'] as const

/** Points within epochs, as columns; rates are of each layer of `layers`. */
export type StepCurves = { [K in (typeof columns)[number]]: StepPoint[K][] } & { rates: number[][] }

export const noSteps: StepCurves = {
  at: [],
  loss: [],
  accuracy: [],
  learningRate: [],
  stepMs: [],
  rates: [],
}

/** How far a run is. */
export interface RunStatus {
  /** Counted from 0. */
  readonly epoch: number
  readonly epochs: number
  readonly step: number
  readonly steps: number
  /** Milliseconds to the end, as far as it can be told. */
  readonly leftMs?: number
  /** How it ended; absent while it runs. */
  readonly ended?: string
}

export interface RunState {
  readonly title: string
  /** Names of the layers of neurons. */
  readonly layers: readonly string[]
  readonly status: RunStatus
  readonly records: readonly EpochFigures[]
  readonly steps: StepCurves
  /** Options of the run, as texts. */
  readonly options: readonly (readonly [string, string])[]
}

/** A layer's name for people: those of a `sequential` are numbers. */
export const layerLabel = (name: string): string =>
  /^\d+$/.test(name) ? `layer ${name}` : plainText(name)

/** Labels of layers, no two alike: `2` and `layer 2` may be in one network. */
function layerLabels(names: readonly string[]): string[] {
  const known = new Set<string>()
  return names.map((name) => {
    const label = layerLabel(name)
    let own = label
    for (let i = 2; known.has(own); i++) own = `${label} (${i})`
    known.add(own)
    return own
  })
}

/** The mean loss of some steps, and the accuracy of the epoch so far. */
const WITHIN = 'train, within the epoch'

type Numbers = readonly (number | null | undefined)[]

/** JSON has no numbers that are not finite. */
const isKnown = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value)

type Curves = Pick<RunState, 'layers' | 'records' | 'steps'>
type Figured = (record: EpochFigures) => number | undefined

/** Lines of a run; nothing where it has no value. */
function linesOf({ records, steps: { at } }: Curves) {
  const epochs = (name: string, colour: number, of: Figured): Series[] => {
    const known = records.filter((record) => isKnown(of(record)))
    if (known.length === 0) return []
    return [{ name, colour, x: known.map(({ epoch }) => epoch), y: known.map((one) => of(one)!) }]
  }
  const steps = (name: string, colour: number, y: Numbers, dash = true): Series[] => {
    const known = y.map((value) => (isKnown(value) ? value : null))
    return y.some(isKnown) ? [{ name, colour, x: at, y: known, dash }] : []
  }
  /** Over steps where there are any, else over epochs. */
  const either = (name: string, colour: number, y: Numbers, of: Figured): Series[] =>
    at.length > 0 ? steps(name, colour, y, false) : epochs(name, colour, of)
  return { epochs, steps, either }
}

const chart = (title: string, y: Chart['y'], series: readonly Series[]): Chart => ({
  title,
  x: { label: 'epoch' },
  y,
  series,
})

/**
 * Loss, accuracy, learning rate, rates and speed of a run.
 *
 * @param hasSteps whether steps are shown between epochs, or will be
 */
export function runFigures(run: Curves, hasSteps = run.steps.at.length > 0): Figure[] {
  const { loss, accuracy, learningRate, stepMs } = run.steps
  const { epochs, steps, either } = linesOf(run)
  const trained = (figure: 'Loss' | 'Accuracy', within: Numbers): Series[] => [
    ...steps(WITHIN, 4, within),
    ...epochs('train', 0, ({ [`train${figure}` as const]: value }) => value),
    ...epochs('test', 1, ({ [`test${figure}` as const]: value }) => value),
  ]
  const error = epochs('test', 1, (record) => record.testMeanAbsoluteError)
  const metrics = metricLines(run)
  const rate = either('learning rate', 2, learningRate, (record) => record.learningRate)
  const speed = [
    ...steps('steps', 4, stepMs),
    ...epochs('median of the epoch', 0, (record) => record.stepMs),
  ]
  return [
    {
      id: 'learning',
      title: error.length > 0 ? 'Loss and error' : 'Loss and accuracy',
      caption:
        `Means over epochs${hasSteps ? '; dotted, the steps in between' : ''}. Test figures are ` +
        'of the data that the run was validated with, after each epoch.',
      charts: [
        chart('Loss', { label: 'loss', log: true, robust: true }, trained('Loss', loss)),
        error.length > 0
          ? chart('Error', { label: 'mean |error|', log: true, robust: true }, error)
          : chart('Accuracy', { label: 'accuracy', percent: true }, trained('Accuracy', accuracy)),
        ...(metrics.length > 0 ? [chart('Metrics', { label: 'value' }, metrics)] : []),
      ],
    },
    {
      id: 'rates',
      title: 'Firing rate of each layer',
      caption:
        'Spikes per neuron and time step, mean over the layer. A layer at 0 passes nothing on, ' +
        'and nothing is learnt behind it; one near 100 % tells nothing apart.',
      charts: [
        chart(
          'Spikes per neuron and step',
          { label: 'firing rate', percent: true },
          rateLines(run),
        ),
      ],
      columns: 1,
    },
    {
      id: 'pace',
      title: 'Learning rate and speed',
      caption: 'The time of a step includes waiting for data.',
      charts: [
        chart('Learning rate', { label: 'learning rate' }, rate),
        chart('Time of a step', { label: 'ms', robust: true }, speed),
      ],
    },
  ]
}

/** Charts of metrics of one's own. */
function metricLines(run: Curves): Series[] {
  const names = new Set(run.records.flatMap(({ metrics = {} }) => Object.keys(metrics)))
  const { epochs } = linesOf(run)
  return [...names].flatMap((name, i) => epochs(name, i, ({ metrics }) => metrics?.[name]))
}

/** Layers that colours alone tell apart. */
const FEW_LAYERS = 4

function rateLines(run: Curves): Series[] {
  const { layers, steps } = run
  const share = (i: number): number => (layers.length < 2 ? 0 : i / (layers.length - 1))
  const labels = layerLabels(layers)
  const { either } = linesOf(run)
  // Colours of many layers are much alike; those of neighbours have other lines.
  const patternOf = (i: number): number => (layers.length > FEW_LAYERS ? i : 0)
  return layers.flatMap((layer, i) =>
    either(labels[i], i, steps.rates[i] ?? [], ({ firingRates }) => firingRates[layer]).map(
      (line) => ({ ...line, share: share(i), pattern: patternOf(i) }),
    ),
  )
}

/** Names of the layers that records know. */
export const layersOf = (records: readonly EpochFigures[]): string[] =>
  Object.keys(records.at(-1)?.firingRates ?? {})

/** `1:23`, `1:02:03` */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const two = (n: number): string => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}
