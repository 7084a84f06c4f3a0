// runs: waits
/** Workers and sweeps of several versions at one Redis: nobody takes what is another one's. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Job } from 'bullmq'
import * as assert from 'uvu/assert'
import { VERSION } from '../../src/base/version.js'
import { checkpointName, filesName } from '../../src/cli/sweep/job.js'
import { stopJobs } from '../../src/cli/sweep/remote.js'
import { adam } from '../../src/index.js'
import { fitWith } from '../../src/scale/rounds/fit.js'
import { RedisCrew } from '../../src/scale/rounds/queue.js'
import { envelopeOf, noteModels, noteVersion, otherVersions } from '../../src/scale/store.js'
import { main, parseLines, run } from '../cli/command.js'
import { run as runHere } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { Program } from '../support/program.js'
import { redisSuite } from '../support/redis-suite.js'
import { soon } from '../support/soon.js'
import { compileSmall, toy } from '../support/toy.js'

const { test, withRedis, at, openQueue, work } = redisSuite('versions')

const OTHER = '9.9.9'

const echo = async (payload: unknown): Promise<unknown> => payload
const waitFor = (isSo: () => boolean | Promise<boolean>): Promise<void> =>
  soon(
    (async () => {
      while (!(await isSo())) await pause(20)
    })(),
  )

withRedis('a worker leaves jobs of another version to others, and says so once', async () => {
  const [own, theirs] = [VERSION, OTHER].map((version) => openQueue('echoes', version))
  await noteVersion(at.place, 'echoes', OTHER)
  const made = { ...envelopeOf('echoes', 'theirs'), version: OTHER }
  const foreign = await theirs.add('job', made, { attempts: 4 })
  // What others may have written there is never shown.
  await at.place.client.sadd('spikewasm:versions:echoes', '\u001b[2J', '../x', `1${'0'.repeat(99)}`)
  assert.equal(await otherVersions(at.place, 'echoes'), [OTHER])
  const [news, aside]: string[][] = [[], []]
  const start = (version?: string) =>
    work('echoes', echo, {
      version,
      onNews: (line) => news.push(line),
      onAside: (line) => aside.push(line),
    })
  const worker = await start()
  const mine = await own.add('job', envelopeOf('echoes', 'mine'))
  await waitFor(() => mine.isCompleted())
  assert.is(await worker.isIdle(), true)
  assert.is(await foreign.getState(), 'waiting')
  const left = (await theirs.getJob(`${foreign.id}`))!
  assert.equal([left.attemptsMade, left.attemptsStarted], [0, 0])
  assert.equal(aside, [
    `jobs of echoes at ${at.redis.url} are of spikewasm 9.9.9; this worker is of spikewasm ` +
      `${VERSION} and leaves them to others, because another version may compute other bits; ` +
      'to do them, end it and install the same: npm install spikewasm@9.9.9',
  ])
  assert.is(news.length, 2)
  await worker.close()
  // One of theirs would take it.
  await start(OTHER)
  const taken = async (): Promise<boolean> => (await foreign.getState()) !== 'waiting'
  await waitFor(taken)
})

withRedis('a sweep with workers of other versions alone says so, and its jobs wait', () =>
  withFolder(async (folder) => {
    const spec = join(folder, 'sweep.json')
    const base = { epochs: 1, limitTrain: 64, limitTest: 10, timeSteps: 1, threads: 1 }
    await writeFile(spec, JSON.stringify({ base, grid: { seed: [1] } }))
    const wrong = await work('runs', echo, { concurrency: 2, version: OTHER })
    const out = join(folder, 'out')
    const sweep = new Program([main, 'sweep', spec, '--out', out, '--redis', at.redis.url])
    const queue = openQueue('runs', VERSION)
    try {
      await waitFor(
        async () => sweep.stderr.includes('\n') && (await queue.getWaitingCount()) === 1,
      )
      assert.is(
        sweep.stderr,
        'spikewasm: no worker is there; start some with: spikewasm worker --redis URL; workers of ' +
          `spikewasm 9.9.9 are there, which leave these jobs alone: they are of spikewasm ` +
          `${VERSION}, and another version may compute other bits; install the same on all ` +
          `machines: npm install spikewasm@${VERSION}\n`,
      )
      assert.is(wrong.done, 0)
      for (const job of (await queue.getWaiting()) as Job[]) assert.is(job.attemptsStarted, 0)
      // What nobody does is not shown as running.
      const status = async () => {
        const { stdout } = await runHere(['sweep', 'status', out, '--json'])
        return parseLines(stdout)[0] as { isRunning: boolean; runs: { state: string }[] }
      }
      await waitFor(async () => (await status()).runs.every(({ state }) => state === 'waiting'))
      assert.is((await status()).isRunning, true)
    } finally {
      await sweep.end()
      await wrong.close()
    }
    // No run goes on from what another version has left.
    for (const nameOf of [checkpointName, filesName]) assert.match(nameOf('x'), `-${VERSION}-x`)
    // Jobs of a sweep of another version can be stopped, too.
    const theirs = openQueue('runs', OTHER)
    const name = 'a'.repeat(24)
    await theirs.add('run', {}, { jobId: name })
    await stopJobs(at.place, [name])
    assert.is(await theirs.getJobState(name), 'unknown')
    // A worker that ends when nothing waits for it says whom it has left.
    await theirs.add('run', {}, { jobId: name })
    const once = ['worker', '--redis', at.redis.url, '--kinds', 'rounds,runs', '--once']
    const { code, stderr, stdout } = await run([...once, '--namespace', at.place.namespace])
    assert.is(code, 0, stderr)
    assert.match(stderr, /^spikewasm: jobs of runs at \S+ are of spikewasm 9\.9\.9; [^\n]+\n$/)
    assert.match(stdout, /ended after 1 jobs/)
  }),
)

withRedis('so does a training in rounds, and whether workers have its network', async () => {
  await work('rounds', echo, { concurrency: 2, version: OTHER })
  const model = await compileSmall()
  const fit = { epochs: 1, optimizer: adam({ lr: 0.01 }) }
  const rounds = { replicas: 2, syncEvery: 2 }
  /** What is told once nobody has come for long; the clock that counts goes fast meanwhile. */
  const lonely = async (options: Readonly<Record<string, unknown>>): Promise<string> => {
    const news: string[] = []
    const crew = { options, onNews: (line: string) => void news.push(line) }
    const end = new AbortController()
    const training = fitWith(
      model,
      toy(90, 1).data,
      { ...fit, rounds, signal: end.signal },
      (of) => new RedisCrew(at.place, of, crew),
    )
    const now = performance.now.bind(performance)
    let ahead = 0
    performance.now = () => now() + ahead
    try {
      await waitFor(() => {
        ahead += 500
        return news.length > 0
      })
    } finally {
      // Its own is the prototype's.
      Reflect.deleteProperty(performance, 'now')
    }
    end.abort()
    await training
    return news[0]
  }
  const start = `^no worker has taken a replica yet; start one with .* --redis ${at.redis.url}; `
  const aside = 'workers of spikewasm 9\\.9\\.9 are'
  const sha256 = 'a'.repeat(64)
  const own = { model: 'net.mjs', modelSha256: sha256 }
  const lack = `no worker has the network net.mjs .SHA-256 ${sha256}.; .* --models FOLDER; `
  assert.match(await lonely({ model: 'mlp' }), new RegExp(start + aside))
  assert.match(await lonely(own), new RegExp(start + lack + aside))
  await noteModels(at.place, [sha256], 60)
  assert.match(await lonely(own), new RegExp(start + aside))
})

test.run()
