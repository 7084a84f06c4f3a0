/** The control words and slots of a run, and what they tell of one that has failed. */

import { Control } from '../../../assembly/opcodes.js'
import { expectFinite } from '../../base/errors.js'
import { Purpose, RandomStream } from '../../base/random.js'
import type { Plan, Program, ProgramName } from '../../compile/plan.js'
import { labelOf } from '../../network/kind.js'
import type { Graph } from '../../network/trace.js'
import type { Slot } from '../compile-options.js'
import { type Arena, floatsAt, programOf } from '../memory/arena.js'

// The two places for a batch in a model's memory.

/** Views of a slot. */
export function slotOf(session: Source, index: 0 | 1): Slot {
  const { batchSize, imageFloats, targetFloats, memory } = session
  const { images, labels, targets, weights } = buffersOf(session.plan, index)
  return {
    images: floatsAt(session, images.address, batchSize * imageFloats),
    labels: new Int32Array(memory.buffer, labels.address, batchSize),
    ...(targets && { targets: floatsAt(session, targets.address, batchSize * targetFloats) }),
    ...(weights && { weights: floatsAt(session, weights.address, batchSize) }),
  }
}

/** Wanted outputs are there where the loss is of them, weights where samples have some. */
const buffersOf = ({ named }: Plan, index: 0 | 1) => ({
  images: named.images[index % named.images.length],
  labels: named.labels[index % named.labels.length],
  targets: named.targets.at(index % Math.max(1, named.targets.length)),
  weights: named.weights.at(index % Math.max(1, named.weights.length)),
})

/** Places that hold a slot, of which so many images have been filled. */
export function slotPlaces(
  { plan, imageFloats }: Source,
  index: 0 | 1,
  count: number,
): { readonly address: number; readonly bytes: number }[] {
  const { images, labels, targets, weights } = buffersOf(plan, index)
  const filled = { address: images.address, bytes: count * imageFloats * 4 }
  return [filled, labels, ...[targets, weights].filter((place) => place !== undefined)]
}

/** What the loss is of: labels, or a number for each output. */
export const targetKind = ({ named }: Plan): 'labels' | 'values' =>
  named.targets.length > 0 ? 'values' : 'labels'

/** Penalties that a program has found on so many images. */
export function penaltyOf(
  { memory }: Pick<Arena, 'memory'>,
  { penalties = [] }: Pick<Program, 'penalties'>,
  valid: number,
): number {
  let penalty = 0
  for (const { partials, units, factor } of penalties) {
    let sum = 0
    for (const part of new Float64Array(memory.buffer, partials.address, units)) sum += part
    penalty += (sum * factor) / valid
  }
  return penalty
}

// Which time steps a run backpropagates.

/**
 * Bit t for step t, in words. SLTT-K: K random steps of T; otherwise all, in one word. `steps`:
 * those of the model.
 */
export function stepMask(
  { plan }: Arena,
  { timeSteps, seed, steps }: Record<'timeSteps' | 'seed' | 'steps', number>,
): Uint32Array {
  const { backwardSteps } = plan.options
  const all = timeSteps >= 32 ? 0xffffffff : 2 ** timeSteps - 1
  if (backwardSteps === timeSteps) return Uint32Array.of(all)
  const stream = new RandomStream(Purpose.Steps)
  stream.start(seed, 0, steps)
  const order = Array.from({ length: timeSteps }, (_, t) => t)
  const words = new Uint32Array(Math.ceil(timeSteps / 32))
  for (let k = 0; k < backwardSteps; k++) {
    const t = order.splice(stream.below(order.length), 1)[0] as number
    words[t >> 5] |= 1 << (t & 31)
  }
  return words
}

/** What a run's words follow from. */
interface Source extends Arena {
  readonly graph: Graph
  readonly timeSteps: number
  readonly seed: number
  readonly steps: number
  readonly streamed: number
  readonly batchSize: number
  readonly imageFloats: number
  readonly targetFloats: number
}

/** Writes what a run reads, but for what differs from pass to pass. */
export function writeRun(session: Source, program: ProgramName, slot: 0 | 1, valid: number): void {
  const view = new DataView(session.memory.buffer)
  const set = (offset: number, value: number): void => view.setUint32(offset, value >>> 0, true)
  const { labels, targets = labels, weights } = buffersOf(session.plan, slot)
  set(Control.Target, targets.address)
  set(Control.Weights, weights?.address ?? 0)
  set(Control.Valid, valid)
  const stream = new RandomStream(Purpose.Dropout)
  stream.start(session.seed, 0, session.steps)
  set(Control.Seed, stream.next())
  const mask = stepMask(session, session)
  set(Control.StepMask, mask[0])
  const { address = 0 } = session.plan.named.stepMask ?? {}
  set(Control.StepMasks, address)
  if (address) new Uint32Array(session.memory.buffer, address, mask.length).set(mask)
  set(Control.NonFinite, 0)
  set(Control.FirstStep, program === 'stream' ? session.streamed : 0)
}

/** What failed in a run, naming the layer whose record ran. */
export function failureOf(session: Source, program: ProgramName, error: unknown): string {
  const view = new DataView(session.memory.buffer)
  const { records } = programOf(session, program)
  const record = records[view.getUint32(Control.Progress, true)]
  const layer = session.graph.nodes[record?.layer ?? 0]
  const cause = error instanceof Error ? error.message : String(error)
  const where = layer ? `${layer.name || layer.kind} (${labelOf(layer)})` : '?'
  return `a worker failed at layer ${where}: ${cause}`
}

/** Planes and pixels of the inputs of a sample, which lie one behind the other. */
export type SampleParts = readonly (readonly [planes: number, pixels: number])[]

/** Calls `each` with where an input begins in a sample, and its size, planes and pixels. */
export function eachPart(
  parts: SampleParts,
  each: (at: number, size: number, planes: number, pixels: number) => void,
): void {
  let at = 0
  for (const [planes, pixels] of parts) {
    each(at, planes * pixels, planes, pixels)
    at += planes * pixels
  }
}

/**
 * Sample `x` from `from` on as number `i` of a slot of so many. In a slot each input lies by
 * itself, those of all samples one behind the other.
 */
export function layDown(
  slot: Float32Array,
  samples: number,
  i: number,
  x: ArrayLike<number>,
  from: number,
  parts: SampleParts,
): void {
  eachPart(parts, (at, size, planes, pixels) => {
    pixelsFirst(slot, at * samples + i * size, x, from + at, planes, pixels)
  })
}

/** Fills a slot behind its first samples with these in turn. */
export function repeatSamples(
  slot: Float32Array,
  samples: number,
  count: number,
  parts: SampleParts,
): void {
  eachPart(parts, (at, size) => {
    const to = (b: number): number => at * samples + b * size
    for (let b = count; b < samples; b++) slot.copyWithin(to(b), to(b % count), to((b % count) + 1))
  })
}

/** @throws SpikewasmError where the first samples of a slot hold a number that is not finite */
export function expectFiniteSlot(
  name: string,
  slot: Float32Array,
  samples: number,
  count: number,
  parts: SampleParts,
): void {
  eachPart(parts, (at, size) => {
    expectFinite(name, slot.subarray(at * samples), size, count)
  })
}

/**
 * A sample as the engine reads it. Outside of the engine a sample is [C][H][W], or [T][C][H][W] of
 * frames: planes, one after another. In a slot the planes of a pixel lie beside each other,
 * [H][W][T][C].
 *
 * out[at + p · planes + k] = x[from + k · pixels + p]
 */
export function pixelsFirst(
  out: Float32Array,
  at: number,
  x: ArrayLike<number>,
  from: number,
  planes: number,
  pixels: number,
): void {
  if (planes === 3) {
    for (let p = 0; p < pixels; p++) {
      out[at + 3 * p] = x[from + p]
      out[at + 3 * p + 1] = x[from + pixels + p]
      out[at + 3 * p + 2] = x[from + 2 * pixels + p]
    }
    return
  }
  for (let k = 0; k < planes; k++)
    for (let p = 0; p < pixels; p++) out[at + p * planes + k] = x[from + k * pixels + p]
}
