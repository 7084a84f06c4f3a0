/** Jobs of replicas as a worker does them: the bytes that they read and write, and their models. */

import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Dataset, type Model, SpikewasmError, sgd } from '../../src/index.js'
import type { RedisPlace } from '../../src/scale/redis.js'
import { roundsSetting } from '../../src/scale/rounds/options.js'
import { isDue, lateAfter, unlessEnded } from '../../src/scale/rounds/queue.js'
import {
  openRunner,
  type ReplicaBytes,
  type ReplicaDone,
  type ReplicaHost,
  roundsKind,
} from '../../src/scale/rounds/runner.js'
import { replicaCalls } from '../../src/scale/rounds/threads.js'
import { jobToJson, type ReplicaJob } from '../../src/scale/rounds/wire.js'
import { DamagedBytes, type Json } from '../../src/scale/store.js'
import type { JobContext } from '../../src/scale/worker.js'
import { messageOf } from '../files/temporary.js'
import { compileToy, toy } from '../support/toy.js'

const run = '0123456789abcdef01234567'
const job = {
  ...{ run, round: 3, replica: 1, setting: 'a'.repeat(64), begun: true, where: 'redis' },
  ...{ parts: { seed: '01234567' }, rounds: roundsSetting({ replicas: 2, syncEvery: 2 }) },
  shard: { epoch: 0, first: 0, rates: [{ learningRate: 0.1, factor: 1 }], steps: 0 },
} as ReplicaJob

const sums = { steps: 1, loss: 2, correct: 3, seen: 4, rates: {} }

/** A job with these bytes at hand, of which it may have so many. */
function doing(held: Readonly<Record<string, Uint8Array | Error>>, most = 5) {
  const puts: string[] = []
  const read: string[] = []
  let state = new Uint8Array(2)
  const host: ReplicaHost = {
    async run(_, bytes) {
      read.push(...Object.entries(bytes).map(([name, of]) => `${name} ${of.length}`))
      return { sent: new Uint8Array(7), state, sums } as ReplicaDone
    },
    close: async () => {},
  }
  const context = {
    ...{ signal: AbortSignal.abort('stopped'), most: { bytes: most, of: 'for a test' } },
    store: {
      where: 'redis',
      put: async (name: string, { length }: Uint8Array, seconds: number) =>
        void puts.push(`${name} ${length} ${seconds}`),
      async get(name: string, limit: { bytes: number }) {
        const found = held[name]
        if (found instanceof Error) throw found
        if (found && found.length > limit.bytes)
          throw new Error(`${name}: more than ${limit.bytes}`)
        return found
      },
    },
  } as unknown as JobContext
  const of = (more: Partial<ReplicaJob> = {}, other: Partial<ReplicaHost> = {}): Promise<Json> =>
    roundsKind({ ...host, ...other }).run({ ...job, ...more }, context)
  const without = (): void => {
    state = new Uint8Array(0)
  }
  return { puts, read, of, without }
}

const start = `${run}.3.start`
const state = `${run}.3.1.state`
const bytes = { [start]: new Uint8Array(2), [state]: new Uint8Array(3) }

test('a replica reads what is its own, and stores what the next round needs', async () => {
  const { puts, read, of, without } = doing(bytes)
  assert.equal(await of(), { sums })
  assert.equal(read.splice(0), ['start 2', 'state 3'])
  const day = 24 * 3600
  assert.equal(puts.splice(0), [`${run}.4.1.state 2 ${day}`, `${run}.3.1.change 7 ${day}`])
  without()
  await of({ begun: false })
  assert.equal(read, ['start 2'])
  assert.equal(puts, [`${run}.3.1.change 7 ${day}`])
})

test('bytes that are too many, damaged or gone, and another place', async () => {
  assert.is(await messageOf(() => doing(bytes, 4).of()), `${state}: more than 2`)
  const gone = /^0123456789abcdef01234567\.3\.1\.state: there are no such bytes: the run has ended,/
  assert.match(await messageOf(() => doing({ [start]: new Uint8Array(1) }).of()), gone)
  const damaged = doing({ [start]: new DamagedBytes('cut') })
  assert.is(await messageOf(damaged.of), `${start}: there are no such bytes as were stored: cut`)
  assert.is(await messageOf(doing({ [start]: new Error('lost') }).of), 'lost')
  const folder = await messageOf(() => doing(bytes).of({ where: 'folder' }))
  assert.match(folder, /^the run hands weights over in a folder \(--shared\), and this worker does/)
  const ended = await messageOf(() => doing(bytes).of({}, { run: async () => undefined }))
  assert.is(ended, 'stopped')
})

test('a replica is late by the longest round so far, and is given away eight times', () => {
  assert.equal([0, 0.1, 7.5, 8].map(lateAfter), [600, 30, 30, 32])
  const due = [
    [9.9, 1],
    [10, 1],
    [19, 2],
    [20, 2],
    [1e9, 8],
    [1e9, 9],
  ] as const
  assert.equal(
    due.map(([seconds, copies]) => isDue(seconds, 10, copies)),
    [false, true, false, true, true, false],
  )
})

test('work that a signal ends, and a signal that hears of no work any more', async () => {
  const end = new AbortController()
  const { signal } = end
  assert.is(await unlessEnded(Promise.resolve(3), signal), 3)
  assert.is(await messageOf(() => unlessEnded(Promise.reject(new Error('no')), signal)), 'no')
  assert.is(getEventListeners(signal, 'abort').length, 0)
  const late = unlessEnded(new Promise(() => {}), signal)
  assert.is(getEventListeners(signal, 'abort').length, 1)
  end.abort()
  assert.is(await late, undefined)
  assert.is(await unlessEnded(new Promise(() => {}), signal), undefined)
  assert.is(await unlessEnded(Promise.resolve(3)), 3)
})

test('samples that must be got first are, before data are compared', async () => {
  const got: string[] = []
  const lazy = (name: string): Dataset =>
    Object.create(toy(30, 1).data, { prepare: { value: async () => void got.push(name) } })
  const model = await compileToy()
  const options = { epochs: 1, validation: lazy('validation') }
  await openRunner(model, lazy('training'), options, job.rounds)
  assert.equal(got, ['training', 'validation'])
  await model.dispose()
})

test('a job holds half of what an envelope may', async () => {
  const of = (text: string): Json => jobToJson({ ...job, options: { text } })
  const left = 2 ** 15 - JSON.stringify(of('')).length
  assert.is(JSON.stringify(of('x'.repeat(left))).length, 2 ** 15)
  assert.match(await messageOf(() => of('x'.repeat(left + 1))), /more than a job holds/)
})

test('behind a job: what nobody waits for is removed', async () => {
  const kind = roundsKind({ run: async () => undefined, close: async () => {} })
  for (const [data, isStopped, wanted] of [
    [{ payload: { run } }, 1, ['expire', 'removed']],
    [{ payload: { run } }, 0, ['expire']],
    [{}, 1, []],
  ] as const) {
    const said = new Set<string>()
    const pipeline = () => ({ expire: () => said.add('expire'), exec: async () => [] })
    const client = { pipeline, exists: async () => isStopped }
    const place = { client, namespace: 'n', key: () => 'key' } as unknown as RedisPlace
    const remove = async (): Promise<void> => void said.add('removed')
    await kind.ended?.({ id: 'x', data, remove }, place)
    assert.equal([...said], wanted)
  }
})

test('a thread has one model at a time, and says what failed', async () => {
  const models: Model[] = []
  const rounds = roundsSetting({ replicas: 2, syncEvery: 2 })
  const { run } = replicaCalls(async (_, { data }) => {
    if (data === 'none') throw new TypeError('no data')
    const model = await compileToy()
    models.push(model)
    const epochs = data === 'wrong' ? -1 : 1
    return { model, data: toy(90, 1).data, fit: { epochs, optimizer: sgd({ lr: 0.1 }) } }
  })
  const bytes = {} as ReplicaBytes
  const ask = (data: string): Promise<Error> =>
    run({ job: { ...job, rounds }, bytes, files: { data } }, { transfer: [] }).then(
      () => assert.unreachable() as never,
      (error) => error,
    )
  const isAlive = (): boolean[] =>
    models.map(({ session }) => {
      try {
        session.checkAlive()
        return true
      } catch {
        return false
      }
    })
  /** Why a job was refused. */
  const refused = async (data: string): Promise<string> => {
    const error = await ask(data)
    assert.instance(error, SpikewasmError)
    return error.message
  }
  assert.match(await refused('good'), /must be the one of this/)
  assert.equal(isAlive(), [true])
  await ask('good')
  assert.equal(isAlive(), [false, true])
  assert.match(await refused('wrong'), /epochs/)
  assert.equal(isAlive(), [false, false, false])
  const none = await ask('none')
  assert.equal([none.name, none.message], ['TypeError', 'no data'])
})

test.run()
