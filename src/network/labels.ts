/** What a model's classes are called: options, data sets and files say it. */

import { fail } from '../base/errors.js'
import { checkBy, such } from '../base/rules.js'

/** More classes than any data set has. */
export const MOST_CLASSES = 1 << 16
const LONGEST_NAME = 1000

/** Names of classes, as options and files have them. */
export const classNames = such<readonly string[]>(
  `a list of texts of at most ${LONGEST_NAME} characters`,
  (value) =>
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= MOST_CLASSES &&
    value.every((text) => typeof text === 'string' && text.length <= LONGEST_NAME),
)

/** @throws SpikewasmError unless there is a name for each of a model's outputs */
export function expectLabels(option: string, labels: readonly string[], classes: number): void {
  checkBy(option, classNames, labels)
  if (labels.length !== classes)
    fail(`${option} must name each of the ${classes} classes, got ${labels.length}`)
}

/** Names of a model's classes. */
export interface Labels {
  readonly names: readonly string[]
  /** Whether an option gave them: then those of a data set do not take their place. */
  readonly isGiven: boolean
}

/**
 * The names that hold from now on: those of an option, those that an option gave before, else those
 * of the data set or file at hand, where it has one for each class.
 */
export function labelsBehind(
  before: Labels | undefined,
  given: readonly string[] | undefined,
  known: readonly string[] | undefined,
  classes: number,
): Labels | undefined {
  if (given) return { names: [...given], isGiven: true }
  if (before?.isGiven || known?.length !== classes) return before
  return { names: [...known], isGiven: false }
}
