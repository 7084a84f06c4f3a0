/**
 * Which of two kernels a layer runs, where that depends on how many neurons fire: the plan holds
 * both, and the engine takes one by the spikes of the step (`Choose`). The rule is one of shapes
 * and exact spike counts, never of timing, so that results repeat. Its constants are cycles
 * measured on x86-64 with 128-bit vectors.
 */

import { ChooseWord, Op } from '../../assembly/opcodes.js'
import type { Geometry } from './convolution.js'
import { blockWidth } from './layout.js'
import type { ProgramBuilder } from './program.js'
import { countsFitFactors, pairListsPay } from './spike-geometry.js'
import type { Pool, SpikeTensor } from './tensors.js'
import { type Reference, ref } from './words.js'

/**
 * Cycles for one active input and 32 output channels: 8 loads and additions, two a cycle, and the
 * list entry.
 */
const EVENT_CYCLES = 4.5
/** The same for an entry with a factor. */
const WEIGHTED_CYCLES = 5.5
/** Cycles for starting and ending one list. */
const LIST_CYCLES = 30
/**
 * Cycles for one input at one step and 32 output channels of the dense kernel, gathering included.
 */
const DENSE_CYCLES = 4.8
/**
 * Cycles for one neuron of a sum: listing it in a group of so many steps, and adding it to the
 * written-out input of the dense kernel at one step.
 */
const listedCycles = (steps: number): number => 0.5 + 0.6 * steps
const WRITTEN_CYCLES = 1.2
/**
 * Neurons that fire at least once in 4 steps, for each unit of firing rate, up to all of them.
 * Trained networks have 1.3 to 1.9.
 */
const ACTIVE_PER_RATE = 1.7

/** Fraction of the neurons that fire in a group of so many steps at a firing rate; up to 4. */
const activeAt = (rate: number, steps: number): number =>
  Math.min(1, rate * (1 + ((ACTIVE_PER_RATE - 1) * (steps - 1)) / 3))

/**
 * Entries that one input has in the weighted lists of a group: how many different numbers above 0
 * the steps have, where each is a sum of `neurons` that fire independently at a rate. Real neurons
 * fire alike, and have fewer.
 */
function weightedEntries(neurons: number, steps: number, rate: number): number {
  let entries = 0
  // Probability of a sum, from one to the next: binomial.
  let probability = (1 - rate) ** neurons
  for (let sum = 1; sum <= neurons && rate < 1; sum++) {
    probability *= ((neurons - sum + 1) / sum) * (rate / (1 - rate))
    entries += 1 - (1 - probability) ** steps
  }
  return rate < 1 ? entries : 1
}

/** Rates at which the two kernels are compared. */
const RATES = Array.from({ length: 200 }, (_, i) => (i + 1) / 200)

/**
 * Spikes of all sources together from which on a dense convolution is faster than the event-driven
 * one; Infinity when it never is. That is so where each input is one neuron (at four steps a neuron
 * that always fires costs one addition a weight where the dense kernel needs four products), and
 * from three steps on for sums as well.
 * @param pastSteps steps over which spike counts run when the loop over t is outside (they add up
 *   over it).
 */
export function spikesForDense(
  g: Geometry,
  steps: number,
  spikes: { sources: readonly SpikeTensor[]; pool: Pool },
  pastSteps: number,
): number {
  // Counts of an outer loop add up from step to step; what one step has is not known there.
  if (pastSteps > 1) return Number.POSITIVE_INFINITY
  const inputs = g.kernel[0] * g.kernel[1] * g.inC
  const seen = spikes.sources.length * spikes.pool.kernel[0] * spikes.pool.kernel[1]
  const weighted = countsFitFactors(seen)
  const mostLists = pairListsPay(inputs * (weighted ? 1 : seen), blockWidth(g.outShape[0])) ? 7 : 15
  const groups = Array.from({ length: Math.ceil(steps / 4) }, (_, i) => Math.min(4, steps - 4 * i))
  // Cycles per output pixel.
  const blocks = Math.max(1, g.outC / 32)
  const summed =
    seen > 1 ? (seen * g.inC * g.inShape[1] * g.inShape[2]) / (g.outShape[1] * g.outShape[2]) : 0
  const dense = blocks * DENSE_CYCLES * inputs * steps + WRITTEN_CYCLES * summed * steps
  const eventGroup = (rate: number, size: number): number => {
    const entries = weighted
      ? WEIGHTED_CYCLES * weightedEntries(seen, size, rate)
      : EVENT_CYCLES * seen * activeAt(rate, size)
    return (
      blocks * (inputs * entries + LIST_CYCLES * Math.min(2 ** size - 1, mostLists)) +
      listedCycles(size) * summed
    )
  }
  const event = (rate: number): number =>
    groups.reduce((sum, size) => sum + eventGroup(rate, size), 0)
  const rate = RATES.find((r) => event(r) > dense)
  return rate === undefined
    ? Number.POSITIVE_INFINITY
    : Math.floor(rate * neurons(g, spikes.sources) * steps)
}

/**
 * Spikes of one source up to which lists of active neurons give the weight's gradient faster than
 * the other kernel; see `listGradientPays`.
 */
export function spikesForLists(
  g: Geometry,
  source: SpikeTensor,
  totalSteps: number,
  active: number,
): number {
  return Math.floor((active / ACTIVE_PER_RATE) * neurons(g, [source]) * totalSteps)
}

const neurons = (g: Geometry, sources: readonly SpikeTensor[]): number =>
  sources.reduce((sum, { shape }) => sum + g.images * shape[0] * shape[1] * shape[2], 0)

/**
 * Emits the choice; undefined when there is none (an infinite limit, or sources whose spikes nobody
 * counts).
 */
export function chooseBySpikes(
  b: ProgramBuilder,
  sources: readonly SpikeTensor[],
  limit: number,
  name: string,
): { few: Reference; many: Reference } | undefined {
  if (!Number.isFinite(limit)) return undefined
  const table = sources.flatMap(({ sums }) =>
    sums ? [{ 0: ref(sums.buffer), 1: sums.units }] : [],
  )
  if (table.length < sources.length) return undefined
  // Persistent: a skipped record has no barrier behind it, so a slower worker may read its flag
  // when the others are already past it.
  const flags = b.buffer(`${name} choice of kernel`, 8, 'scratch', true)
  b.emitWords(Op.Choose, 1, {
    [ChooseWord.Out]: ref(flags),
    [ChooseWord.Sources]: { table, entryBytes: 8 },
    [ChooseWord.SourceCount]: table.length,
    [ChooseWord.Limit]: Math.min(limit, 2 ** 32 - 1),
  })
  return { few: ref(flags), many: ref(flags, 4) }
}
