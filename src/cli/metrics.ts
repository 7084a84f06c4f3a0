/** Measures of answers, as `eval` prints them. */

import { describe } from '../errors.js'
import type { Evaluation } from '../train/evaluate.js'
import type { Answers } from '../train/metrics.js'
import { percent } from './report.js'
import { newTable } from './tables.js'

/** Their fields of a JSON line. */
export function answersOf({ confusion, perClass, topK }: Evaluation): Partial<Answers> {
  return {
    ...(perClass === undefined ? {} : { perClass }),
    ...(confusion === undefined ? {} : { confusion }),
    ...(topK === undefined ? {} : { topK }),
  }
}

/** A line about the k best answers, where they were asked for. */
export const topRows = ({ topK }: Evaluation, k: number | undefined): [string, string][] =>
  topK === undefined ? [] : [[`label among ${k} best`, percent(topK)]]

/** A line for each class. */
export function classTable(
  { perClass = [] }: Evaluation,
  names: readonly string[] | undefined,
): string {
  const table = newTable({
    head: ['class', 'samples', 'precision', 'recall', 'f1'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  })
  for (const [c, { precision, recall, f1, count }] of perClass.entries())
    table.push([nameOf(c, names), String(count), percent(precision), percent(recall), percent(f1)])
  return table.toString()
}

/** A matrix of more classes is too wide for a terminal. */
const MOST_SHOWN = 20

/** Samples of each label with each answer; undefined where there are too many classes. */
export function confusionTable(
  { confusion }: Pick<Evaluation, 'confusion'>,
  names: readonly string[] | undefined,
): string | undefined {
  if (confusion === undefined || confusion.length > MOST_SHOWN) return undefined
  const table = newTable({
    // Columns by number: names would be too wide.
    head: ['label \\ answer', ...confusion.map((_, c) => String(c))],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', ...confusion.map(() => 'right' as const)],
  })
  for (const [c, counts] of confusion.entries()) {
    const name = nameOf(c, names)
    table.push([name === String(c) ? name : `${c} ${name}`, ...counts.map(String)])
  }
  return table.toString()
}

const nameOf = (c: number, names: readonly string[] | undefined): string =>
  names?.[c] === undefined ? String(c) : shown(names[c])

/** A name from a file, without the quotes where it needs none. */
const shown = (name: string): string => (/^[\w ./-]{1,60}$/.test(name) ? name : describe(name))
