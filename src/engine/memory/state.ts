/** Parameters and running statistics by name: read from a model's memory, and written to it. */

import { describe, fail, listNames, listOf } from '../../base/errors.js'
import { pack, unpack } from '../../compile/layout.js'
import type { Parameter, Statistic } from '../../compile/plan.js'
import { otherNames, type State } from '../../compile/state.js'
import { initialValues } from '../../network/kind.js'
import type { Graph } from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import { averagesAt, noAverages, type StepSource } from '../run/update.js'
import { inParts } from '../threads/breathe.js'
import { type Arena, parameterOf, storedAt, trainingOf } from './arena.js'

// Whether a state dict is one of a network: names and sizes alone, before memory is taken.

/** Names and sizes of what a network has. */
type Tensors = {
  readonly [K in 'parameters' | 'statistics']: ReadonlyArray<
    Pick<State[K][number], 'name' | 'layout'>
  >
}

/** What is asked of a state dict here. */
type Sizes = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>
>

/** @throws SpikewasmError that names what is missing, unexpected, or of another shape or length */
export function expectSameTensors({ parameters, statistics }: Tensors, state: Sizes): void {
  const entries = [...parameters, ...statistics]
  const names = new Set(entries.map((e) => e.name))
  const missing = entries.filter((e) => !Object.hasOwn(state, e.name)).map((e) => e.name)
  const unexpected = Object.keys(state).filter(
    (name) => !names.has(name) && !name.endsWith('num_batches_tracked'),
  )
  const known = entries.filter((e) => Object.hasOwn(state, e.name))
  const fits = (e: (typeof entries)[number]): boolean => same(state[e.name].shape, e.layout.shape)
  const misshaped = known
    .filter((e) => !fits(e))
    .map(
      (e) =>
        `${e.name} (expected [${e.layout.shape.join(', ')}], got ` +
        `[${state[e.name].shape.join(', ')}])`,
    )
  const incomplete = known
    .filter((e) => fits(e) && state[e.name].data.length !== sizeOf(e.layout.shape))
    .map(
      (e) =>
        `${e.name} (expected ${sizeOf(e.layout.shape)} numbers, got ${state[e.name].data.length})`,
    )
  const problems = [
    missing.length > 0 ? `missing: ${listNames(missing)}` : '',
    unexpected.length > 0 ? `unexpected: ${listNames(unexpected)}` : '',
    misshaped.length > 0 ? `of another shape: ${listOf(misshaped)}` : '',
    incomplete.length > 0 ? `of another length than their shape says: ${listOf(incomplete)}` : '',
  ].filter((s) => s !== '')
  if (problems.length > 0) fail(`the state dict does not match the network; ${problems.join('; ')}`)
}

/**
 * A state dict by the names of layers at their first places. PyTorch's has a tensor that is shared
 * under the names of all places.
 * @throws SpikewasmError where a shared tensor's numbers differ
 */
export function withFirstNames<T extends Sizes[string]>(
  graph: Graph,
  state: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> {
  const others = otherNames(graph)
  if (others.size === 0) return state
  const own = Object.fromEntries(Object.entries(state).filter(([name]) => !others.has(name)))
  for (const [name, first] of others) {
    if (!Object.hasOwn(state, name)) continue
    const { data } = state[name]
    own[first] ??= state[name]
    const known = own[first].data
    if (data.length !== known.length || Array.from(data).some((x, i) => x !== known[i]))
      fail(
        `the state dict's ${name} must have the numbers of ${first}, since they are one layer; ` +
          'leave one out, or make a layer for each place',
      )
  }
  return own
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i])

// Parts of a state dict, told apart by what their names begin with.

/** With a prefix before each name. */
export const prefixed = (prefix: string, state: StateDict = {}): StateDict =>
  Object.fromEntries(Object.entries(state).map(([name, tensor]) => [prefix + name, tensor]))

/** What begins with a prefix, without it. */
export const partOf = (tensors: StateDict, prefix: string): StateDict =>
  Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  )

/** A parameter, its gradient, or a running statistic. */
export interface NamedTensor {
  /** Sizes as in PyTorch; [] for a scalar. */
  readonly shape: readonly number[]
  /** The numbers, row by row. */
  readonly data: Float32Array
}

/** Tensors by PyTorch's names, for example `conv1.weight`. */
export type StateDict = Record<string, NamedTensor>

/** Tensors by their names, in PyTorch's layouts; copies. */
const named = <T extends Parameter | Statistic>(
  tensors: readonly T[],
  stored: (tensor: T) => Float32Array,
): StateDict =>
  Object.fromEntries(
    tensors.map((tensor) => {
      const { name, layout } = tensor
      return [name, { shape: layout.shape, data: unpack(layout, stored(tensor)) }]
    }),
  )

/** Parameters and running statistics by PyTorch's names and in its layouts; copies. */
export function stateDict(arena: Arena): StateDict {
  const { parameters, statistics, named: at } = arena.plan
  return {
    ...named(parameters, (p) => parameterOf(arena, p)),
    ...named(statistics, (s) => storedAt(arena, at.statistics.address, s)),
  }
}

/** About how many values of a parameter are made before they are written. */
const INITIAL_PART = 2 ** 16

/** Gives parameters and running statistics the values that they begin with. */
export function initialise(arena: Arena, seed: number): void {
  for (const _ of initialising(arena, seed));
}

/** The same with pauses, for a thread that must stay free. */
export const initialiseInParts = (arena: Arena, seed: number): Promise<void> =>
  inParts(initialising(arena, seed))

/** Stops behind each part of it. */
function* initialising(arena: Arena, seed: number): Generator<undefined, void> {
  const { parameters, statistics, named } = arena.plan
  for (const [i, parameter] of parameters.entries()) {
    const { layout } = parameter
    const stored = storedAt(arena, named.parameters.address, parameter)
    // In parts: beside a whole weight, another model would hardly have room.
    const [outputs, ...rest] = layout.strides ? layout.shape : [1, ...layout.shape]
    const size = sizeOf(rest)
    const most = Math.min(outputs, Math.ceil(INITIAL_PART / size))
    const room = new Float32Array(most * size)
    for (let first = 0; first < outputs; first += most) {
      const count = Math.min(most, outputs - first)
      const values = room.subarray(0, count * size)
      initialValues(parameter, seed, i, values, first * size)
      pack(layout, values, stored, { first, count })
      yield
    }
    tell(arena, stored)
  }
  for (const statistic of statistics) {
    const stored = storedAt(arena, named.statistics.address, statistic)
    stored.fill(statistic.initial, 0, statistic.layout.shape[0])
    tell(arena, stored)
  }
}

/** Numbers of a state dict take their place. */
function put(arena: Arena, base: number, to: Parameter | Statistic, data: ArrayLike<number>): void {
  const stored = storedAt(arena, base, to)
  pack(to.layout, data, stored)
  tell(arena, stored)
}

function tell(arena: Arena, { byteOffset, byteLength }: Float32Array): void {
  arena.wrote?.(byteOffset, byteLength)
}

export function takeState(arena: Arena, state: StateDict): void {
  if (typeof state !== 'object' || state === null || Array.isArray(state))
    fail(
      'the state dict must be an object of { shape, data } by name, as stateDict() gives ' +
        `it, got ${describe(state)}`,
    )
  for (const [name, entry] of Object.entries(state))
    if (typeof entry?.shape?.every !== 'function' || typeof entry.data?.findIndex !== 'function')
      fail(
        `the state dict's ${name} must be { shape: numbers, data: Float32Array }, got ` +
          `${describe(entry)}`,
      )
  const { parameters, statistics, named: at, options } = arena.plan
  const own = withFirstNames(options.graph, state)
  expectSameTensors(arena.plan, own)
  for (const { name } of [...parameters, ...statistics]) checkNumbers(name, own[name].data)
  arena.overwritten?.()
  for (const p of parameters) put(arena, at.parameters.address, p, own[p.name].data)
  for (const s of statistics) put(arena, at.statistics.address, s, own[s.name].data)
}

/** Numbers are finite, in float32 too, and a variance is at least 0: its root is divided by. */
function checkNumbers(name: string, values: ArrayLike<number>): void {
  const least = /(^|\.)running_var$/.test(name) ? 0 : Number.NEGATIVE_INFINITY
  // A loop, because there may be millions of numbers.
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (Number.isFinite(value) && Number.isFinite(Math.fround(value)) && value >= least) continue
    const expected = Number.isFinite(value)
      ? value < least
        ? 'a variance must be ≥ 0'
        : 'it overflows float32'
      : 'expected finite numbers'
    fail(`the state dict holds ${value} in ${name} at index ${i}; ${expected}`)
  }
}

/**
 * What training keeps for each parameter, by the name of the state, then as `stateDict`. An average
 * that has taken no step yet is the parameters.
 *
 * @param names of states; default: all
 */
export function optimizerState(
  source: StepSource,
  names: readonly string[] = Object.keys(trainingOf(source).states),
): Record<string, StateDict> {
  const { states } = trainingOf(source)
  const of = (name: string): StateDict => {
    const from = name === 'average' ? averagesAt(source) : states[name].address
    return named(source.plan.parameters, (p) => storedAt(source, from, p))
  }
  return Object.fromEntries(names.map((name) => [name, of(name)]))
}

/**
 * Takes over what `optimizerState` gave of a model with the same parameters.
 *
 * @param names of states; default: all
 */
export function takeOptimizerState(
  arena: Arena,
  state: Readonly<Record<string, StateDict>>,
  names: readonly string[] = Object.keys(trainingOf(arena).states),
): void {
  const { states } = trainingOf(arena)
  for (const name of names)
    for (const p of arena.plan.parameters) {
      const entry = state[name]?.[p.name]
      if (entry?.data.length !== sizeOf(p.layout.shape))
        fail(`the optimizer's state has no ${name} of ${p.name}, or one of another size`)
      put(arena, states[name].address, p, entry.data)
    }
}

/** As `stateDict`, with the moving averages of the parameters. */
export function averages(source: StepSource): StateDict {
  if (!('average' in trainingOf(source).states)) fail(noAverages)
  return { ...stateDict(source), ...optimizerState(source, ['average']).average }
}

/**
 * Gradients of the last training step by parameter name, in PyTorch's shapes (`conv2d` weight [out,
 * in, kh, kw], `linear` weight [out, in], …); copies.
 */
export function gradients(arena: Arena): StateDict {
  const { address } = trainingOf(arena).gradients
  return named(arena.plan.parameters, (p) => storedAt(arena, address, p))
}
