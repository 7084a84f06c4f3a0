/**
 * Entries of a queue that cannot be read as jobs: something else has written them, or Redis holds
 * them damaged. BullMQ would hand such an entry out again and again, since it fails before anybody
 * has it as a job.
 */

import type { Job, JobsOptions, Queue, Worker } from 'bullmq'
import { plainText, quote, SpikewasmError } from '../base/errors.js'
import { MOST_REPLY, MOST_VALUE, type RedisPlace } from './redis.js'
import { KEPT_SECONDS } from './store.js'

/** An entry that is no job. */
export class DamagedEntry extends SpikewasmError {}

/** What an entry holds, by BullMQ's names. */
type Fields = Readonly<Record<string, string>>

const OBJECT = 'an object in JSON'
/** What BullMQ reads as JSON before anybody else sees it. */
const wanted = { data: 'JSON', opts: OBJECT, progress: 'JSON', parent: OBJECT }
/** What a job has that comes back by itself, as none of ours does. */
const REPEATS = 'rjk'

function isGood(text: string, what: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return what !== OBJECT || (typeof value === 'object' && !!value && !Array.isArray(value))
  } catch {
    return false
  }
}

/** Fields of an entry that are looked at, and those that are too long to be read. */
async function fieldsOf({ client }: RedisPlace, key: string) {
  const fields: Record<string, string> = {}
  const long = new Map<string, number>()
  for (const name of [...Object.keys(wanted), REPEATS, 'parentKey']) {
    const size = await client.hstrlen(key, name)
    if (size > MOST_VALUE) long.set(name, size)
    const text = size > MOST_VALUE ? null : await client.hget(key, name)
    if (text !== null) fields[name] = text
  }
  return { fields, long }
}

const nothing = { fields: {}, long: new Map<string, number>() }

/** What is wrong with each field; none: it is a job, whoever made it. */
function faultsOf(fields: Fields, long: ReadonlyMap<string, number>): Map<string, string> {
  const faults = new Map<string, string>()
  for (const [name, size] of long)
    faults.set(name, `its ${name} must have at most ${MOST_VALUE} bytes, got ${size}`)
  for (const [name, what] of Object.entries(wanted)) {
    const text = fields[name]
    if (text && !isGood(text, what))
      faults.set(name, `its ${name} must be ${what}, got ${quote(text)}`)
  }
  if (fields[REPEATS] !== undefined)
    faults.set(REPEATS, `it must not repeat, got the key ${quote(fields[REPEATS])}`)
  return faults
}

const NO_JOB = 'in Redis is no job of spikewasm: '

/** Whether this is why such an entry has failed. */
export const isNoJob = (why: string): boolean => why.includes(NO_JOB)

const explain = ({ namespace }: RedisPlace, queue: string, id: string, what: string): string =>
  `the entry ${quote(id, 100)} of the queue ${queue} ${NO_JOB}${what}; Redis holds it damaged, ` +
  `or something else writes there: see that nothing else uses the namespace ${namespace}`

/** What a failed entry is kept for, as the jobs of runs are. */
const mendedOptions: JobsOptions = { removeOnFail: { age: KEPT_SECONDS } }

/** A flow's parent is to hear of a failure, as of that of any replica. */
function parentOf(key: string | undefined): string | undefined {
  const at = key?.lastIndexOf(':') ?? -1
  if (!key || at < 1) return undefined
  return JSON.stringify({ id: key.slice(at + 1), queueKey: key.slice(0, at), idof: true })
}

/**
 * Makes a job of an entry that this worker holds: one that can be read, and that fails when its
 * turn comes, which BullMQ then sees to.
 */
async function mend(
  place: RedisPlace,
  { key, token, worker }: { key: string; token: string; worker: Worker },
  fields: Fields,
  { faults, why }: { faults: ReadonlyMap<string, string>; why: string },
): Promise<void> {
  const { client, bull } = place
  const set: Record<string, string> = { defa: why }
  const gone = ['progress', REPEATS, 'parentKey'].filter((name) => faults.has(name))
  if (faults.has('data')) set.data = JSON.stringify({ damaged: fields.data?.slice(0, 1000) })
  if (faults.has('opts')) set.opts = JSON.stringify(mendedOptions)
  if (faults.has('parent')) {
    const parent = parentOf(fields.parentKey)
    if (parent) set.parent = parent
    else gone.push('parent', 'parentKey')
  }
  const all = client.multi().hset(key, set)
  if (gone.length > 0) all.hdel(key, ...gone)
  await all.exec()
  const job = await bull.Job.fromId(worker, key.slice(worker.toKey('').length))
  await job?.moveToWait(token)
}

/**
 * From now on, each entry that a worker takes and that is no job fails, once.
 *
 * @param tell told of each
 */
export function refuseDamaged(
  place: RedisPlace,
  worker: Worker,
  tell: (id: string, why: string) => void,
): void {
  let [looking, again] = [false, false]
  worker.on('error', async () => {
    again = true
    if (looking) return
    looking = true
    while (again) {
      again = false
      // Without a connection it is found when its lock has expired and somebody takes it anew.
      await lookAtTaken(place, worker, tell).catch(() => undefined)
    }
    looking = false
  })
}

/** Looks at what a worker holds, after it could not read something. */
async function lookAtTaken(
  place: RedisPlace,
  worker: Worker,
  tell: (id: string, why: string) => void,
): Promise<void> {
  const { client } = place
  const active = worker.toKey('active')
  for (const id of await client.lrange(active, 0, -1)) {
    const key = worker.toKey(id)
    const token = await client.get(`${key}:lock`)
    // What others have taken is theirs to look at.
    if (!token?.startsWith(`${worker.id}:`)) continue
    const type = await client.type(key)
    const { fields, long } = type === 'hash' ? await fieldsOf(place, key) : nothing
    const faults = faultsOf(fields, long)
    const size = faults.size > 0 ? 0 : Number(await client.memory('USAGE', key, 'SAMPLES', 0))
    if (type !== 'hash' || size > MOST_REPLY) {
      const what =
        type === 'hash'
          ? `it must have at most ${MOST_REPLY} bytes, got ${size}`
          : `it must be a hash, got a ${type}`
      const why = explain(place, worker.name, id, what)
      // Nothing can be noted in it, and it may be another's.
      await client.multi().lrem(active, 1, id).del(`${key}:lock`).exec()
      tell(id, why)
      continue
    }
    if (faults.size === 0) continue
    const why = explain(place, worker.name, id, [...faults.values()].join(', '))
    await mend(place, { key, token, worker }, fields, { faults, why })
    tell(id, why)
  }
}

/**
 * A job of a queue by its id; undefined: there is none.
 * @throws DamagedEntry for an entry that is none
 */
export async function readJob(
  place: RedisPlace,
  queue: Queue,
  id: string,
): Promise<Job | undefined> {
  try {
    return (await queue.getJob(id)) as Job | undefined
  } catch (error) {
    const { message } = error as Error
    const isDamage = [SyntaxError, TypeError].some((type) => error instanceof type)
    if (!isDamage && !message.startsWith('WRONGTYPE')) throw error
    const { fields, long } = isDamage ? await fieldsOf(place, queue.toKey(id)) : nothing
    const [what = `it cannot be read: ${plainText(message, 200)}`] = faultsOf(fields, long).values()
    throw new DamagedEntry(explain(place, queue.name, id, what), { cause: error })
  }
}
