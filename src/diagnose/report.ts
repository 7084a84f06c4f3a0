/** A diagnosis for people and programs: tables as plain data, and JSON. */

import { mean } from '../median.js'
import { type Method, methodNames } from '../plan/methods.js'
import { comparableLr } from '../train/comparable-lr.js'
import {
  type Cost,
  claimed,
  type Diagnosis,
  type TrainingDiagnosis,
  type Variant,
  variantNames,
  variants,
} from './diagnosis.js'

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  /** The first cell of a row names it, the others are numbers. */
  readonly rows: readonly (readonly string[])[]
}

/** Where the diagnosis was made. */
export interface Origin {
  /** Of the package. */
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
export function tables(diagnosis: Diagnosis): Table[] {
  return [
    claimTable(diagnosis),
    ...assumptionTables(diagnosis),
    gradientTable(diagnosis),
    learningRateTable(diagnosis),
    costTable(diagnosis),
    ...processTables(diagnosis),
    rateTable(diagnosis),
  ]
}

/** What the paper claims, beside what was measured. */
export function claimTable(diagnosis: Diagnosis): Table {
  const compared = comparable(diagnosis)
  const lowest = (which: 'a1' | 'a2' | 'a3'): string => {
    const ends = compared.map(({ points }) => Object.values(points[points.length - 1][which]))
    const T = compared.map(({ timeSteps }) => timeSteps)
    const values = ends.map((cosines) => show(minimum(cosines), 4))
    return `lowest layer ${values.join(', ')} for T ${T.join(', ')}`
  }
  const rows: [string, string][] = [
    [
      'A1: the spikes’ error is independent in time of the neuron’s response, cosine near 1',
      lowest('a1'),
    ],
    [
      'A2: the current’s error is independent in time of the incoming spikes, cosine near 1',
      lowest('a2'),
    ],
    ['A3: the rate gradient points where that of BPTT does, cosine near 1', lowest('a3')],
  ]
  const growth = (
    method: Variant,
    key: CostKey,
    claim: string,
    show: (value: number) => string,
  ): void => {
    const found = growthOf(diagnosis.costs, method, key)
    if (found)
      rows.push([
        claim,
        `${show(found.first[key])} at T ${found.first.timeSteps}, ` +
          `${show(found.last[key])} at T ${found.last.timeSteps}: ` +
          `×\u00a0${found.factor.toFixed(2)}`,
      ])
  }
  const { reference, rate, rateInSteps } = claimed
  const kept = 'what is kept for the backward pass'
  const time = 'the time of the backward pass'
  growth(rate, 'keptBytes', `${rate}: ${kept} does not grow with T`, showBytes)
  growth(reference, 'keptBytes', `${reference}: ${kept} grows by the same for each step`, showBytes)
  const all = 'all memory together does not grow with T'
  growth(rateInSteps, 'totalBytes', `${rateInSteps}: ${all}`, showBytes)
  growth(rate, 'backwardMs', `${rate}: ${time} does not grow with T`, showMs)
  growth(reference, 'backwardMs', `${reference}: ${time} grows with T`, showMs)
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

function assumptionTables(diagnosis: Diagnosis): Table[] {
  const { setup } = diagnosis
  const compared = comparable(diagnosis)
  const titles = {
    a1: 'A1 at the end of training: cosine of E[δs κ] and E[δs] E[κ]',
    a2: 'A2 at the end of training: cosine of E[δI s] and E[δI] E[s]',
    a3: 'A3 at the end of training: cosine of the rate gradient and the BPTT gradient',
  }
  return (['a1', 'a2', 'a3'] as const).map((which) => ({
    title: titles[which],
    head: ['layer', ...compared.map(({ timeSteps }) => `T ${timeSteps}`)],
    rows: Object.keys(compared[0].points[0][which]).map((layer) => [
      setup.layers[layer],
      ...compared.map(({ points }) => show(points[points.length - 1][which][layer], 4)),
    ]),
  }))
}

function gradientTable(diagnosis: Diagnosis): Table {
  const compared = comparable(diagnosis)
  return {
    title: 'Rate gradient, multiplied by T, against BPTT gradient: cosine (ratio of norms)',
    head: ['parameter', ...compared.map(({ timeSteps }) => `T ${timeSteps}`)],
    rows: compared[0].gradients.map(({ parameter }, i) => [
      parameter,
      ...compared.map(
        ({ gradients }) => `${show(gradients[i].cosine, 4)} (${show(gradients[i].normRatio, 3)})`,
      ),
    ]),
  }
}

/** Learning rates of SGD for which the methods make steps as large. */
function learningRateTable({ setup }: Diagnosis): Table {
  const { learningRate, timeSteps: all } = setup
  // Of the variants, those whose gradients have another size than their method's.
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

export function costTable({ costs, setup }: Diagnosis): Table {
  const threads = `${setup.threads} thread${setup.threads === 1 ? '' : 's'}`
  return {
    title: 'Time and memory of a training step',
    head: [
      'method',
      'T',
      'forward ms',
      'backward ms',
      `step ms, ${threads}`,
      'kept MiB',
      'total MiB',
    ],
    rows: costs.map(
      ({ method, timeSteps, forwardMs, backwardMs, stepMs, keptBytes, totalBytes }) => [
        method,
        String(timeSteps),
        ...[forwardMs, backwardMs, stepMs, mebibytes(keptBytes), mebibytes(totalBytes)].map(
          threeDigits,
        ),
      ],
    ),
  }
}

/** Memory and time of processes of their own, where they were measured. */
export function processTables({ costs, setup }: Diagnosis): Table[] {
  const { baseBytes } = setup
  if (baseBytes === undefined) return []
  const rows = costs.flatMap(({ method, timeSteps, process }) =>
    process === undefined
      ? []
      : [
          [
            method,
            String(timeSteps),
            ...[mebibytes(process.peakBytes), mebibytes(process.planBytes), process.stepMs].map(
              threeDigits,
            ),
          ],
        ],
  )
  return [
    {
      title:
        'Each in a process of its own; one that loads the package alone has a peak of ' +
        `${mebibytes(baseBytes).toFixed(0)} MiB`,
      head: ['method', 'T', 'peak MiB', 'plan MiB', 'step ms'],
      rows,
    },
  ]
}

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

const showBytes = (bytes: number): string => `${threeDigits(mebibytes(bytes))} MiB`

const showMs = (ms: number): string => `${threeDigits(ms)} ms`

/** 0.217, 12.3, 1234 */
const threeDigits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toPrecision(3)
