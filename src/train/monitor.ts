/** Spikes of chosen layers over a data set. */

import { checkSignal, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { copyOf } from '../base/objects.js'
import { by, complete, integer, oneOf, optional, type Rules, such } from '../base/rules.js'
import { Batches } from '../data/batches.js'
import type { Dataset } from '../data/datasets/dataset.js'
import { predictions, programOf } from '../engine/memory/arena.js'
import { type RecordedStates, roomFor, statesOf } from '../engine/memory/states.js'
import { recordedProbe, trainsOf } from '../engine/run/spikes.js'
import type { Session } from '../engine/session.js'
import { breathe } from '../engine/threads/breathe.js'
import { inTurn } from '../engine/threads/calls.js'
import { runsHere } from '../engine/threads/processors.js'
import { sizeOf } from '../network/value.js'
import { checkDataset, fillBatch } from './evaluate.js'

/** Options of `monitor`; each has a default. */
export interface MonitorOptions {
  /** Layers of neurons, among those that `compile` records. Default: all of them. */
  layers?: readonly string[]
  /** Only the first samples, ≥ 1. Default 64. */
  limit?: number
  /**
   * 'spikes': the trains of all neurons, a byte for each neuron and step. 'rates': only means over
   * the steps, and over the neurons. Default 'spikes'.
   */
  keep?: 'spikes' | 'rates'
  /** What the arrays may take together, in bytes. Default 2³⁰. */
  maxBytes?: number
  /** Ends it before its next batch; it then rejects with the signal's reason. */
  signal?: host.AbortSignal
}

/** What one layer did. */
export interface LayerRecording {
  /** [C, H, W] */
  readonly shape: readonly [number, number, number]
  /** 1 where a neuron fired, [samples][T][C][H][W]; absent with `keep: 'rates'`. */
  readonly spikes?: Uint8Array
  /** Spikes per step of each neuron, 0…1, [samples][C][H][W]. */
  readonly rates: Float32Array
  /** Share of the neurons that fired at each step, mean over the samples, 0…1, [T]. */
  readonly stepRates: Float64Array
}

/** What `monitor` has recorded. */
export interface Recording {
  /** Number of samples. */
  readonly samples: number
  /** T */
  readonly timeSteps: number
  /** Label of each sample; absent where the data have none. */
  readonly labels?: Int32Array
  /** Predicted class of each sample. */
  readonly classes: Int32Array
  /** By name, in the order of the network. */
  readonly layers: Readonly<Record<string, LayerRecording>>
  /** What else is recorded of layers, as `Model.states` has it; absent with `keep: 'rates'`. */
  readonly states?: Readonly<Record<string, RecordedStates>>
}

const LIMIT = 64
const MOST_BYTES = 2 ** 30

/** `Model.monitor`. */
export async function monitorInTurn(
  session: Session,
  data: Dataset,
  options: MonitorOptions,
): Promise<Recording> {
  session.checkAlive()
  const asked = copyOf(complete('monitor', rulesOf(session), options))
  return inTurn(session, [], () => monitor(session, data, asked), asked.signal)
}

/** Adds spikes [count][T][C][H][W] of samples from `first` on. */
function addTrains(
  { shape, spikes, rates, stepRates }: LayerRecording,
  trains: Uint8Array,
  first: number,
): void {
  const [T, size] = [stepRates.length, sizeOf(shape)]
  spikes?.set(trains, first * size * T)
  for (let b = 0; b < trains.length / (size * T); b++)
    for (let n = 0; n < size; n++) {
      let sum = 0
      for (let t = 0; t < T; t++) {
        const fired = trains[(b * T + t) * size + n]
        sum += fired
        stepRates[t] += fired
      }
      rates[(first + b) * size + n] = sum / T
    }
}

type Asked = Required<Omit<MonitorOptions, 'signal'>> & Pick<MonitorOptions, 'signal'>

function rulesOf({ settings: { record, states } }: Session): Rules<Asked> {
  const all = [...new Set([...record, ...Object.keys(states)])]
  return {
    layers: such('a list of layers', Array.isArray, all),
    limit: integer(1, undefined, LIMIT),
    keep: oneOf(['spikes', 'rates'], 'spikes'),
    maxBytes: integer(1, undefined, MOST_BYTES),
    signal: optional(by(checkSignal)),
  }
}

/** What is asked for. */
function monitored(session: Session, { layers, limit, keep, maxBytes }: Asked) {
  const { record, states: asked } = session.settings
  if (layers.length === 0)
    fail('monitor needs layers whose spikes are kept; compile with record: true')
  const { rates, states = [] } = programOf(session, 'evaluate')
  const seen = layers.filter((name) => Object.hasOwn(asked, name))
  const spiking = layers.filter((name) => record.includes(name) || !seen.includes(name))
  const probes = spiking.map((name) => recordedProbe(session, 'monitor', name, rates))
  const named = keep === 'rates' ? [] : seen
  const values = states.filter(({ name }) => named.includes(name))
  return { limit, keep, maxBytes, spiking, probes, values }
}

async function monitor(session: Session, data: Dataset, options: Asked): Promise<Recording> {
  const { limit, keep, maxBytes, spiking, probes, values } = monitored(session, options)
  checkDataset(session, data)
  const samples = Math.min(limit, data.length)
  const { timeSteps: T, batchSize } = session
  const neurons = probes.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const floats = values.reduce((sum, { shape, names }) => sum + sizeOf(shape) * names.length, 0)
  const bytes = samples * (neurons * (keep === 'spikes' ? T + 4 : 4) + floats * T * 4)
  if (!(bytes <= maxBytes))
    fail(
      `monitor: ${samples} samples of ${neurons} neurons` +
        `${floats > 0 ? ` and ${floats} values` : ''} take ${bytes} bytes, more than maxBytes ` +
        `(${maxBytes}); record fewer samples (limit) or layers, or keep: 'rates'`,
    )
  const recordings = probes.map(({ shape }) => ({
    shape,
    spikes: keep === 'spikes' ? new Uint8Array(samples * sizeOf(shape) * T) : undefined,
    rates: new Float32Array(samples * sizeOf(shape)),
    stepRates: new Float64Array(T),
  }))
  const rooms = values.map((layer) => roomFor(layer, samples))
  const labels = new Int32Array(samples)
  const classes = new Int32Array(samples)
  const batches = new Batches(data, { batchSize }, 'slots')
  for (let batch = 0, first = 0; first < samples; batch++, first += batchSize) {
    if (runsHere(session.workersOf('evaluate'))) await breathe()
    options.signal?.throwIfAborted()
    const valid = await fillBatch(session, batches, batch, 0)
    labels.set(session.slot(0).labels.subarray(0, Math.min(valid, samples - first)), first)
    await session.run('evaluate', 0, valid)
    const count = Math.min(valid, samples - first)
    classes.set(predictions(session).subarray(0, count), first)
    for (const [i, room] of rooms.entries()) statesOf(session, values[i], count, room, first)
    for (const [i, probe] of probes.entries())
      addTrains(recordings[i], trainsOf(session, probe, count), first)
  }
  for (const { shape, stepRates } of recordings)
    for (let t = 0; t < T; t++) stepRates[t] /= samples * sizeOf(shape)
  return {
    samples,
    timeSteps: T,
    ...(data.classes > 0 ? { labels } : {}),
    classes,
    layers: Object.fromEntries(spiking.map((name, i) => [name, recordings[i]])),
    ...(values.length > 0
      ? { states: Object.fromEntries(values.map(({ name }, i) => [name, rooms[i]])) }
      : {}),
  }
}
