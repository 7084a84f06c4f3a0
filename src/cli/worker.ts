/** `spikewasm worker` */

import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SpikewasmError } from '../errors.js'
import { defaultNamespace, PASSWORD, RedisPlace } from '../scale/redis.js'
import { folderStore } from '../scale/store.js'
import { type AnyKind, startWorker } from '../scale/worker.js'
import { VERSION } from '../version.js'
import { endSoon } from './end-soon.js'
import { listenForInterrupt } from './interrupt.js'
import { jsonOf } from './options.js'
import { printJson } from './report.js'
import { type ArgumentsOf, addOptions, count, flag, number, text } from './spec.js'

/** The kinds of jobs that a worker does; each is read when it is asked for. */
const kinds: Readonly<Record<string, () => Promise<AnyKind>>> = {
  runs: async () => (await import('./sweep/job.js')).runKind,
  rounds: async () => (await import('./rounds/job.js')).roundsKind,
}

/** Options that commands with a Redis share. */
export const redisSpecs = (what: string) => ({
  redis: text(
    '<url>',
    `${what}; redis://host:port, or rediss:// for TLS. The password, where there is one, is in ` +
      `the environment: ${PASSWORD}`,
  ),
  namespace: text('<name>', 'with --redis: what all names there begin with', {
    preset: defaultNamespace,
  }),
})

export const cacheSpecs = {
  cache: text('<folder>', 'keep pictures that were converted once there'),
}

const workerSpecs = {
  ...redisSpecs('where the jobs are'),
  data: text(
    '<folder>',
    'where data sets are on this machine: <folder>/<name of the data set>, or the folder of one; ' +
      'digits come with the package',
  ),
  ...cacheSpecs,
  kinds: text('<list>', `kinds of jobs, of ${Object.keys(kinds).join(', ')}`, { usual: 'all' }),
  concurrency: count('<n>', 'jobs of each kind at a time', { preset: 1 }),
  once: flag('end when nothing waits any more, instead of waiting for more', { preset: false }),
  shared: text(
    '<folder>',
    'keep checkpoints in this folder, which all workers see, instead of in Redis',
  ),
  memoryLimit: count('<MB>', 'most memory of a job; one that takes more fails', {
    usual: 'an equal share of what this machine has',
  }),
  timeLimit: number('<seconds>', 'most time of a job; one that takes longer fails', {
    preset: 86_400,
    rule: '1…1000000000',
  }),
  lockDuration: number(
    '<seconds>',
    'a worker that is silent for so long is thought dead, and another one takes its jobs',
    { preset: 30, rule: '1…1000000000' },
  ),
  ...jsonOf('JSON on standard output, one object a line'),
}

type WorkerArguments = ArgumentsOf<typeof workerSpecs>

export const workerCommand = (command: Command): Command =>
  addOptions(command, workerSpecs)
    .description(
      'Take jobs from Redis and do them: runs of `sweep --redis`, on as many machines as there ' +
        'are. Needs the packages bullmq and ioredis.',
    )
    .action((args: WorkerArguments) => work(args))

/** How often it is asked whether there is more to do. */
const IDLE_MS = 300

async function work(args: WorkerArguments): Promise<void> {
  const { redis, namespace, data, cache, concurrency, once, json, timeLimit, lockDuration } = args
  if (redis === undefined)
    throw new SpikewasmError(
      '--redis must be the address of a Redis, such as redis://127.0.0.1:6379, got none',
    )
  const most = Math.max(256, Math.floor((0.9 * totalmem()) / 2 ** 20 / concurrency))
  const { memoryLimit = most } = args
  const names = args.kinds === undefined ? Object.keys(kinds) : args.kinds.split(',')
  const wanted = names.map((name) => {
    if (Object.hasOwn(kinds, name.trim())) return kinds[name.trim()]
    throw new SpikewasmError(
      `--kinds must be among ${Object.keys(kinds).join(', ')}, got ${JSON.stringify(name)}`,
    )
  })
  const say = (event: string, text: string): void => {
    if (json) printJson({ event, text })
    else process.stdout.write(`${text}\n`)
  }
  const store = args.shared === undefined ? undefined : await folderStore(resolve(args.shared))
  const place = await RedisPlace.open(redis, {
    namespace,
    onTrouble: (problem) =>
      process.stderr.write(`spikewasm: ${problem ?? `connected to ${place.address.url} again`}\n`),
  })
  let end = (): void => {}
  const interrupted = new Promise<void>((resolve) => {
    end = resolve
  })
  const interrupt = listenForInterrupt((name) => {
    process.stderr.write(`${name}: giving jobs back, with checkpoints; again ends at once\n`)
    end()
  })
  try {
    const starting = startWorker(place, {
      kinds: await Promise.all(wanted.map((load) => load())),
      ...{ concurrency, store, limits: { memoryMB: memoryLimit, seconds: timeLimit } },
      ...(data === undefined ? {} : { data: resolve(data) }),
      ...(cache === undefined ? {} : { cache: resolve(cache) }),
      lockMs: lockDuration * 1000,
      onNews: (line) => say('job', line),
      onAside: (line) => process.stderr.write(`spikewasm: ${line}\n`),
    })
    // It waits for a Redis that is lost meanwhile.
    const worker = await Promise.race([starting, interrupted])
    if (!worker) {
      starting.catch(() => undefined)
      process.exitCode = interrupt.exitCode
      return
    }
    say(
      'ready',
      `spikewasm ${VERSION}: waiting for ${names.join(' and ')} at ${place.address.url}, ` +
        `namespace ${namespace}; ${availableParallelism()} processors, ${memoryLimit} MB a job`,
    )
    try {
      await Promise.race([interrupted, once ? idle(worker.isIdle) : new Promise(() => {})])
    } finally {
      await worker.close()
    }
    say('end', `ended after ${worker.done} jobs`)
    process.exitCode = interrupt.exitCode
  } finally {
    interrupt.release()
    await place.close()
    endSoon()
  }
}

/** Until nothing has been there to do for two looks. */
async function idle(isIdle: () => Promise<boolean>): Promise<void> {
  for (let wasIdle = false; ; ) {
    const isNow = await isIdle().catch(() => false)
    if (isNow && wasIdle) return
    wasIdle = isNow
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  }
}
