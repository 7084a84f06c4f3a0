/** The table of official.ts: its rows, their names and their cells. */
import {
  batchOf,
  describeMethod,
  input,
  type MethodChoice,
  methods,
} from '../src/bench/networks.js'
import { deviation, digits, type ResultTable } from '../src/bench/report.js'
import type { Bfloat16, PeerStep, StepTimes } from './official-code.js'
import type { BenchOptions } from './options.js'
import { describeOthers, describeRates, type SideBySide, type StepBudget } from './side-by-side.js'

/** What ours is held against: the official code, or another method of ours. */
export type Against =
  | {
      readonly code: 'rate' | 'bptt'
      readonly dtype?: 'bfloat16' | 'float32'
      /** Through torch.compile. */
      readonly compile?: boolean
      /** With an allocator that keeps large blocks. */
      readonly tuned?: boolean
    }
  | { readonly own: MethodChoice }

export interface Row {
  readonly model: string
  readonly input: typeof input
  readonly batch: number
  readonly timeSteps: number
  readonly ours: MethodChoice
  readonly against: Against
  readonly threads?: number
}

const [rateM, rateS, bpttM] = methods

const resnet18 = { model: 'resnet18', input, batch: 16, ours: rateM } as const
const rows: readonly Row[] = [
  { ...resnet18, timeSteps: 4, against: { code: 'rate' } },
  { ...resnet18, timeSteps: 4, against: { code: 'rate', tuned: true } },
  { ...resnet18, timeSteps: 8, against: { code: 'rate' } },
  { ...resnet18, timeSteps: 4, against: { code: 'rate', dtype: 'bfloat16' } },
  { ...resnet18, timeSteps: 4, against: { code: 'rate', compile: true } },
  { ...resnet18, timeSteps: 4, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, against: { code: 'bptt', tuned: true } },
  { ...resnet18, timeSteps: 4, ours: bpttM, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 8, ours: bpttM, against: { code: 'bptt' } },
  { ...resnet18, timeSteps: 4, ours: rateS, against: { own: rateM } },
  { model: 'vgg11', input, batch: 32, timeSteps: 4, ours: rateM, against: { code: 'rate' } },
  {
    model: 'cnn',
    input: [1, 28, 28],
    batch: 64,
    timeSteps: 4,
    ours: rateM,
    against: { code: 'rate' },
    threads: 1,
  },
]

export function chooseRows({ model, quick }: BenchOptions): readonly Row[] {
  if (model !== undefined) {
    const known = rows.filter((row) => row.model === model)
    const against = { code: 'rate' } as const
    return known.length > 0
      ? known
      : [{ model, input, batch: batchOf(model), timeSteps: 4, ours: rateM, against }]
  }
  return quick ? [rows[0], ...rows.filter((row) => row.model === 'cnn')] : rows
}

export function describeAgainst(against: Against): string {
  if ('own' in against) return `our ${describeMethod(against.own)}`
  const { code, dtype, compile, tuned } = against
  const parts = [code, dtype === 'bfloat16' && 'bf16', compile && 'compiled', tuned && 'tuned']
  return parts.filter(Boolean).join(' ')
}

export type Other = StepTimes & Partial<PeerStep>

export interface Measured extends SideBySide<Other> {
  readonly operations: { readonly ours: number; readonly theirs: number }
  /** Milliseconds at the peak: of ours, and of theirs. */
  readonly limits: { readonly ours: number; readonly theirs: number }
}

export const head = [
  'network',
  'T',
  'batch',
  'threads',
  'ours',
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
  'ours GFLOP',
  'limit ms',
  '× limit',
  'theirs GFLOP',
  'limit ms',
  '× limit',
]

const gflop = (operations: number): string => digits(operations / 1e9)

export function cellsOf(
  row: Row,
  threads: number,
  { ours, theirs, before, after, others, rates, operations, limits }: Measured,
  peak: number | undefined,
): string[] {
  return [
    ...labelsOf(row, threads),
    digits(ours.median),
    digits(theirs.median),
    (ours.median / theirs.median).toFixed(2),
    (ours.best / theirs.best).toFixed(2),
    `${deviation(ours.spread)}, ${deviation(theirs.spread)}`,
    `${digits(before)}, ${digits(after)}`,
    describeOthers(others),
    describeRates(rates),
    peak === undefined ? '' : digits(peak),
    peak === undefined || theirs.residentMiB === undefined ? '' : digits(theirs.residentMiB),
    gflop(operations.ours),
    digits(limits.ours),
    (ours.median / limits.ours).toFixed(2),
    gflop(operations.theirs),
    digits(limits.theirs),
    (theirs.median / limits.theirs).toFixed(2),
  ]
}

export const labelsOf = (
  { model, input: shape, timeSteps: T, batch, ours, against }: Row,
  threads: number,
) => [
  `${model} [${shape.join(', ')}]`,
  String(T),
  String(batch),
  String(threads),
  describeMethod(ours),
  describeAgainst(against),
]

/** What × limit means, for each table that has it. */
export const limitNotes = [
  'limit: the time of the additions and multiply-adds of convolutions and linear layers alone, ' +
    "of ours at WebAssembly's measured 128-bit peak of one thread times the threads, of theirs " +
    'at what the fastest of a product of matrices and two convolutions reached in its process. A ' +
    'multiply-add counts 2.',
  'Counted of ours: forward an addition for each spike and weight that meet (behind pooling each ' +
    'spike of a window, at most the dense product), for the image its dense product once; ' +
    'gradients of inputs dense, once (rate) or at each step; gradients of weights dense with ' +
    "time means (rate) and traces (ottt), additions of spikes else. Winograd's algorithm does with " +
    'fewer, so that × limit can be below 1.',
  'Counted of theirs: dense products, at each step forward and for both gradients; rate: forward ' +
    'at each step, then once more with both gradients; an image needs no gradient.',
]

export function tableOf(
  cells: readonly string[][],
  torch: string,
  bfloat16: Bfloat16,
  { trainingSteps, minSteps }: StepBudget,
  leftOut: readonly string[],
): ResultTable {
  return {
    title: `Training steps beside the official code on PyTorch ${torch}`,
    notes: [
      'Forward, backward and SGD on one batch of noise, the same for both; ' +
        `${trainingSteps} steps that train, then at least ${minSteps} timed ones at ` +
        'learning rate 0. ours: our method and step mode. against: method of theirs, step mode ' +
        `m, or another of ours. bf16: autocast, which this processor runs by way of ${bfloat16}. tuned: with an allocator ` +
        'that keeps large blocks.',
      'ms: median. ratio: ours / theirs, of the medians and of the fastest steps. ' +
        'spread: of ours and theirs.',
      'before, after: ours before and behind theirs. others: share of the processors ' +
        'that other processes took meanwhile, the largest of the three; what is marked as ' +
        'disturbed says little.',
      'rate: our spikes per neuron and step, mean of the layers (lowest–highest); ' +
        'theirs is dense. MiB: largest resident set, each in a process of its own; ours after a ' +
        "process with the package alone has about 50, theirs with PyTorch's libraries.",
      ...limitNotes,
      ...leftOut,
    ],
    head,
    rows: cells,
  }
}
