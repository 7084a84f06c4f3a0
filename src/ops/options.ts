/** Options that several ops have. */

import { checkOptions, describe, fail } from '../base/errors.js'
import * as rules from '../base/rules.js'
import { checkShape, type Extent, extentOf, MOST_STEPS } from './shapes.js'

/** What an option may be. */
export interface Option<Given, Checked> {
  /** Checks it, given under its full name, and completes it. */
  readonly check: (name: string, given: Given) => Checked
}
/** Options by their names. */
export type OptionTable = Readonly<Record<string, Option<never, unknown>>>
/** What an option may be given as. */
export type GivenOf<C> = C extends Option<infer Given, unknown> ? Given : never
/** Options of a table: those without a default must be there. */
export type OptionsIn<S> = {
  readonly [K in keyof S as undefined extends GivenOf<S[K]> ? never : K]: GivenOf<S[K]>
} & {
  readonly [K in keyof S as undefined extends GivenOf<S[K]> ? K : never]?: GivenOf<S[K]>
}
/** The same, checked and complete. */
export type Checked<S> = {
  readonly [K in keyof S]: S[K] extends Option<never, infer V> ? V : never
}

/**
 * Checks and completes options.
 *
 * @param dot what stands in messages between `name` and an option's
 * @throws SpikewasmError for one that the table does not have, or that it refuses
 */
export function checkAll<S extends OptionTable>(
  name: string,
  table: S,
  options: object,
  dot = '.',
): Checked<S> {
  checkOptions(name, options, Object.keys(table))
  const given = options as Readonly<Record<string, never>>
  const all: Record<string, unknown> = {}
  for (const key in table) all[key] = table[key].check(name + dot + key, given[key])
  return all as Checked<S>
}

/** An option with a check of its own. */
export const option = <G, C>(check: (name: string, given: G) => C): Option<G, C> => ({ check })

/** What somebody else checks, such as a layer's own function; it must be there. */
export const needed = <V>(): Option<V, V> => option((_, value) => value)
/** The same of what need not be there. */
export const given = <V>(): Option<V | undefined, V | undefined> => needed()
/** Options of `T` that a layer's own function checks. */
export const ofLayer = <T>(names: readonly (keyof T)[]) =>
  Object.fromEntries(names.map((name) => [name, given()])) as unknown as {
    readonly [K in keyof T]-?: Option<T[K], T[K]>
  }

/** One that a rule says, and that must be there. */
export const must = <V>(rule: rules.Rule<V>) =>
  option((name, value: V): V => {
    rules.checkBy(name, rule, value)
    return value
  })
/** One that need not be there. */
export const may = <V, D>(rule: rules.Rule<V>, standard: D) =>
  option((name, value: V | undefined): V | D =>
    value === undefined ? standard : must(rule).check(name, value),
  )

export const flag = (standard = false) => may(rules.truth(), standard)
export const integer = (least: number, most?: number) => must(rules.integer(least, most))
export const integerIf = <D extends number | undefined>(least: number, most: number, standard: D) =>
  may(rules.integer(least, most), standard)
export const finite = (standard: number) => may(rules.finite(), standard)
/** One of some names, which must be there. */
export const chosen = <const V extends string>(all: readonly V[]) => must(rules.oneOf(all))
/** One of some values, by default the first. */
export const oneOf = <const V extends string | boolean>(all: readonly V[], standard: V = all[0]) =>
  may(rules.oneOf(all), standard)

/** An affine map of each channel: none, one for all time steps, or one for each. */
export const byStep = oneOf<boolean | 'steps'>([true, false, 'steps'], false)

/** Shapes of activities, and their axes. */
export type Axes = Option<readonly number[], Extent>
const axes = (...of: ['maybe' | 'never' | 'always', ('maybe' | 'never' | 'always')?]): Axes =>
  option((name, shape) => extentOf(name, shape, ...of))

/** [B, C], [B, C, H, W], or these with T behind B. */
export const activity: Axes = axes('maybe')
/** [B, C, H, W], or that with T. */
export const image: Axes = axes('maybe', 'always')
/** [B, T, C] or [B, T, C, H, W]. */
export const timed: Axes = axes('always')
/** [B, C] or [B, C, H, W]. */
export const untimed: Axes = axes('never')
/** [B, C] or [B, T, C]. */
export const rows: Axes = axes('maybe', 'never')

/** A shape with such axes; with none, any shape. */
export const shaped = (...axes: readonly string[]) =>
  option((name, shape: readonly number[]): readonly number[] => {
    checkShape(name, shape, ...axes)
    return Array.from(shape)
  })

/** Time steps, where they are given. */
export const steps = integerIf(1, MOST_STEPS, undefined)

/** Which of an op's results to compute and return. */
export const outputs = <const K extends string>(...all: readonly K[]) =>
  option((name, value: readonly K[] | undefined): readonly K[] | undefined => {
    if (value === undefined) return value
    const list: readonly K[] = Array.isArray(value) ? value : []
    if (
      list.length === 0 ||
      new Set(list).size !== list.length ||
      !list.every((one) => all.includes(one))
    )
      fail(`${name} must be a list of some of ${all.join(', ')}, got ${describe(value)}`)
    return list
  })
