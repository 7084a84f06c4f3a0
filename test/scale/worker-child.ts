/**
 * A worker of jobs that only wait, in a process that stops or kills itself amid its first one.
 *
 * Arguments: the address of a Redis, and the signal, if any.
 */

import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { RedisPlace } from '../../src/scale/redis.js'
import { type JobKind, startWorker } from '../../src/scale/worker.js'

const [, , url, end] = process.argv

/** Waits, as a run of another process would, and says who has done it. */
const kind: JobKind<{ readonly ms: number }, { readonly pid: number }> = {
  kind: 'naps',
  check: (payload) => payload as never,
  async run({ ms }, { signal }) {
    // Not from outside: on a busy machine the job might be over before the signal comes.
    writeSync(1, 'naps\n')
    if (end) process.kill(process.pid, end)
    await pause(ms, undefined, { signal })
    return { pid: process.pid }
  },
}

const place = await RedisPlace.open(url)
await startWorker(place, {
  ...{ kinds: [kind], concurrency: 1, limits: { memoryMB: 1e6, seconds: 1000 }, lockMs: 1000 },
  onNews: (line) => process.stdout.write(`${line}\n`),
})
process.stdout.write('ready\n')
