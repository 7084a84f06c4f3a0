/** What a round does when Redis has lost something of it, and when its process is to end. */

import { SpikewasmError } from '../../errors.js'
import { DamagedEntry, isNoJob } from '../damaged.js'
import { NO_BYTES } from './kind.js'

/** Redis has lost what it had taken, or holds it damaged: the round is done once more. */
export class Gone extends Error {}

/** Damaged is as good as lost. */
export const orGone = (error: unknown): unknown =>
  error instanceof DamagedEntry ? new Gone(`a job of the round: ${error.message}`) : error

/** Why a replica has no answer. */
export function whyMissing(replica: number, failures: readonly [string, unknown][]): Error {
  const why = failures.map(([, reason]) => String(reason).slice(0, 500))[0]
  if (why === undefined) return new Gone('the job of a replica')
  if (why.includes(NO_BYTES)) return new Gone('the bytes of a round')
  if (isNoJob(why)) return new Gone(`the job of a replica: ${why}`)
  return new SpikewasmError(`replica ${replica} has failed: ${why}`)
}

/** undefined where the signal comes first; what becomes of the work is then nobody's concern. */
export async function unlessEnded<T>(
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  if (!signal) return work
  let end = (): void => {}
  const ended = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  try {
    return await Promise.race([work, ended])
  } finally {
    signal.removeEventListener('abort', end)
    work.catch(() => undefined)
  }
}
