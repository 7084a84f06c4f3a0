/**
 * Training steps beside those of the paper's official PyTorch code, also in bfloat16 and compiled:
 * the same batch, the same number of threads.
 */

import { summarise } from '../src/bench/loops.js'
import { measureFresh } from '../src/bench/memory.js'
import {
  batchOf,
  describeMethod,
  input,
  type MethodChoice,
  makeBatch,
  methods,
} from '../src/bench/networks.js'
import { type Column, digits } from '../src/bench/report.js'
import { traitsOf } from '../src/compile/methods.js'
import type { Model } from '../src/model/model.js'
import {
  addBeside,
  type Beside,
  besideColumns,
  besideNotes,
  compileNetwork,
  encodeBatch,
  measureBeside,
  type StepBudget,
  stepBudget,
  stepSettings,
  timeSteps,
  train,
} from './beside.js'
import { checkOfficial, howToGet, onlineMethods, type PeerStep, runCode } from './official-code.js'
import { onlineSteps } from './online.js'
import type { BenchOptions } from './options.js'
import type { Section } from './section.js'

/** The official code, or another method of ours. */
type Against =
  | {
      readonly code: 'rate' | 'bptt'
      readonly dtype?: 'bfloat16' | 'float32'
      /** Through torch.compile. */
      readonly compile?: boolean
      /** With an allocator that keeps large blocks. */
      readonly tuned?: boolean
    }
  | { readonly own: MethodChoice }

interface Row {
  readonly model: string
  readonly input: typeof input
  readonly batch: number
  readonly timeSteps: number
  readonly ours: MethodChoice
  readonly against: Against
  readonly threads?: number
}

const [rateM, rateS, bpttM] = methods

const resnet18 = { model: 'resnet18', input, batch: 16, timeSteps: 4, ours: rateM } as const
const rows: readonly Row[] = [
  { ...resnet18, against: { code: 'rate' } },
  { ...resnet18, against: { code: 'rate', tuned: true } },
  { ...resnet18, timeSteps: 8, against: { code: 'rate' } },
  { ...resnet18, against: { code: 'rate', dtype: 'bfloat16' } },
  { ...resnet18, against: { code: 'rate', compile: true } },
  { ...resnet18, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, against: { code: 'bptt', tuned: true } },
  { ...resnet18, ours: bpttM, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, ours: bpttM, against: { code: 'bptt' } },
  { ...resnet18, ours: rateS, against: { own: rateM } },
  { ...resnet18, model: 'vgg11', batch: 32, against: { code: 'rate' } },
  {
    ...{ ...resnet18, model: 'cnn', input: [1, 28, 28], batch: 64 },
    ...{ against: { code: 'rate' }, threads: 1 },
  },
]

export function chooseRows({ model, quick }: BenchOptions): readonly Row[] {
  if (model === undefined)
    return quick ? [rows[0], ...rows.filter((row) => row.model === 'cnn')] : rows
  const known = rows.filter((row) => row.model === model)
  return known.length > 0 ? known : [{ ...rows[0], model, batch: batchOf(model) }]
}

export function describeAgainst(against: Against): string {
  if ('own' in against) return `our ${describeMethod(against.own)}`
  const { code, dtype, compile, tuned } = against
  const parts = [code, dtype === 'bfloat16' && 'bf16', compile && 'compiled', tuned && 'tuned']
  return parts.filter(Boolean).join(' ')
}

const compileRow = (row: Row, choice: MethodChoice, threads: number): Promise<Model> =>
  compileNetwork(row.model, choice, row.timeSteps, threads, {
    input: row.input,
    batchSize: row.batch,
  })

/** A step of the official code. @param batchSize default: the row's */
function runStep<R>(
  { model, input: shape, batch, timeSteps: T, against }: Row,
  options: BenchOptions,
  budget: StepBudget,
  batchSize = batch,
): R {
  const { code, dtype, compile = false, tuned } = against as Extract<Against, { code: string }>
  const settings = {
    ...{ model, method: code, dtype, compile: Number(compile), tuned, input: shape },
    ...{ batch: batchSize, 'time-steps': T, ...stepSettings(budget) },
  }
  return runCode(
    'official',
    options,
    'step',
    settings,
    encodeBatch(makeBatch(batchSize, [...shape])),
  )
}

/** Why a row cannot be, in one line; undefined where it can. */
function missing(row: Row, options: BenchOptions, bfloat16: string): string | undefined {
  const { against } = row
  if ('own' in against) return undefined
  if (against.dtype === 'bfloat16' && bfloat16 === 'none')
    return 'this processor has no instructions for bfloat16 that PyTorch uses'
  if (!against.compile) return undefined
  const trial = { trainingSteps: 0, minSteps: 1, seconds: 0 }
  return runStep<{ leftOut?: string }>(row, options, trial, 2).leftOut
}

async function measureRow(row: Row, options: BenchOptions, budget: StepBudget): Promise<Beside> {
  const { against, ours } = row
  const { threads } = options
  const batch = makeBatch(row.batch, row.input)
  const own = async (choice: MethodChoice) => {
    const model = await compileRow(row, choice, threads)
    try {
      await train(model, batch, budget)
      return summarise(await timeSteps(model, batch, budget))
    } finally {
      await model.dispose()
    }
  }
  const model = await compileRow(row, ours, threads)
  try {
    const found =
      'own' in against
        ? await measureBeside(model, batch, budget, traitsOf(against.own), () => own(against.own))
        : await measureBeside(model, batch, budget, against.code, () =>
            runStep<PeerStep>(row, options, budget),
          )
    return { ...found, residentMiB: await ownPeakMiB(row, threads) }
  } finally {
    await model.dispose()
  }
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

interface Result {
  readonly row: Row
  readonly threads: number
  /** Absent where it cannot be. */
  readonly found?: Beside
}

const columns: readonly Column<Result>[] = [
  ['network', ({ row }) => `${row.model} [${row.input.join(', ')}]`],
  ['T', ({ row }) => String(row.timeSteps)],
  ['batch', ({ row }) => String(row.batch)],
  ['threads', ({ threads }) => String(threads)],
  ['ours', ({ row }) => describeMethod(row.ours)],
  ['against', ({ row }) => describeAgainst(row.against)],
  ...besideColumns.map(
    ([head, cell]): Column<Result> => [head, ({ found }) => (found ? cell(found) : '–')],
  ),
]

export async function benchOfficial(section: Section): Promise<void> {
  const { options } = section
  const { torch, bfloat16, matmul, peak: best } = checkOfficial(options)
  const budget = stepBudget(options)
  const results: Result[] = []
  const leftOut: string[] = []
  // Where libopenblas is missing a reference BLAS stands in for it; convolutions do not use it.
  if (matmul < best / 4)
    leftOut.push(
      `PyTorch has a slow BLAS: ${digits(matmul)} GFLOP/s of matmul and nn.Linear, where ` +
        `convolutions reach ${digits(best)}; install OpenBLAS (libopenblas0) for fair figures.`,
    )
  for (const row of chooseRows(options)) {
    const { model, timeSteps: T, batch } = row
    const threads = Math.min(row.threads ?? options.threads, options.threads)
    const against = describeAgainst(row.against)
    section.progress(`official ${model} T=${T} against ${against}`)
    const why = missing(row, { ...options, threads }, bfloat16)
    if (why !== undefined) {
      results.push({ row, threads })
      leftOut.push(`Left out: ${model} against ${against}: ${why}`)
      continue
    }
    const found = await measureRow(row, { ...options, threads }, budget)
    results.push({ row, threads, found })
    const name =
      `official | ${model} | T ${T} | batch ${batch} | threads ${threads} | ` +
      `${describeMethod(row.ours)} against ${against}`
    addBeside(section, name, found, 'own' in row.against ? against : 'official code', torch)
  }
  const given = onlineMethods.filter((method) => options[method] !== undefined)
  for (const method of options.model === undefined ? onlineMethods : [])
    if (!given.includes(method))
      leftOut.push(
        `Left out: ${method} against its authors' code, for want of --${method} DIR; get it by ` +
          howToGet[method],
      )
  const notes = [
    'Forward, backward and SGD on one batch of noise, the same for both; ' +
      `${budget.trainingSteps} steps that train, then at least ${budget.minSteps} timed ones at ` +
      'learning rate 0. ours: our method and step mode. against: method of theirs, step mode ' +
      `m, or another of ours. bf16: autocast, which this processor runs by way of ${bfloat16}. ` +
      'tuned: with an allocator that keeps large blocks.',
    ...besideNotes,
    ...leftOut,
  ]
  const title = `Training steps beside the official code on PyTorch ${torch}`
  section.table(title, notes, columns, results)
  if (options.model === undefined && given.length > 0) await onlineSteps(section, given)
}
