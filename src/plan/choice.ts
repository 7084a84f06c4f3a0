/**
 * Which of two kernels a layer runs, where that depends on how many neurons fire: the plan holds both, and the engine takes one by the spikes of the step (`Choose`).
 * The rule is one of shapes and exact spike counts, never of timing, so that results repeat. Its constants are cycles measured on x86-64 with 128-bit vectors.
 */

import { ChooseWord, Op } from '../../assembly/opcodes.js'
import type { Geometry } from './convolution.js'
import { type ProgramBuilder, type Reference, ref } from './program.js'
import type { Pool, SpikeTensor } from './tensors.js'

/** Cycles for one active input and 32 output channels: 8 loads and additions, two a cycle, and the list entry. */
const EVENT_CYCLES = 4.5
/** Cycles for starting and ending one list. */
const LIST_CYCLES = 30
/** Cycles for one input at one step and 32 output channels of the dense kernel, gathering included. */
const DENSE_CYCLES = 4.8
/** Neurons that fire at least once in 4 steps, for each unit of firing rate, up to all of them. Trained networks have 1.3 to 1.9. */
const ACTIVE_PER_RATE = 1.7

/** Fraction of the neurons that fire in a group of so many steps at a firing rate. */
const activeAt = (rate: number, steps: number): number => Math.min(1, rate * (1 + ((ACTIVE_PER_RATE - 1) * (Math.min(4, steps) - 1)) / 3))

/**
 * Spikes of all sources together from which on a dense convolution is faster than the event-driven one; Infinity when it never is, as where each input is one neuron:
 * at four steps a neuron that always fires costs one addition a weight where the dense kernel needs four products.
 * @param pastSteps steps over which spike counts run when the loop over t is outside (they add up over it).
 */
export function spikesForDense(
  g: Geometry,
  steps: number,
  spikes: { sources: readonly SpikeTensor[]; pool: Pool },
  pastSteps: number,
): number {
  const inputs = g.kernel[0] * g.kernel[1] * g.inC
  const seen = spikes.sources.length * spikes.pool.kernel[0] * spikes.pool.kernel[1]
  const groups = Math.ceil(steps / 4)
  const dense = DENSE_CYCLES * inputs * steps
  const event = (rate: number): number =>
    groups * (EVENT_CYCLES * inputs * seen * activeAt(rate, steps) + LIST_CYCLES * (2 ** Math.min(4, steps) - 1))
  // Counts of an outer loop add up from step to step; what one step has is not known there.
  if (event(1) <= dense || pastSteps > 1) return Number.POSITIVE_INFINITY
  let [low, high] = [0, 1]
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2
    if (event(middle) <= dense) low = middle
    else high = middle
  }
  return Math.floor(low * neurons(g, spikes.sources) * steps)
}

/** Spikes of one source up to which lists of active neurons give the weight's gradient faster than the other kernel; see `listGradientPays`. */
export function spikesForLists(g: Geometry, source: SpikeTensor, totalSteps: number, active: number): number {
  return Math.floor((active / ACTIVE_PER_RATE) * neurons(g, [source]) * totalSteps)
}

const neurons = (g: Geometry, sources: readonly SpikeTensor[]): number =>
  sources.reduce((sum, { shape }) => sum + g.images * shape[0] * shape[1] * shape[2], 0)

/** Emits the choice; undefined when there is none (an infinite limit, or sources whose spikes nobody counts). */
export function chooseBySpikes(
  b: ProgramBuilder,
  sources: readonly SpikeTensor[],
  limit: number,
  name: string,
): { few: Reference; many: Reference } | undefined {
  if (!Number.isFinite(limit)) return undefined
  const table = sources.flatMap(({ sums }) => (sums ? [{ 0: ref(sums.buffer), 1: sums.units }] : []))
  if (table.length < sources.length) return undefined
  // Persistent: a skipped record has no barrier behind it, so a slower worker may read its flag when the others are already past it.
  const flags = b.buffer(`${name} choice of kernel`, 8, 'scratch', true)
  b.emit(Op.Choose, 1, {
    [ChooseWord.Out]: ref(flags),
    [ChooseWord.Sources]: { table, entryBytes: 8 },
    [ChooseWord.SourceCount]: table.length,
    [ChooseWord.Limit]: Math.min(limit, 2 ** 32 - 1),
  })
  return { few: ref(flags), many: ref(flags, 4) }
}
