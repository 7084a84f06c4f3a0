/** Puts the report of a run together (Node). */

import { arch, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { takenOptions } from '../../compile/methods.js'
import type { StateProbe } from '../../compile/plan.js'
import { parameterCount } from '../../compile/summary.js'
import { Batches } from '../../data/batches.js'
import { type Dataset, picked } from '../../data/datasets/dataset.js'
import { output, predictions, programOf } from '../../engine/memory/arena.js'
import { partOf, type StateDict, takeState } from '../../engine/memory/state.js'
import { statesOf } from '../../engine/memory/states.js'
import { recordedProbe, trainsOf } from '../../engine/run/spikes.js'
import { Session } from '../../engine/session.js'
import { breathe } from '../../engine/threads/breathe.js'
import { alone } from '../../engine/threads/calls.js'
import { writeFileAtomic } from '../../files/files.js'
import { fires, labelOf } from '../../network/kind.js'
import { imageShape, sizeOf } from '../../network/value.js'
import { type Chart, packBits, type Raster } from '../../watch/pages/chart.js'
import { optionRows } from '../../watch/pages/frame.js'
import { busiest, traceChart } from '../../watch/pages/recording.js'
import {
  type Examined,
  type Picture,
  pictureOf,
  reportPage,
  type WorstSample,
} from '../../watch/pages/report.js'
import { layerLabel } from '../../watch/pages/run.js'
import type { Inside } from '../callback.js'
import { reportFile } from '../callbacks/run-files.js'
import { checkDataset, fillBatch, makeTally } from '../evaluate.js'
import type { EpochRecord, History } from '../records.js'
import type { Snapshot } from '../snapshot.js'

// Looks at samples with trained weights: answers, the hardest samples, spikes of one.

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
  const session = new Session(graph, of.inputs ?? asked, {
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
    const trains = trainsOf(session, probe, 1)
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
  const values = statesOf(session, layer, 1)
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

// The report that a run writes when it ends.

export interface RunEnd {
  readonly folder: string
  readonly inside: Inside
  /** The model at the end; without arrays where nothing is looked at. */
  readonly snapshot: Snapshot
  /** Undefined where an error ended it. */
  readonly history: History | undefined
  readonly epochs: number
  readonly options: Uint8Array
}

/** A run that is stopped looks at samples for so long, where a batch takes no longer than this. */
const SOON_MS = 500
const SOON_BATCH_MS = 200

export async function reportEnd(end: RunEnd): Promise<string> {
  const { folder, inside, snapshot, history, options, epochs } = end
  const { session, validation, signal } = inside
  const { tensors, about } = snapshot
  const told: unknown = JSON.parse(new TextDecoder().decode(options))
  const later = 'spikewasm report makes the page again with them, for a run of spikewasm train.'
  const sampleMs = (about.records.at(-1)?.stepMs ?? 0) / session.settings.batchSize
  const isStopped = history?.aborted === true
  const isSoon = sampleMs > 0 && BATCH * sampleMs <= SOON_BATCH_MS
  const data =
    history === undefined
      ? `The run ended in an error, so no samples were looked at; ${later}`
      : isStopped && !isSoon
        ? `The run was stopped, so no samples were looked at; ${later}`
        : (validation ?? 'The run had no data to test with, so no samples were looked at.')
  return writeReport(folder, {
    title: titleOf(told),
    ending: endingOf(about.records, epochs, history),
    records: about.records,
    options: told,
    session,
    data,
    state: { ...partOf(tensors, 'model.'), ...partOf(tensors, 'optimizer.average.') },
    sampleMs,
    // The signal has come already.
    ...(isStopped ? { mostMs: SOON_MS } : { signal }),
  })
}

/** A run by its options: those of a command, or those of a program. */
export function titleOf(options: unknown): string {
  const { model, dataset, data } = (options ?? {}) as Record<string, unknown>
  if (typeof model === 'string' && typeof dataset === 'string') return `${model} on ${dataset}`
  const { name } = (typeof data === 'object' && data !== null ? data : {}) as { name?: unknown }
  return typeof name === 'string' ? `A run on ${name}` : 'A run'
}

/** How far a run came, in a sentence. */
export function endingOf(
  records: readonly EpochRecord[],
  epochs: number,
  history?: Pick<History, 'aborted' | 'stopped'>,
): string {
  const done = records.filter(({ partial }) => !partial).at(-1)?.epoch ?? 0
  const far = `${done} of ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`
  if (history?.stopped !== undefined) return `Ended after ${far}: ${history.stopped}.`
  if (done >= epochs) return `Finished: ${far}.`
  if (history === undefined) return `Ended before its end: ${far} are complete.`
  return `Stopped: ${far} are complete.`
}

export interface ReportParts {
  readonly title: string
  readonly ending: string
  readonly records: readonly EpochRecord[]
  readonly options: unknown
  readonly session: Session
  /** What to look at; or why nothing is looked at. */
  readonly data: Dataset | string
  /** What predictions are made with. */
  readonly state: StateDict
  /** Milliseconds of a sample in the training; default: not known. */
  readonly sampleMs?: number
  /** No new batch of samples after so many milliseconds. */
  readonly mostMs?: number
  /** Ends looking at samples. */
  readonly signal?: AbortSignal
}

/** Writes `report.html` into the folder of a run; its path. */
export async function writeReport(folder: string, parts: ReportParts): Promise<string> {
  const path = join(folder, reportFile)
  const { title, ending, records, options, session } = parts
  const page = await reportPage({
    title,
    ending,
    records: records.filter(({ partial }) => !partial),
    examined: await lookAt(parts),
    facts: factsOf(session),
    options: optionRows(options),
    origin: origin(),
  })
  await writeFileAtomic(path, new TextEncoder().encode(page))
  return path
}

async function lookAt(parts: ReportParts): Promise<Examined | string> {
  const { session, data, state, sampleMs, mostMs, signal } = parts
  if (typeof data === 'string') return data
  try {
    const own = await examiner(session, state, sampleMs)
    try {
      return await examine(own, data, { mostMs, signal })
    } finally {
      await own.dispose()
    }
  } catch (error) {
    // Curves are worth a page without the rest, such as where memory is short.
    if (error instanceof SpikewasmError) return `Samples were not looked at: ${error.message}`
    throw error
  }
}

function factsOf({ plan, graph, asked }: Session): [string, string][] {
  const kinds = new Map<string, number>()
  for (const node of graph.nodes.slice(1)) {
    const label = labelOf(node)
    kinds.set(label, (kinds.get(label) ?? 0) + 1)
  }
  const { method, stepMode, timeSteps, weights = 'f32' } = plan.options
  return [
    ['layers', [...kinds].map(([kind, n]) => (n === 1 ? kind : `${n} × ${kind}`)).join(', ')],
    ['parameters', parameterCount(plan).toLocaleString('en-US')],
    ['input', `[${asked.join(', ')}]`],
    ['method', `${method}, step mode ${stepMode}, T ${timeSteps}`],
    ...(weights === 'f32' ? [] : [['weights', weights] as [string, string]]),
  ]
}

function origin(): [string, string][] {
  const all = cpus()
  const { node, v8 } = process.versions
  return [
    ['spikewasm', VERSION],
    ['Node', `${node}, V8 ${v8}`],
    ['processor', `${all[0]?.model.trim() ?? 'unknown'}, ${all.length} cores`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['system', `${type()} ${release()}, ${arch()}`],
    ['this page was made', `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`],
  ]
}
