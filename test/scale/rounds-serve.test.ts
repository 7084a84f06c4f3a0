/** Rounds of a program's own network at a real Redis. */
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { adam, type Model, SpikewasmError } from '../../src/index.js'
import {
  type FitRoundsAtOptions,
  type FitRoundsOptions,
  fitRounds,
  fitRoundsAt,
  serveRounds,
} from '../../src/scale/index.js'
import { RedisPlace } from '../../src/scale/redis.js'
import { queueOf } from '../../src/scale/store.js'
import { type AnyKind, startWorker } from '../../src/scale/worker.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { test } from '../support/models.js'
import { noRedis, startRedis, type TestRedis } from '../support/redis.js'
import { testUnless } from '../support/runner.js'
import { compileSmall, toy } from '../support/toy.js'

const check = testUnless(noRedis(), test)

/** A test with a Redis of its own. */
const atRedis = (name: string, body: (redis: TestRedis) => Promise<void>): void =>
  check(name, async () => {
    const redis = await startRedis()
    await body(redis).finally(() => redis.stop())
  })

const train = toy(90, 1).data
/** Models of a program. */
const compiled = (count: number): Promise<Model[]> =>
  Promise.all(Array.from({ length: count }, () => compileSmall({ timeSteps: 3 })))
const options: FitRoundsOptions = {
  epochs: 2,
  optimizer: adam({ lr: 0.01 }),
  rounds: { replicas: 2, syncEvery: 2, compress: 'bfloat16' },
}

atRedis(
  'workers of a program give the bits of fitRounds; another training is refused',
  async (redis) => {
    const [alone, here, one, two] = await compiled(4)
    await fitRounds(alone, train, options)
    const at = (namespace: string): FitRoundsAtOptions => ({
      ...options,
      redis: { url: redis.url, namespace },
    })
    const workers = await Promise.all([
      serveRounds(one, train, at('own')),
      serveRounds(two, train, at('own')),
    ])
    const rounds: number[] = []
    await fitRoundsAt(here, train, { ...at('own'), onRound: ({ round }) => rounds.push(round) })
    expectSameBits('weights', here.stateDict(), alone.stateDict())
    assert.equal(rounds, [0, 1, 2, 3, 4, 5])
    assert.is(workers[0].done + workers[1].done, 12)
    const other = { ...at('own'), optimizer: adam({ lr: 0.02 }) }
    const message = /replica \d has failed: .*got one that differs in optimizer; give both/
    await expectRefusal(() => fitRoundsAt(here, train, other), message)
    await Promise.all(workers.map((worker) => worker.close()))
  },
)

atRedis('what a Redis loses amid a run is stored once more', async (redis) => {
  const [alone, here, one] = await compiled(3)
  await fitRounds(alone, train, options)
  const news: string[] = []
  const place = { url: redis.url, namespace: 'lost', onNews: (line: string) => news.push(line) }
  const at = { ...options, redis: place }
  const worker = await serveRounds(one, train, at)
  const { Redis } = await import('ioredis')
  const client = new Redis(redis.url)
  // The states of replicas are there, and nowhere else but in the process that averages.
  const onRound = ({ round }: { round: number }) => (round === 1 ? client.flushall() : undefined)
  await fitRoundsAt(here, train, { ...at, onRound })
  expectSameBits('weights', here.stateDict(), alone.stateDict())
  assert.match(news.join('\n'), /Redis has lost the bytes of a round; round 3 is done once more/)
  client.disconnect()
  await worker.close()
})

atRedis(
  'a replica that does not end is done by another worker, and the first one is told',
  async (redis) => {
    const [alone, here, one] = await compiled(3)
    const place = await RedisPlace.open(redis.url, { namespace: 'late' })
    try {
      await fitRounds(alone, train, options)
      const news: string[] = []
      const own = { url: redis.url, namespace: 'late', onNews: (line: string) => news.push(line) }
      // One takes a replica of the first round and never ends it by itself.
      const ends: string[] = []
      const stuck: AnyKind = {
        kind: 'rounds',
        check: (payload) => payload,
        run: (_, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              ends.push(String(signal.reason))
              reject(new Error('ended'))
            })
          }),
      }
      const limits = { memoryMB: 1e6, seconds: 1000 }
      const first = await startWorker(place, { kinds: [stuck], concurrency: 1, limits })
      const training = fitRoundsAt(here, train, { ...options, redis: own, replaceAfter: 1 })
      while (first.active < 1) await pause(20)
      const worker = await serveRounds(one, train, { ...options, redis: own })
      await training
      expectSameBits('weights', here.stateDict(), alone.stateDict())
      assert.match(
        news[0],
        /^replica [01] of round 1 has not ended within \d+ s; another worker does it as well$/,
      )
      while (ends.length < 1) await pause(20)
      assert.equal(ends, ['stopped'])
      await Promise.all([first.close(), worker.close()])
    } finally {
      await place.close()
    }
  },
)

atRedis(
  'a Redis that loses everything: a round is done 20 times more, and then it is said',
  async (redis) => {
    const [here] = await compiled(1)
    const place = await RedisPlace.open(redis.url, { namespace: 'gone' })
    try {
      const news: string[] = []
      const own = { url: redis.url, namespace: 'gone', onNews: (line: string) => news.push(line) }
      const forgetful: AnyKind = {
        kind: 'rounds',
        check: (payload) => payload,
        run: () => Promise.reject(new SpikewasmError('there are no such bytes')),
      }
      const limits = { memoryMB: 1e6, seconds: 1000 }
      const worker = await startWorker(place, { kinds: [forgetful], concurrency: 1, limits })
      const before = here.stateDict()
      assert.is(
        await messageOf(() => fitRoundsAt(here, train, { ...options, redis: own })),
        'Redis has lost what was stored in it 21 times in a round, at last the bytes of a round; ' +
          'look at its maxmemory and its disk, and go on with --resume',
      )
      assert.is(news.length, 20)
      expectSameBits('weights', here.stateDict(), before)
      await worker.close()
      // Nothing of it stays.
      const left = (await place.client.keys('gone:*')).filter((key) => /store|rounds-/.test(key))
      assert.equal(left, [])
    } finally {
      await place.close()
    }
  },
)

atRedis('what Redis holds is checked as hostile input, and a worker lives on', async (redis) => {
  const [here, one] = await compiled(2)
  const at = { ...options, redis: { url: redis.url, namespace: 'hostile' } }
  const worker = await serveRounds(one, train, at)
  const { Queue } = await import('bullmq')
  const { Redis } = await import('ioredis')
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null })
  const queue = new Queue(queueOf('rounds'), { connection, prefix: 'hostile' })
  const jobs = await Promise.all(
    [null, 'x', { kind: 'rounds' }, { protocol: 1, version: '9', kind: 'rounds', payload: {} }].map(
      (data) => queue.add('replica', data),
    ),
  )
  await fitRoundsAt(here, train, at)
  for (const job of jobs) assert.is(await job.getState(), 'failed')
  await queue.close()
  connection.disconnect()
  await worker.close()
})

test.run()
