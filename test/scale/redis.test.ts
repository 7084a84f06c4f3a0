// runs: waits
/** Workers with a real Redis: deaths, restarts, stopped processes, passwords, TLS. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Job, Queue } from 'bullmq'
import { createTar } from 'nanotar'
import * as assert from 'uvu/assert'
import type { TaskNews } from '../../src/cli/sweep/engine.js'
import { filesName } from '../../src/cli/sweep/job.js'
import { RemoteExecutor } from '../../src/cli/sweep/remote.js'
import { checkRun } from '../../src/cli/sweep/spec.js'
import { RedisPlace } from '../../src/scale/redis.js'
import { envelopeOf, redisStore } from '../../src/scale/store.js'
import { type JobContext, stopKey } from '../../src/scale/worker.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { Program } from '../support/program.js'
import { freePort, startRedis } from '../support/redis.js'
import { redisSuite } from '../support/redis-suite.js'
import { skip } from '../support/runner.js'
import { weightsHash } from '../support/runs.js'
import { soon } from '../support/soon.js'

const { test, withRedis, at, openQueue, work, later } = redisSuite('redis')

const add = (queue: Queue, id: string, payload: object, more: object = {}): Promise<Job> =>
  queue.add('job', envelopeOf(queue.name.split('@')[0], payload as never), { jobId: id, ...more })

/** The job when it has ended. */
async function ended(queue: Queue, id: string): Promise<Job> {
  for (;;) {
    const state = await queue.getJobState(id)
    if (state === 'completed' || state === 'failed') return (await queue.getJob(id)) as Job
    await pause(50)
  }
}

const LONG = 120
/** No limit. */
const any = { bytes: Number.POSITIVE_INFINITY, of: 'any' }

withRedis('a job that is submitted twice is done once; one that fails is tried again', async () => {
  let runs = 0
  const scratches = new Set<string>()
  const listeners = process.listenerCount('exit')
  const small = { memoryMB: 1.000001, seconds: 9 }
  const counted = async (
    { n, fails = 0 }: { n: number; fails?: number },
    { attempt, scratch, most, ...context }: JobContext,
  ) => {
    runs++
    await stat(scratch)
    scratches.add(scratch)
    assert.is(most.bytes, 2 ** 19)
    assert.equal([context.limits, context.concurrency], [small, 1])
    context.progress({ attempt })
    if (attempt <= fails) throw new Error(`attempt ${attempt} fails`)
    return { twice: 2 * n, attempt }
  }
  const queue = openQueue('doubles')
  const backoff = { attempts: 3, backoff: { type: 'exponential', delay: 50 } }
  for (let i = 0; i < 3; i++) await add(queue, 'twice', { n: 4 })
  await add(queue, 'shaky', { n: 1, fails: 2 }, backoff)
  await add(queue, 'hopeless', { n: 1, fails: 9 }, backoff)
  await queue.add('job', { protocol: 99 }, { jobId: 'stranger', ...backoff })
  const worker = await work('doubles', counted, { limits: small })
  assert.equal((await ended(queue, 'twice')).returnvalue, { twice: 8, attempt: 1 })
  assert.equal((await ended(queue, 'shaky')).returnvalue, { twice: 2, attempt: 3 })
  assert.is((await ended(queue, 'hopeless')).failedReason, 'attempt 3 fails')
  // No other attempt would make it one of ours.
  const { failedReason, attemptsMade } = await ended(queue, 'stranger')
  assert.match(failedReason, /must be made by spikewasm/)
  assert.is(attemptsMade, 1)
  await add(queue, 'twice', { n: 4 })
  assert.is(await worker.isIdle(), true)
  assert.is(runs, 1 + 3 + 3)
  assert.is(worker.done, 2)
  assert.is(scratches.size, runs)
  for (const path of scratches) assert.not(existsSync(path))
  assert.is(process.listenerCount('exit'), listeners + 1)
  await worker.close()
  assert.is(process.listenerCount('exit'), listeners)
})

withRedis(
  'a job that is asked to stop ends; one of a worker that ends goes to another',
  async () => {
    const queue = openQueue('waits')
    const news: string[] = []
    const start = () =>
      work('waits', (_, { signal }) => pause(100_000, undefined, { signal }), {
        ...{ concurrency: 2, onNews: (line) => news.push(line) },
      })
    // What is not even JSON is in nobody's way.
    const broken = await add(queue, 'broken', {}, { delay: 1e6 })
    await at.place.client.hset(queue.toKey('broken'), 'data', '{no JSON')
    await broken.promote()
    const first = await start()
    await add(queue, 'stopped', {}, { attempts: 2 })
    await add(queue, 'given-back', {})
    while (first.active < 2) await pause(20)
    await at.place.client.set(stopKey(at.place, 'stopped'), '1', 'EX', 60)
    const { failedReason, attemptsMade } = await ended(queue, 'stopped')
    assert.equal([failedReason, attemptsMade], ['stopped', 1])
    await first.close()
    assert.ok(['waiting', 'delayed'].includes(await queue.getJobState('given-back')))
    const second = await start()
    while (second.active < 1) await pause(20)
    // Giving it back was no attempt.
    assert.is(((await queue.getJob('given-back')) as Job).attemptsMade, 0)
    await second.close()
    assert.match(news.join('\n'), /^waits broken: the entry "broken" of /m)
    await queue.obliterate({ force: true })
  },
)

withRedis('two sweeps that wait for the same run both get its files, and then they are gone', () =>
  withFolder(async (folder) => {
    const run = { ...checkRun({}, 'it'), chosen: {} }
    const task = { name: 'a'.repeat(24), id: 'a'.repeat(24), run, data: '0'.repeat(16) }
    const weights = new Uint8Array(8)
    const result = {
      ...{ epochs: 1, testAccuracy: 1, testLoss: 0, trainLoss: 0, stopped: null, seconds: 1 },
      weightsSha256: createHash('sha256').update(weights).digest('hex'),
    }
    const store = redisStore(at.place)
    const files = createTar([{ name: 'weights.safetensors', data: weights }])
    await store.put(filesName(task.name), files)
    const trouble: string[] = []
    const executor = (who: string, own = store) =>
      new RemoteExecutor({
        ...{ place: at.place, who, store: own, runFolder: () => join(folder, who) },
        onTrouble: (line) => trouble.push(line),
      })
    let first = Promise.resolve<unknown>(undefined)
    const late = { ...store, get: (name: string) => first.then(() => store.get(name, any)) }
    const [one, two] = [executor('one'), executor('two', late)]
    later(
      () => one.close(),
      () => two.close(),
    )
    const { signal } = new AbortController()
    const news: TaskNews[] = []
    first = one.execute(task, (what) => news.push(what), signal)
    const second = two.execute(task, () => {}, signal)
    const claims = at.place.key('wanted', task.name)
    while (news.length === 0 || (await at.place.client.scard(claims)) < 2) await pause(20)
    const far = { epoch: 1, epochs: 2, step: 0, steps: 4 }
    await work('runs', async (_, { progress }) => {
      for (const wrong of [{ ...far, step: -1 }, { ...far, steps: 1.5 }, {}]) progress(wrong)
      progress({ ...far, testAccuracy: 'x' })
      progress({ ...far, testAccuracy: 0.5 })
      while (!JSON.stringify(news).includes('0.5')) await pause(20)
      return result
    })
    assert.equal(await Promise.all([first, second]), [result, result])
    assert.equal(trouble, [])
    assert.equal(
      news.filter((what) => typeof what === 'object').slice(0, 2),
      [null, 0.5].map((testAccuracy) => ({ ...far, testAccuracy })),
    )
    assert.is(news[0], 'waits')
    for (const who of ['one', 'two'])
      assert.is(await weightsHash(join(folder, who)), result.weightsSha256)
    assert.is(await store.get(filesName(task.name), any), undefined)
    assert.is(await at.place.client.exists(claims), 0)
  }),
)

/** A process with a worker of naps. @param end the signal that it gives itself amid its first one */
async function napper(...end: NodeJS.Signals[]): Promise<Program> {
  const path = fileURLToPath(new URL('./worker-child.js', import.meta.url))
  const program = new Program([path, at.redis.url, ...end])
  await program.says('ready')
  return program
}

withRedis(
  'workers that are killed or stopped past their locks do no harm, nor does a restart',
  () =>
    soon(
      (async () => {
        const queue = openQueue('naps')
        const nappers = await Promise.all([napper('SIGKILL'), napper('SIGSTOP'), napper()])
        later(...nappers.map((one) => () => one.end()))
        const [, stopped, healthy] = nappers.map(({ child }) => child)
        const ids = Array.from({ length: 6 }, (_, i) => `nap${i}`)
        // The first three are those of which two are left to another worker.
        for (const [i, id] of ids.entries()) await add(queue, id, { ms: i < 3 ? 700 : 50 })
        while (!nappers.every(({ said }) => said.includes('naps'))) await pause(20)
        await at.redis.kill()
        await pause(300)
        await at.redis.start()
        const jobs = await Promise.all(ids.map((id) => ended(queue, id)))
        for (const { failedReason, returnvalue, id } of jobs) {
          assert.is(failedReason ?? null, null, id)
          assert.is((returnvalue as { pid: number }).pid, healthy.pid, id)
        }
        // It wakes up, ends its nap, and nobody believes it.
        stopped.kill('SIGCONT')
        await nappers[1].until(() => /: (done|lock lost)/.test(nappers[1].said))
        await pause(300)
        for (const id of ids) {
          const job = (await queue.getJob(id)) as Job
          assert.is(await job.getState(), 'completed')
          assert.is((job.returnvalue as { pid: number }).pid, healthy.pid, id)
        }
      })(),
      LONG,
    ),
)

withRedis('a password comes from the environment, and is shown nowhere', async () => {
  const own = await startRedis(['--requirepass', 'geheim'])
  later(
    () => own.stop(),
    () => Reflect.deleteProperty(process.env, 'SPIKEWASM_REDIS_PASSWORD'),
  )
  const said = await messageOf(() => RedisPlace.open(own.url))
  assert.match(said, /wants another password; .* environment, as SPIKEWASM_REDIS_PASSWORD/)
  process.env.SPIKEWASM_REDIS_PASSWORD = 'falsch'
  assert.match(await messageOf(() => RedisPlace.open(own.url)), /it wants another password/)
  process.env.SPIKEWASM_REDIS_PASSWORD = 'geheim'
  const open = await RedisPlace.open(own.url)
  assert.is(await open.client.ping(), 'PONG')
  assert.not.match(JSON.stringify(open.address), /geheim/)
  await open.close()
  assert.match(
    await messageOf(async () => RedisPlace.open(`redis://127.0.0.1:${await freePort()}`)),
    /^--redis must be a Redis that answers, got redis:\/\/127\.0\.0\.1:\d+: nothing listens there$/,
  )
})

withRedis('rediss:// is TLS, and a certificate that nobody vouches for is refused', () =>
  withFolder(async (folder) => {
    const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ])
    const port = await freePort()
    const tls = ['--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key]
    const own = await startRedis([...tls, '--tls-auth-clients', 'no']).catch(() => undefined)
    if (own) later(() => own.stop())
    if (made.error || !own) return skip('openssl is not installed, or redis-server has no TLS')
    const url = `rediss://localhost:${port}`
    assert.match(await messageOf(() => RedisPlace.open(url)), /self-signed certificate/)
    const script =
      `import { RedisPlace } from ${JSON.stringify(new URL('../../src/scale/redis.js', import.meta.url))}\n` +
      `const place = await RedisPlace.open(${JSON.stringify(url)})\n` +
      'process.stdout.write(await place.client.ping())\nawait place.close()\n'
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate },
      encoding: 'utf8',
    })
    assert.is(stdout, 'PONG', stderr)
  }),
)

test.run()
