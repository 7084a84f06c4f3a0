/** Tests at a real Redis: skipped, with a printed reason, where there is none. */

import type { Queue } from 'bullmq'
import { suite } from 'uvu'
import { RedisPlace } from '../../src/scale/redis.js'
import { type Json, queueOf } from '../../src/scale/store.js'
import { type AnyKind, startWorker, type WorkerOptions } from '../../src/scale/worker.js'
import { disposeModels } from './models.js'
import { noRedis, startRedis, type TestRedis } from './redis.js'
import { testUnless } from './runner.js'

/** What tests of a suite find once it has begun. */
export interface AtRedis {
  redis: TestRedis
  place: RedisPlace
}

/** No limit. */
const limits = { memoryMB: 1e6, seconds: 1000 }

/**
 * A suite with a Redis of its own.
 *
 * @returns `test` for what needs no Redis, `withRedis` for what does; `later` says what is done
 *   behind the test, however it ends; `openQueue` gives a queue of a kind of jobs, of this version
 *   or another, and `work` begins a worker that does one job of a kind at a time so, both of which
 *   are closed by themselves
 */
export function redisSuite(name: string) {
  const reason = noRedis()
  const test = suite(name)
  const at = {} as AtRedis
  const queues: Queue[] = []
  const ends: (() => unknown)[] = []
  const later = (...more: readonly (() => unknown)[]): void => void ends.push(...more)
  test.after.each(async () => {
    await Promise.all(ends.splice(0).map((end) => end()))
    await disposeModels()
  })
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
  const work = async (
    kind: string,
    run: AnyKind['run'],
    more: Omit<Partial<WorkerOptions>, 'kinds'> = {},
  ) => {
    const own: AnyKind = { kind, check: (payload: Json) => payload, run }
    const options = { kinds: [own], concurrency: 1, limits, ...more }
    const worker = await startWorker(at.place, options)
    later(() => worker.close())
    return worker
  }
  return { test, withRedis: testUnless(reason, test), at, openQueue, work, later }
}
