/** What calls give or refuse, as parts of a hash. */
import type { Hashes } from './hashes.js'

/** What Node's version, the version of this package, and the machine say is left out. */
const said = (error: unknown, hidden: string): string =>
  `${(error as Error).name}: ${(error as Error).message}`
    .replaceAll(hidden || '\0', '<folder>')
    .replace(/((JSON|gzip|deflated data), got an error: ).*/s, '$1')
    .replace(/\b(E[A-Z]{3,}): [^;)]*/g, '$1')

/** The value of a call, or what it throws. */
export async function outcomeOf(call: () => unknown, hidden = ''): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return said(error, hidden)
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/**
 * Plain data as texts and bytes, such that other data give others.
 * @param hidden folder whose name is left out
 */
export function* partsOf(value: unknown, hidden = ''): Generator<string | Uint8Array> {
  if (ArrayBuffer.isView(value)) {
    yield `${value.constructor.name} ${value.byteLength}`
    yield bytesOf(value)
  } else if (value instanceof Map) yield* partsOf([...value], hidden)
  else if (Array.isArray(value)) {
    yield `list ${value.length}`
    for (const item of value) yield* partsOf(item, hidden)
  } else if (typeof value === 'object' && value !== null) {
    // Instances of a class, such as a model, give no more: what is in them is not for callers.
    const { name } = value.constructor ?? Object
    yield name
    if (name !== 'Object') return
    for (const [key, item] of Object.entries(value)) {
      yield key
      yield* partsOf(item, hidden)
    }
    yield 'end'
  } else if (typeof value === 'function') yield 'function'
  else if (typeof value === 'string') yield `text ${value.replaceAll(hidden || '\0', '<folder>')}`
  else yield Object.is(value, -0) ? '-0' : `${typeof value} ${String(value)}`
}

/** Values that an option may be given by mistake. */
export const odd: readonly unknown[] = [
  ...[undefined, null, Number.NaN, -1, 0, 0.5, 1, 1.5, 2, 3n, Number.POSITIVE_INFINITY],
  ...['', 'x', true, [], [1], [1, 2], [2, 1], [0, 1], [1, 1.5], {}],
]

/** The outcomes of an option with odd values, and with some of its own. */
export const withOdd =
  (call: (value: unknown) => unknown, ...more: readonly unknown[]) =>
  async (): Promise<unknown[]> => {
    const found: unknown[] = []
    for (const value of [...odd, ...more]) found.push(await outcomeOf(() => call(value)))
    return found
  }

/** The same of each of some options, by their names, for a call of the one that is given. */
export const optionsWithOdd = (
  keys: readonly string[],
  call: (given: Readonly<Record<string, unknown>>) => unknown,
  more: readonly unknown[] = [],
) =>
  Object.fromEntries(keys.map((key) => [key, withOdd((value) => call({ [key]: value }), ...more)]))

/** The outcomes of calls, one after the other. */
export const each = (calls: readonly (() => unknown)[]) => async (): Promise<unknown[]> => {
  const found: unknown[] = []
  for (const call of calls) found.push(await outcomeOf(call))
  return found
}

/** Lists of numbers: '3x19 6' are [3, 19] and [6]. */
export const lists = (text: string): number[][] =>
  text.split(' ').map((list) => list.split('x').map(Number))

/** Adds the hash of each call's outcome. @param hidden folder whose name is left out of messages */
export async function expectOutcomes(
  hashes: Hashes,
  name: string,
  calls: Readonly<Record<string, () => unknown>>,
  hidden = '',
): Promise<void> {
  for (const [key, call] of Object.entries(calls))
    hashes.is(`${name}: ${key}`, partsOf(await outcomeOf(call, hidden), hidden))
}
