/** Looks at samples with trained weights: answers, the hardest samples, spikes of one. */

import { takenOptions } from '../../compile/methods.js'
import type { StateProbe } from '../../compile/plan.js'
import { Batches } from '../../data/batches.js'
import { type Dataset, picked } from '../../data/datasets/dataset.js'
import { output, predictions, programOf } from '../../engine/memory/arena.js'
import { type StateDict, takeState } from '../../engine/memory/state.js'
import { roomFor, writeStates } from '../../engine/memory/states.js'
import { recordedProbe, writeTrains } from '../../engine/run/spikes.js'
import { Session } from '../../engine/session.js'
import { breathe } from '../../engine/threads/breathe.js'
import { alone } from '../../engine/threads/calls.js'
import { fires } from '../../network/kind.js'
import { imageShape, sizeOf } from '../../network/value.js'
import { type Chart, packBits, type Raster } from '../../watch/pages/chart.js'
import {
  type Examined,
  type Picture,
  pictureOf,
  type WorstSample,
} from '../../watch/pages/report.js'
import { layerLabel } from '../../watch/pages/run.js'
import { busiest, traceChart } from '../../watch/pages/trace.js'
import { checkDataset, fillBatch, makeTally } from '../evaluate.js'

/** What a report may cost: so many samples, and no new batch after so many milliseconds. */
const MOST_SAMPLES = 1000
const MOST_MS = 4000
/** Samples at a time: the least memory with which kernels are about as fast. */
export const BATCH = 16
/** A batch of slow samples is smaller: it runs to its end, whatever it takes. */
const BATCH_MS = 1000
const WORST = 24

const MOST_ROWS = 60
const MOST_STEPS = 256
const MOST_LAYERS = 24

/**
 * A session of its own that looks at samples; the training's stays as it is.
 *
 * @param sampleMs milliseconds that a sample takes at most, where that is known
 */
export async function examiner(of: Session, state: StateDict, sampleMs = 0): Promise<Session> {
  const { graph, asked, settings, plan } = of
  const record = graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  const most = sampleMs > 0 ? Math.max(1, Math.floor(BATCH_MS / sampleMs)) : BATCH
  const session = new Session(graph, asked, {
    ...settings,
    purpose: 'inference',
    batchSize: Math.min(BATCH, settings.batchSize, most),
    inspect: false,
    record: record.slice(0, MOST_LAYERS),
    states: tracedOf(of),
  })
  try {
    const { training } = plan.options
    await session.replan(takenOptions(plan.options), training && { ...training, average: false })
    takeState(session, state)
  } catch (error) {
    await session.dispose()
    throw error
  }
  return session
}

/** Names that a trace draws. */
const TRACED = ['potential', 'threshold', 'spike']
/** Bytes that potentials and thresholds of a batch may take; of layers that no longer fit none. */
const MOST_TRACED = 2 ** 25

/** What is recorded for traces: of the first spiking layers that fit. */
function tracedOf({ graph, settings: { timeSteps } }: Session): Record<string, readonly string[]> {
  let room = MOST_TRACED
  const fitting = graph.nodes
    .filter(({ layer }) => fires(layer))
    .slice(0, MOST_LAYERS)
    .filter(({ shape }) => {
      const bytes = sizeOf(shape) * timeSteps * BATCH * 8
      if (bytes > room) return false
      room -= bytes
      return true
    })
  return Object.fromEntries(fitting.map(({ name }) => [name, TRACED]))
}

export interface ExamineOptions {
  /** Samples at most; they are taken at equal distances. Default 1000. */
  readonly limit?: number
  /** No new batch after so many milliseconds. Default 4000. */
  readonly mostMs?: number
  /** Ends it before its next batch, with what is known by then. */
  readonly signal?: AbortSignal
}

/** @param session planned with `record` */
export function examine(
  session: Session,
  data: Dataset,
  options: ExamineOptions = {},
): Promise<Examined> {
  checkDataset(session, data)
  return alone(session, [], () => look(session, data, options))
}

async function look(
  session: Session,
  data: Dataset,
  { limit = MOST_SAMPLES, mostMs = MOST_MS, signal }: ExamineOptions,
): Promise<Examined> {
  const chosen = atDistances(data.length, limit)
  const part = picked(data, chosen.length, (index) => chosen[index])
  const batches = new Batches(part, { batchSize: session.batchSize }, 'slots')
  const { classes } = session
  const tally = data.classes > 0 ? makeTally(classes, undefined) : undefined
  const seen: Omit<WorstSample, 'picture'>[] = []
  let spikes: Examined['spikes']
  let count = 0
  const began = performance.now()
  for (let batch = 0; batch < batches.length; batch++) {
    if (batch > 0 && (signal?.aborted || performance.now() - began > mostMs)) break
    if (session.workersOf('evaluate') === 1) await breathe()
    const valid = await fillBatch(session, batches, batch, 0)
    const labels = session.slot(0).labels.slice(0, valid)
    await session.run('evaluate', 0, valid)
    const logits = output(session, session.timeSteps, valid)
    const answers = predictions(session).slice(0, valid)
    if (batch === 0)
      spikes = await spikesOf(session, data, chosen[0], tally && labels[0], answers[0])
    if (tally) {
      tally.add(labels, answers, logits)
      for (let i = 0; i < valid; i++) {
        const shares = softmax(logits.subarray(i * classes, (i + 1) * classes))
        const [label, answer] = [labels[i], answers[i]]
        const index = chosen[count + i]
        const [ofLabel, ofAnswer] = [shares[label], shares[answer]]
        seen.push({ index, label, answer, ofLabel, ofAnswer })
      }
      seen.sort((a, b) => a.ofLabel - b.ofLabel || a.index - b.index)
      seen.length = Math.min(seen.length, WORST)
    }
    count += valid
  }
  const { confusion, perClass } = tally?.result() ?? {}
  const right = perClass?.reduce((sum, { recall, count: n }) => sum + recall * n, 0) ?? 0
  const about = { count, of: data.length, data: data.name, spikes }
  if (!confusion) return about
  const worst: WorstSample[] = []
  for (const sample of seen)
    worst.push({ ...sample, picture: await pictureAt(session, data, sample.index) })
  const classNames = Array.from({ length: classes }, (_, c) => data.classNames?.[c] ?? String(c))
  return { ...about, answers: { accuracy: right / count, classNames, confusion, worst } }
}

/** Places at equal distances, at most so many. */
export const atDistances = (length: number, most: number): number[] =>
  Array.from({ length: Math.min(length, most) }, (_, i) =>
    length <= most ? i : Math.floor((i * length) / most),
  )

function softmax(logits: Float32Array): number[] {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const shares = Array.from(logits, (logit) => Math.exp(logit - most))
  const sum = shares.reduce((a, b) => a + b, 0)
  return shares.map((share) => share / sum)
}

async function pictureAt(session: Session, data: Dataset, index: number): Promise<Picture> {
  await data.prepare?.([index])
  const values = new Float32Array(session.imageFloats)
  data.read(index, values)
  const frames = session.frames ? session.timeSteps : 1
  const { normalization } = data.pixels ?? {}
  return pictureOf({ values, shape: imageShape(data.shape), frames, normalization })
}

/** Spikes of the first sample of the batch that has just run. */
async function spikesOf(
  session: Session,
  data: Dataset,
  index: number,
  label: number | undefined,
  answer: number,
): Promise<Examined['spikes']> {
  const { record } = session.settings
  if (record.length === 0) return undefined
  const { rates, states = [] } = programOf(session, 'evaluate')
  const rasters = record.map((name, i): Raster => {
    const probe = recordedProbe(session, 'the report', name, rates)
    const { shape, recorded } = probe
    const [neurons, T] = [sizeOf(shape), recorded.steps]
    const trains = new Uint8Array(neurons * T)
    writeTrains(session, probe, 1, trains)
    const [rows, steps] = [Math.min(neurons, MOST_ROWS), Math.min(T, MOST_STEPS)]
    const neuronOf = (row: number): number => Math.floor((row * neurons) / rows)
    const has = (row: number, t: number): boolean => trains[t * neurons + neuronOf(row)] === 1
    const shown = rows < neurons ? `${rows} of ${neurons}` : `${neurons}`
    const cut = steps < T ? `, the first ${steps} of ${T} steps` : ''
    const share = record.length < 2 ? 0 : i / (record.length - 1)
    const title = `${layerLabel(name)}, ${shown}${cut}`
    return { title, rows, steps, share, ...packBits(rows, steps, has) }
  })
  const traces = states.map((layer) => traceOf(session, layer))
  const named = (c: number): string => data.classNames?.[c] ?? String(c)
  const said = label === undefined ? '' : `, label ${named(label)}, answer ${named(answer)}`
  return {
    about: `Sample ${index} of ${data.name}${said}.`,
    picture: await pictureAt(session, data, index),
    rasters,
    ...(traces.length > 0 ? { traces } : {}),
  }
}

/** The trace of a busy neuron on the first sample of the batch that has just run. */
function traceOf(session: Session, layer: StateProbe): Chart {
  const values = roomFor(layer, 1)
  writeStates(session, layer, 1, values)
  const { name } = layer
  const neurons = sizeOf(layer.shape)
  const neuron = busiest(values.spike.data, neurons)
  const steps = Math.min(layer.steps, MOST_STEPS)
  const [potential, threshold, spikes] = TRACED.map((one) =>
    Array.from({ length: steps }, (_, t) => values[one].data[t * neurons + neuron]),
  )
  const cut = steps < layer.steps ? `, the first ${steps} of ${layer.steps} steps` : ''
  const title = `${layerLabel(name)}, neuron ${neuron}${cut}`
  return traceChart({ title, potential, threshold, spikes })
}
