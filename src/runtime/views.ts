/** Results that any program left in memory: outputs, rates, counts of spikes. */

import { own } from '../own.js'
import { isLong } from '../plan/context.js'
import { storedChannels } from '../plan/layout.js'
import type { RateProbe, StateProbe } from '../plan/plan.js'
import { type Arena, floatsAt } from './arena.js'

/**
 * Time-mean output of the last run, [count, classes]. `steps`: of a stream, those so far. The
 * memory holds Σ logits / T, which is the mean itself when T steps have come; of very many steps
 * Σ logits. `images`: how many
 * have run; behind them they are repeated, as a batch that is not full is.
 */
export function output(
  arena: Arena,
  steps = arena.plan.options.timeSteps,
  count = arena.plan.options.batchSize,
  images = count,
): Float32Array {
  const { options } = arena.plan
  const scale = (isLong(options) ? 1 : options.timeSteps) / steps
  const classes = classesOf(arena)
  const width = storedChannels(classes)
  const all = floatsAt(arena, arena.plan.named.output.address, images * width)
  const result = new Float32Array(count * classes)
  for (let b = 0; b < count; b++)
    for (let c = 0; c < classes; c++)
      result[b * classes + c] = all[(b % images) * width + c] * scale
  return result
}

/** Predicted classes of the last run. */
export function predictions(arena: Arena): Int32Array {
  return new Int32Array(
    arena.memory.buffer,
    arena.plan.named.predictions.address,
    arena.plan.options.batchSize,
  )
}

/**
 * Spikes per neuron and step of each neuron layer in the last run, 0…1, by layer name; empty before
 * the first one.
 */
export function firingRates(arena: Arena, last: LastRun): Record<string, number> {
  const counts = last.spikes ?? spikeCounts(arena, last.probes)
  return Object.fromEntries(
    last.probes.map(({ name, neurons }) => [
      name,
      counts[name] / (neurons * last.images * last.steps),
    ]),
  )
}

/** What ran last, for the views of it. */
export interface LastRun {
  /** Of its program; empty before the first run. */
  readonly probes: readonly RateProbe[]
  readonly states: readonly StateProbe[]
  /** Images without repeats. */
  readonly valid: number
  /** Images, repeats among them, and steps whose spikes were counted. */
  readonly images: number
  readonly steps: number
  /** Images whose outputs are in memory. */
  readonly outputs: number
  /** Spikes by layer; absent while they are still in memory. */
  readonly spikes?: Readonly<Record<string, number>>
}

/** Spikes of each neuron layer in the last run of a program, by layer name. */
export function spikeCounts(arena: Arena, probes: readonly RateProbe[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { name, partials, units } of probes) {
    const sums = new Uint32Array(arena.memory.buffer, partials.address, units)
    counts[name] = sums.reduce((a, b) => a + b, 0)
  }
  return counts
}

/** Cosine of two vectors; NaN when one is zero. */
export function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i]
    aa += a[i] * a[i]
    bb += b[i] * b[i]
  }
  return ab / Math.sqrt(aa * bb)
}

function classesOf({ plan }: Arena): number {
  const { graph } = plan.options
  return graph.nodes[graph.output].shape[0]
}

/** Counts of a pass, so many times, added to those of the passes before it. */
export function addCounts(
  sum: Record<string, number> | undefined,
  counts: Record<string, number>,
  times: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, n]) => [name, n * times + (own(sum ?? {}, name) ?? 0)]),
  )
}
