/** What callbacks keep from checkpoint to checkpoint. */

import { describe, fail, listNames, SpikewasmError } from '../base/errors.js'
import { type Rule, such } from '../base/rules.js'
import type { StateDict } from '../engine/memory/state.js'
import * as v from '../engine/vendor/valibot/index.js'
import type { Callback } from './callback.js'
import { type Snapshot, tensorsOf } from './snapshot.js'

/** Callbacks that only write: a training without them goes on to the same bits. */
const writers = ['checkpoint', 'csvLogger']

const called = (name: string): string => `the callback ${JSON.stringify(name)}`

/**
 * What callbacks want to keep, by their names, as JSON.
 *
 * @throws SpikewasmError for what cannot be kept
 */
export function keptOf(callbacks: readonly Callback[]): Record<string, unknown> {
  const kept: [string, unknown][] = []
  for (const callback of callbacks) {
    const state = callback.state?.()
    // Who keeps arrays alone is told of them too.
    if (state !== undefined || callback.tensors)
      kept.push([callback.name, encodeState(state, `${called(callback.name)}: state()`)])
  }
  return Object.fromEntries(kept)
}

/**
 * Copies of the arrays that callbacks want to keep, by their names.
 *
 * @throws SpikewasmError for what cannot be kept
 */
export function keptTensorsOf(callbacks: readonly Callback[]): Record<string, StateDict> {
  const kept = callbacks.map((callback): [string, StateDict] => {
    const tensors: unknown = callback.tensors?.() ?? {}
    const path = `${called(callback.name)}: tensors()`
    if (typeof tensors !== 'object' || Array.isArray(tensors))
      fail(`${path} must give { shape, data } by name, got ${describe(tensors)}`)
    const copies = Object.entries(tensors as StateDict).map(([name, tensor]) => {
      const { shape, data } = tensor ?? {}
      if (
        !(
          Array.isArray(shape) &&
          shape.length <= 32 &&
          shape.every((size) => Number.isSafeInteger(size) && size >= 0) &&
          data instanceof Float32Array &&
          data.length === shape.reduce((a, b) => a * b, 1)
        )
      )
        fail(
          `${path}: ${name} must be { shape: sizes, data: a Float32Array of their product }, got ` +
            describe(data instanceof Float32Array ? { shape, length: data.length } : tensor),
        )
      return [name, { shape: [...shape], data: data.slice() }]
    })
    return [callback.name, Object.fromEntries(copies)]
  })
  return Object.fromEntries(kept)
}

/**
 * Hands callbacks what they have kept.
 *
 * @throws SpikewasmError where one is missing that the numbers of the training depend on, and for
 *   what a callback cannot go on from
 */
export function restoreCallbacks(callbacks: readonly Callback[], snapshot: Snapshot): void {
  const kept = snapshot.about.callbacks
  const states = Object.entries(kept).map(([name, state]): [string, unknown] => [
    name,
    decodeState(state, `fit.resume: ${called(name)}`),
  ])
  const isHere = (name: string): boolean => callbacks.some((callback) => callback.name === name)
  const missing = states.filter(([name, state]) => !isHere(name) && !isWriters(state))
  if (missing.length !== 0)
    fail(
      'fit.callbacks must hold those of the run which fit resumes, ' +
        `${listNames(missing.map(([name]) => name))}, got none of that name`,
    )
  for (const [name, state] of states) {
    const callback = callbacks.find((one) => one.name === name)
    try {
      callback?.restore?.(state, tensorsOf(snapshot, name))
    } catch (error) {
      if (error instanceof SpikewasmError) throw error
      fail(
        `fit.resume: ${called(name)} cannot go on from what the checkpoint holds of it: ` +
          (error instanceof Error ? error.message : describe(error)),
        error,
      )
    }
  }
}

const isWriters = (state: unknown): boolean =>
  writers.includes((state as { kind?: string } | null | undefined)?.kind ?? '')

/**
 * What a callback of ours has kept.
 *
 * @param name of the callback
 * @throws SpikewasmError for what it has not
 */
export function keptAs<S extends v.GenericSchema>(
  name: string,
  schema: S,
  state: unknown,
): v.InferOutput<S> {
  const { success, output, issues } = v.safeParse(schema, state, { abortEarly: true })
  if (success) return output
  fail(
    `fit.resume: the checkpoint must hold what ${called(name)} has kept, got something else at ` +
      `${v.getDotPath(issues[0]) ?? 'its root'}; use one that fit or train has written`,
  )
}

/** An option that must not change from one part of a training to the next. */
export function expectSameOption(name: string, found: unknown, own: unknown): void {
  const show = (value: unknown): string => (value === undefined ? 'none' : String(value))
  if (found !== own)
    fail(`${name} must be that of the run which fit resumes, ${show(found)}, got ${show(own)}`)
}

/** The name of a callback of ours. */
export const nameOf = (maker: string): Rule<string> =>
  such('a text', (name) => typeof name === 'string' && name !== '', maker)

// What a callback keeps, as JSON that gives it back as it was: numbers that JSON does not know
// become `{ "$": "NaN" }`. What else JSON would damage is refused.

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
function encodeState(state: unknown, path: string): unknown {
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
function decodeState(value: unknown, path: string): unknown {
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
