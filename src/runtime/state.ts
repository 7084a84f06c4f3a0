/** Parameters and running statistics by name: read from a model's memory, and written to it. */

import { describe, expect, listNames, listOf, SpikewasmError } from '../errors.js'
import { pack, unpack } from '../plan/layout.js'
import { type Arena, storedAt, trainingOf } from './arena.js'

/** A parameter, its gradient, or a running statistic. */
export interface NamedTensor {
  /** Sizes as in PyTorch; [] for a scalar. */
  readonly shape: readonly number[]
  /** The numbers, row by row. */
  readonly data: Float32Array
}

/** Tensors by PyTorch's names, for example `conv1.weight`. */
export type StateDict = Record<string, NamedTensor>

/** Parameters and running statistics by PyTorch's names and in its layouts; copies. */
export function stateDict(arena: Arena): StateDict {
  const out: StateDict = {}
  for (const p of arena.plan.parameters)
    out[p.name] = {
      shape: p.layout.shape,
      data: unpack(p.layout, storedAt(arena, arena.plan.named.parameters.address, p)),
    }
  for (const s of arena.plan.statistics)
    out[s.name] = {
      shape: s.layout.shape,
      data: unpack(s.layout, storedAt(arena, arena.plan.named.statistics.address, s)),
    }
  return out
}

export function takeState(arena: Arena, state: StateDict): void {
  expect(
    typeof state === 'object' && state !== null && !Array.isArray(state),
    () =>
      'the state dict must be an object of { shape, data } by name, as stateDict() gives ' +
      `it, got ${describe(state)}`,
  )
  for (const [name, entry] of Object.entries(state))
    expect(
      typeof entry?.shape?.every === 'function' && typeof entry.data?.findIndex === 'function',
      () =>
        `the state dict's ${name} must be { shape: numbers, data: Float32Array }, got ` +
        `${describe(entry)}`,
    )
  const entries = [
    ...arena.plan.parameters.map((p) => ({ ...p, base: arena.plan.named.parameters.address })),
    ...arena.plan.statistics.map((s) => ({ ...s, base: arena.plan.named.statistics.address })),
  ]
  const names = new Set(entries.map((e) => e.name))
  const missing = entries.filter((e) => !(e.name in state)).map((e) => e.name)
  const unexpected = Object.keys(state).filter(
    (name) => !names.has(name) && !name.endsWith('num_batches_tracked'),
  )
  const same = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length && a.every((n, i) => n === b[i])
  const misshaped = entries
    .filter((e) => e.name in state && !same(state[e.name].shape, e.layout.shape))
    .map(
      (e) =>
        `${e.name} (expected [${e.layout.shape.join(', ')}], got ` +
        `[${state[e.name].shape.join(', ')}])`,
    )
  const length = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
  const incomplete = entries
    .filter(
      (e) =>
        e.name in state &&
        same(state[e.name].shape, e.layout.shape) &&
        state[e.name].data.length !== length(e.layout.shape),
    )
    .map(
      (e) =>
        `${e.name} (expected ${length(e.layout.shape)} numbers, got ${state[e.name].data.length})`,
    )
  const problems = [
    missing.length > 0 ? `missing: ${listNames(missing)}` : '',
    unexpected.length > 0 ? `unexpected: ${listNames(unexpected)}` : '',
    misshaped.length > 0 ? `of another shape: ${listOf(misshaped)}` : '',
    incomplete.length > 0 ? `of another length than their shape says: ${listOf(incomplete)}` : '',
  ].filter((s) => s !== '')
  if (problems.length > 0)
    throw new SpikewasmError(`the state dict does not match the network; ${problems.join('; ')}`)
  for (const { name } of entries) {
    const at = firstNotFinite(state[name].data)
    expect(
      at < 0,
      () =>
        `the state dict holds ${state[name].data[at]} in ${name} at index ${at}; ` +
        'expected finite numbers',
    )
  }
  for (const e of entries) pack(e.layout, state[e.name].data, storedAt(arena, e.base, e))
}

/** Its index, or −1. A loop, because there may be millions of numbers. */
function firstNotFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i
  return -1
}

/** What the optimizer keeps for each parameter, by the name of the state, then as `stateDict`. */
export function optimizerState(arena: Arena): Record<string, StateDict> {
  const { states } = trainingOf(arena)
  return Object.fromEntries(
    Object.entries(states).map(([name, { address }]) => [
      name,
      Object.fromEntries(
        arena.plan.parameters.map((p) => [
          p.name,
          { shape: p.layout.shape, data: unpack(p.layout, storedAt(arena, address, p)) },
        ]),
      ),
    ]),
  )
}

/** Takes over what `optimizerState` gave of a model with the same parameters and rule. */
export function takeOptimizerState(arena: Arena, state: Record<string, StateDict>): void {
  const { states } = trainingOf(arena)
  for (const [name, { address }] of Object.entries(states))
    for (const p of arena.plan.parameters) {
      const entry = state[name]?.[p.name]
      expect(
        entry?.data.length === p.layout.shape.reduce((a, b) => a * b, 1),
        () => `the optimizer's state has no ${name} of ${p.name}, or one of another size`,
      )
      pack(p.layout, entry.data, storedAt(arena, address, p))
    }
}

/**
 * Gradients of the last training step by parameter name, in PyTorch's shapes (`conv2d` weight [out,
 * in, kh, kw], `linear` weight [out, in], …); copies.
 */
export function gradients(arena: Arena): StateDict {
  const out: StateDict = {}
  for (const p of arena.plan.parameters)
    out[p.name] = {
      shape: p.layout.shape,
      data: unpack(p.layout, storedAt(arena, trainingOf(arena).gradients.address, p)),
    }
  return out
}
