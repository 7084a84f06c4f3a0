/** What a model shows of its last run or training step: an error before there is any. */

import { checkInteger, describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { median } from '../../base/numbers.js'
import { checkSteps, type MethodTraits, methodsWith, traitsOf } from '../../compile/methods.js'
import type { StateProbe } from '../../compile/plan.js'
import type { Phase } from '../../compile/program.js'
import type { Buffer } from '../../kernels/records/words.js'
import { inputsOf } from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import { instantiateEngine } from '../load.js'
import * as views from '../memory/arena.js'
import { floatsAt, programOf, storedAt, trainingOf } from '../memory/arena.js'
import { gradients as gradientsOf, type StateDict } from '../memory/state.js'
import { type RecordedStates, statesOf } from '../memory/states.js'
import type { Session } from '../session.js'
import { layerName } from './non-finite.js'
import { withoutTrace } from './predict.js'
import { type RecordTime, timeRecords } from './record-times.js'
import { nameOf } from './spikes.js'

/**
 * @param what asks for results of a training step
 * @throws SpikewasmError where none has run since the model was compiled, or its method changed
 */
function expectTrained(session: Session, what: string): void {
  programOf(session, 'train')
  if (!session.trained)
    fail(
      `${what} needs a training step of the model's method, and none has run yet; call trainStep ` +
        'or fit first',
    )
}

/** @throws SpikewasmError where nothing has run yet */
function expectRun({ lastRun }: Session, what: string): void {
  if (!(lastRun.images > 0))
    fail(`${what}: nothing has run yet; call trainStep, predict, evaluate or step first`)
}

/** `Model.gradients`. */
export function gradients(session: Session): StateDict {
  expectTrained(session, 'gradients')
  return gradientsOf(session)
}

/** `Model.inputGradient`. */
export function inputGradient(session: Session, name?: string): Float32Array {
  const { options, programs } = session.plan
  const { batchSize, timeSteps, frames, inputs } = session
  if (!options.inputGradient)
    fail('inputGradient needs compile({ inputGradient: true }); compile the network again')
  if (name !== undefined && !(inputs && Object.hasOwn(inputs, name)))
    fail(
      `inputGradient: the model has no input ${describe(name)}; ` +
        (inputs ? `there are ${Object.keys(inputs).join(', ')}` : 'leave the name out'),
    )
  expectTrained(session, 'inputGradient')
  const T = frames ? timeSteps : 1
  const nodes = inputsOf(options.graph).filter((node) => name === undefined || node.name === name)
  const own = nodes.reduce((sum, { shape }) => sum + T * sizeOf(shape), 0)
  const found = new Float32Array(batchSize * own)
  // The rate method's one row is that of each step: 1/T of the gradient of what all steps read.
  const factor = traitsOf(options).rows === 'one' && !frames ? timeSteps : 1
  let at = 0
  for (const { index, shape } of nodes) {
    const [channels, height, width] = shape
    const [pixels, size] = [height * width, T * sizeOf(shape)]
    for (const { node, rows, stored, buffer } of programs.train?.inputGradients ?? []) {
      if (node !== index) continue
      const given = floatsAt(session, buffer.address, batchSize * pixels * rows * stored)
      for (let b = 0; b < batchSize; b++)
        for (let i = 0; i < size; i++) {
          const row = Math.min(Math.floor(i / (pixels * channels)), rows - 1)
          const place = (b * pixels + (i % pixels)) * rows + row
          const c = Math.floor(i / pixels) % channels
          found[b * own + at + i] += factor * given[place * stored + c]
        }
    }
    at += size
  }
  return found
}

/** `Model.output`. */
export function output(session: Session): Float32Array {
  expectRun(session, 'output')
  const { steps, outputs } = session.lastRun
  return views.output(session, steps || undefined, session.batchSize, outputs || undefined)
}

export type { RecordedStates }

/** `Model.states`. */
export function states(session: Session, layer: string | number): RecordedStates {
  const name = nameOf(layer)
  const known = Object.keys(session.settings.states)
  if (!known.includes(name))
    fail(
      `states: nothing is recorded of a layer ${describe(name)}, ` +
        (known.length > 0
          ? `but of ${known.join(', ')}`
          : "nor of another; compile with record: 'all'"),
    )
  expectRun(session, 'states')
  const { states, valid } = session.lastRun
  const probe = states.find((one) => one.name === name) as StateProbe
  return statesOf(session, probe, valid)
}

/**
 * Firing rate of each neuron layer at each step of the last run, T numbers by layer name; needs
 * `inspect: true` and a method whose loop over T is inside the layers (step mode m).
 * @throws SpikewasmError otherwise.
 */
export function stepRates(session: Session): Record<string, number[]> {
  const { options } = session.plan
  const { inspect, batchSize, timeSteps, purpose } = options
  if (!inspect || traitsOf(options).loop !== 'layers' || purpose === 'stream')
    fail("stepRates needs compile({ inspect: true }), stepMode 'm', and no stream")
  checkSteps('stepRates', 'stepRates: timeSteps', timeSteps, "record: 'all' and spikes()")
  expectRun(session, 'stepRates')
  const out: Record<string, number[]> = {}
  for (const { name, masks, neurons, shape, stored } of session.lastRun.probes) {
    const plane = batchSize * shape[1] * shape[2] * stored
    out[name] = Array.from({ length: timeSteps }, (_, t) => {
      const bits = new Uint8Array(session.memory.buffer, masks.address + (t >> 3) * plane, plane)
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
export function diagnostics(session: Session): Diagnostics {
  const { probes } = programOf(session, 'train')
  const { options, parameters } = session.plan
  if (!options.inspect || !hasTime(traitsOf(options)))
    fail(`diagnostics needs compile({ inspect: true, method: '${methodsWith(hasTime)}' })`)
  for (const { name, layer, sharedWith } of options.graph.nodes) {
    if (sharedWith !== undefined)
      fail(
        `diagnostics: ${name} (${layer?.kind}) is called more than once, so that its gradient is ` +
          'a sum; it takes networks without shared layers',
      )
    if (layer && 'recurrence' in layer && layer.recurrence)
      fail(
        `diagnostics: ${name} (recurrent) hears its own spikes, so that its rate has no ` +
          'derivative by its input alone; it takes networks without recurrent layers',
      )
  }
  expectTrained(session, 'diagnostics')
  const a1: Record<string, number> = {}
  const a2: Record<string, number> = {}
  for (const { name, shape, stored, ...found } of probes.neurons) {
    const { spikeGradient, currentGradient, eligibility } = found
    const count = options.batchSize * shape[1] * shape[2] * stored
    const [spikes, currents, g] = [spikeGradient, currentGradient, eligibility].map((b) =>
      floatsAt(session, b.address, count),
    )
    // Σ_t δI_t = Σ_t δs_t κ_t: the sums over time differ from means by a factor alone.
    a1[name] = views.cosineOf(
      currents,
      spikes.map((value, i) => value * g[i]),
    )
  }
  for (const { node, gradient } of probes.weights) {
    const parameter = parameters.find((p) => p.node === node && p.role === 'weight')
    if (!parameter) continue
    a2[parameter.name] = views.cosineOf(
      storedAt(session, trainingOf(session).gradients.address, parameter),
      floatsAt(session, gradient.address, parameter.layout.stored),
    )
  }
  return { a1, a2 }
}

/**
 * Rate and eligibility of a neuron layer after a training step, [B, C, H, W]; needs `inspect: true`
 * at compilation.
 * @throws SpikewasmError for an unknown layer or without `inspect`.
 */
export function activity(session: Session, name: string): NeuronActivity {
  const { rates } = programOf(session, 'train')
  const { inspect, batchSize, timeSteps } = session.plan.options
  if (!inspect) fail('activity needs compile({ inspect: true })')
  const probe = rates.find((p) => p.name === name)
  if (!probe) {
    const names = rates.map((p) => p.name).join(', ')
    fail(`activity: no neuron layer ${JSON.stringify(name)}; there are ${names}`)
  }
  expectTrained(session, 'activity')
  const [C, H, W] = probe.shape
  const total = batchSize * H * W * probe.stored
  const counts = probe.sums
    ? floatsAt(session, probe.sums.address, total)
    : new Uint8Array(session.memory.buffer, (probe.counts as Buffer).address, total)
  const eligibility = probe.eligibility && floatsAt(session, probe.eligibility.address, total)
  const reorder = (source: ArrayLike<number>, factor: number): Float32Array => {
    const out = new Float32Array(batchSize * C * H * W)
    for (let b = 0; b < batchSize; b++)
      for (let c = 0; c < C; c++)
        for (let p = 0; p < H * W; p++)
          out[(b * C + c) * H * W + p] = source[(b * H * W + p) * probe.stored + c] * factor
    return out
  }
  const rate = reorder(counts, 1 / timeSteps)
  return { rate, eligibility: eligibility && reorder(eligibility, 1) }
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

// Where a program's time goes: its records run one by one on this thread, each timed.

/** How long an operation of a training step takes, as `Model.profile` finds it. */
export interface OperationTime {
  /** Operation of the engine. */
  readonly op: string
  /** Name of the layer. */
  readonly layer: string
  /** Part of the training step. */
  readonly phase: Phase
  /** On how many threads the program runs that it is part of. */
  readonly workers: number
  /** Median over the runs. A run in which another kernel was chosen in its place counts as 0 ms. */
  readonly milliseconds: number
}

/**
 * The median over several runs of each record that ran in any of them, in the order of the program.
 * A run that skipped a record counts as 0 ms: kernels are chosen by the number of spikes, which may
 * change from run to run, and the sum over all records should be that of one step.
 */
export function medianTimes(runs: readonly (readonly RecordTime[])[]): RecordTime[] {
  const byPlace = new Map<number, { time: RecordTime; milliseconds: number[] }>()
  runs.forEach((run, i) => {
    for (const time of run) {
      const entry = byPlace.get(time.place) ?? { time, milliseconds: runs.map(() => 0) }
      entry.milliseconds[i] = time.milliseconds
      byPlace.set(time.place, entry)
    }
  })
  return [...byPlace.values()]
    .map(({ time, milliseconds }) => ({ ...time, milliseconds: median(milliseconds) }))
    .sort((a, b) => a.place - b.place)
}

/** Runs the program once. Results are the same as those of an ordinary run. */
async function timed(session: Session): Promise<readonly RecordTime[]> {
  const { executor, plan } = session
  const run = session.runOf('train')
  if (executor.time) return executor.time(run)
  const module = await session.engine
  const memory = session.memory as host.WasmMemory
  const engine = instantiateEngine(module, memory)
  engine.take(run.kernels)
  const { address } = programOf(session, 'train')
  return timeRecords(engine.execute, memory, address, plan.workerScratchAt)
}

/** The times of all runs are kept until their medians are taken. */
const MOST_REPEATS = 10_000

/** `Model.profile`. The caller must hold the model's lock. */
export async function profileStep(session: Session, repeats: number): Promise<OperationTime[]> {
  checkInteger('profile.repeats', repeats, 1, MOST_REPEATS)
  const { records } = programOf(session, 'train')
  expectTrained(session, 'profile')
  const runs: (readonly RecordTime[])[] = []
  await withoutTrace(session, async () => {
    for (let i = 0; i < repeats; i++) runs.push(await timed(session))
  })
  const workers = session.workersOf('train')
  return medianTimes(runs).map(({ record, milliseconds }) => ({
    op: records[record].name,
    layer: layerName(session, records[record].layer),
    phase: records[record].phase,
    workers,
    milliseconds,
  }))
}
