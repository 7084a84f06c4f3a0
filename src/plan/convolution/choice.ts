/**
 * Which of two kernels a layer runs, where that depends on how many neurons fire: the plan holds
 * both, and the engine takes one by the spikes of the step (`Choose`). The rule is one of shapes
 * and exact spike counts, never of timing, so that results repeat.
 */

import type { ProgramBuilder } from '../program.js'
import { choose } from '../records/choose.js'
import type { SpikeInput, SpikeTensor } from '../tensors.js'
import { type Reference, ref } from '../words.js'
import { ACTIVE_PER_RATE, eventCycles, neuronsPerInput, rateAt, writtenCycles } from './cycles.js'
import type { Geometry } from './geometry.js'
import { fewForLists, fewForPatterns } from './index.js'
import { countsFitFactors } from './spike-geometry.js'
import type { ListGradient, SpikeTask } from './strategy.js'

/** Rates at which the two kernels are compared. */
const RATES = Array.from({ length: 200 }, (_, i) => (i + 1) / 200)

/**
 * Spikes of all sources together from which on a dense convolution is faster than the event-driven
 * one; Infinity when it never is. That is so where each input is one neuron (at four steps a neuron
 * that always fires costs one addition a weight where the dense kernel needs four products), and
 * from three steps on for sums as well.
 */
export function spikesForDense(task: SpikeTask): number {
  const { g, steps, spikes } = task
  // By groups of channels there is one kernel on spikes, or none.
  if (g.grouping) return Number.POSITIVE_INFINITY
  const dense = writtenCycles(task)
  const rate = RATES.find((r) => eventCycles(task, r) > dense)
  return rate === undefined
    ? Number.POSITIVE_INFINITY
    : Math.floor(rate * neurons(g, spikes.sources) * steps)
}

/**
 * Spikes of all sources together up to which lists of their patterns give the weight's gradient
 * faster than the other kernel.
 *
 * @param active fraction of active neurons of a group of steps at which both take as long.
 */
export const spikesForPatterns = ({ g, steps, spikes }: SpikeTask, active: number): number =>
  Math.floor(rateAt(active, steps) * neurons(g, spikes.sources) * steps)

/** Rate of neurons whose spikes nobody counts: more than those of most trained networks have. */
const UNCOUNTED_RATE = 0.25

/** Whether such lists are taken where nobody counts the spikes. */
export const patternsWithoutChoice = ({ steps }: SpikeTask, active: number): boolean =>
  rateAt(active, steps) >= UNCOUNTED_RATE

const neurons = (g: Geometry, sources: readonly SpikeTensor[]): number =>
  sources.reduce((sum, { shape }) => sum + g.images * shape[0] * shape[1] * shape[2], 0)

/** Which of two kernels runs: that for few spikes, that for many, or one where a flag says so. */
export type Which = 'few' | 'many' | { readonly few: Reference; readonly many: Reference }

/**
 * The choice by a limit of the spikes of one call; undefined when there is none (an infinite limit,
 * or sources whose spikes nobody counts).
 *
 * @param callSteps steps of a call where spikes add up over several
 */
function chooseBySpikes(
  b: ProgramBuilder,
  { name, spikes: { sources: tensors } }: Counted,
  limit: number,
  callSteps?: number,
): Which | undefined {
  if (!Number.isFinite(limit)) return undefined
  const known = tensors.flatMap(({ sums }) => sums ?? [])
  const sources = known.map(({ buffer: sums, units }) => ({ sums, units }))
  if (sources.length < tensors.length) return undefined
  // Persistent: a skipped record has no barrier behind it, so a slower worker may read its flag
  // when the others are already past it.
  const out = b.buffer(`${name} choice of kernel`, 8, 'scratch', true)
  const sourceCount = sources.length
  b.emit(choose, 1, { out, sources, sourceCount, limit: Math.min(limit, 2 ** 32 - 1), callSteps })
  return { few: ref(out), many: ref(out, 4) }
}

type Counted = { readonly name: string; readonly spikes: Pick<SpikeInput, 'sources'> }

/**
 * Whether a forward pass adds for each spike, or multiplies. An image must give the same bits
 * whatever runs beside it, so nothing is chosen without training. The event-driven kernel is then
 * slower by a quarter at most, at one step where half of the neurons fire, unless each neuron of a
 * sum has an entry of its own.
 *
 * @param limit spikes from which on products are faster
 */
export function forwardBy(
  b: ProgramBuilder,
  task: SpikeTask & Counted,
  training: boolean,
  limit = spikesForDense(task),
  callSteps?: number,
): Which {
  if (training) return chooseBySpikes(b, task, limit, callSteps) ?? 'few'
  return Number.isFinite(limit) && !countsFitFactors(neuronsPerInput(task)) ? 'many' : 'few'
}

/** Whether the weight's gradient is one from lists of counts, or of products. */
export function listsBy(
  b: ProgramBuilder,
  { name, g, steps, tensor }: Omit<ListGradient, 'scale' | 'delta' | 'out'>,
): Which {
  const few = fewForLists({ g, steps })
  if (!few) return 'many'
  const limit = Math.floor((few / ACTIVE_PER_RATE) * neurons(g, [tensor]) * steps)
  return chooseBySpikes(b, { name, spikes: { sources: [tensor] } }, limit) ?? 'many'
}

/** Whether the weight's gradient is one from lists of patterns, or of products. */
export function patternsBy(
  b: ProgramBuilder,
  task: SpikeTask & Counted,
  { callSteps, always = false }: { readonly callSteps?: number; readonly always?: boolean } = {},
): Which {
  const few = fewForPatterns(task, { g: task.g, steps: task.steps }) ?? 0
  const choice =
    few > 0 && few < 1 && !always
      ? chooseBySpikes(b, task, spikesForPatterns(task, few), callSteps)
      : undefined
  return choice ?? (patternsWithoutChoice(task, few) ? 'few' : 'many')
}

/** Emits one of two, or both where a run chooses. Returns what they return. */
export function emitEither<R>(
  b: ProgramBuilder,
  which: Which,
  few: (isAlone: boolean) => R,
  many: () => R,
): R[] {
  if (which === 'few') return [few(true)]
  if (which === 'many') return [many()]
  const all: R[] = []
  b.when(which.few, () => all.push(few(false)))
  b.when(which.many, () => all.push(many()))
  return all
}
