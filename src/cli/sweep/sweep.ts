/** Runs a sweep: reads it, drives it, and says what comes of it. */

import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'
import { expect, plainText } from '../../errors.js'
import { readFileClear } from '../../io/files.js'
import { hashId } from '../../scale/jobs.js'
import { defaultNamespace, RedisPlace } from '../../scale/redis.js'
import { folderStore } from '../../scale/store.js'
import { within } from '../../scale/worker.js'
import { type PageServer, servePage } from '../../train/dashboard/serve.js'
import { endSoon } from '../end-soon.js'
import { listenForInterrupt } from '../interrupt.js'
import { withFiles } from '../mistakes.js'
import { jsonOf } from '../options.js'
import { printJson } from '../report.js'
import { type ArgumentsOf, count, expectUse, flag, text } from '../spec.js'
import { codeStream } from '../terminal.js'
import { dashboardOf } from '../train.js'
import { cacheSpecs, redisSpecs } from '../worker.js'
import { DataHashes } from './data.js'
import { Engine, type Executor, type SweepEntry } from './engine.js'
import { type Estimate, estimate } from './estimate.js'
import { SweepFolder } from './folder.js'
import { localExecutor } from './local.js'
import { runId } from './options.js'
import { accuracyText, chosenText, liveSweepPage, sweepBody, sweepPage } from './page.js'
import { type RemoteExecutor, remoteExecutor } from './remote.js'
import { bestFirst, countStates, lineOf, type SweepRow, type SweepStatus } from './rows.js'
import { readSpec, type SweepSpec } from './spec.js'
import { liveTable, sweepTable } from './table.js'

export const sweepSpecs = {
  out: text('<folder>', 'write results, runs and a page about them (sweep.html)'),
  data: text(
    '<path>',
    'where the data set is, or a folder with one of its name; digits come with the package',
  ),
  ...cacheSpecs,
  jobs: count('<n>', 'runs at a time here', { usual: 'as many as processors and memory allow' }),
  ...redisSpecs('let workers do the runs: this command waits for them'),
  shared: text('<folder>', 'the folder of the workers’ --shared', { needs: 'redis' }),
  dryRun: flag(
    'list the runs and say how long they will take, from two measured steps of each kind',
    { preset: false },
  ),
  ...dashboardOf('show the sweep live on a page of this machine (default port: one that is free)'),
  ...jsonOf('JSON on standard output: a line for each run when it has ended, and a final one'),
}

export type SweepArguments = ArgumentsOf<typeof sweepSpecs>

/** How often the status is written, and shown. */
const STATUS_MS = 1000
const STOP_MS = 500

export async function sweep(file: string, args: SweepArguments): Promise<void> {
  const { out, data, cache, jobs, redis, dryRun } = args
  expect(out !== undefined || dryRun, () => '--out must name a folder for the results, got none')
  expect(
    redis === undefined || jobs === undefined,
    () => `--jobs must be left out with --redis: workers say how many they do, got ${jobs}`,
  )
  expectUse(sweepSpecs, args)
  const bytes = await withFiles(() => readFileClear(file, 'sweep'))
  const spec = readSpec(bytes, file)
  const hashes = new DataHashes(data && resolve(data), cache)
  const entries: SweepEntry[] = []
  const known = new Set<string>()
  for (const run of spec.runs) {
    const dataHash = await hashes.of(run.parsed)
    const id = runId(run, dataHash)
    // Chance may choose the same twice; so may options that mean the same.
    if (!known.has(id)) entries.push({ run, id, dataHash })
    known.add(id)
  }
  if (entries.length < spec.runs.length)
    process.stderr.write(
      `spikewasm: ${spec.runs.length - entries.length} runs are equal to others and are left out\n`,
    )
  if (dryRun) {
    tellPlan(spec, entries, await estimate(spec, entries, { data, cache, jobs }), args.json)
    return
  }
  await runSweep({ file, bytes, spec, entries, args, out: out ?? '' })
}

export function tellPlan(
  spec: SweepSpec,
  entries: readonly SweepEntry[],
  { costs, seconds, wallSeconds, atOnce }: Estimate,
  json: boolean,
): void {
  for (const { id, run } of entries) {
    const { stepMs, steps, epochSeconds, memoryMB } = costs.get(id)!
    const { epochs } = run.parsed
    const whole = epochSeconds * epochs
    if (json) {
      printJson({ id, options: run.given, stepMs, steps, epochs, seconds: whole, memoryMB })
      continue
    }
    const chosen = spec.varied.map((name) => `${name} ${plainText(chosenText(run.chosen[name]))}`)
    process.stdout.write(
      `${id.slice(0, 12)}  ${chosen.join(', ')}: ${epochs} × ${steps} steps of ` +
        `${stepMs.toFixed(2)} ms, ${durationText(whole)}, ${Math.round(memoryMB)} MB\n`,
    )
  }
  if (json) printJson({ final: true, runs: entries.length, seconds, wallSeconds, atOnce })
  else
    process.stdout.write(
      `${entries.length} runs, about ${durationText(seconds)} one after the other; here ` +
        `${atOnce} at a time, about ${durationText(wallSeconds)}\n`,
    )
}

function durationText(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(1)} s`
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

interface Running {
  readonly file: string
  readonly bytes: Uint8Array
  readonly spec: SweepSpec
  readonly entries: readonly SweepEntry[]
  readonly args: SweepArguments
  readonly out: string
}

async function runSweep({ file, bytes, spec, entries, args, out }: Running): Promise<void> {
  const { redis, json } = args
  const folder = await SweepFolder.open(out)
  const end = new AbortController()
  // Each run that is waited for listens.
  setMaxListeners(0, end.signal)
  const table = !json && process.stdout.isTTY ? liveTable(codeStream(process.stdout)) : undefined
  let isNew = true
  /** A message does not stand amid the table. */
  const write = (text: string): void => {
    table?.clear()
    process.stderr.write(`${text}\n`)
    isNew = true
  }
  const tell = (line: string | undefined): void => write(`spikewasm: ${line ?? 'connected again'}`)
  const interrupt = listenForInterrupt((name) => {
    write(`${name}: stopping; runs write checkpoints; again ends at once`)
    end.abort('interrupt')
  })
  let place: RedisPlace | undefined
  let remote: RemoteExecutor | undefined
  let server: PageServer | undefined
  try {
    await folder.writeSpec(bytes)
    const results = await folder.results()
    const runFolder = (id: string): string => folder.runFolder(id)
    if (redis !== undefined) {
      place = await RedisPlace.open(redis, { namespace: args.namespace, onTrouble: tell })
      const store = args.shared === undefined ? undefined : await folderStore(resolve(args.shared))
      const who = hashId([hostname(), resolve(out)])
      remote = remoteExecutor({ place, store, runFolder, who, onTrouble: tell })
    }
    const data = args.data && resolve(args.data)
    const executor: Executor =
      remote ?? localExecutor(entries, { jobs: args.jobs, data, cache: args.cache, runFolder })
    const engine = new Engine({
      ...{ spec, entries, results, executor, signal: end.signal },
      keep: (name, result) => folder.keepResult(name, result),
      onChange: () => {
        isNew = true
      },
      onEnded: (row) => tellEnded(row, spec.varied, json),
    })
    const title = `Sweep ${basename(file)}`
    const statusNow = (pid: number | null): SweepStatus => ({
      ...{ format: 1, title, pid, varied: spec.varied, rows: engine.rows() },
    })
    if (args.dashboard !== undefined) {
      const html = await liveSweepPage(statusNow(process.pid))
      const whole = (): [string, unknown] => ['sweep', sweepBody(statusNow(process.pid))]
      server = await servePage({ html, whole }, args.dashboard)
      write(`dashboard: ${server.url}`)
    }
    /** Who does not do the runs, where that is to be known. */
    let note = ''
    let writing = folder.writeStatus(statusNow(process.pid))
    const show = (): void => {
      if (!isNew) return
      isNew = false
      const status = statusNow(process.pid)
      server?.send('sweep', sweepBody(status))
      table?.draw(status, note)
      writing = writing.then(() => folder.writeStatus(status)).catch(() => undefined)
    }
    const timers = [
      setInterval(show, STATUS_MS),
      setInterval(async () => {
        if (await folder.wasAskedToStop()) end.abort('stop')
      }, STOP_MS),
    ]
    if (remote) {
      const of = remote
      const count = async (): Promise<void> => {
        const found = await of.workers().catch(() => undefined)
        if (!found) return
        const none = found.count === 0 ? [noWorkers(args.namespace)] : []
        const before = note
        note = [...none, ...(found.others ? [found.others] : [])].join('; ')
        if (before === note) return
        isNew = true
        if (note && !table) tell(note)
      }
      await within(5000, count())
      timers.push(setInterval(count, 10_000))
    }
    try {
      await engine.run()
    } finally {
      for (const timer of timers) clearInterval(timer)
    }
    if (remote && end.signal.aborted) {
      if (end.signal.reason === 'stop') await remote.stop(engine.unfinishedTasks())
      else tellLeft(engine.unfinishedTasks().length, tell)
    }
    const status = statusNow(null)
    await writing
    await folder.writeStatus(status)
    await folder.writePage(await sweepPage(status))
    table?.draw(status)
    await server?.close('end', sweepBody(status))
    finish(status, folder, { json, isDrawn: table !== undefined })
    if (interrupt.exitCode !== 0) process.exitCode = interrupt.exitCode
  } finally {
    interrupt.release()
    await server?.close('end', '').catch(() => undefined)
    await remote?.close()
    await place?.close()
    await folder.close()
    if (place) endSoon()
  }
}

const noWorkers = (namespace: string): string =>
  'no worker is there; start some with: spikewasm worker --redis URL' +
  (namespace === defaultNamespace ? '' : ` --namespace ${namespace}`)

/** Ctrl-C ends the waiting alone; `sweep stop` ends the jobs too. */
function tellLeft(count: number, tell: (line: string) => void): void {
  if (count > 0)
    tell(
      `${count} jobs stay in Redis, and workers go on with them; the same command waits for them ` +
        'again, and sweep stop ends them',
    )
}

function tellEnded(row: SweepRow, varied: readonly string[], json: boolean): void {
  if (json) {
    printJson(lineOf(row))
    return
  }
  if (process.stdout.isTTY) return
  const chosen = varied.map((name) => `${name} ${plainText(chosenText(row.chosen[name]))}`)
  const { id, state, epoch, testAccuracy, error } = row
  const what = error ? `failed: ${error}` : `${state} at epoch ${epoch}`
  process.stdout.write(
    `${id.slice(0, 12)}  ${chosen.join(', ')}: ${what}, ${accuracyText(testAccuracy)}\n`,
  )
}

function finish(
  status: SweepStatus,
  folder: SweepFolder,
  { json, isDrawn }: { readonly json: boolean; readonly isDrawn: boolean },
): void {
  const counts = countStates(status.rows)
  const best = bestFirst(status.rows).find(({ result }) => result !== undefined)
  const ended = counts.finished + counts.halved + counts.failed
  if (json)
    printJson({
      final: true,
      runs: status.rows.length,
      ...counts,
      best: best?.id ?? null,
      out: folder.path,
    })
  else {
    if (!isDrawn) process.stdout.write(`${sweepTable(status, 20)}\n`)
    process.stdout.write(`results are in ${resolve(folder.path)}, a page in ${folder.page}\n`)
  }
  if (counts.failed > 0) process.exitCode = 1
  if (ended < status.rows.length) {
    const left = status.rows.length - ended
    process.stderr.write(`spikewasm: ${left} runs are left; the same command goes on with them\n`)
    process.exitCode = 1
  }
}
