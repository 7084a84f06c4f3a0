// runs: waits
/** Networks of one's own in sweeps and jobs: named by a hash, and never by a path. */

import { createHash } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { ownNetworks } from '../../src/cli/own-model.js'
import { readJobOptions, roundsKind } from '../../src/cli/rounds/replica.js'
import { checkJob, payloadOf, runKind } from '../../src/cli/sweep/job.js'
import { readSpec, runId } from '../../src/cli/sweep/spec.js'
import type { Json } from '../../src/scale/store.js'
import { parseLines } from '../cli/command.js'
import { run } from '../cli/in-process.js'
import { messageOf } from '../files/temporary.js'
import { netModule, withModules } from '../support/own-models.js'
import { redisSuite } from '../support/redis-suite.js'
import { soon } from '../support/soon.js'
import { hashAlone } from './chaos.js'
import { goodRound } from './fuzz.js'
import { Victim } from './victims.js'

const { test, withRedis, at, later } = redisSuite('own models')

const base = { limitTrain: 96, limitTest: 50, timeSteps: 2, threads: 1, epochs: 1 }
const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')
const specOf = (model: unknown) => ({ base, grid: { model } })

/** Writes a sweep over networks, and gives the first lines that `sweep --json` prints of it. */
async function sweep(folder: string, models: readonly string[], more: readonly string[] = []) {
  await writeFile(join(folder, 'sweep.json'), JSON.stringify(specOf(models)))
  const args = ['sweep', join(folder, 'sweep.json'), '--out', join(folder, 'out'), '--json']
  const { code, stdout, stderr } = await run([...args, ...more])
  return { code, stderr, lines: stdout === '' ? [] : parseLines(stdout).slice(0, -1) }
}

test('a sweep here trains modules beside networks by name', () =>
  withModules({ 'a.mjs': netModule(12), 'b.mjs': netModule(9) }, async (folder) => {
    const models = ['./a.mjs', 'mlp', './b.mjs']
    const { code, stderr, lines } = await sweep(folder, models)
    assert.is(code, 0, stderr)
    const byModel = new Map(lines.map((line) => [(line.options as { model: string }).model, line]))
    assert.equal([...byModel.keys()].sort(), models.toSorted())
    const options = { ...base, model: join(folder, 'b.mjs') }
    const alone = await hashAlone(options, join(folder, 'alone'))
    assert.is(byModel.get('./b.mjs')?.weightsSha256, alone)
    // Another text is another run, and a name says nothing.
    await writeFile(join(folder, 'a.mjs'), netModule(10))
    await rename(join(folder, 'b.mjs'), join(folder, 'c.mjs'))
    const again = await sweep(folder, ['./a.mjs', './c.mjs'])
    const ids = again.lines.map(({ id }) => id)
    assert.not.ok(ids.includes(byModel.get('./a.mjs')?.id))
    assert.ok(ids.includes(byModel.get('./b.mjs')?.id))
  }))

test('a sweep says what is wrong with a module before anything is trained', () =>
  withModules({ 'bad.mjs': 'export default {,}', 'net.mjs': netModule(3) }, async (folder) => {
    await mkdir(join(folder, 'run'))
    for (const [model, message] of [
      ['./bad.mjs', /bad\.mjs: must be a JavaScript module, got a syntax error in line 1/],
      [
        './none.mjs',
        /sweep\.json: model must be a module or a model file, .*none\.mjs.* is missing/,
      ],
      [
        './run',
        /model must be a module or a model file, got the folder .*; of a run give its weig/,
      ],
      ['nonsense', /--model must be one of mlp, .*, got "nonsense"/],
    ] as const) {
      const { code, stderr, lines } = await sweep(folder, [model])
      assert.equal([code, lines], [1, []])
      assert.match(stderr, /^spikewasm: [^\n]+\n$/)
      assert.match(stderr, message)
    }
  }))

test('a job names a network by name and hash, and a path is refused', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const sha256 = sha256Of(netModule(12))
    const spec = Buffer.from(JSON.stringify(specOf(['./my-net.mjs'])))
    const [read] = readSpec(spec, join(folder, 'sweep.json')).runs
    const data = '0123456789abcdef'
    const id = runId(read, data)
    const payload = payloadOf({ id, run: read, data }) as { [key: string]: Json }
    assert.equal(payload.model, { name: 'my-net.mjs', sha256 })
    assert.not.ok(JSON.stringify(payload).includes(folder))
    const { run: checked } = checkJob(payload)
    assert.equal(
      [checked.own, checked.args.join()],
      [{ name: 'my-net.mjs', sha256 }, read.args.join()],
    )
    const options = payload.options as object
    const hostile: readonly Json[] = [
      { ...payload, model: './my-net.mjs' },
      { ...payload, model: { name: '/tmp/my-net.mjs', sha256 } },
      { ...payload, model: { name: 'my-net.mjs', sha256: '../my-net.mjs' } },
      { ...payload, model: { name: 'my-net.mjs', sha256, path: '/tmp/my-net.mjs' } },
      { ...payload, model: { name: 'my-net.mjs', sha256: 'b'.repeat(64) } },
      { id, data, options: { ...options, model: 'my-net.mjs' } },
      { id, data, options: { ...options, model: './my-net.mjs' } },
    ]
    for (const job of hostile)
      assert.match(
        await messageOf(() => checkJob(job)),
        /^the job's [\w. ]+[: ].*(must|is unknown)/,
      )
    const models = ownNetworks(folder)
    assert.equal([...models], [[sha256, join(folder, 'my-net.mjs')]])
    assert.is(runKind.lacks?.(checkJob(payload), models), undefined)
    assert.match(
      `${runKind.lacks?.(checkJob(payload), new Map())}`,
      /my-net\.mjs \(SHA-256 \w{64}\) are/,
    )
    // The jobs of rounds too.
    const { options: own } = goodRound().payload as { options: object }
    const named = { ...own, model: 'my-net.mjs', modelSha256: sha256 }
    const lacks = (held: ReadonlyMap<string, string>) =>
      roundsKind.lacks?.({ options: named } as never, held)
    assert.equal([lacks(models), typeof lacks(new Map())], [undefined, 'string'])
    const paths = [{ model: './my-net.mjs' }, { model: 'my-net.mjs' }, { modelSha256: '../x' }]
    for (const change of [...paths, { ...named, network: {} }, { modelSha256: `${sha256}\n` }])
      assert.match(await messageOf(() => readJobOptions({ ...own, ...change })), /^the job/)
  }))

test('a list of models is bounded, and says what it must hold', () =>
  withModules({ 'a.d.ts': '', 'b.txt': '', 'net.mjs': netModule(1) }, async (folder) => {
    assert.is(ownNetworks(folder).size, 1)
    const empty = join(folder, 'empty')
    await mkdir(empty)
    assert.match(
      await messageOf(() => ownNetworks(empty)),
      /^--models must hold 1 to 1000 .* got 0/,
    )
    assert.match(
      await messageOf(() => ownNetworks(join(folder, 'no'))),
      /^--models must be a folder/,
    )
    await mkdir(join(empty, 'x.mjs'))
    assert.match(
      await messageOf(() => ownNetworks(empty)),
      /^--models: "x\.mjs" must be .* the folder/,
    )
    await writeFile(join(folder, 'large.safetensors'), new Uint8Array(64 * 2 ** 20 + 1))
    assert.match(
      await messageOf(() => ownNetworks(folder)),
      /must have at most 67108864 bytes, got 67/,
    )
  }))

withRedis('a worker does what its list holds, and leaves the rest to others, saying so once', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const { url } = at.redis
    const lists = ['with', 'without'].map((name) => join(folder, name))
    for (const [i, list] of lists.entries()) {
      await mkdir(list)
      await writeFile(join(list, 'renamed.mjs'), netModule(12 - i))
    }
    // The list of a worker lies where its spikewasm is found.
    const [has, lacks] = lists.map((list) => new Victim(['--redis', url, '--models', list]))
    const plain = new Victim(['--redis', url, '--once'])
    later(...[has, lacks, plain].map((worker) => () => worker.end('SIGKILL')))
    lacks.start()
    await lacks.says('waiting for')
    const swept = sweep(folder, ['./my-net.mjs'], ['--redis', url])
    await lacks.says('are left to others')
    plain.start()
    // It ends although a job waits that it cannot do.
    await soon(plain.says('ended after 0 jobs'), 60)
    await pause(2500)
    has.start()
    const { code, stderr, lines } = await soon(swept, 120)
    assert.is(code, 0, stderr)
    assert.match(
      stderr,
      /no worker has the network my-net\.mjs \(SHA-256 \w{64}\); put the file into/,
    )
    const alone = await hashAlone({ ...base, model: join(folder, 'my-net.mjs') }, join(folder, 'a'))
    assert.is(lines[0].weightsSha256, alone)
    assert.is(lacks.said.match(/are left to others/g)?.length, 1)
    assert.match(has.said, /: begins, attempt 1\n/)
  }),
)

withRedis('replicas of a module are done by workers that have it, with the bits of here', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const { url } = at.redis
    const options = { ...base, model: join(folder, 'my-net.mjs'), replicas: 2, syncEvery: 1 }
    const here = await hashAlone(options, join(folder, 'here'))
    const worker = new Victim(['--redis', url, '--models', folder])
    later(() => worker.end('SIGKILL'))
    worker.start()
    const more = ['--redis', url]
    assert.is(await soon(hashAlone(options, join(folder, 'there'), more), 120), here)
  }),
)

test.run()
