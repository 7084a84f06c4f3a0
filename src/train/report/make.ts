/** Puts the report of a run together (Node). */

import { arch, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import type { Dataset } from '../../data/dataset.js'
import { SpikewasmError } from '../../errors.js'
import { writeFileAtomic } from '../../io/files.js'
import { labelOf } from '../../nn/kind.js'
import { optionRows } from '../../pages/options.js'
import { type Examined, reportPage } from '../../pages/report.js'
import type { Session } from '../../runtime/session.js'
import type { StateDict } from '../../runtime/state.js'
import { VERSION } from '../../version.js'
import { reportFile } from '../callbacks/run-files.js'
import type { EpochRecord } from '../records.js'
import { examine, examiner } from './examine.js'

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
