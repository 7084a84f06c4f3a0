/**
 * Training steps beside those of the paper's official PyTorch code, also in bfloat16 and compiled:
 * the same batch, the same number of threads.
 */

import { measureFresh } from '../src/bench/memory.js'
import {
  batchOf,
  describeMethod,
  input,
  type MethodChoice,
  makeBatch,
} from '../src/bench/networks.js'
import { peakGflops } from '../src/bench/peak.js'
import { addReport, deviation, digits, emptyReport, type Report } from '../src/bench/report.js'
import type { Model } from '../src/model.js'
import { traitsOf } from '../src/plan/methods.js'
import {
  type Bfloat16,
  checkOfficial,
  howToGet,
  type LeftOut,
  onlineMethods,
  type PeerStep,
  runOfficial,
  type StepTimes,
} from './official-code.js'
import {
  type Against,
  cellsOf,
  chooseRows,
  describeAgainst,
  head,
  labelsOf,
  type Measured,
  type Other,
  type Row,
  tableOf,
} from './official-rows.js'
import { onlineSteps } from './online.js'
import { denseOperations, flop, limitMs, ownOperations } from './operations.js'
import type { BenchOptions } from './options.js'
import {
  compileNetwork,
  describeOthers,
  describeRates,
  encodeBatch,
  measureSideBySide,
  type StepBudget,
  stepBudget,
  stepSettings,
  summarise,
  timeSteps,
  train,
} from './side-by-side.js'

/** Why a row cannot be, in one line; undefined where it can. */
function missing(
  { model, input: shape, against }: Row,
  options: BenchOptions,
  bfloat16: Bfloat16,
): string | undefined {
  if ('own' in against) return undefined
  if (against.dtype === 'bfloat16' && bfloat16 === 'none')
    return 'this processor has no instructions for bfloat16 that PyTorch uses'
  if (!against.compile) return undefined
  const trial = {
    ...{ model, method: against.code, input: shape, batch: 2 },
    ...{ 'training-steps': 0, 'min-steps': 1, seconds: 0, compile: 1 },
  }
  const batch = encodeBatch(makeBatch(2, shape))
  return runOfficial<Partial<LeftOut>>(options, 'step', trial, batch).leftOut
}

const compileRow = (row: Row, choice: MethodChoice, threads: number): Promise<Model> =>
  compileNetwork(row.model, choice, row.timeSteps, threads, {
    input: row.input,
    batchSize: row.batch,
  })

async function measureRow(row: Row, options: BenchOptions, budget: StepBudget): Promise<Measured> {
  const { timeSteps: T, against, ours: choice } = row
  const batch = makeBatch(row.batch, row.input)
  const model = await compileRow(row, choice, options.threads)
  try {
    const { graph } = model.session
    const sides = await measureSideBySide<Other>(model, batch, budget, () =>
      'own' in against
        ? measureOwn(row, against.own, options.threads, budget)
        : measureOfficial(row, against, options, budget),
    )
    const own = (other: MethodChoice) =>
      ownOperations(graph, traitsOf(other), sides.rates, T, row.batch)
    const peak = peakGflops() * options.threads
    const ours = own(choice)
    const theirs =
      'own' in against ? own(against.own) : denseOperations(graph, against.code, T, row.batch)
    return {
      ...sides,
      operations: { ours: flop(ours), theirs: flop(theirs) },
      limits: {
        ours: limitMs(ours, peak),
        theirs: limitMs(theirs, sides.theirs.peakGflops ?? peak),
      },
    }
  } finally {
    await model.dispose()
  }
}

async function measureOwn(
  row: Row,
  choice: MethodChoice,
  threads: number,
  budget: StepBudget,
): Promise<Other> {
  const model = await compileRow(row, choice, threads)
  try {
    const batch = makeBatch(row.batch, row.input)
    await train(model, batch, budget)
    return summarise(await timeSteps(model, batch, budget))
  } finally {
    await model.dispose()
  }
}

function measureOfficial(
  { model, input: shape, batch, timeSteps: T }: Row,
  { code, dtype = 'float32', compile = false, tuned = false }: Extract<Against, { code: string }>,
  options: BenchOptions,
  budget: StepBudget,
): PeerStep {
  const settings = {
    model,
    method: code,
    dtype,
    compile: Number(compile),
    tuned,
    input: shape,
    batch,
    'time-steps': T,
    ...stepSettings(budget),
  }
  return runOfficial<PeerStep>(options, 'step', settings, encodeBatch(makeBatch(batch, shape)))
}

/** Peak of ours in a process of its own, for the shape that fresh-child.ts trains. */
async function ownPeakMiB(
  { model, batch, input: shape, timeSteps: T, ours, against }: Row,
  threads: number,
): Promise<number | undefined> {
  if ('own' in against || model === 'cnn' || batch !== batchOf(model) || shape !== input)
    return undefined
  const job = { model, method: describeMethod(ours), timeSteps: T, threads }
  return (await measureFresh(job)).rss / 2 ** 20
}

export async function benchOfficial(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const { torch, bfloat16, matmul, peak: best } = checkOfficial(options)
  const report = emptyReport()
  const budget = stepBudget(options)
  const cells: string[][] = []
  const leftOut: string[] = []
  // Where libopenblas is missing a reference BLAS stands in for it; convolutions do not use it.
  if (matmul < best / 4)
    leftOut.push(
      `PyTorch has a slow BLAS: ${digits(matmul)} GFLOP/s of matmul and nn.Linear, where ` +
        `convolutions reach ${digits(best)}; install OpenBLAS (libopenblas0) for fair figures.`,
    )
  for (const row of chooseRows(options)) {
    const threads = Math.min(row.threads ?? options.threads, options.threads)
    const rowOptions = { ...options, threads }
    progress(`official ${row.model} T=${row.timeSteps} against ${describeAgainst(row.against)}`)
    const why = missing(row, rowOptions, bfloat16)
    if (why !== undefined) {
      const labels = labelsOf(row, threads)
      cells.push([...labels, ...head.slice(labels.length).map(() => '–')])
      leftOut.push(`Left out: ${row.model} against ${describeAgainst(row.against)}: ${why}`)
      continue
    }
    const measured = await measureRow(row, rowOptions, budget)
    const peak = await ownPeakMiB(row, threads)
    cells.push(cellsOf(row, threads, measured, peak))
    addEntries(report, row, threads, measured, peak, torch, label)
  }
  report.tables.push(tableOf(cells, torch, bfloat16, budget, leftOut))
  await addOnline(report, options, label, progress)
  return report
}

/** Rows of OTTT and SLTT where their authors' code is given; else how to get it. */
async function addOnline(
  report: Report,
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<void> {
  if (options.model !== undefined) return
  const given = onlineMethods.filter((method) => options[method] !== undefined)
  if (given.length > 0) addReport(report, await onlineSteps(given, options, label, progress))
  const table = report.tables[0]
  const notes = onlineMethods
    .filter((method) => !given.includes(method))
    .map(
      (method) =>
        `Left out: ${method} against its authors' code, for want of --${method} DIR; get it by ` +
        howToGet(method),
    )
  report.tables[0] = { ...table, notes: [...table.notes, ...notes] }
}

function addEntries(
  report: Report,
  row: Row,
  threads: number,
  { ours, theirs, before, after, others, rates, limits }: Measured,
  peak: number | undefined,
  torch: string,
  label: string,
): void {
  const { model, timeSteps: T, batch } = row
  const name =
    `official | ${model} | T ${T} | batch ${batch} | threads ${threads} | ` +
    `${describeMethod(row.ours)} against ${describeAgainst(row.against)}`
  const other = 'own' in row.against ? describeAgainst(row.against) : 'official code'
  const time = (who: string, times: StepTimes, about: string): void =>
    void report.smallerIsBetter.push({
      name: `${name} | ${who}`,
      unit: 'ms',
      value: times.median,
      range: deviation(times.spread),
      extra: [`fastest ${digits(times.best)} ms, ${times.samples} samples`, about, label].join(
        '\n',
      ),
    })
  time(
    'spikewasm',
    ours,
    `rate ${describeRates(rates)}; limit ${digits(limits.ours)} ms; before the other's ` +
      `${digits(before)} ms, after ${digits(after)} ms`,
  )
  time(other, theirs, `limit ${digits(limits.theirs)} ms; PyTorch ${torch}`)
  report.smallerIsBetter.push({
    name: `${name} | ratio`,
    unit: 'ours / theirs',
    value: ours.median / theirs.median,
    extra:
      `fastest ${(ours.best / theirs.best).toFixed(3)}, other processes ` +
      `${describeOthers(others)}\n${label}`,
  })
  if (peak === undefined || theirs.residentMiB === undefined) return
  for (const [who, value] of [
    ['spikewasm', peak],
    [other, theirs.residentMiB],
  ] as const)
    report.smallerIsBetter.push({
      name: `${name} | ${who}, peak memory`,
      unit: 'MiB',
      value: Math.round(value),
      extra: label,
    })
}
