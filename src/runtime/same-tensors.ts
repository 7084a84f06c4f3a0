/** Whether a state dict is one of a network: names and sizes alone, before memory is taken. */

import { fail, listNames, listOf } from '../errors.js'
import type { State } from '../plan/state.js'

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
    .filter((e) => fits(e) && state[e.name].data.length !== length(e.layout.shape))
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
  if (problems.length > 0) fail(`the state dict does not match the network; ${problems.join('; ')}`)
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i])

const length = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
