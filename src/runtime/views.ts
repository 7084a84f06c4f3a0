/** Results that a program left in memory: outputs, rates, eligibilities, the paper's measures. */

import { fail } from '../errors.js'
import { own } from '../own.js'
import { isLong } from '../plan/context.js'
import { storedChannels } from '../plan/layout.js'
import { type MethodTraits, MOST_COUNTED_STEPS, methodsWith, traitsOf } from '../plan/methods.js'
import type { RateProbe, StateProbe } from '../plan/plan.js'
import type { Buffer } from '../plan/words.js'
import { type Arena, floatsAt, programOf, storedAt, trainingOf } from './arena.js'

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

/**
 * Firing rate of each neuron layer at each step of the last run, T numbers by layer name; needs
 * `inspect: true` and a method whose loop over T is inside the layers (step mode m).
 * @throws SpikewasmError otherwise.
 */
export function stepRates(arena: Arena, probes: readonly RateProbe[]): Record<string, number[]> {
  const { options } = arena.plan
  const { inspect, batchSize, timeSteps, purpose } = options
  if (!inspect || traitsOf(options).loop !== 'layers' || isLong(options) || purpose === 'stream')
    fail(
      "stepRates needs compile({ inspect: true }), stepMode 'm', at most " +
        `${MOST_COUNTED_STEPS} time steps, and no stream`,
    )
  const out: Record<string, number[]> = {}
  for (const { name, masks, neurons, shape, stored } of probes) {
    const plane = batchSize * shape[1] * shape[2] * stored
    out[name] = Array.from({ length: timeSteps }, (_, t) => {
      const bits = new Uint8Array(arena.memory.buffer, masks.address + (t >> 3) * plane, plane)
      let sum = 0
      for (let i = 0; i < plane; i++) sum += (bits[i] >> (t & 7)) & 1
      return sum / (neurons * batchSize)
    })
  }
  return out
}

/** Whether gradients go through time: what `diagnostics` compares. */
const hasTime = ({ neuron }: MethodTraits): boolean => neuron === 'time'

/**
 * What the paper measures while training through time (Yu et al., NeurIPS 2024, sec. 4.2), for the
 * last training step: `a1` by neuron layer, the cosine of E[δs κ] and E[δs] E[κ]; `a2` by weight,
 * the cosine of E[δI s] and E[δI] E[s]. Needs method bptt and `inspect: true`.
 * @throws SpikewasmError otherwise.
 */
export function diagnostics(arena: Arena): Diagnostics {
  const { probes } = programOf(arena, 'train')
  const { options, parameters } = arena.plan
  if (!options.inspect || !hasTime(traitsOf(options)))
    fail(`diagnostics needs compile({ inspect: true, method: '${methodsWith(hasTime)}' })`)
  for (const { name, layer } of options.graph.nodes)
    if (layer && 'recurrence' in layer && layer.recurrence)
      fail(
        `diagnostics: ${name} (recurrent) hears its own spikes, so that its rate has no ` +
          'derivative by its input alone; it takes networks without recurrent layers',
      )
  const a1: Record<string, number> = {}
  const a2: Record<string, number> = {}
  for (const { name, shape, stored, ...found } of probes.neurons) {
    const { spikeGradient, currentGradient, eligibility } = found
    const count = options.batchSize * shape[1] * shape[2] * stored
    const [spikes, currents, g] = [spikeGradient, currentGradient, eligibility].map((b) =>
      floatsAt(arena, b.address, count),
    )
    // Σ_t δI_t = Σ_t δs_t κ_t: the sums over time differ from means by a factor alone.
    a1[name] = cosineOf(
      currents,
      spikes.map((value, i) => value * g[i]),
    )
  }
  for (const { node, gradient } of probes.weights) {
    const parameter = parameters.find((p) => p.node === node && p.role === 'weight')
    if (!parameter) continue
    a2[parameter.name] = cosineOf(
      storedAt(arena, trainingOf(arena).gradients.address, parameter),
      floatsAt(arena, gradient.address, parameter.layout.stored),
    )
  }
  return { a1, a2 }
}

/**
 * Rate and eligibility of a neuron layer after a training step, [B, C, H, W]; needs `inspect: true`
 * at compilation.
 * @throws SpikewasmError for an unknown layer or without `inspect`.
 */
export function activity(arena: Arena, name: string): NeuronActivity {
  const { rates } = programOf(arena, 'train')
  const { inspect, batchSize, timeSteps } = arena.plan.options
  if (!inspect) fail('activity needs compile({ inspect: true })')
  const probe = rates.find((p) => p.name === name)
  if (!probe) {
    const names = rates.map((p) => p.name).join(', ')
    fail(`activity: no neuron layer ${JSON.stringify(name)}; there are ${names}`)
  }
  const [C, H, W] = probe.shape
  const total = batchSize * H * W * probe.stored
  // Training has them: its steps fit a byte.
  const { address } = probe.counts as Buffer
  const counts = new Uint8Array(arena.memory.buffer, address, total)
  const eligibility = probe.eligibility && floatsAt(arena, probe.eligibility.address, total)
  const reorder = (source: ArrayLike<number>, factor: number): Float32Array => {
    const out = new Float32Array(batchSize * C * H * W)
    for (let b = 0; b < batchSize; b++)
      for (let c = 0; c < C; c++)
        for (let p = 0; p < H * W; p++)
          out[(b * C + c) * H * W + p] = source[(b * H * W + p) * probe.stored + c] * factor
    return out
  }
  return {
    rate: reorder(counts, 1 / timeSteps),
    eligibility: eligibility && reorder(eligibility, 1),
  }
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

/** What a neuron layer did, [B, C, H, W] each. */
export interface NeuronActivity {
  /** Firing rate: the time mean of the spikes, 0…1. */
  readonly rate: Float32Array
  /**
   * Eligibility: the time mean of Σ_τ ∂s_τ/∂I_t, by which rate-based backpropagation multiplies
   * gradients (Yu et al., NeurIPS 2024). Only methods that use it have it.
   */
  readonly eligibility: Float32Array | undefined
}

/** Cosines of what the paper assumes to be alike. */
export interface Diagnostics {
  /** By neuron layer: the cosine of E[δs κ] and E[δs] E[κ]. */
  readonly a1: Record<string, number>
  /** By weight: the cosine of E[δI s] and E[δI] E[s]. */
  readonly a2: Record<string, number>
}
