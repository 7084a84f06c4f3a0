// runs: waits
/**
 * Rounds at a real Redis, with workers that die: the weights are those of a training that nothing
 * has disturbed, and of one without Redis, to the bit.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { main } from '../cli/command.js'
import { parseLines, refuse, run as runHere, succeed } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { folderKinds, writeData } from '../support/data-folders.js'
import { isLong } from '../support/long.js'
import { Program } from '../support/program.js'
import { redisSuite } from '../support/redis-suite.js'
import { testUnless } from '../support/runner.js'
import { weightsHash, withoutTimes } from '../support/runs.js'
import { soon } from '../support/soon.js'

const { test, withRedis, at, later } = redisSuite('rounds at Redis')
const longCheck = testUnless(isLong ? undefined : 'it takes --long', withRedis)

/** 12 rounds: an epoch of 46 steps has two whole ones, and one of 6 steps. */
const training = [
  ...['train', '--model', 'mlp', '--epochs', '4', '--limit-train', '1400', '--limit-test', '50'],
  ...['--batch-size', '15', '--threads', '1', '--replicas', '2', '--sync-every', '20', '--json'],
  ...['--compress', 'int8'],
]

/** The place of a test: nothing of another one stands in its way. */
const placeOf = (namespace: string) => ['--redis', at.redis.url, '--namespace', namespace]

function start(...args: readonly string[]): Program {
  const program = new Program([main, ...args])
  later(() => program.end())
  return program
}

/** @param lock seconds after which it is thought dead */
const worker = (namespace: string, lock: number, ...more: readonly string[]): Program => {
  const own = ['--kinds', 'rounds', '--lock-duration', String(lock), ...more]
  return start('worker', ...placeOf(namespace), ...own)
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
async function expectNothingStays(namespace: string): Promise<void> {
  for (;;) {
    // The queue of all runs stays; a job in it has a number behind its name.
    const ofRuns = (await at.place.client.keys(`${namespace}:*`)).filter(
      (key) => !new RegExp(`^${namespace}:rounds@[^:]+:[a-z-]+$`).test(key),
    )
    const ttls = await Promise.all(ofRuns.map((key) => at.place.client.ttl(key)))
    if (ttls.every((seconds) => seconds !== -1)) break
    await pause(100)
  }
}

withRedis('deaths of workers, of Redis and of its own process change no bit of a run', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    const workers = [worker('deaths', 2), worker('deaths', 2)]
    await Promise.all(workers.map((one) => one.says('waiting for')))
    const place = placeOf('deaths')
    const first = start(...training, ...place, '--out', out)
    // In the middle of a replica.
    await workers[0].says('begins')
    await workers[0].end()
    worker('deaths', 2)
    await first.says('"epoch":1')
    await first.end()
    // What it has left there is forgotten.
    await soon(expectNothingStays('deaths'), 120)
    const train = start('train', '--resume', out, ...place, '--json')
    await train.says('"epoch":2')
    await at.redis.kill()
    await at.redis.start()
    assert.is((await train.ended).code, 0, train.said)
    assert.is(await weightsHash(out), (await wanted()).hash)
    assert.equal(await figures(out), (await wanted()).records)
  }),
)

withRedis('replicas are trained where the data have another path; other data are refused', () =>
  withFolder(async (folder) => {
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
    start('worker', ...placeOf('same'), '--data', join(folder, 'there'))
    start('worker', ...placeOf('other'), '--data', join(folder, 'other'))
    await succeed([...train, '--out', 'alone'], { cwd: folder })
    await succeed([...train, '--out', 'out', ...placeOf('same')], { cwd: folder })
    const [a, b] = await Promise.all(
      ['alone', 'out'].map((name) => weightsHash(join(folder, name))),
    )
    assert.is(b, a)
    await refuse(
      [...train, ...placeOf('other')],
      /one that differs in data\.samples, validation\.samples; give both/,
      { cwd: folder },
    )
  }),
)

withRedis('weights go through a folder that all workers see, or who has none says so', () =>
  withFolder(async (folder) => {
    const [out, shared] = [join(folder, 'run'), join(folder, 'shared')]
    await mkdir(shared)
    const workers = [0, 1].map(() => worker('folder', 30, '--shared', shared))
    await Promise.all(workers.map((one) => one.says('waiting for')))
    const place = [...placeOf('folder'), '--shared', shared]
    const train = runHere([...training, ...place, '--out', out])
    let isOver = false
    const over = train.finally(() => {
      isOver = true
    })
    while (!isOver && (await figures(out).catch(() => [])).length === 0) await pause(20)
    const held = await readdir(shared)
    const inRedis = await at.place.client.keys('folder:store:*')
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

withRedis('who is told to end while Redis is gone ends, and the run goes on later', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    const first = worker('gone', 5)
    await first.says('waiting for')
    const place = placeOf('gone')
    // It has not ended before it is told to.
    const short = ['--epochs', '500', '--limit-train', '320']
    const train = start(...training, ...short, ...place, '--out', out)
    await train.says('"epoch":1')
    await at.redis.kill()
    await Promise.all([train, first].map((one) => one.says('is lost')))
    for (const { child } of [train, first]) child.kill('SIGTERM')
    assert.is((await soon(first.ended)).code, 143, first.said)
    assert.is((await soon(train.ended)).code, 143, train.said)
    await at.redis.start()
    const other = worker('gone', 5)
    const second = start('train', '--resume', out, ...place, '--json')
    await second.says('"epoch":')
    for (const { child } of [second, other]) child.kill('SIGTERM')
    assert.is((await soon(other.ended)).code, 143, other.said)
    assert.is((await soon(second.ended)).code, 143, second.said)
  }),
)

longCheck('a replica that does not end is done by another worker', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    // Its lock outlives the test: nothing but the bound can help.
    const stuck = worker('late', 600)
    await stuck.says('waiting for')
    const place = [...placeOf('late'), '--replace-after', '5']
    const train = start(...training, ...place, '--out', out)
    await stuck.says('begins')
    stuck.child.kill('SIGSTOP')
    worker('late', 600)
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
