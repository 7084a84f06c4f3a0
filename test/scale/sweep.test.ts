// runs: waits
/** Sweeps as commands: here, and over a real Redis with workers that die. */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { main, parseLines, run } from '../cli/command.js'
import { run as runHere, succeed } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { writeData } from '../support/data-folders.js'
import { ofLong } from '../support/long.js'
import { Program } from '../support/program.js'
import { redisSuite } from '../support/redis-suite.js'
import { weightsHash } from '../support/runs.js'
import { soon } from '../support/soon.js'
import { hashAlone, scaleChaos, Victim } from './chaos.js'

const { test, withRedis, at, later } = redisSuite('sweeps')

/** A worker at the suite's Redis, which is killed behind the test. */
function victim(...args: readonly string[]): Victim {
  const made = new Victim(['--redis', at.redis.url, ...args])
  later(() => made.end('SIGKILL'))
  return made
}

const tiny = { limitTrain: 96, limitTest: 50, timeSteps: 2, threads: 1 }

const write = async (folder: string, spec: object): Promise<string> => {
  const path = join(folder, 'sweep.json')
  await writeFile(path, JSON.stringify(spec))
  return path
}

test('a sweep here gives what train gives, and does nothing twice', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'out')
    const spec = await write(folder, { base: { ...tiny, epochs: 2 }, grid: { lr: [0.1, 0.4] } })
    const first = await succeed(['sweep', spec, '--out', out, '--json'])
    const lines = parseLines(first.stdout)
    const final = lines.pop()
    assert.is(final?.final, true)
    assert.not.ok('testAccuracy' in (final ?? {}))
    assert.is(lines.length, 2)
    for (const { options, weightsSha256, testAccuracy } of lines)
      assert.ok(/^[0-9a-f]{64}$/.test(`${weightsSha256}`) && Number(testAccuracy) > 0, `${options}`)
    const alone = await hashAlone(lines[0].options as object, join(folder, 'alone'))
    assert.is(lines[0].weightsSha256, alone)
    const page = await readFile(join(out, 'sweep.html'), 'utf8')
    assert.match(page, /<svg class="scatter" role="img" aria-label="2 runs by lr; the best has/)
    assert.is(page.match(/<circle [^>]*class="point (?:best|whole)"[^>]*><title>lr /g)?.length, 2)
    // Without the folders of the runs nothing could be trained on; results are there.
    await rm(join(out, 'runs'), { recursive: true })
    const again = await runHere(['sweep', spec, '--out', out, '--json'])
    assert.equal(parseLines(again.stdout).slice(0, 2), lines)
    assert.equal(await readdir(join(out, 'runs')), [])
    const csv = await runHere(['sweep', 'results', out, '--csv'])
    assert.match(csv.stdout, /^id,lr,state,epochs,testAccuracy,testLoss,weightsSha256\n/)
    assert.is(csv.stdout.trimEnd().split('\n').length, 3)
    const status = parseLines((await runHere(['sweep', 'status', out, '--json'])).stdout)[0]
    assert.is(status.isRunning, false)
  }))

test('a sweep over losses that are texts by a rule that is one, and one that is wrong', () =>
  withFolder(async (folder) => {
    const loss = ['(y - target)^2', 'd = y - target; log(exp(d) + exp(-d))']
    const base = { ...tiny, epochs: 1, optimizer: 'm = min(0.5*m + g, 1); p = p - lr*m' }
    const spec = await write(folder, { base, grid: { loss } })
    const { stdout } = await succeed(['sweep', spec, '--out', join(folder, 'out'), '--json'])
    const lines = parseLines(stdout).slice(0, -1)
    assert.equal(
      lines.map(({ options }) => (options as { loss: string }).loss),
      loss,
    )
    for (const line of lines) {
      const alone = await hashAlone(line.options as object, join(folder, `${line.id}`))
      assert.is(line.weightsSha256, alone)
    }
    assert.is.not(lines[0].weightsSha256, lines[1].weightsSha256)
    const wrong = await write(folder, { base: tiny, grid: { loss: ['y - z'] } })
    const { stderr } = await runHere(['sweep', wrong, '--out', join(folder, 'none')])
    assert.match(stderr, /sweep\.json: the run .*: custom: line 1, column 5: unknown name z/)
  }))

test('a sweep that is stopped amid its runs goes on, and halving ends what is hopeless', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'out')
    const lr = [0.001, 0.002, 0.3, 0.5]
    const base = { ...tiny, model: 'mlp', epochs: 4 }
    const spec = await write(folder, { base, grid: { lr }, halving: { factor: 2 } })
    const program = new Program([main, 'sweep', spec, '--out', out])
    const results = join(out, 'results')
    await program.until(async () => (await readdir(results).catch(() => [])).length >= 2)
    const stopping = await runHere(['sweep', 'stop', out])
    assert.is(stopping.stdout, 'the sweep has stopped\n', stopping.stderr)
    await program.ended
    const { stdout } = await succeed(['sweep', spec, '--out', out, '--json'])
    const lines = parseLines(stdout).slice(0, -1)
    assert.equal(lines.map(({ state }) => state).sort(), ['finished', 'halved', 'halved', 'halved'])
    assert.equal(lines.map(({ epochs }) => epochs).sort(), [1, 1, 2, 4])
    const winner = lines.find(({ state }) => state === 'finished')
    // It was ended at two rungs and by a stop, and is what it would have been.
    const alone = await hashAlone(winner?.options as object, join(folder, 'alone'))
    assert.is(winner?.weightsSha256, alone)
  }))

test('what a sweep will take is told before it begins', () =>
  withFolder(async (folder) => {
    const base = { ...tiny, epochs: 90 }
    const spec = await write(folder, { base, grid: { seed: [1, 2] } })
    const { stdout } = await succeed(['sweep', spec, '--dry-run', '--json'])
    const [a, b, final] = parseLines(stdout)
    assert.is(a.steps, 3)
    assert.ok(Number(a.stepMs) > 0 && Number(a.seconds) >= (270 * Number(a.stepMs)) / 1000)
    // Seeds cost the same: one of them was measured, and ended amid its epochs.
    assert.is(a.stepMs, b.stepMs)
    assert.ok(Number(final.seconds) > Number(a.seconds) + Number(b.seconds))
  }))

test('mistakes end in one line', () =>
  withFolder(async (folder) => {
    const spec = await write(folder, { base: tiny, grid: { lr: [1] } })
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['sweep', spec], /--out must name a folder/],
      [['sweep', join(folder, 'none.json'), '--out', folder], /none\.json/],
      [['sweep', spec, '--out', folder, '--redis', 'redis://:pw@h'], /SPIKEWASM_REDIS_PASSWORD/],
      [['sweep', spec, '--out', folder, '--shared', folder], /--shared needs --redis/],
      [['sweep', 'status', folder], /must be one that sweep --out has written/],
      [['worker'], /--redis must be the address of a Redis/],
      [['worker', '--redis', 'redis://127.0.0.1:1', '--kinds', 'cooking'], /--kinds must be among/],
    ]
    for (const [args, message] of wrong) {
      const { code, stderr } = await runHere(args)
      assert.is(code, 1)
      assert.match(stderr, /^spikewasm: [^\n]+\n$/)
      assert.match(stderr, message)
    }
  }))

test('a sweep whose process was killed is not running, whoever has its number now', () =>
  withFolder(async (folder) => {
    const status = { format: 1, title: 'x', pid: process.ppid, varied: [], rows: [] }
    await writeFile(join(folder, 'status.json'), JSON.stringify(status))
    const told = parseLines((await runHere(['sweep', 'status', folder, '--json'])).stdout)[0]
    assert.is(told.isRunning, false)
    const { stderr, code } = await runHere(['sweep', 'stop', folder])
    assert.is(code, 1)
    assert.match(stderr, /the sweep is not running/)
  }))

withRedis('runs of killed workers end with the bits of runs alone, each once', async () => {
  // A run for each worker; more come with `npm test -- --long`.
  const runs = ofLong(2, 4)
  const options = { workers: 2, kills: 1, seed: 3, epochs: 4, limitTrain: 320 }
  const { equal, lines, kills } = await scaleChaos({ runs, ...options })
  assert.is(equal, runs)
  assert.is(lines, runs)
  assert.ok(kills > 0, 'nothing was killed')
})

withRedis('a run goes on at a worker whose data have another path', () =>
  withFolder(async (folder) => {
    const paths = ['here', 'one', 'other machine/sets'].map((name) => join(folder, name))
    for (const path of paths) await writeData(join(path, 'events'), 'events')
    const [here, ...elsewhere] = paths
    const [one, two] = elsewhere.map((data) => victim('--data', data))
    const base = { dataset: 'events', timeSteps: 2, eventSize: 8, model: 'mlp', batchSize: 2 }
    const spec = await write(folder, {
      base: { ...base, epochs: 400, threads: 1 },
      grid: { seed: [1] },
    })
    const args = ['sweep', spec, '--out', join(folder, 'out'), '--redis', at.redis.url]
    const sweep = runHere([...args, '--data', here, '--json'])
    one.start()
    const isStored = async () =>
      (await at.place.client.keys('*:head:checkpoint-*')).length > 0 || one.said.includes(': done')
    while (!(await isStored())) await pause(20)
    assert.not.match(one.said, /: done/)
    await one.end('SIGKILL')
    two.start()
    const { stdout, stderr, code } = await sweep
    assert.is(code, 0, stderr)
    assert.match(two.said, /: goes on with what another worker has left/)
    assert.not.match(two.said, /begins anew/)
    const [{ options, weightsSha256 }] = parseLines(stdout)
    const alone = await hashAlone(options as object, join(folder, 'alone'), [
      ...['--data', join(here, 'events')],
    ])
    assert.is(weightsSha256, alone)
  }),
)

withRedis('files of runs go through a folder that all workers see', () =>
  withFolder(async (folder) => {
    const [out, shared] = [join(folder, 'out'), join(folder, 'shared')]
    await mkdir(shared)
    const place = ['--namespace', 'other', '--shared', shared]
    for (const worker of [0, 1].map(() => victim(...place))) worker.start()
    const base = { ...tiny, model: 'mlp', epochs: 2 }
    const lr = [0.1, 0.2]
    const spec = await write(folder, { base, grid: { lr }, halving: { factor: 2 } })
    const redis = ['--redis', at.redis.url, ...place, '--json']
    const { stdout, stderr } = await succeed(['sweep', spec, '--out', out, ...redis])
    // On a slow machine the sweep is there before the workers, and says so.
    assert.is(stderr.replace(/^spikewasm: no worker is there; .+\n/, ''), '')
    const lines = parseLines(stdout).slice(0, -1)
    assert.is(lines.length, 2)
    const [winner] = lines.filter(({ state }) => state === 'finished')
    const alone = await hashAlone(winner.options as object, join(folder, 'alone'))
    assert.is(winner.weightsSha256, alone)
    assert.is(await weightsHash(join(out, 'runs', String(winner.id))), alone)
    assert.equal(await at.place.client.keys('other:store:*'), [])
  }),
)

withRedis('a worker that is told to end in a run while Redis is gone ends', () =>
  withFolder(async (folder) => {
    const worker = victim()
    worker.start()
    const spec = await write(folder, { base: { epochs: 200 }, grid: { seed: [1] } })
    const sweep = run(['sweep', spec, '--out', join(folder, 'out'), '--redis', at.redis.url])
    await worker.until(() => worker.isBusy)
    await at.redis.kill()
    await worker.says('is lost')
    await soon(worker.end('SIGTERM'), 60)
    await at.redis.start()
    await succeed(['sweep', 'stop', join(folder, 'out')])
    assert.is((await sweep).code, 1)
  }),
)

withRedis('a limit of memory or time ends a run, and the worker goes on', () =>
  withFolder(async (folder) => {
    const base = { ...tiny, model: 'mlp', epochs: 1 }
    const spec = await write(folder, { base, grid: { seed: [1] } })
    const sweep = async (...more: string[]) => {
      const worker = victim(...more)
      worker.start()
      const args = ['sweep', spec, '--out', join(folder, 'out'), '--redis', at.redis.url]
      // Without a worker a sweep waits for ever.
      return soon(runHere(args), 120).finally(() => worker.end('SIGTERM'))
    }
    const { stdout, code } = await sweep('--memory-limit', '20')
    assert.is(code, 1)
    assert.match(stdout, /more than its limit of 20 MB \(--memory-limit\)/)
    // A job that has failed is tried again when the sweep is.
    const again = await sweep()
    assert.is(again.code, 0, again.stderr)
  }),
)

test.run()
