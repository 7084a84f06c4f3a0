/** The report that a run writes when it ends. */

import type { Inside } from '../inside.js'
import { partOf } from '../prefixed.js'
import type { EpochRecord, History } from '../records.js'
import type { Snapshot } from '../snapshot.js'
import { BATCH } from './examine.js'
import { writeReport } from './make.js'

export interface RunEnd {
  readonly folder: string
  readonly inside: Inside
  /** Of the end; without arrays where nothing is looked at. */
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
