// runs: waits
/** Entries in Redis that are no jobs: each fails once, by name, and all else goes on. */

import { setTimeout as pause } from 'node:timers/promises'
import type { Job } from 'bullmq'
import * as assert from 'uvu/assert'
import { RemoteExecutor, stopJobs } from '../../src/cli/sweep/remote.js'
import { checkRun } from '../../src/cli/sweep/spec.js'
import { adam } from '../../src/index.js'
import { readJob } from '../../src/scale/damaged.js'
import {
  type FitRoundsOptions,
  fitRounds,
  fitRoundsAt,
  serveRounds,
} from '../../src/scale/index.js'
import { envelopeOf, queueOf } from '../../src/scale/store.js'
import { messageOf } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { redisSuite } from '../support/redis-suite.js'
import { soon } from '../support/soon.js'
import { compileSmall, toy } from '../support/toy.js'

const { test, withRedis, at, openQueue, work, later } = redisSuite('damaged')

/** What somebody writes into an entry, and what is said of it. */
const damages: Readonly<Record<string, readonly [Readonly<Record<string, string>>, RegExp]>> = {
  cut: [{ data: '{"protocol":1,' }, /its data must be JSON, got "{\\"protocol\\":1,"/],
  binary: [{ data: '\u0000\u001b[2J\u202e' }, /its data must be JSON, got "\\u0000\\u001b/],
  long: [{ data: `x${'y'.repeat(1e6)}` }, /its data must be JSON, got "xy+…"/],
  // Any JSON may say how far it is.
  options: [{ opts: 'null', progress: '1' }, /: its opts must be an object in JSON, got "null"; R/],
  several: [{ data: '{', opts: '{' }, /its data must be JSON.*, its opts must be an object/],
  progress: [{ progress: 'half' }, /its progress must be JSON, got "half"/],
  parent: [{ parent: '[' }, /its parent must be an object in JSON, got "\["/],
  repeated: [{ rjk: 'again' }, /it must not repeat, got the key "again"/],
}

withRedis('each damaged entry fails once, and what is beside it is done', async () => {
  const queue = openQueue('echoes')
  const add = (id: string, say: string): Promise<Job> =>
    queue.add('job', envelopeOf('echoes', say), { jobId: id, delay: 1e6, attempts: 4 })
  const names = Object.keys(damages)
  for (const name of names) {
    const damaged = await add(name, 'x')
    await at.place.client.hset(queue.toKey(name), damages[name][0])
    await (await add(`good-${name}`, name)).promote()
    await damaged.promote()
  }
  // Nobody has written these at all.
  await at.place.client.set(queue.toKey('text'), 'x')
  await at.place.client.lpush(queue.toKey('wait'), 'text', 'nothing')
  const news: string[] = []
  // The lock of an entry outlasts the test: nothing here waits until it has stalled.
  const worker = await work('echoes', async (say) => say, {
    ...{ concurrency: 2, lockMs: 1e6 },
    onNews: (line) => news.push(line),
  })
  await soon(
    (async () => {
      while (!(await worker.isIdle())) await pause(20)
    })(),
  )
  for (const name of names) {
    assert.is((await queue.getJob(`good-${name}`))?.returnvalue, name)
    const job = (await queue.getJob(name)) as Job
    assert.is(await job.getState(), 'failed', name)
    assert.match(job.failedReason, damages[name][1])
    assert.ok(
      job.failedReason.startsWith(`the entry "${name}" of the queue ${queue.name} in Redis`),
    )
    assert.ok(/^\P{Cc}{20,600}$/u.test(job.failedReason), job.failedReason)
    assert.equal([job.attemptsMade, job.stalledCounter], [1, 0], name)
    const said = news.filter((line) => line.startsWith(`echoes ${name}: `))
    assert.equal(said, [`echoes ${name}: ${job.failedReason}`])
  }
  // Whoever asks for one of them hears the same; what is no damage goes through.
  const read = (id: string): Promise<string> =>
    messageOf(async () => {
      throw (await readJob(at.place, queue, id)) ?? new Error('nothing is there')
    })
  await at.place.client.hset(queue.toKey('good-cut'), 'opts', '{')
  assert.match(await read('good-cut'), /^the entry "good-cut" of .*: its opts must be an object/)
  await at.place.client.hset(queue.toKey('good-cut'), 'opts', '{}')
  assert.match(await read('text'), /no job of spikewasm: it cannot be read: WRONGTYPE/)
  assert.is(await read('none'), 'nothing is there')
  assert.is((await readJob(at.place, queue, 'cut'))?.id, 'cut')
  assert.match((await queue.getJob('nothing'))?.failedReason ?? '', /^the job /)
  const told = news.filter((line) => line.startsWith('echoes text: the entry "text" of the '))
  assert.is(told.length, 1)
  assert.match(told[0], /it must be a hash, got a string/)
  // All of them can be listed, by whoever looks at the queue.
  assert.is((await queue.getFailed()).length, names.length + 1)
  assert.is(worker.done, names.length)
})

withRedis('a sweep hears of damaged jobs, and submits them anew', async () => {
  const queue = openQueue('runs')
  const run = { ...checkRun({}, 'it'), chosen: {} }
  const taskOf = (digit: string) => {
    const name = digit.repeat(24)
    return { name, id: name, run, data: '0'.repeat(16) }
  }
  const executor = () =>
    new RemoteExecutor({ place: at.place, who: 'x', runFolder: (id) => id, onTrouble: () => {} })
  const { signal } = new AbortController()
  const wait = (of: ReturnType<typeof executor>, digit: string) =>
    messageOf(() => of.execute(taskOf(digit), () => {}, signal))
  // More than are looked at in one go: no damaged one stands in the way of others.
  const first = executor()
  const said = wait(first, 'a')
  const other = wait(first, 'b')
  const there = async (digit: string): Promise<void> => {
    while (!(await at.place.client.hget(queue.toKey(digit.repeat(24)), 'data'))) await pause(20)
  }
  await Promise.all([there('a'), there('b')])
  await at.place.client.hset(queue.toKey('a'.repeat(24)), 'data', '{no JSON')
  const worker = await work('runs', () => Promise.reject(new Error('done by nobody')))
  const refused =
    /^the entry "a{24}" of the queue runs@\S+ in Redis is no job of spikewasm: its data/
  assert.match(await soon(said), refused)
  await stopJobs(at.place, ['b'.repeat(24)])
  await soon(other)
  await Promise.all([worker.close(), first.close()])
  // One that was damaged after it had ended says so, and then it is a job again.
  await at.place.client.hset(queue.toKey('a'.repeat(24)), 'data', '{no JSON')
  const second = executor()
  const again = wait(second, 'a')
  while ((await queue.getJobState('a'.repeat(24))) !== 'waiting') await pause(20)
  await stopJobs(at.place, ['a'.repeat(24)])
  assert.match(await soon(again), /removed/)
  await second.close()
})

const train = toy(90, 1).data
const options: FitRoundsOptions = {
  epochs: 1,
  optimizer: adam({ lr: 0.01 }),
  rounds: { replicas: 2, syncEvery: 3 },
}

for (const what of ['a replica', 'a replica with its parent', 'the parent'] as const)
  withRedis(`a round whose job was damaged is done once more: ${what}`, async () => {
    const [alone, here, one] = await Promise.all([compileSmall(), compileSmall(), compileSmall()])
    await fitRounds(alone, train, options)
    const namespace = `rounds${what.length}`
    const news: string[] = []
    const redisOf = { url: at.redis.url, namespace, onNews: (line: string) => news.push(line) }
    const own = { ...options, redis: redisOf }
    const training = fitRoundsAt(here, train, own)
    let ids: string[] = []
    while (ids.length < 2) {
      ids = await at.place.client.lrange(`${namespace}:${queueOf('rounds')}:wait`, 0, -1)
      await pause(20)
    }
    const key = `${namespace}:${queueOf('rounds')}:${ids[0]}`
    const parentKey = `${await at.place.client.hget(key, 'parentKey')}`
    const damage = { data: '{"', ...(what === 'a replica' ? {} : { parent: '"' }) }
    await at.place.client.hset(what === 'the parent' ? parentKey : key, damage)
    const worker = await serveRounds(one, train, own)
    later(() => worker.close())
    await soon(training)
    expectSameBits('weights', here.stateDict(), alone.stateDict())
    assert.match(news.join('\n'), /Redis has lost .*; round 1 is done once more/)
  })

test.run()
