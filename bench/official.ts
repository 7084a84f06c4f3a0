/**
 * Training steps beside those of others' PyTorch code, the same batch and number of threads: the
 * paper's official code, also in bfloat16, compiled and with a tuned allocator, and the code of the
 * authors of OTTT and SLTT.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  batchOf,
  compileWith,
  describeMethod,
  input,
  makeBatch,
  methods,
} from '../src/bench/networks.js'
import type { Column } from '../src/bench/report.js'
import type { MethodChoice } from '../src/compile/methods.js'
import { parseState } from '../src/files/state.js'
import * as sw from '../src/index.js'
import type { Model } from '../src/model/model.js'
import {
  addBeside,
  type Beside,
  besideColumns,
  besideNotes,
  encodeBatch,
  measureBeside,
  type StepBudget,
  stepBudget,
  stepSettings,
} from './beside.js'
import { type Code, checkCode, codesOf, howToAdd, type PeerStep, runCode } from './codes.js'
import { coarseBatch, compileOnline, ONLINE_STEPS } from './online-networks.js'
import type { BenchOptions } from './options.js'
import { blasNotes } from './peers.js'
import { type Section, withFolder } from './section.js'

/** What theirs is. */
interface Against {
  readonly code: Code
  /** How the official code trains. */
  readonly method?: 'rate' | 'bptt'
  /** By autocast. */
  readonly bfloat16?: boolean
  /** Through torch.compile. */
  readonly compile?: boolean
  /** With an allocator that keeps large blocks. */
  readonly tuned?: boolean
}

interface Row {
  readonly model: string
  readonly input: typeof input
  readonly batch: number
  readonly timeSteps: number
  readonly ours: MethodChoice
  readonly against: Against
  readonly threads?: number
  /** Images in a quick run; absent: it has no such row. */
  readonly quick?: number
}

const byName = (name: string): MethodChoice =>
  methods.find((choice) => describeMethod(choice) === name)!

/** Rows of ResNet-18: T, our method, and theirs. */
const row = (timeSteps: number, ours: string, against: Omit<Against, 'code'>): Row => ({
  model: 'resnet18',
  input,
  batch: 16,
  timeSteps,
  ours: byName(ours),
  against: { code: 'official', ...against },
})
const plain = row(4, 'rate m', { method: 'rate' })
const online = (code: 'ottt' | 'sltt'): Row => ({
  ...row(ONLINE_STEPS, code, {}),
  model: 'their VGG',
  batch: 32,
  against: { code },
  quick: 4,
})

const rows: readonly Row[] = [
  { ...plain, quick: 16 },
  row(4, 'rate m', { method: 'rate', tuned: true }),
  row(8, 'rate m', { method: 'rate' }),
  row(4, 'rate m', { method: 'rate', bfloat16: true }),
  row(4, 'rate m', { method: 'rate', compile: true }),
  row(4, 'rate m', { method: 'bptt' }),
  row(8, 'rate m', { method: 'bptt' }),
  row(8, 'rate m', { method: 'bptt', tuned: true }),
  row(4, 'bptt m', { method: 'bptt' }),
  row(8, 'bptt m', { method: 'bptt' }),
  { ...plain, model: 'vgg11', batch: 32 },
  { ...plain, model: 'cnn', input: [1, 28, 28], batch: 64, threads: 1, quick: 64 },
  online('ottt'),
  online('sltt'),
]

/**
 * Rows for the codes that are given. `--model`, `--time-steps` or `--batch-size` choose those of a
 * network, or make one of each method of the official code, and one of its tuned allocator.
 */
export function chooseRows(options: BenchOptions): readonly Row[] {
  const { quick, timeSteps, batchSize } = options
  const codes = codesOf(options)
  const known = rows.filter(({ against }) => codes.includes(against.code))
  if (options.model === undefined && timeSteps === undefined && batchSize === undefined)
    return quick
      ? known.filter((row) => row.quick).map((row) => ({ ...row, batch: row.quick! }))
      : known
  const { model = 'resnet18' } = options
  const own = known.filter((row) => row.model === model)
  if (timeSteps === undefined && batchSize === undefined && own.length > 0) return own
  const ways = [{ method: 'rate' }, { method: 'rate', tuned: true }, { method: 'bptt' }] as const
  return ways.map((against) => ({
    ...row(timeSteps ?? 4, `${against.method} m`, against),
    model,
    batch: batchSize ?? batchOf(model),
  }))
}

export function describeAgainst({ code, method, bfloat16, compile, tuned }: Against): string {
  const parts = [method ?? code, bfloat16 && 'bf16', compile && 'compiled', tuned && 'tuned']
  return parts.filter(Boolean).join(' ')
}

/** Our network; that of the authors of a method from their own fresh weights. */
async function compileRow(row: Row, options: BenchOptions): Promise<Model> {
  const { model: name, input: shape, batch: batchSize, timeSteps, ours: choice, against } = row
  const { threads } = options
  const { code } = against
  if (code === 'official')
    return compileWith(sw, { model: name, choice, timeSteps, threads, batchSize, input: shape })
  const model = await compileOnline(code, threads, batchSize)
  await withFolder((folder) => {
    const out = join(folder, 'network.safetensors')
    runCode(code, options, 'state', { out })
    model.loadStateDict(parseState(readFileSync(out), out))
  })
  return model
}

async function measureRow(row: Row, options: BenchOptions, budget: StepBudget) {
  const { model: name, input: shape, batch: size, timeSteps: T, against } = row
  const { code, method, bfloat16, compile = false, tuned } = against
  const batch = code === 'official' ? makeBatch(size, shape) : coarseBatch(size)
  const own = code === 'official' && {
    model: name,
    method,
    dtype: bfloat16 ? 'bfloat16' : 'float32',
    compile: Number(compile),
    input: shape,
  }
  const settings = { ...own, tuned, batch: size, 'time-steps': T, ...stepSettings(budget) }
  const model = await compileRow(row, options)
  try {
    return await measureBeside(model, batch, budget, () =>
      runCode<PeerStep>(code, options, 'step', settings, encodeBatch(batch)),
    )
  } finally {
    await model.dispose()
  }
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
  const codes = codesOf(options)
  const checks = codes.map((code) => checkCode(code, options))
  const [{ torch }] = checks
  const budget = stepBudget(options)
  const results: Result[] = []
  const remarks = blasNotes(checks[0])
  for (const row of chooseRows(options)) {
    const { model, timeSteps: T, batch, ours } = row
    const threads = Math.min(row.threads ?? options.threads, options.threads)
    const against = describeAgainst(row.against)
    section.progress(`official ${model} T=${T} against ${against}`)
    const found = await measureRow(row, { ...options, threads }, budget)
    if ('leftOut' in found) {
      results.push({ row, threads })
      remarks.push(`Left out: ${model} against ${against}: ${found.leftOut}`)
      continue
    }
    results.push({ row, threads, found })
    const size = `T ${T} | batch ${batch} | threads ${threads}`
    const name = `official | ${model} | ${size} | ${describeMethod(ours)} against ${against}`
    addBeside(section, name, found, torch)
  }
  const missing = (['ottt', 'sltt'] as const).filter((code) => !codes.includes(code))
  section.table(
    `Training steps beside others' code on PyTorch ${torch}`,
    [
      'Forward, backward and SGD on one batch of noise, the same for both; ' +
        `${budget.trainingSteps} steps that train, then at least ${budget.minSteps} timed ones at ` +
        'learning rate 0. ours: our method and step mode. against: method of the official code, ' +
        "step mode m, or the code of a method's authors with their network, weights and loss. " +
        'bf16: autocast. tuned: with an allocator that keeps large blocks.',
      ...besideNotes,
      ...remarks,
      ...(options.model === undefined ? missing.map(howToAdd) : []),
    ],
    columns,
    results,
  )
}
