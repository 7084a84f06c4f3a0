/** `spikewasm worker` */

import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { fail } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { defaultNamespace, PASSWORD, RedisPlace } from '../../scale/redis.js'
import { folderStore } from '../../scale/store.js'
import { type AnyKind, startWorker } from '../../scale/worker.js'
import { about } from '../about.js'
import { endSoon, listenForInterrupt } from '../interrupt.js'
import { jsonOf } from '../options.js'
import { ownNetworks } from '../own-model.js'
import * as o from '../spec.js'
import { answer } from '../terminal.js'

/** The kinds of jobs that a worker does; each is read when it is asked for. */
const kinds: Readonly<Record<string, () => Promise<AnyKind>>> = {
  runs: async () => (await import('../sweep/job.js')).runKind,
  rounds: async () => (await import('../rounds/replica.js')).roundsKind,
}

/** Options that commands with a Redis share. */
export const redisSpecs = (what: string) => ({
  redis: o.text(
    '<url>',
    `${what}; redis://host:port, or rediss:// for TLS. The password, where there is one, is in ` +
      `the environment: ${PASSWORD}`,
  ),
  namespace: o.text('<name>', 'with --redis: what all names there begin with', {
    preset: defaultNamespace,
  }),
})

export const cacheSpecs = {
  cache: o.text('<folder>', 'keep pictures that were converted once there'),
}

const workerSpecs = {
  ...redisSpecs('where the jobs are'),
  data: o.text(
    '<folder>',
    'where data sets are on this machine: <folder>/<name of the data set>, or the folder of one; ' +
      'digits come with the package',
  ),
  ...cacheSpecs,
  models: o.text(
    '<folder>',
    'networks of your own that jobs may ask for by their hash: modules (.mjs, .js, .ts) and ' +
      'model files of this folder, as they are when the worker begins',
  ),
  kinds: o.text('<list>', `kinds of jobs, of ${Object.keys(kinds).join(', ')}`, { usual: 'all' }),
  concurrency: o.count('<n>', 'jobs of each kind at a time', { preset: 1 }),
  once: o.flag('end when nothing waits any more, instead of waiting for more', { preset: false }),
  shared: o.text(
    '<folder>',
    'keep checkpoints in this folder, which all workers see, instead of in Redis',
  ),
  memoryLimit: o.count('<MB>', 'most memory of a job; one that takes more fails', {
    usual: 'an equal share of what this machine has',
  }),
  timeLimit: o.number('<seconds>', 'most time of a job; one that takes longer fails', {
    preset: 86_400,
    rule: '1…1000000000',
  }),
  lockDuration: o.number(
    '<seconds>',
    'a worker that is silent for so long is thought dead, and another one takes its jobs',
    { preset: 30, rule: '1…1000000000' },
  ),
  ...jsonOf('JSON on standard output, one object a line'),
}

export const workerCommand = o.commandOf(workerSpecs, about.worker, work)

/** How often it is asked whether there is more to do. */
const IDLE_MS = 300

/** The kinds of jobs that --kinds lists; all of them without it. */
function kindNames(list: string | undefined): string[] {
  const known = Object.keys(kinds)
  return (list?.split(',') ?? known).map((name) => {
    if (!known.includes(name.trim()))
      fail(`--kinds must be among ${known.join(', ')}, got ${JSON.stringify(name)}`)
    return name.trim()
  })
}

async function work(args: o.ArgumentsOf<typeof workerSpecs>): Promise<void> {
  const { redis, namespace, concurrency, once, json, timeLimit: seconds, lockDuration } = args
  if (redis === undefined)
    fail('--redis must be the address of a Redis, such as redis://127.0.0.1:6379, got none')
  const most = Math.max(256, Math.floor((0.9 * totalmem()) / 2 ** 20 / concurrency))
  const { memoryLimit: memoryMB = most } = args
  const names = kindNames(args.kinds)
  const say = (event: string, text: string): void => answer(json, { event, text }, () => text)
  const warn = (line: string): void => void process.stderr.write(`spikewasm: ${line}\n`)
  const [data, cache, shared] = [args.data, args.cache, args.shared].map(
    (path) => path && resolve(path),
  )
  const models = args.models === undefined ? undefined : ownNetworks(resolve(args.models))
  const store = shared === undefined ? undefined : await folderStore(shared)
  const place = await RedisPlace.open(redis, {
    namespace,
    onTrouble: (problem) => warn(problem ?? `connected to ${place.address.url} again`),
  })
  const interrupt = listenForInterrupt((name) => {
    process.stderr.write(`${name}: giving jobs back, with checkpoints; again ends at once\n`)
  })
  const interrupted = new Promise<void>((resolve) => {
    interrupt.signal.addEventListener('abort', () => resolve())
  })
  try {
    const starting = startWorker(place, {
      kinds: await Promise.all(names.map((name) => kinds[name]())),
      concurrency,
      store,
      data,
      cache,
      models,
      limits: { memoryMB, seconds },
      lockMs: lockDuration * 1000,
      onNews: (line) => say('job', line),
      onAside: warn,
    })
    // It waits for a Redis that is lost meanwhile.
    const worker = await Promise.race([starting, interrupted])
    if (worker) {
      say(
        'ready',
        `spikewasm ${VERSION}: waiting for ${names.join(' and ')} at ${place.address.url}, ` +
          `namespace ${namespace}; ${availableParallelism()} processors, ${memoryMB} MB a job`,
      )
      const waiting = once ? idle(worker.isIdle) : new Promise(() => {})
      await Promise.race([interrupted, waiting]).finally(worker.close)
      say('end', `ended after ${worker.done} jobs`)
    } else starting.catch(() => undefined)
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
