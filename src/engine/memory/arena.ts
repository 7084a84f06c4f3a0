/**
 * A plan and the memory that it describes: enough to read and write a model's numbers.
 */

import { fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { own } from '../../base/objects.js'
import { isLong } from '../../compile/context.js'
import { storedChannels } from '../../compile/layout.js'
import type { Plan, Program, ProgramName, RateProbe, StateProbe } from '../../compile/plan.js'
import type { TrainingBuffers } from '../../compile/training.js'
import type { Buffer } from '../../kernels/records/words.js'

export interface Arena {
  readonly plan: Plan
  /** Only its bytes: those of a model that was disposed of may be a copy. */
  readonly memory: Pick<host.WasmMemory, 'buffer'>
  /** A copy of the parameters, while moving averages lie in their place. */
  aside?: Float32Array | undefined
  /** To be called before all parameters and statistics are written: none need begin with values. */
  overwritten?(): void
  /**
   * Where programs run in a memory of their own: to be called for what the host has written, but
   * for the control block and a batch.
   */
  wrote?(address: number, bytes: number): void
  /**
   * There too: waits until what programs wrote can be read here. 'seen' is all that a model's
   * methods show, 'all' is what a snapshot holds besides.
   */
  refresh?(what: 'all' | 'seen' | readonly Buffer[]): Promise<void> | undefined
}

/**
 * For one image: where each run of `evaluate` has one, that program.
 *
 * @throws SpikewasmError when the model was not compiled for that
 */
export function programOf({ plan }: Arena, name: ProgramName): Program {
  const { programs, passImages } = plan
  const trains = name === 'train' || name === 'gradients' || name === 'accumulate'
  if (trains) expectSeveral(plan, plan.options.batchSize)
  const ofOne = name === 'single' && passImages === 1 ? programs.evaluate : undefined
  return programs[name] ?? ofOne ?? refuse(plan, name)
}

/** @throws SpikewasmError where a batch has one sample, and the network trains on several alone */
export function expectSeveral({ lone, options }: Plan, samples: number): void {
  if (lone === undefined || samples > 1) return
  const [got, mend] =
    options.batchSize === 1
      ? ['batchSize 1 with one value of each channel', 'take a larger batchSize']
      : ['a batch of one sample', 'leave dropLast true, or give more samples']
  fail(`${lone}got ${got}; ${mend}`)
}

/** Gradients and the optimizer's state. @throws SpikewasmError when the model has none */
export const trainingOf = ({ plan }: Arena): TrainingBuffers =>
  plan.named.training ?? refuse(plan, 'train')

const training = 'training, and what reads its results, needs'
const train = "purpose 'train' (the default)"
const forward = "purpose 'inference' or 'train'"

/** What asks for a program, the models that have it, and the purpose to load one with. */
const asking: Readonly<Record<ProgramName, readonly string[]>> = {
  train: [training, train, 'train'],
  gradients: [training, train, 'train'],
  accumulate: ['fit with accumulate needs', train, 'train'],
  update: ['fit with accumulate needs', train, 'train'],
  evaluate: ['predict and evaluate need', forward, 'inference'],
  single: ['predict needs', forward, 'inference'],
  stream: ['step and reset need', "purpose 'stream'", 'stream'],
  prepare: ['fixed parameters need', 'fixed parameters'],
}

function refuse({ options }: Plan, name: ProgramName): never {
  const [needs, has, purpose] = asking[name]
  fail(
    `${needs} a model compiled with ${has}, this one was compiled with purpose ` +
      `'${options.purpose ?? 'train'}'; compile the network again` +
      (purpose ? `, or load it with loadModel(path, { purpose: '${purpose}' })` : ''),
  )
}

export const floatsAt = ({ memory }: Arena, address: number, count: number): Float32Array =>
  new Float32Array(memory.buffer, address, count)

/** Keeps what buffers hold. @returns what puts it back */
export async function keepBuffers(arena: Arena, buffers: readonly Buffer[]): Promise<() => void> {
  await arena.refresh?.(buffers)
  const bytesOf = ({ address, bytes }: Buffer): Uint8Array =>
    new Uint8Array(arena.memory.buffer, address, bytes)
  const before = buffers.map((buffer) => [buffer, bytesOf(buffer).slice()] as const)
  return () => {
    for (const [buffer, bytes] of before) {
      bytesOf(buffer).set(bytes)
      arena.wrote?.(buffer.address, buffer.bytes)
    }
  }
}

/** A parameter or statistic as it is stored in the buffer at `base`. */
export function storedAt(
  arena: Arena,
  base: number,
  { offset, layout }: { offset: number; layout: { stored: number } },
): Float32Array {
  return floatsAt(arena, base + offset, layout.stored)
}

/** A parameter as it is stored, whatever lies in its place at present. */
export function parameterOf(
  arena: Arena,
  parameter: { offset: number; layout: { stored: number } },
): Float32Array {
  const { aside, plan } = arena
  const { offset, layout } = parameter
  if (!aside) return storedAt(arena, plan.named.parameters.address, parameter)
  return aside.subarray(offset / 4, offset / 4 + layout.stored)
}

// Results that any program left in memory: outputs, rates, counts of spikes.

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

/** Outputs of each step of the last run forward, [count][T][classes]. */
export function stepOutputs(arena: Arena, count: number): Float32Array {
  const { named, options } = arena.plan
  const classes = classesOf(arena)
  const width = storedChannels(classes)
  const rows = count * options.timeSteps
  const all = floatsAt(arena, (named.stepOutputs as Buffer).address, rows * width)
  const result = new Float32Array(rows * classes)
  for (let row = 0; row < rows; row++)
    result.set(all.subarray(row * width, row * width + classes), row * classes)
  return result
}

/** Predicted classes of the last run. */
export const predictions = ({ memory, plan: { named, options } }: Arena): Int32Array =>
  new Int32Array(memory.buffer, named.predictions.address, options.batchSize)

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
  /** Probes of its program; empty before the first run. */
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
