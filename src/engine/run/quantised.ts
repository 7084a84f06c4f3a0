/** Weights of whole numbers: read from a model, for itself and in the place of its parameters. */

import { checkOptions, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { unpackIntegers } from '../../compile/layout.js'
import type { IntegerWeight } from '../../compile/plan.js'
import type { ByteOptions } from '../compile-options.js'
import { type Arena, floatsAt } from '../memory/arena.js'
import { averages, type StateDict, stateDict } from '../memory/state.js'
import type { Session } from '../session.js'
import { inTurn } from '../threads/calls.js'
import { wantsAverages, withAverages } from './update.js'

/** A weight [out, …] as whole numbers q and scales s, which stand for q · s. */
export interface QuantisedWeight {
  /** Sizes as in PyTorch. */
  readonly shape: readonly number[]
  /** q, row by row: −127 … 127 of 'int8', −31 … 31 of 'int6'. */
  readonly values: Int8Array
  /** s, one for each of the `shape[0]` output channels, > 0; of a channel of zeros 0. */
  readonly scales: Float32Array
}

/** The floats that a weight stands for, which are exact. */
export function dequantise({ values, scales }: Omit<QuantisedWeight, 'shape'>): Float32Array {
  const fanIn = values.length / scales.length
  return Float32Array.from(values, (q, i) => q * scales[Math.floor(i / fanIn)])
}

/** The whole numbers of one weight, as they are in memory. */
export function integersAt(arena: Arena, { layout, most, weight, scale }: IntegerWeight) {
  const stored = new Int8Array(arena.memory.buffer, weight.address, layout.stored)
  const { shape } = layout
  const scales = floatsAt(arena, scale.address, shape[0]).slice()
  return { shape, values: unpackIntegers(layout, stored, most), scales }
}

/** Waits until they are there, where programs run in a memory of their own. */
export const refreshIntegers = (session: Session): Promise<void> | undefined =>
  session.refresh(session.plan.integers.flatMap(({ weight, scale }) => [weight, scale]))

/**
 * @param option what asks for them, for messages
 * @throws SpikewasmError for a model without any
 */
export function expectIntegers(option: string, { plan }: Session): void {
  if (plan.integers.length === 0)
    fail(
      `${option} needs a model with weights of whole numbers, this one has floats; compile it ` +
        "with weights: 'int8' or 'int6'",
    )
}

/** `Model.quantised`. The caller must hold the model's lock. */
export async function quantised(
  session: Session,
  options: Pick<ByteOptions, 'averages'> = {},
): Promise<Record<string, QuantisedWeight>> {
  checkOptions('quantised', options, ['averages'])
  expectIntegers('quantised', session)
  if (wantsAverages('quantised.averages', session, options.averages))
    return withAverages(session, () => quantised(session))
  await session.renew()
  await refreshIntegers(session)
  const { integers } = session.plan
  return Object.fromEntries(integers.map((of) => [of.name, integersAt(session, of)]))
}

/**
 * As `stateDict`, with the floats that whole numbers stand for in the place of their weights: what
 * the network computes with.
 *
 * @param ofAverages those of the moving averages
 */
export function computedState(
  session: Session,
  ofAverages = false,
  signal?: host.AbortSignal,
): Promise<StateDict> {
  if (session.plan.integers.length === 0) return session.lock.look(() => stateDict(session))
  const whole = async (): Promise<StateDict> => {
    const state = ofAverages ? averages(session) : stateDict(session)
    const found = await quantised(session, { averages: ofAverages })
    for (const [name, of] of Object.entries(found)) state[name].data.set(dequantise(of))
    return state
  }
  return inTurn(session, [], whole, signal)
}
