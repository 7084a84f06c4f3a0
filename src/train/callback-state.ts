/** What callbacks keep from checkpoint to checkpoint. */

import { describe, fail, listNames, SpikewasmError } from '../errors.js'
import { type Rule, such } from '../rules.js'
import type { StateDict } from '../runtime/state.js'
import * as v from '../runtime/vendor/valibot/index.js'
import type { Callback } from './callback.js'
import { decodeState, encodeState } from './plain-state.js'
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
