/**
 * Versions of spikewasm at one Redis. Another version may compute other bits, so each has queues of
 * its own: no worker ever takes a job of another version, and who waits in vain is told.
 */

import { VERSION } from '../version.js'
import type { RedisPlace } from './redis.js'
import { KEPT_SECONDS } from './store.js'

/** The queue of a kind of jobs. */
export const queueOf = (kind: string, version: string = VERSION): string => `${kind}@${version}`

/** Whoever can write to Redis can write a version. */
const isVersion = (text: string): boolean => /^\d[\w.+-]{0,39}$/.test(text)

const key = (place: RedisPlace, kind: string): string => `${place.namespace}:versions:${kind}`

/** Says that this version has jobs or workers here. */
export async function noteVersion(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<void> {
  await place.client
    .multi()
    .sadd(key(place, kind), version)
    .expire(key(place, kind), KEPT_SECONDS)
    .exec()
}

/** All others that have been here within a week. */
export async function otherVersions(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<string[]> {
  const found = await place.client.smembers(key(place, kind))
  return found.filter((other) => other !== version && isVersion(other)).sort()
}

/** Versions that have workers now. */
async function versionsWithWorkers(place: RedisPlace, kind: string): Promise<string[]> {
  const found: string[] = []
  for (const version of await otherVersions(place, kind)) {
    const own = { connection: place.client, skipMetasUpdate: true }
    const queue = place.queue(queueOf(kind, version), own)
    try {
      if ((await queue.getWorkers()).length > 0) found.push(version)
    } finally {
      // The connection is not its own, and stays.
      await queue.close()
    }
  }
  return found
}

/** How many jobs of a version wait or are being done. */
async function jobsOf(place: RedisPlace, kind: string, version: string): Promise<number> {
  const of = `${place.namespace}:${queueOf(kind, version)}`
  const counts = await place.client
    .pipeline()
    .llen(`${of}:wait`)
    .llen(`${of}:active`)
    .zcard(`${of}:delayed`)
    .zcard(`${of}:prioritized`)
    .exec()
  return (counts ?? []).reduce((sum, [, count]) => sum + (typeof count === 'number' ? count : 0), 0)
}

const BITS = 'another version may compute other bits'
const install = (version: string): string => `npm install spikewasm@${version}`

/** For who waits for jobs of a kind: who is there and does not take them; '' for nobody. */
export async function whoStandsAside(place: RedisPlace, kind: string): Promise<string> {
  const others = await versionsWithWorkers(place, kind)
  if (others.length === 0) return ''
  return (
    `workers of spikewasm ${others.join(', ')} are there, which leave these jobs alone: they are ` +
    `of spikewasm ${VERSION}, and ${BITS}; install the same on all machines: ${install(VERSION)}`
  )
}

/** For a worker: what it leaves alone, a line for each version that has jobs. */
export async function jobsLeftAlone(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>()
  for (const other of await otherVersions(place, kind, version)) {
    if ((await jobsOf(place, kind, other)) === 0) continue
    lines.set(
      other,
      `jobs of ${kind} at ${place.address.url} are of spikewasm ${other}; this worker is of ` +
        `spikewasm ${version} and leaves them to others, because ${BITS}; to do them, end it and ` +
        `install the same: ${install(other)}`,
    )
  }
  return lines
}
