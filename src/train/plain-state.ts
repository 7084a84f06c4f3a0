/**
 * What a callback keeps, as JSON that gives it back as it was: numbers that JSON does not know
 * become `{ "$": "NaN" }`. What else JSON would damage is refused.
 */

import { describe, fail } from '../errors.js'

/** The one key of an object that stands for something else. */
const TAG = '$'

/** What a tag can name. */
const odd: Readonly<Record<string, unknown>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-0': -0,
  undefined,
}

/** What can be read again: JSON of a checkpoint has bounds, and holds this of several callbacks. */
const most = { depth: 20, values: 100_000, characters: 2_000_000 }

type Plain = Record<string, unknown>

const isObject = (value: unknown): value is Plain => typeof value === 'object' && value !== null

/**
 * @param path what messages call it
 * @throws SpikewasmError that says where it is no plain data
 */
export function encodeState(state: unknown, path: string): unknown {
  let [values, characters] = [0, 0]
  const refuse = (at: string, got: string): never => {
    fail(
      `${at} must be plain data (numbers, texts, true, false, null, arrays and objects of them), ` +
        `got ${got}; give arrays of numbers by tensors()`,
    )
  }
  const count = (text: string): void => {
    characters += text.length
    if (!(++values <= most.values && characters <= most.characters))
      fail(
        `${path} must hold at most ${most.values} values and ${most.characters} characters, got ` +
          'more; give arrays of numbers by tensors()',
      )
  }
  const walk = (value: unknown, at: string, depth: number): unknown => {
    count(typeof value === 'string' ? value : '')
    if (typeof value === 'number')
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { [TAG]: Object.is(value, -0) ? '-0' : String(value) }
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (!isObject(value)) return refuse(at, `a value of type ${typeof value}`)
    if (depth > most.depth)
      fail(
        `${path} must be nested at most ${most.depth} deep, and hold no value within itself, got ` +
          'more',
      )
    if (Array.isArray(value))
      return Array.from(value, (item, i) => walk(item, `${at}[${i}]`, depth + 1))
    const proto = Object.getPrototypeOf(value)
    if (proto !== null && Object.getPrototypeOf(proto) !== null)
      return refuse(at, `a ${String(proto.constructor?.name ?? 'class')}`)
    const entries: [string, unknown][] = []
    for (const [key, item] of Object.entries(value)) {
      count(key)
      // As in JSON, one that is undefined is none.
      if (item !== undefined) entries.push([key, walk(item, `${at}.${key}`, depth + 1)])
    }
    const plain = Object.fromEntries(entries)
    return Object.hasOwn(plain, TAG) ? { [TAG]: plain } : plain
  }
  return state === undefined ? { [TAG]: 'undefined' } : walk(state, path, 1)
}

/** @throws SpikewasmError for what `encodeState` has not given */
export function decodeState(value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((item) => decodeState(item, path))
  if (!isObject(value)) return value
  const inner = (of: Plain): Plain =>
    Object.fromEntries(Object.entries(of).map(([key, item]) => [key, decodeState(item, path)]))
  if (!Object.hasOwn(value, TAG)) return inner(value)
  const tag = value[TAG]
  if (isObject(tag)) return inner(tag)
  if (typeof tag !== 'string' || !Object.hasOwn(odd, tag))
    fail(`${path}: the checkpoint must say what it is, got ${describe(tag)}`)
  return odd[tag]
}
