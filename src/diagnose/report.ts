/** A diagnosis for people and programs: tables as plain data, and JSON. */

import { mean } from '../base/numbers.js'
import { type Method, methodNames } from '../compile/methods.js'
import { comparableLr } from '../train/comparable-lr.js'
import type { Table } from '../watch/pages/frame.js'
import {
  assumptionKeys,
  assumptions,
  type Cost,
  claimed,
  type Diagnosis,
  type TrainingDiagnosis,
  type Variant,
  variantNames,
  variants,
} from './diagnosis.js'

/** Where the diagnosis was made. */
export interface Origin {
  /** The version of the package. */
  readonly version: string
  readonly node: string
  readonly processor: string
  readonly cores: number
}

/** Rounded to six digits; no measurement is more precise. */
export function toJson(diagnosis: Diagnosis, origin: Origin, space?: number): string {
  const round = (_key: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
  return JSON.stringify({ ...origin, ...diagnosis }, round, space)
}

/** All tables, in the order of the page. */
export const tables = (diagnosis: Diagnosis): Table[] => [
  claimTable(diagnosis),
  ...assumptionTables(diagnosis),
  gradientTable(diagnosis),
  learningRateTable(diagnosis),
  costTable(diagnosis),
  ...processTables(diagnosis),
  rateTable(diagnosis),
]

/** What the paper claims, beside what was measured. */
export function claimTable(diagnosis: Diagnosis): Table {
  const compared = comparable(diagnosis)
  const T = compared.map(({ timeSteps }) => timeSteps).join(', ')
  const rows = assumptionKeys.map((key) => {
    const lowest = compared.map(({ points }) =>
      show(minimum(Object.values(points.at(-1)![key])), 4),
    )
    const claim = `${key.toUpperCase()}: ${assumptions[key].claim}, cosine near 1`
    return [claim, `lowest layer ${lowest.join(', ')} for T ${T}`]
  })
  const { reference, rate, rateInSteps } = claimed
  const kept = 'what is kept for the backward pass'
  const time = 'the time of the backward pass'
  const growths = [
    [rate, 'keptBytes', `${kept} does not grow with T`],
    [reference, 'keptBytes', `${kept} grows by the same for each step`],
    [rateInSteps, 'totalBytes', 'all memory together does not grow with T'],
    [rate, 'backwardMs', `${time} does not grow with T`],
    [reference, 'backwardMs', `${time} grows with T`],
  ] as const
  for (const [method, key, claim] of growths) {
    const found = growthOf(diagnosis.costs, method, key)
    if (!found) continue
    const at = ({ timeSteps, [key]: cost }: Cost): string => {
      const [amount, unit] = key === 'backwardMs' ? [cost, 'ms'] : [mebibytes(cost), 'MiB']
      return `${threeDigits(amount)} ${unit} at T ${timeSteps}`
    }
    const { first, last, factor } = found
    rows.push([`${method}: ${claim}`, `${at(first)}, ${at(last)}: ×\u00a0${factor.toFixed(2)}`])
  }
  return {
    title: 'What the paper claims, and what was measured',
    head: ['claim', 'measured'],
    rows,
  }
}

type CostKey = 'keptBytes' | 'totalBytes' | 'backwardMs'

/**
 * A method's cost at the least T ≥ 2 and at the greatest, and the factor between them; undefined
 * where that is one T.
 */
export function growthOf(
  costs: readonly Cost[],
  method: Variant,
  key: CostKey,
): { first: Cost; last: Cost; factor: number } | undefined {
  const ours = costs
    .filter((cost) => cost.method === method && cost.timeSteps >= 2)
    .sort((a, b) => a.timeSteps - b.timeSteps)
  if (ours.length < 2) return undefined
  const [first, last] = [ours[0], ours[ours.length - 1]]
  return { first, last, factor: last[key] / first[key] }
}

/** @param cells of a row, one for each training that is compared */
const overTime = (
  diagnosis: Diagnosis,
  title: string,
  first: string,
  rows: readonly (readonly [string, (training: TrainingDiagnosis) => string])[],
): Table => ({
  title,
  head: [first, ...comparable(diagnosis).map(({ timeSteps }) => `T ${timeSteps}`)],
  rows: rows.map(([name, cell]) => [name, ...comparable(diagnosis).map(cell)]),
})

const assumptionTables = (diagnosis: Diagnosis): Table[] =>
  assumptionKeys.map((key) =>
    overTime(
      diagnosis,
      `${key.toUpperCase()} at the end of training: cosine of ${assumptions[key].sides}`,
      'layer',
      Object.keys(comparable(diagnosis)[0].points[0][key]).map((layer) => [
        diagnosis.setup.layers[layer],
        ({ points }) => show(points.at(-1)![key][layer], 4),
      ]),
    ),
  )

const gradientTable = (diagnosis: Diagnosis): Table =>
  overTime(
    diagnosis,
    'Rate gradient, multiplied by T, against BPTT gradient: cosine (ratio of norms)',
    'parameter',
    comparable(diagnosis)[0].gradients.map(({ parameter }, i) => [
      parameter,
      ({
        gradients: {
          [i]: { cosine, normRatio },
        },
      }) => `${show(cosine, 4)} (${show(normRatio, 3)})`,
    ]),
  )

/** Learning rates of SGD for which the methods make steps as large. */
function learningRateTable({ setup }: Diagnosis): Table {
  const { learningRate, timeSteps: all } = setup
  // The variants whose gradients have another size than their method's.
  const rows: [string, Method, number?][] = [
    ...methodNames.map((name): [string, Method] => [name, name]),
    ...variantNames.flatMap((name): typeof rows => {
      const { method, backwardSteps } = variants[name]!
      return backwardSteps === undefined ? [] : [[name, method, backwardSteps]]
    }),
  ]
  return {
    title: 'Learning rates of SGD that make steps as large as those of BPTT (train --lr-for bptt)',
    head: ['method', ...all.map((T) => `T ${T}`)],
    rows: rows.map(([name, to, backwardSteps]) => [
      name,
      ...all.map((timeSteps) =>
        threeDigits(comparableLr(learningRate, { from: 'bptt', to, timeSteps, backwardSteps })),
      ),
    ]),
  }
}

/** A figure of costs, and what it is called. */
export type Measure = readonly [name: string, of: (cost: Cost) => number]

const costsTable = (
  title: string,
  costs: readonly Cost[],
  measures: readonly Measure[],
): Table => ({
  title,
  head: ['method', 'T', ...measures.map(([name]) => name)],
  rows: costs.map((cost) => [
    cost.method,
    String(cost.timeSteps),
    ...measures.map(([, of]) => threeDigits(of(cost))),
  ]),
})

export const costTable = ({ costs, setup: { threads } }: Diagnosis): Table =>
  costsTable('Time and memory of a training step', costs, [
    ['forward ms', ({ forwardMs }) => forwardMs],
    ['backward ms', ({ backwardMs }) => backwardMs],
    [`step ms, ${threads} thread${threads === 1 ? '' : 's'}`, ({ stepMs }) => stepMs],
    ['kept MiB', ({ keptBytes }) => mebibytes(keptBytes)],
    ['total MiB', ({ totalBytes }) => mebibytes(totalBytes)],
  ])

/** Memory and time of processes of their own, where they were measured. */
export const processTables = ({ costs, setup: { baseBytes } }: Diagnosis): Table[] =>
  baseBytes === undefined
    ? []
    : [
        costsTable(
          'Each in a process of its own; one that loads the package alone has a peak of ' +
            `${mebibytes(baseBytes).toFixed(0)} MiB`,
          costs.filter((cost) => cost.process),
          [
            ['peak MiB', ({ process }) => mebibytes(process!.peakBytes)],
            ['plan MiB', ({ process }) => mebibytes(process!.planBytes)],
            ['step ms', ({ process }) => process!.stepMs],
          ],
        ),
      ]

/** Firing rates for the greatest T. Some steps are left out where the table would be too wide. */
function rateTable({ training, setup }: Diagnosis): Table {
  const { timeSteps, firingRates } = training.reduce((best, t) =>
    t.timeSteps > best.timeSteps ? t : best,
  )
  const steps = spread(
    Array.from({ length: timeSteps }, (_, t) => t),
    8,
  )
  return {
    title: `Firing rate by layer and time step, T ${timeSteps}`,
    head: ['layer', ...steps.map((t) => `t ${t + 1}`), 'mean'],
    rows: Object.entries(firingRates).map(([layer, rates]) => [
      setup.layers[layer],
      ...steps.map((t) => rates[t].toFixed(3)),
      mean(rates).toFixed(3),
    ]),
  }
}

/**
 * The trainings worth comparing. With one time step the rate gradient is the BPTT gradient, so T =
 * 1 is left out, unless there is nothing else.
 */
export function comparable({ training }: Diagnosis): readonly TrainingDiagnosis[] {
  const several = training.filter(({ timeSteps }) => timeSteps > 1)
  return several.length > 0 ? several : training
}

/** `count` items of a list at about equal distances, the first and the last among them. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items]
  return Array.from(
    { length: count },
    (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))],
  )
}

export const mebibytes = (bytes: number): number => bytes / 2 ** 20

function minimum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.min(...known)
}

const show = (value: number | null, digits: number): string =>
  value === null ? '–' : value.toFixed(digits)

/** 0.217, 12.3, 1234 */
const threeDigits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toPrecision(3)
