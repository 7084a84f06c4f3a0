/** Jobs that somebody else has written: each is refused in one clear message, or is one of ours. */

import { setTimeout as pause } from 'node:timers/promises'
import { Queue } from 'bullmq'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { SpikewasmError } from '../../src/base/errors.js'
import { readJobOptions } from '../../src/cli/rounds/replica.js'
import { checkJob, payloadOf } from '../../src/cli/sweep/job.js'
import { checkRun, runId } from '../../src/cli/sweep/spec.js'
import { jobOfJson } from '../../src/scale/rounds/wire.js'
import { envelopeOf, type JobEnvelope, queueOf, readEnvelope } from '../../src/scale/store.js'
import { main } from '../cli/command.js'
import { Program } from '../support/program.js'
import { startRedis } from '../support/redis.js'

const DATA = '0123456789abcdef'

/** A job as a sweep writes it. */
export function goodJob(options: object, more: object = {}): JobEnvelope {
  const run = checkRun(options, 'it')
  const payload = payloadOf({ id: runId(run, DATA), run, data: DATA, ...more })
  return JSON.parse(JSON.stringify(envelopeOf('runs', payload))) as JobEnvelope
}

/** The job of a replica, as `train --redis` writes it. */
export const goodRound = (more: object = {}): JobEnvelope =>
  envelopeOf('rounds', {
    run: '0123456789abcdef01234567',
    round: 3,
    replica: 1,
    setting: 'a'.repeat(64),
    parts: { seed: '01234567' },
    rounds: {
      replicas: 2,
      syncEvery: 20,
      outerLr: 0.7,
      outerMomentum: 0.9,
      compress: 'int8',
      innerState: 'keep',
    },
    epoch: 1,
    first: 20,
    rates: [[20, 0.1, 0.5]],
    steps: 160,
    clipNorm: 1,
    begun: true,
    where: 'redis',
    options: {
      model: 'cnn',
      dataset: 'digits',
      augment: false,
      input: [1, 8, 8],
      classes: 10,
      timeSteps: 4,
      tau: 1,
      method: 'rate',
      stepMode: 'm',
      update: 'afterwards',
      backwardSteps: 4,
      gradientCheckpoint: 'none',
      epochs: 2,
      batchSize: 32,
      seed: 0,
      loss: 'crossEntropy',
      optimizer: 'sgd',
      lr: 0.1,
      momentum: 0.9,
      weightDecay: 0,
      schedule: 'cosine',
    },
    ...more,
  })

/** Jobs of ours, which a worker takes. */
export const good: Readonly<Record<Kind, readonly JobEnvelope[]>> = {
  runs: [
    goodJob({}),
    goodJob({ epochs: 9, lr: 0.1, method: 'bptt', threads: 2 }, { until: 3, from: 1 }),
    goodJob({ dataset: 'cifar10', optimizer: 'adam', betas: [0.9, 0.99], augment: true }),
    goodJob({ dataset: 'nmnist', timeSteps: 8, sensor: [34, 34], freeze: ['0'] }),
  ],
  rounds: [goodRound(), goodRound({ begun: false, round: 0, where: 'folder' })],
}

type Kind = 'runs' | 'rounds'

/** Values that others would not like. */
const nasty: readonly unknown[] = [
  ...[null, true, '', '0', -1, 0, 1e308, -0, 2 ** 53, 1.5, [], {}, [[]], '../../etc/passwd'],
  ...['/etc/passwd', '--out=/tmp/x', '$(reboot)', '`id`', '__proto__', 'a\u0000b', '\u202egnp.exe'],
  ...['x'.repeat(70_000), { toString: 'x' }, ['--resume', '/'], 'file:///etc/hosts'],
  ...[
    'constructor',
    'digits;rm -rf /',
    { __type: 'Function' },
    Array.from({ length: 5000 }, () => 0),
  ],
]

const nastyKeys = [
  ...['out', 'resume', 'load', 'data', 'cache', 'dashboard', 'overwrite', 'report', 'revectorize'],
  ...[
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    '',
    ' ',
    'lr ',
    '-lr',
    '--lr',
    'LR',
  ],
  ...['freeze', 'sensor', 'epochs', 'threads', 'numWorkers', 'betas', 'seed', 'id', 'until'],
]

/** A place in a value. */
function placesOf(value: unknown): { of: Record<string, unknown>; key: string }[] {
  if (typeof value !== 'object' || value === null) return []
  const of = value as Record<string, unknown>
  return Object.keys(of).flatMap((key) => [{ of, key }, ...placesOf(of[key])])
}

const anything = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 10 }) as fc.Arbitrary<unknown> },
)

/** Jobs with one to four changes, and things that are no jobs. */
const hostile = (kind: Kind): fc.Arbitrary<unknown> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .record({
          job: fc.constantFrom(...good[kind]),
          changes: fc.array(
            fc.record({
              where: fc.nat(1000),
              how: fc.constantFrom('set', 'remove', 'add', 'rename'),
              value: anything,
              key: fc.constantFrom(...nastyKeys),
            }),
            { minLength: 1, maxLength: 4 },
          ),
        })
        .map(({ job, changes }) => {
          const copy = JSON.parse(JSON.stringify(job)) as unknown
          for (const { where, how, value: shared, key } of changes) {
            // Later changes must not reach into what other jobs hold.
            const value = JSON.parse(JSON.stringify(shared)) as unknown
            const places = placesOf(copy)
            if (places.length === 0) break
            const place = places[where % places.length]
            if (how === 'set') place.of[place.key] = value
            else if (how === 'add') place.of[key] = value
            else {
              const held = place.of[place.key]
              delete place.of[place.key]
              if (how === 'rename') place.of[key] = held
            }
          }
          // As it comes out of Redis.
          return JSON.parse(JSON.stringify(copy)) as unknown
        }),
    },
    { weight: 1, arbitrary: anything },
    { weight: 1, arbitrary: fc.anything() },
  )

export interface FuzzResult {
  readonly refused: number
  /** Jobs that are as good as ours. */
  readonly taken: number
  /** Cases that ended in anything else. */
  readonly faults: readonly string[]
}

/** What no argument of a run may be, whatever a job says. */
const forbidden = /^--(out|resume|load|data|cache|overwrite|dashboard|no-report)\b|[/\\\0\n]|\.\./

/** What a worker looks at before it does a job. */
export const checks: Readonly<Record<Kind, (job: unknown) => void>> = {
  runs(job) {
    const { id, run, data } = checkJob(readEnvelope(job, 'runs'))
    if (runId(run, data) !== id) throw new Error('another id')
    const bad = run.args.find((arg) => forbidden.test(arg))
    if (bad !== undefined) throw new Error(`the argument ${bad}`)
  },
  rounds(job) {
    const { options } = jobOfJson(readEnvelope(job, 'rounds'))
    const read = readJobOptions(options)
    for (const name of ['data', 'load', 'cache', 'out'])
      if (name in read) throw new Error(`the option ${name}`)
  },
}

/** One line, not long, nothing that a terminal would obey. */
const isClear = (message: string): boolean => /^[^\p{Cc}]{10,1200}$/u.test(message)

export function fuzzJobs(count: number, seed: number, kind: Kind = 'runs'): FuzzResult {
  let [refused, taken] = [0, 0]
  const faults: string[] = []
  for (const job of fc.sample(hostile(kind), { numRuns: count, seed })) {
    try {
      checks[kind](job)
      taken++
    } catch (error) {
      const clear = error instanceof SpikewasmError && isClear(error.message)
      if (clear) refused++
      else faults.push(`${JSON.stringify(job)?.slice(0, 300)}: ${(error as Error).stack}`)
    }
  }
  return { refused, taken, faults }
}

/** Whether a job is one of ours, which would be trained. */
function isGood(kind: Kind, job: unknown): boolean {
  try {
    checks[kind](job)
    return true
  } catch {
    return false
  }
}

/** As Redis holds it; undefined for what it cannot. */
function asJson(job: unknown): string | undefined {
  try {
    return JSON.stringify(job)
  } catch {
    return undefined
  }
}

/**
 * The same jobs in a real Redis, for a real worker: it refuses each, lives on, and does one of ours
 * behind them.
 */
export async function fuzzWorker(count: number, seed: number): Promise<FuzzResult> {
  const redis = await startRedis()
  const worker = new Program([main, 'worker', '--redis', redis.url, '--concurrency', '8'])
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null })
  const queues = (['runs', 'rounds'] as const).map(
    (kind) => new Queue(queueOf(kind), { connection, prefix: 'spikewasm' }),
  )
  const faults: string[] = []
  let refused = 0
  try {
    let added = 0
    for (const queue of queues) {
      const kind = queue.name.split('@')[0] as Kind
      const jobs = fc
        .sample(hostile(kind), { numRuns: Math.ceil(count / 2), seed })
        .filter((job) => asJson(job) !== undefined && !isGood(kind, JSON.parse(asJson(job) ?? '')))
      await queue.addBulk(jobs.map((data) => ({ name: 'job', data })))
      added += jobs.length
    }
    const failed = async (): Promise<number> =>
      (await Promise.all(queues.map((queue) => queue.getFailedCount()))).reduce((a, b) => a + b)
    while (!worker.isOver && (await failed()) < added) await pause(100)
    for (const queue of queues)
      for (const { failedReason, attemptsMade, data } of await queue.getFailed())
        if (isClear(failedReason) && attemptsMade === 1) refused++
        else faults.push(`${JSON.stringify(data)?.slice(0, 300)}: ${failedReason}`)
    const ours = goodJob({ epochs: 1, limitTrain: 64, limitTest: 10, timeSteps: 1 })
    const job = await queues[0].add('job', ours)
    while (!worker.isOver && !(await job.isCompleted()) && !(await job.isFailed())) await pause(100)
    // Its data are others than the hash says: what counts is that it was begun, and refused there.
    const state = await queues[0].getJob(job.id ?? '')
    if (worker.isOver) faults.push(`the worker has ended: ${worker.stderr.slice(-4000)}`)
    else if (!/the data must be those/.test(state?.failedReason ?? ''))
      faults.push(`one of ours: ${state?.failedReason}`)
  } finally {
    await worker.end()
    await Promise.all(queues.map((queue) => queue.close()))
    connection.disconnect()
    await redis.stop()
  }
  return { refused, taken: 1, faults }
}
