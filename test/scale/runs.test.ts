// runs: waits
/** Runs of a sweep in processes of their own: their folders, their data, what they go on from. */

import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadData } from '../../src/cli/load-data.js'
import {
  checkpointName,
  filesName,
  type RunJob,
  runKind,
  sparingly,
  unpackRun,
} from '../../src/cli/sweep/job.js'
import { localExecutor } from '../../src/cli/sweep/local.js'
import { readStatus } from '../../src/cli/sweep/page.js'
import {
  LimitExceeded,
  RunStopped,
  trainAnew,
  trainInChild,
} from '../../src/cli/sweep/run-child.js'
import { checkRun, dataPath, runId, splitHash } from '../../src/cli/sweep/spec.js'
import type { RedisPlace } from '../../src/scale/redis.js'
import { DamagedBytes, type Json } from '../../src/scale/store.js'
import type { JobContext } from '../../src/scale/worker.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { handClock } from '../support/clock.js'

const options = { limitTrain: 64, limitTest: 10, timeSteps: 1, model: 'mlp', threads: 1, epochs: 3 }
const limits = { memoryMB: 1e5, seconds: 1000 }

/** A store of this process, and what a job has said. */
function atHand(scratch: string) {
  const held = new Map<string, Uint8Array>()
  const said: string[] = []
  const news: Json[] = []
  const damaged = new Set<string>()
  const context: JobContext = {
    ...{ id: 'x', attempt: 1, signal: new AbortController().signal, scratch, limits },
    ...{ concurrency: 1, most: { bytes: 1e9, of: 'any' }, place: {} as RedisPlace },
    store: {
      where: 'folder',
      put: async (name, bytes) => void held.set(name, bytes),
      async get(name) {
        if (damaged.has(name)) throw new DamagedBytes(`${name} is damaged`)
        return held.get(name)
      },
      remove: async (name) => void held.delete(name),
    },
    progress: (value) => void news.push(value),
    tell: (line) => void said.push(line),
  }
  return { held, said, news, damaged, context }
}

test('a run goes on from what others have left, and begins anew where that is wrong', () =>
  withFolder(async (folder) => {
    const run = checkRun(options, 'it')
    const data = await splitHash(await loadData(run.parsed))
    const id = runId(run, data)
    const job = (more: Partial<RunJob> = {}): RunJob => ({ id, run, data, ...more })
    const { held, said, news, damaged, context } = atHand(folder)
    const scratch = (name: string): JobContext => ({ ...context, scratch: join(folder, name) })
    // Up to a rung; what is there of it is damaged.
    damaged.add(checkpointName(`${id}-1`))
    const first = await runKind.run(job({ until: 1 }), scratch('first'))
    assert.is(first.epochs, 1)
    assert.equal(said.splice(0), [`begins anew: ${checkpointName(`${id}-1`)} is damaged`])
    assert.equal([...held.keys()], [filesName(`${id}-1`)])
    const names = ['checkpoint.safetensors', 'best.safetensors']
    const filesAt = (name: string): string[] =>
      Object.keys(unpackRun(held.get(filesName(name)) as Uint8Array, 'it'))
    assert.equal(
      names.filter((name) => !filesAt(`${id}-1`).includes(name)),
      [],
    )
    assert.equal(news.at(-1), {
      ...{ epoch: 1, epochs: 3, step: 0, steps: 2, testAccuracy: first.testAccuracy },
    })
    // From there to the end: a checkpoint is of no use any more.
    held.set(checkpointName(id), new Uint8Array(99))
    const last = await runKind.run(job({ from: 1 }), scratch('last'))
    assert.is(last.epochs, 3)
    assert.equal(said.splice(0), ['goes on with what another worker has left'])
    assert.equal([...held.keys()], [filesName(`${id}-1`), filesName(id)])
    assert.equal(
      names.map((name) => filesAt(id).includes(name)),
      [false, true],
    )
    // Another run's: it cannot go on from it.
    const other = checkRun({ ...options, epochs: 1, lr: 0.3 }, 'it')
    const wrong = job({ id: runId(other, data), run: other })
    held.set(checkpointName(wrong.id), held.get(filesName(`${id}-1`)) as Uint8Array)
    const anew = await runKind.run(wrong, scratch('anew'))
    assert.is(anew.epochs, 1)
    assert.is(said.shift(), 'goes on with what another worker has left')
    assert.match(
      said.join('\n'),
      /^begins anew: fit.resume: .* it has optimizer.lr 0.2 instead of 0.3/,
    )
    assert.not(held.has(checkpointName(wrong.id)))
    // The same in a folder of this machine, with other data.
    const task = { run: { ...other, chosen: {} }, id: wrong.id, name: wrong.id, data }
    const runFolder = (name: string): string => join(folder, name === 'x' ? 'none' : 'last', 'run')
    const executor = localExecutor([task], { jobs: 1, runFolder })
    const { signal } = new AbortController()
    const here = await executor.execute(task, () => {}, signal)
    assert.equal({ ...here, seconds: 0 }, { ...anew, seconds: 0 })
    const odd = { ...task, id: 'x', data: 'f'.repeat(16) }
    assert.match(
      await messageOf(() => executor.execute(odd, () => {}, signal)),
      `the data must be those that the sweep was made for, of hash ${'f'.repeat(16)}, got ${data}`,
    )
  }))

test('news of a run: an accuracy at once, steps once a second', () => {
  const clock = handClock()
  try {
    const told: unknown[] = []
    const tell = sparingly(
      ({ step, testAccuracy }) => void told.push([performance.now(), step, testAccuracy]),
    )
    const news = { epoch: 0, epochs: 2, steps: 9 }
    for (const [at, step, testAccuracy] of [
      ...[
        [0, 1],
        [999, 2],
        [1000, 3],
        [1500, 0, 0.5],
        [1600, 1, 0.5],
        [2499, 2, 0.5],
      ],
      ...[
        [2500, 3, 0.5],
        [2501, 4, 0.75],
      ],
    ]) {
      clock.tick(at - performance.now())
      tell({ ...news, step, ...(testAccuracy === undefined ? {} : { testAccuracy }) })
    }
    assert.equal(told, [
      ...[
        [0, 1, null],
        [1000, 3, null],
        [1500, 0, 0.5],
        [2500, 3, 0.5],
        [2501, 4, 0.75],
      ],
    ])
  } finally {
    clock.release()
  }
})

test('a process that may not begin, or takes too much', async () => {
  const stopped = await trainInChild({
    ...{ args: [], limits, signal: AbortSignal.abort('worker ends') },
  }).catch((error) => error)
  assert.instance(stopped, RunStopped)
  assert.is(stopped.message, 'worker ends')
  const late = await trainInChild({
    ...{ args: ['--epochs', '1000000'], limits: { ...limits, seconds: 0.001 } },
  }).catch((error) => error)
  assert.instance(late, LimitExceeded)
  assert.is(late.message, 'the run took longer than its limit of 0.001 s (--time-limit)')
})

test('a run that takes too much memory begins anew once, unless it is told to end', () =>
  withFolder(async (folder) => {
    const [held, left] = [join(folder, 'run'), join(folder, 'run', 'left')]
    const greedy = { args: ['--epochs', '2'], limits: { ...limits, memoryMB: 20 } }
    for (const isEnd of [true, false]) {
      await mkdir(held, { recursive: true })
      await writeFile(left, '')
      const told: unknown[] = []
      const ended = await trainAnew(held, greedy, true, (error) => {
        told.push(error)
        if (isEnd) throw error
      }).catch((error) => error)
      assert.instance(ended, LimitExceeded)
      assert.match(ended.message, /of memory, more than its limit of 20 MB \(--memory-limit\)$/)
      assert.equal([told.length, told[0] === ended, existsSync(left)], [1, isEnd, isEnd])
    }
  }))

test('where data are: a folder of their name, an archive, or the folder itself', () =>
  withFolder(async (folder) => {
    assert.is(dataPath('digits', folder), undefined)
    assert.match(
      await messageOf(() => dataPath('cifar10', undefined)),
      /^--data must be the folder that has cifar10 in it, .*, got none$/,
    )
    assert.is(dataPath('cifar10', join(folder, 'none')), join(folder, 'none'))
    assert.is(dataPath('cifar10', folder), folder)
    await writeFile(join(folder, 'cifar10.txt'), '')
    await writeFile(join(folder, 'cifar100.tar.gz'), '')
    assert.is(dataPath('cifar10', folder), folder)
    assert.is(dataPath('cifar10', join(folder, 'cifar10.txt')), join(folder, 'cifar10.txt'))
    for (const name of ['cifar10.tar.gz', 'cifar10.gz']) {
      await writeFile(join(folder, name), '')
      assert.is(dataPath('cifar10', folder), join(folder, name))
    }
    await mkdir(join(folder, 'cifar10'))
    assert.is(dataPath('cifar10', folder), join(folder, 'cifar10'))
  }))

test('a status that no sweep has written is refused', () =>
  withFolder(async (folder) => {
    const good = { format: 1, title: 'x', pid: null, varied: [], rows: [] }
    for (const wrong of [
      null,
      { ...good, format: 2 },
      { ...good, rows: 1 },
      { ...good, varied: 1 },
    ]) {
      await writeFile(join(folder, 'status.json'), JSON.stringify(wrong))
      const message = await messageOf(() => readStatus(folder))
      assert.match(message, /status\.json: must be the status of a sweep, got something else; run/)
    }
    await writeFile(join(folder, 'status.json'), JSON.stringify(good))
    assert.equal(await readStatus(folder), good)
  }))

test.run()
