/**
 * What a run leaves in Redis when its process dies: the parent of its round, and the queue of that.
 * Who makes or ends jobs of the round sets a time after which Redis forgets them.
 */

import type { RedisPlace } from '../redis.js'
import { KEPT_SECONDS, parentsOf } from './wire.js'

/** Keys of a queue of BullMQ. */
const ofQueue = [
  ...['meta', 'id', 'wait', 'active', 'waiting-children', 'marker', 'events', 'stalled'],
  ...['stalled-check', 'completed', 'failed', 'delayed', 'prioritized', 'pc', 'paused'],
]
/** Behind the key of a job: itself, and what its children have answered. */
const ofJob = ['', ':dependencies', ':processed', ':failed', ':unsuccessful']

/** From now on Redis forgets the parents of a run, unless something happens to them before. */
export async function expireParents(
  { client, namespace }: Pick<RedisPlace, 'client' | 'namespace'>,
  run: string,
  parent: string | undefined,
): Promise<void> {
  const queue = `${namespace}:${parentsOf(run)}`
  const jobs = parent === undefined ? [] : ofJob.map((part) => `${queue}:${parent}${part}`)
  const all = client.pipeline()
  for (const key of [...ofQueue.map((part) => `${queue}:${part}`), ...jobs])
    all.expire(key, KEPT_SECONDS)
  await all.exec()
}
