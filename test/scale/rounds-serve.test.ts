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
import { expectRefusal, messageOf } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { redisSuite } from '../support/redis-suite.js'
import { compileSmall, toy } from '../support/toy.js'

const { test, withRedis, at, openQueue, work, later } = redisSuite('rounds of a program')

const train = toy(90, 1).data
const compiled = (): Promise<Model> => compileSmall({ timeSteps: 3 })
const options: FitRoundsOptions = {
  epochs: 2,
  optimizer: adam({ lr: 0.01 }),
  rounds: { replicas: 2, syncEvery: 2, compress: 'bfloat16' },
}
/** Options of a training at the suite's Redis, and what is told of it. */
function atRedis(more: Partial<FitRoundsAtOptions> = {}) {
  const news: string[] = []
  const redis = { url: at.redis.url, onNews: (line: string) => void news.push(line) }
  return { news, own: { ...options, redis, ...more } }
}
const serve = async (own: FitRoundsAtOptions) => {
  const worker = await serveRounds(await compiled(), train, own)
  later(() => worker.close())
  return worker
}
const expectBitsAlone = async (found: Model): Promise<void> => {
  const alone = await compiled()
  await fitRounds(alone, train, options)
  expectSameBits('weights', found.stateDict(), alone.stateDict())
}

withRedis(
  'workers of a program give the bits of fitRounds, whatever else stands there; another training is refused',
  async () => {
    const { own } = atRedis()
    const workers = await Promise.all([serve(own), serve(own)])
    const foreign = { protocol: 1, version: '9', kind: 'rounds', payload: {} }
    const hostile = [null, 'x', { kind: 'rounds' }, foreign].map((data) =>
      openQueue('rounds').add('replica', data),
    )
    const here = await compiled()
    const rounds: number[] = []
    await fitRoundsAt(here, train, { ...own, onRound: ({ round }) => rounds.push(round) })
    await expectBitsAlone(here)
    assert.equal(rounds, [0, 1, 2, 3, 4, 5])
    assert.is(workers[0].done + workers[1].done, 12)
    for (const job of await Promise.all(hostile)) assert.is(await job.getState(), 'failed')
    const other = { ...own, optimizer: adam({ lr: 0.02 }) }
    const message = /replica \d has failed: .*got one that differs in optimizer; give both/
    await expectRefusal(() => fitRoundsAt(here, train, other), message)
  },
)

withRedis('what a Redis loses amid a run is stored once more', async () => {
  const { own, news } = atRedis()
  await serve(own)
  const here = await compiled()
  // The states of replicas are there, and nowhere else but in the process that averages.
  const onRound = ({ round }: { round: number }) =>
    round === 1 ? at.place.client.flushall() : undefined
  await fitRoundsAt(here, train, { ...own, onRound })
  await expectBitsAlone(here)
  assert.match(news.join('\n'), /Redis has lost the bytes of a round; round 3 is done once more/)
})

withRedis(
  'a replica that does not end is done by another worker, and the first one is told',
  async () => {
    const { own, news } = atRedis({ replaceAfter: 1 })
    // One takes a replica of the first round and never ends it by itself.
    const ends: string[] = []
    const first = await work(
      'rounds',
      (_, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            ends.push(String(signal.reason))
            reject(new Error('ended'))
          })
        }),
    )
    const here = await compiled()
    const training = fitRoundsAt(here, train, own)
    while (first.active < 1) await pause(20)
    await serve(own)
    await training
    await expectBitsAlone(here)
    assert.match(
      news[0],
      /^replica [01] of round 1 has not ended within \d+ s; another worker does it as well$/,
    )
    while (ends.length < 1) await pause(20)
    assert.equal(ends, ['stopped'])
  },
)

withRedis(
  'a Redis that loses everything: a round is done 20 times more, and then it is said',
  async () => {
    const { own, news } = atRedis()
    await work('rounds', () => Promise.reject(new SpikewasmError('there are no such bytes')))
    const here = await compiled()
    const before = here.stateDict()
    assert.is(
      await messageOf(() => fitRoundsAt(here, train, own)),
      'Redis has lost what was stored in it 21 times in a round, at last the bytes of a round; ' +
        'look at its maxmemory and its disk, and go on with --resume',
    )
    assert.is(news.length, 20)
    expectSameBits('weights', here.stateDict(), before)
    // Nothing of it stays.
    const keys = await at.place.client.keys('*')
    const left = keys.filter((key) => /store:(head|bytes)|rounds-/.test(key))
    assert.equal(left, [])
  },
)

test.run()
