/**
 * Training steps over T, batch, threads and width: ours, beside the official code where it is
 * given.
 */

import { chooseModels, classes, input, makeBatch } from '../src/bench/networks.js'
import { compile } from '../src/model/compile.js'
import type { Model } from '../src/model/model.js'
import { pooledNetwork } from '../src/model/models/vgg.js'
import {
  addBeside,
  type Beside,
  besideColumns,
  besideNotes,
  compileNetwork,
  encodeBatch,
  measureBeside,
  stepSettings,
} from './beside.js'
import { checkOfficial, type PeerStep, runCode } from './official-code.js'
import type { BenchOptions } from './options.js'
import type { Section } from './section.js'

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

function compileSetting(
  { model, width, batch, timeSteps: T, threads }: Setting,
  method: CurveMethod,
): Promise<Model> {
  const choice = { method, stepMode: 'm' } as const
  if (width === undefined) return compileNetwork(model, choice, T, threads, { batchSize: batch })
  const options = { ...choice, input, timeSteps: T, threads, batchSize: batch, seed: 0 }
  // As official.py makes it with --width.
  const network = pooledNetwork('cnn', 'an image', [width, 2 * width])(input, classes)
  return compile(network, options)
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
export async function benchCurves(section: Section): Promise<void> {
  const { options } = section
  const { quick, steps } = options
  const alone = options.official === undefined && options.spikingjelly === undefined
  const torch = alone ? undefined : checkOfficial(options).torch
  const budget = {
    trainingSteps: quick ? 1 : 3,
    minSteps: steps ?? (quick ? 1 : 3),
    seconds: quick ? 0 : 0.5,
  }
  const measure = async (setting: Setting, method: CurveMethod): Promise<Beside> => {
    const { model: name, width = 16, batch: size, timeSteps: T, threads } = setting
    const shape = { model: name, method, width, batch: size, 'time-steps': T }
    const settings = { ...shape, ...stepSettings(budget) }
    const batch = makeBatch(size)
    const theirs = (): PeerStep =>
      runCode('official', { ...options, threads }, 'step', settings, encodeBatch(batch))
    const model = await compileSetting(setting, method)
    try {
      return await measureBeside(model, batch, budget, method, alone ? undefined : theirs)
    } finally {
      await model.dispose()
    }
  }
  for (const { axis, values, setting } of chooseCurves(options)) {
    const rows: (Beside & { readonly method: string; readonly value: number })[] = []
    for (const method of methods)
      for (const value of values) {
        section.progress(`curves ${setting.model} ${method} ${titles[axis]} ${value}`)
        const here = { ...setting, [axis]: value }
        const found = await measure(here, method)
        rows.push({ method, value, ...found })
        const name = `curves | ${describeSetting(here, axis)} | ${titles[axis]} ${value} | ${method} m`
        addBeside(section, name, found, 'official code', torch)
      }
    section.table(
      `Training steps over ${titles[axis]}: ${describeSetting(setting, axis)}` +
        (torch === undefined ? '' : `, beside the official code on PyTorch ${torch}`),
      [
        'Images of 3×32×32, step mode m.',
        ...(axis === 'width'
          ? ['width: channels of the first convolution; the second has twice as many.']
          : []),
        ...(alone
          ? ['Ours alone: --official and --spikingjelly name the checkouts to compare with.']
          : []),
        ...besideNotes,
      ],
      [
        ['method', ({ method }) => method],
        [titles[axis], ({ value }) => String(value)],
        ...besideColumns,
      ],
      rows,
    )
  }
}
