/** Where a program's time goes: its records run one by one on this thread, each timed. */

import { checkInteger } from '../errors.js'
import type * as host from '../host.js'
import { median } from '../median.js'
import type { Phase } from '../plan/program.js'
import { programOf } from './arena.js'
import { instantiateEngine } from './load.js'
import { layerName } from './non-finite.js'
import { type RecordTime, timeRecords } from './record-times.js'
import { withoutTrace } from './results.js'
import type { Session } from './session.js'
import { expectTrained } from './shown.js'

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
