/**
 * Training steps beside those of the paper's official PyTorch code: the same batch, the same number
 * of threads, one after the other in the order ours, theirs, ours. What other processes took of the
 * machine meanwhile is told too: their threads wait for each other often, so that a busy machine
 * slows them more than ours.
 */
import type { Model } from '../src/model.js'
import { medianOf } from './measure.js'
import { peakMemory } from './memory.js'
import { batchOf, compileNetwork, describeMethod, input, makeBatch, methods } from './networks.js'
import { checkOfficial, runOfficial } from './official-code.js'
import type { BenchOptions } from './options.js'
import { watchOthers } from './others.js'
import { deviation, digits, emptyReport, percent, type Report } from './report.js'

interface Row {
  readonly model: string
  readonly input: typeof input
  readonly batch: number
  readonly timeSteps: number
  /** Of the official code; ours is always rate. */
  readonly method: 'rate' | 'bptt'
  readonly threads?: number
}

const resnet18 = { model: 'resnet18', input, batch: 16 } as const
const rows: readonly Row[] = [
  { ...resnet18, timeSteps: 4, method: 'rate' },
  { ...resnet18, timeSteps: 8, method: 'rate' },
  { ...resnet18, timeSteps: 4, method: 'bptt' },
  { ...resnet18, timeSteps: 8, method: 'bptt' },
  { model: 'vgg11', input, batch: 32, timeSteps: 4, method: 'rate' },
  { model: 'cnn', input: [1, 28, 28], batch: 64, timeSteps: 4, method: 'rate', threads: 1 },
]

function chooseRows({ model, quick }: BenchOptions): readonly Row[] {
  if (model !== undefined) {
    const known = rows.filter((row) => row.model === model)
    return known.length > 0
      ? known
      : [{ model, input, batch: batchOf(model), timeSteps: 4, method: 'rate' }]
  }
  return quick ? [rows[0], ...rows.filter((row) => row.model === 'cnn')] : rows
}

/**
 * Steps that train before time is taken, as the script does by default: firing rates are no longer
 * those of fresh weights.
 */
const TRAINING_STEPS = 10
const LEARNING_RATE = 0.02

/** Share of the processors that others took from which on a row is not to be trusted. */
const DISTURBED = 0.1

interface Budget {
  readonly minSteps: number
  readonly seconds: number
}

/** Milliseconds of steps at learning rate 0, which leaves weights and firing rates as they are. */
async function timeSteps(
  model: Model,
  x: Float32Array,
  y: number[],
  { minSteps, seconds }: Budget,
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

/** What official.py prints for `step`, times in milliseconds. */
interface OfficialStep {
  readonly median: number
  readonly best: number
  /** Median absolute deviation in percent of the median, as in measure.ts. */
  readonly spread: number
  readonly samples: number
  /** Of the whole process. */
  readonly processorMs: number
  readonly residentMiB: number
}

async function measureRow(row: Row, options: BenchOptions, budget: Budget) {
  const { model: name, input, batch, timeSteps: T, method } = row
  const { x, y } = makeBatch(batch, input)
  const model = await compileNetwork(name, methods[0], T, options.threads, {
    input,
    batchSize: batch,
  })
  try {
    for (let i = 0; i < TRAINING_STEPS; i++) await model.trainStep(x, y, { lr: LEARNING_RATE })
    let others = watchOthers()
    const before = await timeSteps(model, x, y, budget)
    const disturbed = [others()]
    others = watchOthers()
    const theirs = runOfficial<OfficialStep>(
      options,
      'step',
      {
        model: name,
        method,
        input,
        batch,
        'time-steps': T,
        'training-steps': TRAINING_STEPS,
        lr: LEARNING_RATE,
        'min-steps': budget.minSteps,
        seconds: budget.seconds,
      },
      Buffer.concat([Buffer.from(x.buffer), Buffer.from(Int32Array.from(y).buffer)]),
    )
    disturbed.push(others(theirs.processorMs))
    others = watchOthers()
    const after = await timeSteps(model, x, y, budget)
    disturbed.push(others())
    const all = [...before, ...after]
    const median = medianOf(all)
    return {
      median,
      best: Math.min(...all),
      spread: (100 * medianOf(all.map((t) => Math.abs(t - median)))) / median,
      samples: all.length,
      before: medianOf(before),
      after: medianOf(after),
      rates: Object.values(model.firingRates()),
      others: Math.max(...disturbed),
      theirs,
    }
  } finally {
    await model.dispose()
  }
}

/** Peak of ours in a process of its own, for the shape that memory-child.ts trains. */
async function ownPeakMiB(
  { model, batch, input: shape, timeSteps: T }: Row,
  threads: number,
): Promise<number | undefined> {
  if (model === 'cnn' || batch !== batchOf(model) || shape !== input) return undefined
  return (await peakMemory(model, describeMethod(methods[0]), T, threads)).rss / 2 ** 20
}

export async function benchOfficial(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const torch = checkOfficial(options)
  const report = emptyReport()
  const budget = {
    minSteps: options.steps ?? (options.quick ? 3 : 10),
    seconds: options.quick ? 0.3 : 2,
  }
  const cells: string[][] = []
  for (const row of chooseRows(options)) {
    const { model, batch, timeSteps: T, method } = row
    const threads = Math.min(row.threads ?? options.threads, options.threads)
    progress(`official ${model} T=${T} against ${method}`)
    const ours = await measureRow(row, { ...options, threads }, budget)
    const { theirs } = ours
    const ratio = ours.median / theirs.median
    const bestRatio = ours.best / theirs.best
    const mean = ours.rates.reduce((a, b) => a + b, 0) / ours.rates.length
    const density =
      `${mean.toFixed(2)} ` +
      `(${Math.min(...ours.rates).toFixed(2)}–${Math.max(...ours.rates).toFixed(2)})`
    const others = `${percent(ours.others)}${ours.others > DISTURBED ? ', disturbed' : ''}`
    const peak = await ownPeakMiB(row, threads)
    cells.push([
      `${model} [${row.input.join(', ')}]`,
      String(T),
      String(batch),
      String(threads),
      method,
      digits(ours.median),
      digits(theirs.median),
      ratio.toFixed(2),
      bestRatio.toFixed(2),
      `${deviation(ours.spread)}, ${deviation(theirs.spread)}`,
      `${digits(ours.before)}, ${digits(ours.after)}`,
      others,
      density,
      peak === undefined ? '' : digits(peak),
      peak === undefined ? '' : digits(theirs.residentMiB),
    ])
    const name =
      `official | ${model} | T ${T} | batch ${batch} | threads ${threads} | ` + `against ${method}`
    const time = (
      who: string,
      {
        median,
        best,
        spread,
        samples,
      }: Pick<OfficialStep, 'median' | 'best' | 'spread' | 'samples'>,
      about: string,
    ): void =>
      void report.smallerIsBetter.push({
        name: `${name} | ${who}`,
        unit: 'ms',
        value: median,
        range: deviation(spread),
        extra: [`fastest ${digits(best)} ms, ${samples} samples`, about, label].join('\n'),
      })
    time(
      'spikewasm',
      ours,
      `rate ${density}; before the other's ${digits(ours.before)} ms, after ` +
        `${digits(ours.after)} ms`,
    )
    time('official code', theirs, `PyTorch ${torch}`)
    report.smallerIsBetter.push({
      name: `${name} | ratio`,
      unit: 'ours / theirs',
      value: ratio,
      extra: `fastest ${bestRatio.toFixed(3)}, other processes ${others}\n${label}`,
    })
    if (peak !== undefined)
      for (const [who, value] of [
        ['spikewasm', peak],
        ['official code', theirs.residentMiB],
      ] as const)
        report.smallerIsBetter.push({
          name: `${name} | ${who}, peak memory`,
          unit: 'MiB',
          value: Math.round(value),
          extra: label,
        })
  }
  report.tables.push({
    title: `Training steps beside the official code on PyTorch ${torch}`,
    notes: [
      'Forward, backward and SGD on one batch of noise, the same for both; ' +
        `${TRAINING_STEPS} steps that train, then at least ${budget.minSteps} timed ones at ` +
        `learning rate 0. Ours: rate m. against: method of theirs, step mode m.`,
      'ms: median. ratio: ours / theirs, of the medians and of the fastest steps. ' +
        'spread: of ours and theirs.',
      'before, after: ours before and behind theirs. others: share of the processors ' +
        'that other processes took meanwhile, the largest of the three; what is marked as ' +
        'disturbed says little.',
      'rate: our spikes per neuron and step, mean of the layers (lowest–highest); ' +
        'theirs is dense. MiB: largest resident set, each in a process of its own; ours after a ' +
        "process with the package alone has about 50, theirs with PyTorch's libraries.",
    ],
    head: [
      'network',
      'T',
      'batch',
      'threads',
      'against',
      'ours ms',
      'theirs ms',
      'ratio',
      'fastest',
      'spread',
      'before, after',
      'others',
      'rate',
      'ours MiB',
      'theirs MiB',
    ],
    rows: cells,
  })
  return report
}
