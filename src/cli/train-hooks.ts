/** What a process that trains for another one hears of its run, and asks of it. */

import type { Split } from '../data/index.js'
import type { EpochRecord, StepInfo } from '../train/records.js'
import type { TrainSummary } from './report.js'

export interface TrainHooks {
  /** Whether a run that is in the folder of --out goes on there. */
  readonly goesOn?: boolean
  /** The run ends behind this epoch, 1 for the first, as if a signal had come; it can go on. */
  readonly untilEpoch?: number
  /** The same, of steps of this process. */
  readonly untilStep?: number
  /** Of data before anything is trained; an error ends the run. */
  onData?(data: Split): void | Promise<void>
  onStep?(info: StepInfo): void
  onEpoch?(record: EpochRecord): void
  onEnd?(summary: TrainSummary): void
}

/** A signal that comes when the first one does, or when the hooks ask for an end. */
export interface Ending {
  readonly signal: AbortSignal
  step(): void
  epoch(record: EpochRecord): void
}

export function endingOf(
  first: AbortSignal,
  { untilEpoch = Number.POSITIVE_INFINITY, untilStep = Number.POSITIVE_INFINITY }: TrainHooks,
): Ending {
  const end = new AbortController()
  const abort = (): void => end.abort(first.reason)
  if (first.aborted) abort()
  else first.addEventListener('abort', abort, { once: true })
  let steps = 0
  return {
    signal: end.signal,
    step() {
      if (++steps >= untilStep) end.abort()
    },
    epoch({ epoch, partial }) {
      if (!partial && epoch >= untilEpoch) end.abort()
    },
  }
}
