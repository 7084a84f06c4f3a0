/** Puts the report of a run together (Node). */

import { arch, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { partOf, type StateDict } from '../../engine/memory/state.js'
import type { Session } from '../../engine/session.js'
import { writeFileAtomic } from '../../files/files.js'
import { labelOf } from '../../network/kind.js'
import { optionRows } from '../../watch/pages/frame.js'
import { type Examined, reportPage } from '../../watch/pages/report.js'
import type { Inside } from '../callback.js'
import { reportFile } from '../callbacks/run-files.js'
import type { EpochRecord, History } from '../records.js'
import type { Snapshot } from '../snapshot.js'
import { BATCH, examine, examiner } from './examine.js'

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
  const parameters = plan.parameters.reduce(
    (sum, { layout }) => sum + layout.shape.reduce((a, b) => a * b, 1),
    0,
  )
  const { method, stepMode, timeSteps } = plan.options
  return [
    ['layers', [...kinds].map(([kind, n]) => (n === 1 ? kind : `${n} × ${kind}`)).join(', ')],
    ['parameters', parameters.toLocaleString('en-US')],
    ['input', `[${asked.join(', ')}]`],
    ['method', `${method}, step mode ${stepMode}, T ${timeSteps}`],
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
