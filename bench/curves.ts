/**
 * Training steps over T, batch, threads and width: ours, beside the official code where it is
 * given.
 */

import { watchOthers } from '../src/bench/conditions.js'
import { chooseModels, classes, input, makeBatch } from '../src/bench/networks.js'
import { peakGflops } from '../src/bench/peak.js'
import { digits, emptyReport, type Report } from '../src/bench/report.js'
import {
  avgPool2d,
  type Block,
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  sequential,
} from '../src/index.js'
import type { Model } from '../src/model.js'
import { compile } from '../src/network.js'
import { traitsOf } from '../src/plan/methods.js'
import { checkOfficial, type PeerStep, runOfficial, type StepTimes } from './official-code.js'
import { limitNotes } from './official-rows.js'
import { denseOperations, limitMs, ownOperations } from './operations.js'
import type { BenchOptions } from './options.js'
import {
  compileNetwork,
  describeOthers,
  describeRates,
  encodeBatch,
  measureSideBySide,
  type StepBudget,
  stepSettings,
  summarise,
  timeSteps,
  train,
} from './side-by-side.js'

/** A network, and how it is trained. */
interface Setting {
  readonly model: string
  /** Channels of the first convolution, of `cnn` alone; the second has twice as many. */
  readonly width?: number
  readonly batch: number
  readonly timeSteps: number
  readonly threads: number
}

/** What varies along a curve. */
type Axis = 'timeSteps' | 'batch' | 'threads' | 'width'

interface Curve {
  readonly axis: Axis
  readonly values: readonly number[]
  /** What stays. */
  readonly setting: Setting
}

const titles: Readonly<Record<Axis, string>> = {
  timeSteps: 'T',
  batch: 'batch',
  threads: 'threads',
  width: 'width',
}

const methods = ['rate', 'bptt'] as const
type CurveMethod = (typeof methods)[number]

const doubling = (most: number): number[] =>
  Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i)

/** 1, 2, 4, … and all. */
export const threadCounts = (threads: number): number[] => [
  ...new Set([...doubling(threads), threads]),
]

/** T 1–32, batch 1–64, width 8–128, threads up to those of the options; a quick run has ends. */
export function chooseCurves({ model, quick, threads }: BenchOptions): Curve[] {
  const [name] = model === undefined ? [quick ? 'cnn' : 'resnet18'] : chooseModels(model, quick)
  const setting = { model: name, batch: quick ? 4 : 16, timeSteps: 4, threads }
  const cnn = { model: 'cnn', batch: quick ? 4 : 32, timeSteps: 4, threads }
  return [
    { axis: 'timeSteps', values: quick ? [1, 4] : doubling(32), setting },
    { axis: 'batch', values: quick ? [1, 4] : doubling(64), setting },
    { axis: 'threads', values: threadCounts(threads), setting },
    { axis: 'width', values: quick ? [8, 16] : [8, 16, 32, 64, 128], setting: cnn },
  ]
}

/** `cnn` with another number of channels, as official.py makes it with --width. */
function cnnOfWidth([C, H, W]: typeof input, width: number): Block {
  return sequential(
    conv2d(C, width, 3, { padding: 1, bias: false }),
    batchNorm2d(width),
    lif(),
    avgPool2d(2),
    conv2d(width, 2 * width, 3, { padding: 1, bias: false }),
    batchNorm2d(2 * width),
    lif(),
    avgPool2d(2),
    flatten(),
    linear(2 * width * Math.floor(H / 4) * Math.floor(W / 4), classes),
  )
}

function compileSetting(
  { model, width, batch, timeSteps: T, threads }: Setting,
  method: CurveMethod,
): Promise<Model> {
  const choice = { method, stepMode: 'm' } as const
  if (width === undefined) return compileNetwork(model, choice, T, threads, { batchSize: batch })
  const options = { ...choice, input, timeSteps: T, threads, batchSize: batch, seed: 0 }
  return compile(cnnOfWidth(input, width), options)
}

interface Point {
  readonly ours: StepTimes
  readonly theirs?: PeerStep
  readonly rates: Readonly<Record<string, number>>
  readonly others: number
}

async function measure(
  model: Model,
  setting: Setting,
  method: CurveMethod,
  budget: StepBudget,
  official: BenchOptions | undefined,
): Promise<Point> {
  const batch = makeBatch(setting.batch)
  if (official === undefined) {
    await train(model, batch, budget)
    const others = watchOthers()
    const ours = summarise(await timeSteps(model, batch, budget))
    return { ours, rates: model.firingRates(), others: others() }
  }
  const { model: name, width = 16, batch: size, timeSteps: T, threads } = setting
  const settings = {
    model: name,
    method,
    width,
    batch: size,
    'time-steps': T,
    ...stepSettings(budget),
  }
  return measureSideBySide(model, batch, budget, () =>
    runOfficial<PeerStep>({ ...official, threads }, 'step', settings, encodeBatch(batch)),
  )
}

/** The cells of a point behind those that name it. */
function cellsOf(
  model: Model,
  setting: Setting,
  method: CurveMethod,
  { ours, theirs, rates, others }: Point,
): string[] {
  const { graph } = model.session
  const { timeSteps: T, batch, threads } = setting
  const own = ownOperations(graph, traitsOf(model), rates, T, batch)
  const ownLimit = limitMs(own, peakGflops() * threads)
  const end = [describeOthers(others), describeRates(rates)]
  const first = [digits(ours.median), theirs === undefined ? '–' : digits(theirs.median)]
  const ratio = theirs === undefined ? '–' : (ours.median / theirs.median).toFixed(2)
  const dense = denseOperations(graph, method, T, batch)
  const theirLimit = theirs && limitMs(dense, theirs.peakGflops)
  return [
    ...first,
    ratio,
    ...end,
    digits(ownLimit),
    (ours.median / ownLimit).toFixed(2),
    theirLimit === undefined ? '–' : digits(theirLimit),
    theirs && theirLimit ? (theirs.median / theirLimit).toFixed(2) : '–',
  ]
}

function describeSetting({ model, batch, timeSteps: T, threads }: Setting, axis: Axis): string {
  const parts = { timeSteps: `T ${T}`, batch: `batch ${batch}`, threads: `threads ${threads}` }
  const kept = Object.entries(parts).filter(([name]) => name !== axis)
  return [model, ...kept.map(([, text]) => text)].join(', ')
}

/**
 * @throws SpikewasmError when one of the two checkouts is given and the other is missing, or either
 *   is none
 */
export async function benchCurves(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const alone = options.official === undefined && options.spikingjelly === undefined
  const torch = alone ? undefined : checkOfficial(options).torch
  const report = emptyReport()
  const budget = {
    trainingSteps: options.quick ? 1 : 3,
    minSteps: options.steps ?? (options.quick ? 1 : 3),
    seconds: options.quick ? 0 : 0.5,
  }
  for (const { axis, values, setting } of chooseCurves(options)) {
    const rows: string[][] = []
    for (const method of methods)
      for (const value of values) {
        progress(`curves ${setting.model} ${method} ${titles[axis]} ${value}`)
        const here = { ...setting, [axis]: value }
        const model = await compileSetting(here, method)
        try {
          const point = await measure(model, here, method, budget, alone ? undefined : options)
          rows.push([method, String(value), ...cellsOf(model, here, method, point)])
          addEntries(
            report,
            describeSetting(here, axis),
            `${titles[axis]} ${value}`,
            method,
            point,
            label,
          )
        } finally {
          await model.dispose()
        }
      }
    report.tables.push({
      title:
        `Training steps over ${titles[axis]}: ${describeSetting(setting, axis)}` +
        (torch === undefined ? '' : `, beside the official code on PyTorch ${torch}`),
      notes: [
        'Images of 3×32×32, step mode m. ms: median of the steps at learning rate 0. others: ' +
          'what other processes took of the processors. rate: our spikes per neuron and step.',
        ...(axis === 'width'
          ? ['width: channels of the first convolution; the second has twice as many.']
          : []),
        ...(alone
          ? ['Ours alone: --official and --spikingjelly name the checkouts to compare with.']
          : []),
        ...limitNotes,
      ],
      head: [
        'method',
        titles[axis],
        'ours ms',
        'theirs ms',
        'ratio',
        'others',
        'rate',
        'limit ms',
        '× limit',
        'their limit ms',
        '× limit',
      ],
      rows,
    })
  }
  return report
}

function addEntries(
  report: Report,
  setting: string,
  value: string,
  method: CurveMethod,
  { ours, theirs, rates }: Point,
  label: string,
): void {
  const entry = (who: string, times: StepTimes): void =>
    void report.smallerIsBetter.push({
      name: `curves | ${setting} | ${value} | ${method} m | ${who}`,
      unit: 'ms',
      value: times.median,
      extra: `${times.samples} samples; rate ${describeRates(rates)}\n${label}`,
    })
  entry('spikewasm', ours)
  if (theirs !== undefined) entry('official code', theirs)
}
