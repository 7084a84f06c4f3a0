/** Threads that do jobs of replicas: their limits, and their end. */

import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { ReplicaThreads } from '../../src/scale/rounds/threads.js'
import type { ReplicaJob } from '../../src/scale/rounds/wire.js'
import { messageOf } from '../files/temporary.js'
import { handClock } from '../support/clock.js'

const script = (onRun: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(
      "import { parentPort, threadId } from 'node:worker_threads'\n" +
        `parentPort.on('message', ({ id, call }) => { if (call === 'run') { ${onRun} } })`,
    )}`,
  )
const answers = script('setTimeout(() => parentPort.postMessage({ id, result: undefined }), 30)')
const never = script('')

const job = { setting: 'a' } as ReplicaJob
/** They are handed over. */
const bytes = () => ({ start: new Uint8Array(4) })
const usual = { memoryMB: 1e5, seconds: 100 }
const context = (limits: object) => ({
  ...{ signal: new AbortController().signal, limits: { ...usual, ...limits } },
})

test('a limit that no timer knows is no limit', async () => {
  const host = new ReplicaThreads(answers)
  assert.is(await host.run(job, bytes(), context({ seconds: 1e9 })), undefined)
  await host.close()
})

test('a job that takes too long or too much is ended, and says which option', async () => {
  const host = new ReplicaThreads(never)
  const run = (limits: object) => () => host.run(job, bytes(), context(limits))
  assert.match(await messageOf(run({ seconds: 0.05 })), /its limit of 0\.05 s \(--time-limit\)/)
  // This process has more already.
  const said = await messageOf(run({ memoryMB: 30 }))
  assert.match(said, /took \d+ MB of memory .* its limit of 30 MB \(--memory-limit\)/)
  const refused = await run({ memoryMB: 30 })().catch((error) => error)
  // No other attempt would need less.
  assert.instance(refused, SpikewasmError)
  await host.close()
})

test('what a thread answers, and what becomes of it behind that', async () => {
  const ids: number[] = []
  const failing = (name: string): URL =>
    script(`parentPort.postMessage({ id, error: { name: '${name}', message: 'no' } })`)
  for (const [how, isOurs] of [
    [failing('SpikewasmError'), true],
    [failing('Error'), false],
    [script('process.exit()'), false],
    [script("throw new Error('it breaks')"), false],
  ] as const) {
    const host = new ReplicaThreads(how)
    const error = await host.run(job, bytes(), context({})).catch((reason) => reason)
    assert.is(error instanceof SpikewasmError, isOurs)
    ids.push(error.message)
    await host.close()
  }
  assert.equal(ids, ['no', 'no', 'the thread of a replica has ended', 'it breaks'])
  // A thread stays for the next job, best that of the same training; one that failed does not.
  const counting = script(
    'globalThis.count = (globalThis.count ?? 0) + 1; const done = [threadId, count]\n' +
      'setTimeout(() => parentPort.postMessage({ id, result: done }), 20)',
  )
  const host = new ReplicaThreads(counting)
  const run = async (setting: string): Promise<number[]> =>
    (await host.run({ setting } as ReplicaJob, bytes(), context({}))) as unknown as number[]
  const [[a], [b]] = await Promise.all([run('a'), run('b')])
  assert.is.not(a, b)
  assert.equal(await run('b'), [b, 2])
  assert.equal(await run('a'), [a, 2])
  assert.equal(await run('b'), [b, 3])
  assert.equal(await run('c'), [a, 3])
  await host.close()
})

test('a job that is to end: before it begins, amid it, and where its thread does not', async () => {
  const stops = new URL(
    `data:text/javascript,${encodeURIComponent(
      "import { parentPort } from 'node:worker_threads'\n" +
        "let run; parentPort.on('message', ({ id, call }) => { if (call === 'run') run = id; else parentPort.postMessage({ id: run }) })",
    )}`,
  )
  const host = new ReplicaThreads(stops)
  const begun = { ...context({}), signal: AbortSignal.abort() }
  assert.is(await host.run(job, bytes(), begun), undefined)
  const end = new AbortController()
  const running = host.run(job, bytes(), { ...context({}), signal: end.signal })
  end.abort()
  assert.is(await running, undefined)
  await host.close()
  const clock = handClock()
  try {
    const other = new ReplicaThreads(never)
    const late = new AbortController()
    const stuck = messageOf(() => other.run(job, bytes(), { ...context({}), signal: late.signal }))
    late.abort()
    clock.tick(20_000)
    assert.is(await stuck, 'its thread did not end')
    // A second less than it may take, and then that.
    let isOver = false
    const slow = messageOf(() => other.run(job, bytes(), context({}))).finally(() => {
      isOver = true
    })
    clock.tick(99_999)
    // A thread that is told to end has ended by then.
    await pause(100)
    assert.not(isOver)
    clock.tick(1)
    assert.is(await slow, 'a replica took longer than its limit of 100 s (--time-limit)')
    await other.close()
  } finally {
    clock.release()
  }
})

test('threads end with their host', async () => {
  const host = new ReplicaThreads(never)
  const running = messageOf(() => host.run(job, bytes(), context({})))
  await host.close()
  assert.is(await running, 'the thread of a replica has ended')
})

test.run()
