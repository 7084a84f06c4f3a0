/** Tests at a real Redis: skipped, with a printed reason, where there is none. */

import type { Queue } from 'bullmq'
import { suite } from 'uvu'
import { RedisPlace } from '../../src/scale/redis.js'
import { queueOf } from '../../src/scale/store.js'
import { disposeModels } from './models.js'
import { noRedis, startRedis, type TestRedis } from './redis.js'
import { testUnless } from './runner.js'

/** What tests of a suite find once it has begun. */
export interface AtRedis {
  redis: TestRedis
  place: RedisPlace
}

/**
 * A suite with a Redis of its own.
 *
 * @returns `test` for what needs no Redis, `withRedis` for what does, and `openQueue` for a queue
 *   of a kind of jobs, of this version or another, which is closed behind the tests
 */
export function redisSuite(name: string) {
  const reason = noRedis()
  const test = suite(name)
  const at = {} as AtRedis
  const queues: Queue[] = []
  test.after.each(disposeModels)
  if (!reason) {
    test.before(async () => {
      at.redis = await startRedis()
      at.place = await RedisPlace.open(at.redis.url)
    })
    test.after(async () => {
      await Promise.all(queues.map((queue) => queue.close()))
      await at.place.close()
      await at.redis.stop()
    })
  }
  const openQueue = (kind: string, version?: string): Queue => {
    const { place } = at
    const queue = new place.bull.Queue(queueOf(kind, version), {
      ...{ connection: place.connect(), prefix: place.namespace },
    })
    queue.on('error', () => {})
    queues.push(queue)
    return queue
  }
  return { test, withRedis: testUnless(reason, test), at, openQueue }
}
