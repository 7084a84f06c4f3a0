/** Options that several ops have. */

import { checkBoolean, checkInteger, describe, expect } from '../errors.js'
import type { Option } from './op.js'
import { anyShape, type Extent, extentOf, MOST_STEPS } from './shapes.js'

/** An option with a check of its own. */
export const option = <G, C>(check: (name: string, given: G) => C): Option<G, C> => ({ check })

/** What somebody else checks, such as a layer's own function; it must be there. */
export const needed = <V>(): Option<V, V> => ({ check: (_, value) => value })
/** The same of what need not be there. */
export const given = <V>(): Option<V | undefined, V | undefined> => needed()

export const flag = (standard = false) =>
  option((name, value: boolean | undefined) => checkBoolean(name, value, standard))

/** An integer that must be there. */
export const integer = (least: number, most: number) =>
  option((name, value: number): number => {
    checkInteger(name, value, least, most)
    return value
  })

/** One that need not be there. */
export const integerIf = <D extends number | undefined>(least: number, most: number, standard: D) =>
  option((name, value: number | undefined): number | D => {
    if (value !== undefined) checkInteger(name, value, least, most)
    return value ?? standard
  })

const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : `${value}`)

/** One of some values, by default the first. */
export const oneOf = <const V extends string | boolean>(all: readonly V[], standard: V = all[0]) =>
  option((name, value: V | undefined = standard): V => {
    const [last, ...others] = all.map(show).toReversed()
    expect(
      all.includes(value),
      () => `${name} must be ${others.toReversed().join(', ')} or ${last}, got ${describe(value)}`,
    )
    return value
  })

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

/** Any shape. */
export const anything = option((name, shape: readonly number[]): readonly number[] => {
  anyShape(name, shape)
  return [...shape]
})

/** Time steps, where they are given. */
export const steps = integerIf(1, MOST_STEPS, undefined)

/** Which of an op's results to compute and return. */
export const outputs = <const K extends string>(...all: readonly K[]) =>
  option((name, value: readonly K[] | undefined): readonly K[] | undefined => {
    if (value === undefined) return value
    const list: readonly K[] = Array.isArray(value) ? value : []
    expect(
      list.length > 0 &&
        new Set(list).size === list.length &&
        list.every((one) => all.includes(one)),
      () => `${name} must be a list of some of ${all.join(', ')}, got ${describe(value)}`,
    )
    return list
  })
