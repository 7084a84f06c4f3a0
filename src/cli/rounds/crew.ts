/** Who trains the replicas of `train --replicas`: this process, or workers at a Redis. */

import { fail } from '../../errors.js'
import type { CrewMaker } from '../../scale/rounds/fit.js'
import type { RunOptions } from '../run-folder.js'
import type { RoundsArguments } from './flags.js'

/** Options that a worker has of its own, that are places of files, or that no number depends on. */
export const ownOptions = [
  ...['version', 'data', 'load', 'loadSha256', 'threads'],
  ...['checkpointEvery', 'monitor', 'earlyStopping', 'rounds'],
] as const satisfies readonly (keyof RunOptions)[]

/** What a job says of a run. */
export function jobOptions(options: RunOptions): Record<string, unknown> {
  const own: readonly string[] = ownOptions
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => !own.includes(key) && value !== undefined),
  )
}

/**
 * A crew, and how to leave the place where it works.
 *
 * @param pause called before something is written to the terminal
 * @throws SpikewasmError when there is no such Redis, or a package is missing
 */
export async function crewOf(
  { redis, namespace, shared, replaceAfter }: RoundsArguments,
  options: RunOptions,
  pause: () => void,
): Promise<{ crew: CrewMaker; close(): Promise<void> }> {
  if (redis === undefined) {
    const { localCrew } = await import('../../scale/rounds/replica.js')
    return { crew: localCrew, close: async () => undefined }
  }
  const onNews = (line: string): void => {
    pause()
    process.stderr.write(`spikewasm: ${line}\n`)
  }
  const { openAt, queueCrew } = await import('../../scale/rounds/queue.js')
  if (shared === '') fail('--shared must be a folder, got none')
  const { place, store } = await openAt({ url: redis, namespace, shared, onNews })
  const job = { store, options: jobOptions(options), replaceAfter, onNews }
  return { crew: (of) => queueCrew(place, of, job), close: () => place.close() }
}
