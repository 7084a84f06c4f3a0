/** Measures of difference, random arrays and small models that several system tests need. */
import type { StateDict } from '../../src/index.js'
import { testRandom } from './engine.js'

/**
 * ‖value − reference‖ / ‖reference‖; the plain norm of the difference when the reference is zero;
 * NaN for unequal lengths.
 */
export function relativeError(value: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (value.length !== reference.length) return Number.NaN
  let [difference, norm] = [0, 0]
  for (let i = 0; i < reference.length; i++) {
    difference += (value[i] - reference[i]) ** 2
    norm += reference[i] ** 2
  }
  return Math.sqrt(difference) / (norm > 0 ? Math.sqrt(norm) : 1)
}

export function norm(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2
  return Math.sqrt(sum)
}

/** Throws unless the error is at most `limit`; NaN fails. */
export function expectClose(
  what: string,
  value: ArrayLike<number>,
  reference: ArrayLike<number>,
  limit: number,
): void {
  const error = relativeError(value, reference)
  if (!(error <= limit))
    throw new Error(`${what}: relative error ${error}, at most ${limit} is allowed`)
}

/** Throws unless all that is expected is there, and close. */
export function expectAllClose(
  what: string,
  found: Readonly<Record<string, { readonly data: ArrayLike<number> }>>,
  expected: Readonly<Record<string, { readonly data: ArrayLike<number> }>>,
  limit: number,
): void {
  for (const [name, { data }] of Object.entries(expected))
    expectClose(`${what} ${name}`, found[name].data, data, limit)
}

/** The slope of a function of a number in an array, from a step to both sides. */
export function slopeAt(data: Float32Array, index: number, of: () => number, h = 2 ** -9): number {
  const value = data[index]
  const [plus, minus] = [h, -h].map((step) => {
    data[index] = value + step
    return { at: data[index], y: of() }
  })
  data[index] = value
  return (plus.y - minus.y) / (plus.at - minus.at)
}

/** Throws unless both hold the same bits under the same names. */
export function expectSameBits(what: string, a: StateDict, b: StateDict): void {
  const difference = firstDifference(a, b)
  if (difference !== undefined) throw new Error(`${what}: ${difference} differs`)
}

/** Name and index of the first number whose bits differ, or undefined. */
export function firstDifference(a: StateDict, b: StateDict): string | undefined {
  const names = Object.keys(a)
  if (names.join() !== Object.keys(b).join())
    return `the list of names (${names} and ${Object.keys(b)})`
  for (const name of names) {
    const [x, y] = [a[name].data, b[name].data].map(
      (data) => new Uint32Array(data.buffer, data.byteOffset, data.length),
    )
    const at = x.length === y.length ? x.findIndex((bits, i) => bits !== y[i]) : 0
    if (at >= 0) return `${name}[${at}]`
  }
  return undefined
}

/** Uniform numbers in ±bound. */
export function uniform(count: number, bound: number, seed: number): Float32Array {
  const random = testRandom(seed)
  return Float32Array.from({ length: count }, () => bound * (2 * random() - 1))
}

export function labels(count: number, classes: number, seed: number): number[] {
  const random = testRandom(seed ^ 0x5bd1e995)
  return Array.from({ length: count }, () => Math.floor(random() * classes))
}
