/** A worker of jobs that only wait, in a process that tests stop and kill. */

import { setTimeout as pause } from 'node:timers/promises'
import { RedisPlace } from '../../src/scale/redis.js'
import { type JobKind, startWorker } from '../../src/scale/worker.js'

/** Waits, as a run of another process would, and says who has done it. */
const kind: JobKind<{ readonly ms: number }, { readonly pid: number }> = {
  kind: 'naps',
  check: (payload) => payload as never,
  async run({ ms }, { signal }) {
    await pause(ms, undefined, { signal })
    return { pid: process.pid }
  },
}

const place = await RedisPlace.open(process.argv[2])
await startWorker(place, {
  ...{ kinds: [kind], concurrency: 1, limits: { memoryMB: 1e6, seconds: 1000 }, lockMs: 1000 },
  onNews: (line) => process.stdout.write(`${line}\n`),
})
process.stdout.write('ready\n')
