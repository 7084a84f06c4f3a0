/** Huge values that somebody else might write into Redis, where a worker would read them. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { checkpointName } from '../../src/cli/sweep/job.js'
import { RedisPlace } from '../../src/scale/redis.js'
import { names } from '../../src/scale/rounds/wire.js'
import { queueOf } from '../../src/scale/store.js'
import { main } from '../cli/command.js'
import { Program } from '../support/program.js'
import { goodJob, goodRound } from './fuzz.js'

const LONG = 'a long value'
const NONCE = '0123456789abcdef'
const MB = 2 ** 20
/** SHA-256 of what Redis makes of 1 MB: zeros, and a digit. */
const HASH_OF_MB = createHash('sha256')
  .update(Buffer.alloc(MB - 1))
  .update('0')
  .digest('hex')

/** Bytes as a store has them, of zeros that Redis makes itself. */
async function plantBytes(client: Redis, name: string, said: number, megabytes: number[]) {
  const head = { nonce: NONCE, bytes: said, chunks: megabytes.length, sha256: 'a'.repeat(64) }
  await client.set(`spikewasm:store:head:${name}`, JSON.stringify(head))
  for (const [i, size] of megabytes.entries())
    await client.setrange(`spikewasm:store:bytes:${name}:${NONCE}:${i}`, size * MB - 1, '0')
}

/**
 * Jobs that each make a worker read far more than it may, and what it says of each. Two more,
 * `a long field` and `many fields`, are as good as ours but for what nobody asks for.
 */
interface Planted {
  readonly queue: Queue
  readonly id: string
  readonly says: RegExp
}

/** Redis itself makes the long values: nobody sends them. */
const FIELD = "return redis.call('hset', KEYS[1], ARGV[1], redis.call('get', KEYS[2]))"
const MEMBER = "return redis.call('sadd', KEYS[1], redis.call('get', KEYS[2]))"

/** @param megabytes of each of them */
async function plantHostile(
  client: Redis,
  { runs, rounds }: { readonly runs: Queue; readonly rounds: Queue },
  megabytes: number,
): Promise<Planted[]> {
  const planted: Planted[] = []
  const thirds = [megabytes / 3, megabytes / 3, megabytes / 3].map(Math.ceil)
  const all = thirds.reduce((sum, size) => sum + size * MB, 0)
  const add = async (queue: Queue, data: unknown, id: string, says: RegExp): Promise<void> => {
    await queue.add('job', data, { jobId: id })
    planted.push({ queue, id, says })
  }
  const run = (seed: number) => goodJob({ epochs: 1, limitTrain: 64, limitTest: 10, seed })
  const idOf = (job: unknown): string => (job as { payload: { id: string } }).payload.id
  // A checkpoint of others: whoever does the run begins anew, and finds that it has other data.
  const [small, honest] = [run(1), run(2)]
  await plantBytes(client, checkpointName(idOf(small)), 9, thirds)
  await add(runs, small, 'a head that says 9 bytes', /the data must be those/)
  await plantBytes(client, checkpointName(idOf(honest)), all, thirds)
  await add(runs, honest, 'a large checkpoint', /must have at most \d+ bytes, half of the memory/)
  for (const [i, said] of [9, all].entries()) {
    const job = goodRound({ round: i, begun: false })
    const { run: of } = job.payload as { run: string }
    await plantBytes(client, names.start(of, i), said, thirds)
    const says = said === 9 ? /must have the 9 bytes that its head/ : /must have at most \d+ bytes/
    await add(rounds, job, `a start of ${said} bytes`, says)
  }
  const before = goodRound({ round: 2 })
  const { run: of } = before.payload as { run: string }
  await plantBytes(client, names.start(of, 2), 1 * MB, [1])
  await client.set(
    `spikewasm:store:head:${names.start(of, 2)}`,
    JSON.stringify({ nonce: NONCE, bytes: MB, chunks: 1, sha256: HASH_OF_MB }),
  )
  await plantBytes(client, names.state(of, 2, 1), all, thirds)
  await add(rounds, before, 'a large state', /must have at most \d+ bytes/)
  await client.setrange(LONG, megabytes * MB - 1, 'x')
  for (const field of ['data', 'opts', 'progress']) {
    const id = `long ${field}`
    await add(runs, run(3), id, new RegExp(`its ${field} must have at most \\d+ bytes, got \\d+`))
    await client.eval(FIELD, 2, runs.toKey(id), LONG, field)
  }
  // A field that nobody knows is read with the others.
  await runs.add('job', goodJob({ seed: 4 }), { jobId: 'a long field' })
  await client.eval(FIELD, 2, runs.toKey('a long field'), LONG, 'more')
  // Each of them could be read, all of them not.
  await client.del(LONG)
  await client.setrange(LONG, 4 * MB - 1, 'x')
  await runs.add('job', goodJob({ seed: 5 }), { jobId: 'many fields' })
  for (let i = 0; i < 12; i++)
    await client.eval(FIELD, 2, runs.toKey('many fields'), LONG, `more${i}`)
  await client.setrange(LONG, megabytes * MB - 1, 'x')
  // What workers ask for again and again.
  await client.eval(MEMBER, 2, 'spikewasm:versions:runs', LONG)
  await client.del(LONG)
  return planted
}

/** What a worker has said of hostile values, and how much memory it has taken. */
export interface Withstood {
  readonly faults: readonly string[]
  readonly said: string
  readonly peakMB: number
}

/** So long a worker may take for all of them. */
const LAST_MS = 120_000

/**
 * A worker at a Redis that holds nothing else, and what it does with values of so many megabytes.
 *
 * @param megabytes more than half of what it may take
 */
export async function withstand({
  url,
  limitMB,
  megabytes,
}: {
  url: string
  limitMB: number
  megabytes: number
}): Promise<Withstood> {
  const place = await RedisPlace.open(url)
  const openQueue = (kind: string): Queue =>
    new place.bull.Queue(queueOf(kind), { connection: place.connect(), prefix: place.namespace })
  const queues = { runs: openQueue('runs'), rounds: openQueue('rounds') }
  // Nothing of it needs to outlive Redis.
  await place.client.config('SET', 'appendonly', 'no')
  const planted = await plantHostile(place.client, queues, megabytes)
  const args = ['worker', '--redis', url, '--memory-limit', String(limitMB), '--concurrency', '2']
  const worker = new Program([main, ...args])
  const last = performance.now() + LAST_MS
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<boolean> => {
    while (!worker.isOver && performance.now() < last) {
      if (await isSo()) return true
      await pause(50)
    }
    return false
  }
  const faults: string[] = []
  try {
    for (const { queue, id, says } of planted) {
      const hasFailed = await until(async () => (await queue.getJobState(id)) === 'failed')
      const why = await place.client.hget(queue.toKey(id), 'failedReason')
      if (!hasFailed || !says.test(String(why))) faults.push(`${id}: ${why}`)
    }
    for (const name of ['a long field', 'many fields'])
      if (!(await until(() => worker.said.includes(`runs ${name}: the data must be those`))))
        faults.push(`${name}: it was not done`)
    if (!/begins anew: checkpoint-\S+ must have the 9 bytes that its head/.test(worker.said))
      faults.push('nothing was said of the head')
    const taken = await peakMB(worker.child.pid as number)
    if (taken > limitMB) faults.push(`the worker took ${taken} MB`)
    return { faults, said: worker.said, peakMB: taken }
  } finally {
    await worker.end()
    await Promise.all(Object.values(queues).map((queue) => queue.close()))
    await place.close()
  }
}

/** MB that a process has had in memory at most. */
async function peakMB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}
