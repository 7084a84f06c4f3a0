/** Measures of answers, as `eval` prints them. */

import { describe } from '../errors.js'
import type { Evaluation } from '../train/evaluate.js'
import { percent } from './report.js'
import { tableText } from './terminal.js'

/** A line for each class. */
export const classTable = (
  { perClass = [] }: Evaluation,
  names: readonly string[] | undefined,
): string =>
  tableText(
    'lrrrr',
    ['class', 'samples', 'precision', 'recall', 'f1'],
    perClass.map(({ precision, recall, f1, count }, c) => [
      nameOf(c, names),
      String(count),
      ...[precision, recall, f1].map(percent),
    ]),
    false,
  )

/** A matrix of more classes is too wide for a terminal. */
const MOST_SHOWN = 20

/** Samples of each label with each answer; undefined where there are too many classes. */
export function confusionTable(
  { confusion }: Pick<Evaluation, 'confusion'>,
  names: readonly string[] | undefined,
): string | undefined {
  if (confusion === undefined || confusion.length > MOST_SHOWN) return undefined
  // Columns by number: names would be too wide.
  const head = ['label \\ answer', ...confusion.map((_, c) => String(c))]
  const rows = confusion.map((counts, c) => {
    const name = nameOf(c, names)
    return [name === String(c) ? name : `${c} ${name}`, ...counts.map(String)]
  })
  return tableText(`l${'r'.repeat(confusion.length)}`, head, rows)
}

const nameOf = (c: number, names: readonly string[] | undefined): string =>
  names?.[c] === undefined ? String(c) : shown(names[c])

/** A name from a file, without the quotes where it needs none. */
const shown = (name: string): string => (/^[\w ./-]{1,60}$/.test(name) ? name : describe(name))
