// runs: waits
/**
 * What sweeps and workers at a Redis print and write, whole, but for names and times, in
 * test/scale/messages.txt. Nobody trains: the results are made up.
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createTar } from 'nanotar'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { VERSION } from '../../src/base/version.js'
import { checkJob, filesName, RUNS, type RunJob } from '../../src/cli/sweep/job.js'
import { type RunResult, readStatus, sweepPage } from '../../src/cli/sweep/page.js'
import { type JobKind, startWorker } from '../../src/scale/worker.js'
import { run } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { redisSuite } from '../support/redis-suite.js'
import { expectSnapshot } from '../support/snapshot.js'

const { test, withRedis, at, openQueue } = redisSuite('messages')

const lines: string[] = []

interface Way {
  /** Lines that come in any order. */
  readonly isSorted?: boolean
  onOutput?(stdout: string): void
  readonly wide?: number
}

/** What a command gives, without what differs from run to run. */
async function tell(folder: string, args: readonly string[], way: Way = {}): Promise<void> {
  const { code, stdout, stderr } = await run(args, way)
  const lasting = (text: string): string =>
    text
      .replaceAll(folder, 'FOLDER')
      .replaceAll(at.redis.url, 'URL')
      .replaceAll(VERSION, 'VERSION')
      .replaceAll(`${availableParallelism()} processors`, 'all processors')
      .replace(/\b[0-9a-f]{64}\b/g, 'HASH')
      .replace(/\b[0-9a-f]{24}\b/g, 'ID')
      .replace(/^[0-9a-f]{12}\b|(?<=│ )[0-9a-f]{12}\b/gm, 'ID')
      .replace(/127\.0\.0\.1:\d+\/[\w-]+/g, 'PAGE')
  const parts = lasting(stdout + stderr)
    .trimEnd()
    .split('\n')
  lines.push(`== ${lasting(args.join(' '))}: ${code}`, ...(way.isSorted ? parts.sort() : parts))
}

/** Ends the command that runs in this process when it is time. */
async function interrupt(signal: NodeJS.Signals, isTime: () => Promise<boolean>): Promise<void> {
  while (!(await isTime())) await pause(20)
  process.emit(signal, signal)
}

const base = { limitTrain: 64, limitTest: 10, timeSteps: 1, threads: 1, epochs: 4 }
const limits = { memoryMB: 1000, seconds: 100 }
const weights = (lr: unknown): Uint8Array => new TextEncoder().encode(`weights of ${lr}`)

/** Runs whose results are their learning rates. */
const kind: JobKind<RunJob, RunResult> = {
  kind: RUNS,
  check: checkJob,
  async run({ id, run, until, from }, { store, progress }) {
    const lr = run.given.lr as number
    if (lr === 0.4) throw new SpikewasmError('the loss is NaN')
    progress({ epoch: 1, epochs: 4, step: 2, steps: 9, testAccuracy: 0.125 })
    const name = until === undefined ? id : `${id}-${until}`
    const stored = { 0.1: weights(lr), 0.2: weights(0) }[lr]
    const data = from === undefined ? stored : weights(lr)
    if (data) await store.put(filesName(name), createTar([{ name: 'weights.safetensors', data }]))
    return {
      ...{ epochs: until ?? 4, testAccuracy: 2 * lr, testLoss: 1 - lr, trainLoss: lr },
      weightsSha256: createHash('sha256').update(weights(lr)).digest('hex'),
      ...{ stopped: lr === 0.3 ? 'early stopping' : null, seconds: 1 },
    }
  },
}

withRedis('a sweep: nobody there, stopped, done, failed, asked about', () =>
  withFolder(async (folder) => {
    const [spec, out] = [join(folder, 'sweep.json'), join(folder, 'out')]
    const redis = ['--redis', at.redis.url]
    const sweep = ['sweep', spec, '--out', out, ...redis]
    const queue = openQueue(RUNS)
    const isWaiting = async (): Promise<boolean> => (await queue.getWaitingCount()) === 1
    // Equal runs; nobody does them.
    await writeFile(spec, JSON.stringify({ base, random: { lr: [0.1] }, count: 3 }))
    const other = ['--namespace', 'other']
    await Promise.all([tell(folder, sweep), interrupt('SIGINT', isWaiting)])
    await tell(folder, ['sweep', 'status', out])
    await tell(folder, ['sweep', 'results', out])
    await tell(folder, ['sweep', 'stop', out])
    await tell(folder, ['sweep', 'stop', out, ...redis])
    assert.is(await queue.getWaitingCount(), 0)
    await Promise.all([
      tell(folder, [...sweep, ...other]),
      interrupt(
        'SIGTERM',
        async () => (await at.place.client.llen(`other:${queue.name}:wait`)) === 1,
      ),
    ])
    // Asked to stop from elsewhere, it takes its jobs along; there are many.
    const seeds = Array.from({ length: 12 }, (_, i) => i)
    await writeFile(spec, JSON.stringify({ base, grid: { seed: seeds } }))
    const many = async (): Promise<void> => {
      while ((await queue.getWaitingCount()) < seeds.length) await pause(20)
      await writeFile(join(out, 'stop'), '')
    }
    await Promise.all([tell(folder, sweep, { isSorted: true }), many()])
    assert.is(await queue.getWaitingCount(), 0)
    // Somebody who does them; the files of one are wrong, those of another are not there.
    await writeFile(spec, JSON.stringify({ base, grid: { lr: [0.1, 0.2, 0.3, 0.4] } }))
    const worker = await startWorker(at.place, { kinds: [kind], concurrency: 1, limits })
    try {
      await tell(folder, [...sweep, '--dashboard'], { isSorted: true })
      // Nothing of it goes on.
      await pause(1100)
      const status = await readStatus(out)
      assert.is(await readFile(join(out, 'sweep.html'), 'utf8'), await sweepPage(status))
      assert.equal([status.pid, status.title, status.varied], [null, 'Sweep sweep.json', ['lr']])
      assert.equal((await readdir(out)).sort(), [
        ...['results', 'runs', 'status.json', 'sweep.html', 'sweep.json'],
      ])
      assert.equal(await readFile(join(out, 'sweep.json')), await readFile(spec))
      for (const more of [[], ['--best', '1'], ['--csv'], ['--json', '--best', '2']])
        await tell(folder, ['sweep', 'results', out, ...more])
      await tell(folder, ['sweep', 'results', out, '--csv', '--json'])
      await tell(folder, ['sweep', 'status', out, '--json'])
      // What is there is not done again; what has failed is.
      await tell(folder, [...sweep, '--json'], { isSorted: true })
      assert.is(worker.done, 3)
      await writeFile(
        spec,
        JSON.stringify({ base, grid: { lr: [0.1, 0.3] }, halving: { factor: 2, minEpochs: 2 } }),
      )
      await tell(folder, [...sweep, '--json'], { isSorted: true })
      await tell(folder, sweep, { wide: 100 })
    } finally {
      await worker.close()
    }
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
    assert.equal(timers, [])
    // What a sweep has left there is forgotten some day.
    for (const key of await at.place.client.keys('*:store:*'))
      assert.ok((await at.place.client.ttl(key)) > 3000, key)
  }),
)

withRedis('a worker: ready, a job that is refused, and its end', () =>
  withFolder(async (folder) => {
    const worker = ['worker', '--redis', at.redis.url, '--kinds', 'runs']
    const queue = openQueue(RUNS)
    await queue.obliterate({ force: true })
    const memory = Math.floor((0.9 * totalmem()) / 2 ** 20 / 2)
    await queue.add('run', { hostile: true }, { jobId: 'hostile' })
    await tell(folder, [...worker, '--once', '--memory-limit', '500'], { isSorted: true })
    await queue.add('run', { hostile: true }, { jobId: 'another' })
    await tell(folder, [...worker, '--once', '--json', '--concurrency', '2'], { isSorted: true })
    const text = lines.splice(0).join('\n')
    assert.match(text, `${memory} MB`)
    lines.push(text.replace(`${memory} MB`, 'ALL MB'))
    const onOutput = (said: string): void => {
      if (said.endsWith('a job\n')) setImmediate(() => process.emit('SIGTERM', 'SIGTERM'))
    }
    await tell(folder, [...worker, '--memory-limit', '500'], { onOutput })
  }),
)

test.after(() => expectSnapshot('scale/messages.txt', `${lines.join('\n')}\n`, 'scale/messages'))

test.run()
