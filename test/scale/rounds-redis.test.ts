// runs: waits
/**
 * Rounds at a real Redis, with workers that die: the weights are those of a training that nothing
 * has disturbed, and of one without Redis, to the bit.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RedisPlace } from '../../src/scale/redis.js'
import { main } from '../cli/command.js'
import { parseLines, refuse, run as runHere, succeed } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { folderKinds, writeData } from '../support/data-folders.js'
import { isLong } from '../support/long.js'
import { Program } from '../support/program.js'
import { noRedis, startRedis, type TestRedis } from '../support/redis.js'
import { testUnless } from '../support/runner.js'
import { weightsHash, withoutTimes } from '../support/runs.js'
import { soon } from '../support/soon.js'

const missing = noRedis()
const check = testUnless(missing)
const longCheck = testUnless(isLong ? undefined : 'it takes --long', check)

/** 12 rounds: an epoch of 46 steps has two whole ones, and one of 6 steps. */
const training = [
  ...['train', '--model', 'mlp', '--epochs', '4', '--limit-train', '1400', '--limit-test', '50'],
  ...['--batch-size', '15', '--threads', '1', '--replicas', '2', '--sync-every', '20', '--json'],
  ...['--compress', 'int8'],
]

/** @param lock seconds after which it is thought dead */
function worker(redis: TestRedis, name: string, lock: number, shared?: string): Program {
  const place = ['--redis', redis.url, '--namespace', name, '--kinds', 'rounds']
  const more = shared === undefined ? [] : ['--shared', shared]
  return new Program([main, 'worker', ...place, '--lock-duration', String(lock), ...more])
}

/** What of a run's records is no time. */
const figures = async (folder: string): Promise<object[]> =>
  withoutTimes(parseLines(await readFile(join(folder, 'history.jsonl'), 'utf8')))

interface Wanted {
  readonly hash: string
  readonly records: object[]
}

let alone: Promise<Wanted> | undefined

/** The same training here, without Redis. */
const wanted = (): Promise<Wanted> => {
  alone ??= withFolder(async (folder) => {
    const out = join(folder, 'run')
    const { stdout } = await succeed([...training, '--out', out])
    assert.is(parseLines(stdout).length, 5)
    return { hash: await weightsHash(out), records: await figures(out) }
  })
  return alone
}

/** Until all keys of runs in Redis expire; workers may still end what a dead process has begun. */
async function expectNothingStays(url: string, namespace: string): Promise<void> {
  const place = await RedisPlace.open(url, { namespace })
  try {
    for (;;) {
      // The queue of all runs stays; a job in it has a number behind its name.
      const ofRuns = (await place.client.keys(`${namespace}:*`)).filter(
        (key) => !new RegExp(`^${namespace}:rounds@[^:]+:[a-z-]+$`).test(key),
      )
      const ttls = await Promise.all(ofRuns.map((key) => place.client.ttl(key)))
      if (ttls.every((seconds) => seconds !== -1)) break
      await pause(100)
    }
  } finally {
    await place.close()
  }
}

/** A Redis of its own, an empty folder, and workers, which are killed behind the test. */
const scene = async (
  body: (redis: TestRedis, workers: Program[], folder: string) => Promise<void>,
): Promise<void> => {
  const redis = await startRedis()
  const workers: Program[] = []
  try {
    await withFolder((folder) => body(redis, workers, folder))
  } finally {
    await Promise.all(workers.map((one) => one.end()))
    await redis.stop()
  }
}

check('deaths of workers, of Redis and of its own process change no bit of a run', () =>
  scene(async (redis, workers, folder) => {
    const out = join(folder, 'run')
    workers.push(worker(redis, 'deaths', 2), worker(redis, 'deaths', 2))
    await Promise.all(workers.map((one) => one.says('waiting for')))
    const place = ['--redis', redis.url, '--namespace', 'deaths']
    const first = new Program([main, ...training, ...place, '--out', out])
    // In the middle of a replica.
    await workers[0].says('begins')
    await workers[0].end()
    workers[0] = worker(redis, 'deaths', 2)
    await first.says('"epoch":1')
    await first.end()
    // What it has left there is forgotten.
    await soon(expectNothingStays(redis.url, 'deaths'), 120)
    const train = new Program([main, 'train', '--resume', out, ...place, '--json'])
    await train.says('"epoch":2')
    await redis.kill()
    await redis.start()
    assert.is((await train.ended).code, 0, train.said)
    assert.is(await weightsHash(out), (await wanted()).hash)
    assert.equal(await figures(out), (await wanted()).records)
  }),
)

check('replicas are trained where the data have another path; other data are refused', () =>
  scene(async (redis, workers, folder) => {
    const [here, there, other] = ['here', 'there/images', 'other/images']
    for (const [path, seed] of [
      [here, 1],
      [there, 1],
      [other, 2],
    ] as const)
      await writeData(join(folder, path), 'images', seed)
    const train = [
      ...['train', ...folderKinds.images.args, '--data', here, '--model', 'mlp', '--epochs', '2'],
      ...['--batch-size', '5', '--threads', '1', '--replicas', '2', '--sync-every', '2', '--json'],
    ]
    const at = (name: string) => ['--redis', redis.url, '--namespace', name]
    workers.push(
      new Program([main, 'worker', ...at('same'), '--data', join(folder, 'there')]),
      new Program([main, 'worker', ...at('other'), '--data', join(folder, 'other')]),
    )
    await succeed([...train, '--out', 'alone'], { cwd: folder })
    await succeed([...train, '--out', 'out', ...at('same')], { cwd: folder })
    const [a, b] = await Promise.all(
      ['alone', 'out'].map((name) => weightsHash(join(folder, name))),
    )
    assert.is(b, a)
    await refuse(
      [...train, ...at('other')],
      /one that differs in data\.samples, validation\.samples; give both/,
      { cwd: folder },
    )
  }),
)

check('weights go through a folder that all workers see, or who has none says so', () =>
  scene(async (redis, workers, folder) => {
    const [out, shared] = [join(folder, 'run'), join(folder, 'shared')]
    await mkdir(shared)
    workers.push(worker(redis, 'folder', 30, shared), worker(redis, 'folder', 30, shared))
    await Promise.all(workers.map((one) => one.says('waiting for')))
    const place = ['--redis', redis.url, '--namespace', 'folder', '--shared', shared]
    const train = runHere([...training, ...place, '--out', out])
    let isOver = false
    const over = train.finally(() => {
      isOver = true
    })
    while (!isOver && (await figures(out).catch(() => [])).length === 0) await pause(20)
    const held = await readdir(shared)
    const open = await RedisPlace.open(redis.url, { namespace: 'folder' })
    const inRedis = await open.client.keys('folder:store:*')
    await open.close()
    const { code, stderr } = await over
    assert.is(code, 0, stderr)
    assert.is(await weightsHash(out), (await wanted()).hash)
    assert.ok(
      held.some((name) => name.endsWith('.spikewasm-bytes')),
      held.join(),
    )
    assert.equal(inRedis, [])
    assert.equal(await readdir(shared), [])
    await refuse(
      [...training, ...place.slice(0, -2), '--out', join(folder, 'b')],
      /in Redis, and this worker does so in a folder \(--shared\)/,
    )
  }),
)

check('who is told to end while Redis is gone ends, and the run goes on later', () =>
  scene(async (redis, workers, folder) => {
    const out = join(folder, 'run')
    workers.push(worker(redis, 'gone', 5))
    await workers[0].says('waiting for')
    const place = ['--redis', redis.url, '--namespace', 'gone']
    // It has not ended before it is told to.
    const short = ['--epochs', '500', '--limit-train', '320']
    const train = new Program([main, ...training, ...short, ...place, '--out', out])
    await train.says('"epoch":1')
    await redis.kill()
    await Promise.all([train, workers[0]].map((one) => one.says('is lost')))
    for (const { child } of [train, workers[0]]) child.kill('SIGTERM')
    assert.is((await soon(workers[0].ended)).code, 143, workers[0].said)
    assert.is((await soon(train.ended)).code, 143, train.said)
    await redis.start()
    workers[0] = worker(redis, 'gone', 5)
    const second = new Program([main, 'train', '--resume', out, ...place, '--json'])
    await second.says('"epoch":')
    for (const { child } of [second, workers[0]]) child.kill('SIGTERM')
    assert.is((await soon(workers[0].ended)).code, 143, workers[0].said)
    assert.is((await soon(second.ended)).code, 143, second.said)
  }),
)

longCheck('a replica that does not end is done by another worker', () =>
  scene(async (redis, workers, folder) => {
    const out = join(folder, 'run')
    // Its lock outlives the test: nothing but the bound can help.
    workers.push(worker(redis, 'late', 600))
    await workers[0].says('waiting for')
    const place = ['--redis', redis.url, '--namespace', 'late', '--replace-after', '5']
    const train = new Program([main, ...training, ...place, '--out', out])
    await workers[0].says('begins')
    workers[0].child.kill('SIGSTOP')
    workers.push(worker(redis, 'late', 600))
    assert.is((await train.ended).code, 0, train.said)
    assert.match(train.said, /has not ended within \d+ s; another worker does it as well/)
    assert.is(await weightsHash(out), (await wanted()).hash)
  }),
)

test('flags of rounds that would do nothing, or that are out of range, are refused', async () => {
  const both = '--replicas 2 --sync-every 2'
  const wrong: [string, RegExp][] = [
    ['--sync-every 2', /--sync-every needs --replicas/],
    ['--replicas 2', /--replicas needs --sync-every/],
    [`${both} --outer-lr 0`, /--outer-lr must be > 0, got 0/],
    [`${both} --shared x`, /--shared needs --redis/],
    ['--redis redis://127.0.0.1:1', /--redis needs --replicas/],
    [`${both} --ema 0.9`, /--ema must be left out in rounds/],
  ]
  for (const [args, message] of wrong) {
    await refuse(['train', '--limit-train', '96', ...args.split(' ')], message)
  }
})

test.run()
