/** What options may be: from a rule come an option's check, its message and its default. */

import { checkArguments, checkOptions, describe, SpikewasmError } from './errors.js'
import { copyOf } from './objects.js'

/** What a value may be. */
export interface Rule<T = unknown> {
  readonly fits: (value: unknown) => boolean
  /** What stands behind "must be"; of a range, which begins with "in", behind "must lie". */
  readonly words: string
  /** What it is where it is left out. */
  readonly preset?: T
  /** Whether it may be left out, although there is no preset. */
  readonly optional?: boolean
  /** Looks closer, with messages of its own. */
  check?(name: string, value: T): void
}

/** The rules of an object's options. */
export type Rules<T> = { readonly [K in keyof T]-?: Rule<T[K]> }

/** What a number may be, in words. */
export type Range =
  | `${'>' | '≥'} ${number}`
  | `${number}…${number}${'' | ' (both excluded)' | ` (${number} excluded)`}`

/** A rule by its own test; `words` are what messages say must be given. */
export const such = <T>(words: string, fits: (value: T) => boolean, preset?: T): Rule<T> => ({
  fits: fits as (value: unknown) => boolean,
  words,
  preset,
})

/** A number that is finite in float32. */
export const finite = (preset?: number): Rule<number> => such('a finite number', isFloat, preset)

const isFloat = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(Math.fround(value))

/** A number in a range, such as `0…1`, which is also what messages say. */
export function range(text: Range, preset?: number): Rule<number> {
  const [low, high = Number.POSITIVE_INFINITY] = text.replace(/[>≥]/, '').split('…').map(parseFloat)
  const isOut = (end: number): boolean => text.includes('both') || text.includes(`(${end} `)
  const isIn = (value: number): boolean =>
    text.startsWith('>')
      ? Math.fround(value) > low
      : value >= low && value <= high && ![low, high].some((end) => value === end && isOut(end))
  const words = text.includes('…') ? `in ${text}` : text
  return such(words, (value) => isFloat(value) && isIn(value), preset)
}

/** A whole number. */
export const integer = (
  min: number,
  max = Number.MAX_SAFE_INTEGER,
  preset?: number,
): Rule<number> =>
  such(
    `an integer ${max === Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`}`,
    (value) => Number.isSafeInteger(value) && value >= min && value <= max,
    preset,
  )

/** One of some names. */
export const oneOf = <T>(names: readonly T[], preset?: T): Rule<T> =>
  such(
    names.length === 2 ? `'${names.join("' or '")}'` : `one of ${names.join(', ')}`,
    (value) => names.includes(value),
    preset,
  )

/** 'no' would count as true. */
export const truth = (preset?: boolean): Rule<boolean> =>
  such('true or false', (value) => typeof value === 'boolean', preset)

/** Something that a function of its own checks. */
export const by = <T>(check: (name: string, value: T) => void, preset?: T): Rule<T> => ({
  ...such('', () => true, preset),
  check,
})

/** The same, which may be left out. */
export const optional = <T>(rule: Rule<T>): Rule<T | undefined> => ({
  ...(rule as Rule<T | undefined>),
  optional: true,
})

/** Options that somebody else checks. */
export const checkedElsewhere = <T>(keys: readonly (keyof T & string)[]): Rules<T> =>
  Object.fromEntries(keys.map((key) => [key, optional(by(() => {}))])) as Rules<T>

export const aFunction = <T>(): Rule<T | undefined> =>
  optional(such<T>('a function', (value) => typeof value === 'function'))

/** @throws SpikewasmError unless a value is as a rule says */
export function checkBy<T>(name: string, { fits, words, check }: Rule<T>, value: unknown): void {
  if (!fits(value))
    throw new SpikewasmError(
      `${name} must ${words.startsWith('in ') ? 'lie' : 'be'} ${words}, got ${describe(value)}`,
    )
  check?.(name, value as T)
}

/**
 * Options with what was left out.
 *
 * @param name what they are of, for example `conv2d`
 * @param more what came behind the arguments
 * @param labelOf what messages call an option
 * @throws SpikewasmError for one that is unknown, and for one that is not as its rule says
 */
export function complete<T extends object>(
  name: string,
  rules: Rules<T>,
  options: object,
  more: readonly unknown[] = [],
  labelOf = (key: string): string => `${name}.${key}`,
): T {
  checkArguments(name, more)
  checkOptions(name, options, Object.keys(rules))
  const given: Readonly<Record<string, unknown>> = { ...options }
  const all = Object.entries<Rule>(rules).map(([key, rule]) => {
    const { [key]: value = copyOf(rule.preset) } = given
    if (value !== undefined || !rule.optional) checkBy(labelOf(key), rule, value)
    return [key, value]
  })
  return Object.fromEntries(all)
}

/** What a function makes plain data of: its options, and which of them do not go together. */
export interface Made<O extends object> {
  readonly options: Rules<Required<O>>
  /**
   * @param given what a caller said
   * @throws SpikewasmError for options that do not go together
   */
  check?(all: Required<O>, given: O): void
}

/**
 * A function that makes plain data of a kind from its options; messages call it by its name.
 *
 * @param none what stands for options where none are given
 */
export function maker<M, O extends object>(
  kind: string,
  { options: rules, check }: Made<O>,
  none?: object,
): (options?: O, ...more: []) => M {
  const { [kind]: make } = {
    [kind](options = none as O, ...more: []): M {
      const all = complete(kind, rules, options, more)
      check?.(all, options)
      return { kind, ...all } as M
    },
  }
  return make
}
