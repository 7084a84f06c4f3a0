/** Threads that do jobs of replicas: their limits, and their end. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/errors.js'
import { replicaThreads } from '../../src/scale/rounds/threads.js'
import type { ReplicaJob } from '../../src/scale/rounds/wire.js'
import { messageOf } from '../io/temporary.js'

const script = (onRun: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(
      "import { parentPort } from 'node:worker_threads'\n" +
        `parentPort.on('message', ({ what }) => { if (what === 'run') { ${onRun} } })`,
    )}`,
  )
const answers = script("setTimeout(() => parentPort.postMessage({ what: 'done' }), 30)")
const never = script('')

const job = { setting: 'a' } as ReplicaJob
/** They are handed over. */
const bytes = () => ({ start: new Uint8Array(4) })
const usual = { memoryMB: 1e5, seconds: 100 }
const context = (limits: object) => ({
  ...{ signal: new AbortController().signal, limits: { ...usual, ...limits } },
})

test('a limit that no timer knows is no limit', async () => {
  const host = replicaThreads(answers, {})
  assert.is(await host.run(job, bytes(), context({ seconds: 1e9 })), undefined)
  await host.close()
})

test('a job that takes too long or too much is ended, and says which option', async () => {
  const host = replicaThreads(never, {})
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

test('threads end with their host', async () => {
  const host = replicaThreads(never, {})
  const running = messageOf(() => host.run(job, bytes(), context({})))
  await host.close()
  assert.is(await running, 'the thread of a replica has ended')
})

test.run()
