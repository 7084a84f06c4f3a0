/**
 * What calls make of many values, as text: what they give, or the message with which they refuse.
 * The text is compared with a file beside the test; a change that is meant is taken over with
 * `npm test -- WORDS --update`.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { describe } from '../../src/base/errors.js'

/** Values that any option is given: types that it does not take, limits, names. */
export const values: readonly unknown[] = [
  ...[null, true, false, '', 'x', '1', 1n, () => 1, new Date(0), new Map()],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1e39, -1, -0.5, -0, 0],
  ...[1e-46, 1e-45, 9e-4, 1e-3, 0.01, 0.1, 0.5, 0.99, 1, 1.001, 1.5, 2, 3, 4, 6, 255, 256, 4096],
  ...[4097, 65535, 65536, 65537, 1e6, 1000001, 2 ** 30 - 1, 2 ** 30, 2 ** 53 - 1, 2 ** 53, 3.4e38],
  ...[3.5e38, 1e300],
  ...[[], [0], [1], [2], [1, 2], [2, 1], [2, 2], [0, 0], [0, 0.99], [0.5, 1], [-1, 0.5], [1, 2, 3]],
  ...[[3, 4, 5], [1, 1, 1, 1], [2, Number.NaN], [2, 1e39], [4096, 4097], ['x'], [''], ['x', 'y']],
  ...[Float32Array.of(2, 3), Float64Array.of(0.5, 2), Int32Array.of(1, 2), new Array(2), [[1]]],
  ...[{}, { normal: 0 }, { normal: -1 }, { normal: 1, bias: 'default' }, { normal: 1, bias: 'x' }],
  ...[{ normal: 1, bias: 'zeros' }, { normal: Number.NaN }, { normal: 1, x: 1 }, { kind: 'x' }],
]

/** A short hash. */
export const hashOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 10)

/** A value in one line; numbers that JSON does not know, and functions, are named. */
export const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, of: unknown) => {
    if (typeof of === 'function') return { function: of.name, ...of }
    if (typeof of === 'bigint') return `${of}n`
    if (ArrayBuffer.isView(of)) return { [of.constructor.name]: [...(of as Float32Array)] }
    return typeof of === 'number' && (!Number.isFinite(of) || Object.is(of, -0))
      ? `${Object.is(of, -0) ? '-0' : of}`
      : of
  }) ?? 'undefined'

export const places = (value: number): number => Number(value.toPrecision(4))

/** Plain data with figures of four places: kernels may round otherwise. */
export const rounded = (of: unknown): object =>
  JSON.parse(textOf(of), (_, value: unknown) => (typeof value === 'number' ? places(value) : value))

export const shortOf = (of: unknown): string => JSON.stringify(rounded(of))

/** What the system says of a file, and the language of a mistake, differs from one to another. */
const messageOf = (error: unknown): string => {
  if (error instanceof TypeError) return '! TypeError'
  const { message } = error as Error
  return `! ${message.replace(/\S+ cannot be read \([^)]*\)/, 'FILE cannot be read')}`
}

/** What a call gives, or `! message`. */
export function outcomeOf(call: () => unknown, show = textOf): string {
  try {
    return show(call())
  } catch (error) {
    return messageOf(error)
  }
}

/** The same of a promise. */
export async function outcomeOfPromise(call: () => unknown, show = textOf): Promise<string> {
  try {
    return show(await call())
  } catch (error) {
    return messageOf(error)
  }
}

/** A line of a file, and what it stands for: shown where the line differs. */
export interface Line {
  readonly text: string
  readonly stands: readonly string[]
}

export const plainLine = (text: string): Line => ({ text, stands: [] })

/** Outcomes of values in a line: what is taken, the commonest refusal, and a hash of all. */
export function lineOf(name: string, outcomes: readonly (readonly [unknown, string])[]): Line {
  const stands = outcomes.map(([value, outcome]) => `${describe(value) || "''"}: ${outcome}`)
  const refused = (outcome: string): boolean => outcome.startsWith('! ')
  const taken = outcomes.filter(([, outcome]) => !refused(outcome))
  const rules = new Map<string, number>()
  for (const [value, outcome] of outcomes)
    if (refused(outcome)) {
      const rule = outcome.replace(`got ${describe(value)}`, 'got …')
      rules.set(rule, (rules.get(rule) ?? 0) + 1)
    }
  const [rule] = [...rules].sort((a, b) => b[1] - a[1])[0] ?? ['! never']
  const takes = taken.map(([value]) => describe(value) || "''").join(' ')
  const shown = takes.length > 200 ? `${taken.length} values` : takes
  return { text: `${name}: ${shown} ${rule} (${hashOf(stands.join('\n'))})`, stands }
}

/** Compares lines with a file of `test`, or writes it with `--update`. */
export function compareLines(path: string, lines: readonly Line[]): void {
  const file = new URL(`../../../test/${path}`, import.meta.url)
  const found = lines.map(({ text }) => text.replaceAll('\n', ' '))
  if (process.env.UPDATE_SNAPSHOTS) writeFileSync(file, `${found.join('\n')}\n`)
  const wanted = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  const at = [...found, undefined].findIndex((line, i) => line !== wanted[i])
  if (at < 0) return
  const differences = [`- ${wanted[at]}`, `+ ${found[at]}`, ...(lines[at]?.stands ?? [])]
  const message = `line ${at + 1}; if it is meant to change, npm test with --update`
  assert.unreachable(`test/${path}, ${message}:\n${differences.join('\n')}`)
}
