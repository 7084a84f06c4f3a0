// runs: apart
/** Threads that a model leaves to the next one over its memory. */
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { loadEngine } from '../../src/engine/load.js'
import { collect } from '../../src/engine/memory/collect.js'
import { breathe } from '../../src/engine/threads/breathe.js'
import {
  endThreads,
  haveThreads,
  mostThreads,
  patience,
} from '../../src/engine/threads/idle-threads.js'
import { PoolExecutor } from '../../src/engine/threads/pool.js'
import type * as api from '../../src/index.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { soon } from '../support/soon.js'
import { compileSmall, countWorkers, learn, memoryOf, spoil, workers, x, y } from './small.js'

const compileOn = (options: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileSmall({ threads: 2, ...options })

/** Runs a test from where no thread waits, and says how many it has workers. */
const counted = (name: string, body: (count: () => number) => Promise<void>): void =>
  test(name, async () => {
    await countWorkers()
    // A machine may be slow.
    patience.ms = 60_000
    await body(() => workers.length)
  })

counted(
  'models of one kind run on the same threads, with the bits of fresh ones',
  async (count) => {
    const alone = await compileOn({ threads: 1 })
    const expected = await learn(alone)
    await alone.dispose()
    for (let i = 0; i < 4; i++) {
      // Other numbers lie in the memory by then.
      const other = await compileOn({ seed: 10 + i })
      await learn(other)
      await other.dispose()
      const model = await compileOn()
      expectSameBits(`model ${i}`, await learn(model), expected)
      await model.dispose()
    }
    assert.is(count(), 2)
  },
)

counted('other methods, other builds and other numbers of threads', async (count) => {
  const cases: Partial<api.CompileOptions>[] = [
    { method: 'ottt', threads: 3 },
    { method: 'ottt' },
    { method: 'bptt', engine: 'debug' },
    { method: 'bptt' },
    {},
  ]
  const states: api.StateDict[] = []
  for (let round = 0; round < 2; round++)
    for (const [i, options] of cases.entries()) {
      const model = await compileOn(options)
      const state = await learn(model)
      if (round === 0) states.push(state)
      else expectSameBits(JSON.stringify(options), state, states[i])
      await model.dispose()
    }
  // The largest came first, so that the memory did not grow.
  assert.is(count(), 3 + 2 + 2)
})

counted('they wait while models of one thread come and go', async (count) => {
  // Memories that tests before this have left would do as well.
  await collect()
  await collect()
  const states: api.StateDict[] = []
  // Held here, as nobody says when V8 collects.
  const memories = new Set<WebAssembly.Memory>()
  for (const threads of [2, 1, 2, 1, 2]) {
    const model = await compileOn({ threads })
    memories.add(memoryOf(model))
    states.push(await learn(model))
    await model.dispose()
  }
  assert.is(memories.size, 2)
  assert.is(count(), 2)
  for (const state of states.slice(1)) expectSameBits('each', state, states[0])
})

counted('models that live at one time have threads of their own', async (count) => {
  const models = [await compileOn(), await compileOn()]
  const [a, b] = await Promise.all(models.map(learn))
  expectSameBits('both', a, b)
  assert.is(count(), 4)
  for (const model of models) await model.dispose()
})

counted('threads of a kernel that trapped are not used again', async (count) => {
  const model = await compileOn()
  await learn(model)
  spoil(model, 'train')
  await expectRefusal(() => soon(model.trainStep(x, y)), /a worker failed at layer 2/)
  const ends = workers.map((worker) => once(worker, 'exit'))
  await model.dispose()
  await soon(Promise.all(ends))
  const next = await compileOn()
  await learn(next)
  assert.is(count(), 4)
  await next.dispose()
})

counted('a poisoned memory takes its threads along', async (count) => {
  const model = await compileOn()
  await learn(model)
  new DataView(model.session.memory.buffer).setUint32(Control.Poison, 1, true)
  await model.dispose()
  const next = await compileOn()
  await learn(next)
  assert.is(count(), 4)
  await next.dispose()
})

counted('threads one of which has died are not used again', async (count) => {
  for (const when of ['before', 'behind']) {
    await countWorkers()
    const model = await compileOn()
    const expected = await learn(model)
    if (when === 'behind') await model.dispose()
    const [worker] = workers
    await worker.terminate()
    if (when === 'before') await model.dispose()
    const next = await compileOn()
    expectSameBits(when, await learn(next), expected)
    // Two at first, one in place of the dead one, two fresh ones.
    assert.is(count(), 5, when)
    await next.dispose()
  }
})

counted('threads of a memory that has grown meanwhile are not used again', async (count) => {
  // Memories that tests before this have left would do as well.
  await collect()
  await collect()
  const model = await compileOn()
  const expected = await learn(model)
  const memory = memoryOf(model)
  await model.dispose()
  memory.grow(1)
  const next = await compileOn()
  assert.is(memoryOf(next), memory)
  expectSameBits('behind', await learn(next), expected)
  assert.is(count(), 4)
  await next.dispose()
})

counted('they end when their memory is collected, and so do not hold it', async () => {
  const use = async (): Promise<void> => {
    const model = await compileOn()
    await learn(model)
    await model.dispose()
  }
  await use()
  const ends = workers.map((worker) => once(worker, 'exit'))
  assert.is(ends.length, 2)
  await collect()
  await collect()
  await soon(Promise.all(ends))
})

counted('they wait for a moment only, and no more of them than there should be', async () => {
  const module = await loadEngine('engine-threads')
  const threads = mostThreads() / 2
  const memories = [1, 2, 3].map(
    (initial) => new WebAssembly.Memory({ initial, maximum: 3, shared: true }),
  )
  for (const memory of memories) {
    if (memory === memories[2]) patience.ms = 500
    await new PoolExecutor(module, memory, threads).dispose(true)
  }
  // The first ones make room for the others, and no more of them than must.
  const wait = memories.map((memory) => haveThreads(module, memory, threads))
  assert.equal(wait, [false, true, true])
  await breathe()
  const ends = workers.map((worker) => once(worker, 'exit'))
  assert.is(ends.length, 3 * threads)
  await soon(Promise.all(ends.slice(0, threads)))
  // The last ones end when they have waited enough.
  await soon(Promise.all(ends.slice(2 * threads)))
})

counted('an executor that is done runs no more', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const executor = new PoolExecutor(await loadEngine('engine-threads'), memory, 2)
  await executor.dispose(true)
  await executor.dispose()
  const run = { program: 0, scratch: 0, scratchBytes: 0, spins: 0, timeoutMs: 10 }
  for (const workers of [1, 2])
    assert.is(await messageOf(() => executor.run({ ...run, workers })), 'its threads have ended')
  await endThreads()
})

test.run()
