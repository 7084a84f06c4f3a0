/** `spikewasm sweep` and its `status`, `stop` and `results`. */

import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { fail, plainText } from '../../base/errors.js'
import { readFileClear } from '../../files/files.js'
import { isAlive } from '../../files/folder/lock.js'
import { defaultNamespace, RedisPlace } from '../../scale/redis.js'
import { folderStore, hashId } from '../../scale/store.js'
import { within } from '../../scale/worker.js'
import { type PageServer, servePage } from '../../watch/dashboard/server.js'
import { about } from '../about.js'
import { dashboardOf } from '../commands/training-flags.js'
import { cacheSpecs, redisSpecs } from '../commands/worker.js'
import { endSoon, listenForInterrupt } from '../interrupt.js'
import { withFiles } from '../mistakes.js'
import { jsonOf } from '../options.js'
import { openNetwork } from '../own-model.js'
import * as o from '../spec.js'
import { answer, codeStream, printJson } from '../terminal.js'
import { Engine, type SweepEntry } from './engine.js'
import { type Estimate, estimate, localExecutor } from './local.js'
import * as known from './page.js'
import { RemoteExecutor } from './remote.js'
import { dataHashes, readSpec, runId, type SweepSpec } from './spec.js'

const sweepSpecs = {
  out: o.text('<folder>', 'write results, runs and a page about them (sweep.html)'),
  data: o.text(
    '<path>',
    'where the data set is, or a folder with one of its name; digits come with the package',
  ),
  ...cacheSpecs,
  jobs: o.count('<n>', 'runs at a time here', { usual: 'as many as processors and memory allow' }),
  ...redisSpecs('let workers do the runs: this command waits for them'),
  shared: o.text('<folder>', 'the folder of the workers’ --shared', { needs: 'redis' }),
  dryRun: o.flag('list the runs and say how long they take, by measured steps', { preset: false }),
  ...dashboardOf('show the sweep live on a page of this machine (default port: one that is free)'),
  ...jsonOf('JSON on standard output: a line for each run when it has ended, and a final one'),
}

type SweepArguments = o.ArgumentsOf<typeof sweepSpecs>

/** How often the status is written, and shown. */
const STATUS_MS = 1000
const STOP_MS = 500
const WORKERS_MS = 10_000

async function sweep(args: SweepArguments, file: string): Promise<void> {
  const { out = '', cache, jobs, redis, dryRun } = args
  if (args.out === undefined && !dryRun) fail('--out must name a folder for the results, got none')
  if (redis !== undefined)
    o.expectLeftOut(args, ['jobs'], 'with --redis: workers say how many they do')
  o.expectUse(sweepSpecs, args)
  const bytes = await withFiles(() => readFileClear(file, 'sweep'))
  const spec = readSpec(bytes, file)
  const data = args.data && resolve(args.data)
  // What cannot be imported is told before the first of many runs begins.
  for (const path of new Set(spec.runs.map(({ own }) => own?.path)))
    if (path) await openNetwork(path)
  const hashOf = dataHashes(data, cache)
  const entries = new Map<string, SweepEntry>()
  for (const run of spec.runs) {
    const hash = await hashOf(run.parsed)
    const id = runId(run, hash)
    // Chance may choose the same twice; so may options that mean the same.
    if (!entries.has(id)) entries.set(id, { run, id, data: hash })
  }
  const twice = spec.runs.length - entries.size
  if (twice > 0)
    process.stderr.write(`spikewasm: ${twice} runs are equal to others and are left out\n`)
  const all = [...entries.values()]
  if (dryRun) {
    tellPlan(spec, all, await estimate(spec, all, { data, cache, jobs }), args.json)
    return
  }
  const folder = await known.openSweep(out)
  const title = `Sweep ${basename(file)}`
  await new RunningSweep(title, spec, folder, { ...args, data, out }).run(all, bytes)
}

/** What tells a run from others, in a line. */
const titleOf = (id: string, chosen: known.SweepRow['chosen'], varied: readonly string[]): string =>
  `${id.slice(0, 12)}  ` +
  varied.map((name) => `${name} ${plainText(known.chosenText(chosen[name]))}`).join(', ')

export function tellPlan(
  { varied }: SweepSpec,
  entries: readonly SweepEntry[],
  { costs, seconds, wallSeconds, atOnce }: Estimate,
  json: boolean,
): void {
  for (const { id, run } of entries) {
    const { stepMs, steps, epochSeconds, memoryMB } = costs.get(id)!
    const { epochs } = run.parsed
    const whole = epochSeconds * epochs
    const line = { id, options: run.given, stepMs, steps, epochs, seconds: whole, memoryMB }
    const about =
      `${epochs} × ${steps} steps of ${stepMs.toFixed(2)} ms, ${durationText(whole)}, ` +
      `${Math.round(memoryMB)} MB`
    answer(json, line, () => `${titleOf(id, run.chosen, varied)}: ${about}`)
  }
  const text =
    `${entries.length} runs, about ${durationText(seconds)} one after the other; here ` +
    `${atOnce} at a time, about ${durationText(wallSeconds)}`
  answer(json, { final: true, runs: entries.length, seconds, wallSeconds, atOnce }, () => text)
}

function durationText(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(1)} s`
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

type RunArguments = SweepArguments & { readonly out: string }

/** A sweep that runs: what is shown and written of it, and who does its runs. */
class RunningSweep {
  /** Drawn anew where standard output is a terminal. */
  private readonly table: ReturnType<typeof known.liveTable> | undefined
  private readonly end = new AbortController()
  /** Whether there is something to show. */
  private isNew = true
  /** Who does not do the runs, where that is to be known. */
  private note = ''
  /** The last status that was written. */
  private written: Promise<void> = Promise.resolve()
  private engine: Engine | undefined
  private remote: RemoteExecutor | undefined
  private server: PageServer | undefined

  constructor(
    private readonly title: string,
    private readonly spec: SweepSpec,
    private readonly folder: known.SweepFolder,
    private readonly args: RunArguments,
  ) {
    // Each run that is waited for listens.
    setMaxListeners(0, this.end.signal)
    if (!args.json && process.stdout.isTTY) this.table = known.liveTable(codeStream(process.stdout))
  }

  /**
   * Until all runs have ended, or it is asked to stop.
   *
   * @param bytes of the file that says what the sweep is
   */
  async run(entries: readonly SweepEntry[], bytes: Uint8Array): Promise<void> {
    const { spec, folder, args, end } = this
    const { runFolder, keepResult: keep } = folder
    const { jobs, data, cache, json } = args
    const interrupt = listenForInterrupt((name) => {
      this.write(`${name}: stopping; runs write checkpoints; again ends at once`)
      end.abort('interrupt')
    })
    try {
      await folder.writeSpec(bytes)
      const results = await folder.results()
      this.remote = await this.openRemote()
      const executor = this.remote ?? localExecutor(entries, { jobs, data, cache, runFolder })
      const onEnded = (row: known.SweepRow): void => tellEnded(row, spec.varied, json)
      const of = { spec, entries, results, executor, signal: end.signal, keep, onEnded }
      this.engine = new Engine({ ...of, onChange: this.renew })
      if (args.dashboard !== undefined) await this.serve(args.dashboard)
      await folder.writeStatus(this.status())
      await this.drive(this.engine)
      if (end.signal.aborted) await this.leaveJobs(this.engine.unfinishedTasks())
      await this.finish()
      if (interrupt.exitCode !== 0) process.exitCode = interrupt.exitCode
    } finally {
      interrupt.release()
      await this.server?.close('end', '').catch(() => undefined)
      await this.remote?.close()
      await this.remote?.place.close()
      await folder.close()
      if (this.remote) endSoon()
    }
  }

  private status(pid: number | null = process.pid): known.SweepStatus {
    const { title, spec, engine } = this
    return { format: 1, title, pid, varied: spec.varied, rows: engine?.rows() ?? [] }
  }

  private readonly renew = (): void => {
    this.isNew = true
  }

  /** A message does not stand amid the table. */
  private write(text: string): void {
    this.table?.clear()
    process.stderr.write(`${text}\n`)
    this.renew()
  }

  private readonly tell = (line = 'connected again'): void => this.write(`spikewasm: ${line}`)

  /** Who does the runs on other machines, where `--redis` asks for them. */
  private async openRemote(): Promise<RemoteExecutor | undefined> {
    const { redis, namespace, shared, out } = this.args
    if (redis === undefined) return
    const store = shared === undefined ? undefined : await folderStore(resolve(shared))
    const place = await RedisPlace.open(redis, { namespace, onTrouble: this.tell })
    const who = hashId([hostname(), resolve(out)])
    const { runFolder } = this.folder
    return new RemoteExecutor({ place, store, runFolder, who, onTrouble: this.tell })
  }

  /** The live page. */
  private async serve(port: number): Promise<void> {
    const html = await known.liveSweepPage(this.status())
    const whole = () => ['sweep', known.sweepBody(this.status())] as const
    this.server = await servePage({ html, whole }, port)
    this.write(`dashboard: ${this.server.url}`)
  }

  /** Drives the runs to their end; looks meanwhile who does them and whether they are to stop. */
  private async drive(engine: Engine): Promise<void> {
    const lookForStop = async (): Promise<void> => {
      if (await this.folder.wasAskedToStop()) this.end.abort('stop')
    }
    const timers = [setInterval(this.show, STATUS_MS), setInterval(lookForStop, STOP_MS)]
    if (this.remote) timers.push(setInterval(this.countWorkers, WORKERS_MS))
    const running = engine.run().finally(() => timers.forEach(clearInterval))
    await Promise.all([running, this.remote && within(5000, this.countWorkers())])
  }

  /** Shows and writes how things stand, where that is new. */
  private readonly show = (): void => {
    if (!this.isNew) return
    this.isNew = false
    const status = this.status()
    this.server?.send('sweep', known.sweepBody(status))
    this.table?.draw(status, this.note)
    this.written = this.written.then(() => this.folder.writeStatus(status)).catch(() => undefined)
  }

  /** Looks who does the jobs, and notes and tells what is lacking, where that has changed. */
  private readonly countWorkers = async (): Promise<void> => {
    const found = await this.remote?.workers().catch(() => undefined)
    if (!found) return
    const { count, others, lacking } = found
    const none = count === 0 && noWorkers(this.args.namespace)
    const note = o.present([none, others, lacking]).join('; ')
    if (note === this.note) return
    this.note = note
    this.renew()
    if (note && !this.table) this.tell(note)
  }

  /** Leaves jobs that have not ended: `sweep stop` ends them, Ctrl-C the waiting alone. */
  private async leaveJobs(left: readonly string[]): Promise<void> {
    if (this.end.signal.reason === 'stop') await this.remote?.stop(left)
    else if (this.remote && left.length > 0)
      this.tell(
        `${left.length} jobs stay in Redis, and workers go on with them; the same command ` +
          'waits for them again, and sweep stop ends them',
      )
  }

  /** Writes the last status and the page, and says what has come of it. */
  private async finish(): Promise<void> {
    const { folder, table, args } = this
    const status = this.status(null)
    const { rows } = status
    await this.written
    await folder.writeStatus(status)
    await folder.writePage(await known.sweepPage(status))
    table?.draw(status)
    await this.server?.close('end', known.sweepBody(status))
    const counts = known.countStates(rows)
    const best = known.bestFirst(rows).find(({ result }) => result !== undefined)?.id ?? null
    const left = rows.length - counts.finished - counts.halved - counts.failed
    if (!args.json && !table) process.stdout.write(`${known.sweepTable(status, 20)}\n`)
    const line = { final: true, runs: rows.length, ...counts, best, out: args.out }
    const where = `results are in ${resolve(args.out)}, a page in ${folder.page}`
    answer(args.json, line, () => where)
    if (left > 0)
      process.stderr.write(`spikewasm: ${left} runs are left; the same command goes on with them\n`)
    if (counts.failed > 0 || left > 0) process.exitCode = 1
  }
}

const noWorkers = (namespace: string): string =>
  'no worker is there; start some with: spikewasm worker --redis URL' +
  (namespace === defaultNamespace ? '' : ` --namespace ${namespace}`)

function tellEnded(row: known.SweepRow, varied: readonly string[], json: boolean): void {
  if (json) printJson(known.lineOf(row))
  if (json || process.stdout.isTTY) return
  const { id, chosen, state, epoch, testAccuracy, error } = row
  const what = error ? `failed: ${error}` : `${state} at epoch ${epoch}`
  const title = titleOf(id, chosen, varied)
  process.stdout.write(`${title}: ${what}, ${known.accuracyText(testAccuracy)}\n`)
}

const stopSpecs = redisSpecs('of a sweep whose process has ended: where its jobs are')

const resultsSpecs = {
  best: o.count('<n>', 'only the n best runs', { usual: 'all' }),
  csv: o.flag('comma-separated values', { preset: false }),
  ...jsonOf('JSON, one object a line'),
}

export function sweepCommand(command: Command): Command {
  // Options behind the name of a command below are that one's.
  command.parent?.enablePositionalOptions()
  command.enablePositionalOptions()
  o.commandOf(sweepSpecs, about.sweep, sweep)(command)
  const operand = ['<folder>', 'folder of --out'] as const
  const below = {
    status: o.commandOf(jsonOf('as JSON'), { text: 'How far a sweep is.', operand }, showStatus),
    stop: o.commandOf(
      stopSpecs,
      {
        text: 'Stop a sweep: its runs keep their checkpoints, and the sweep can go on later.',
        operand,
      },
      stop,
    ),
    results: o.commandOf(
      resultsSpecs,
      { text: 'What the runs of a sweep have given, the best first.', operand },
      showResults,
    ),
  }
  for (const [name, make] of Object.entries(below)) make(command.command(name))
  return command
}

/** As it is now: of a sweep whose process was killed, nothing runs. */
async function statusOf(
  folder: string,
): Promise<known.SweepStatus & { readonly isRunning: boolean }> {
  const status = await known.readStatus(folder)
  const isRunning = (await known.whereRunning(folder, status)) !== undefined
  if (isRunning) return { ...status, isRunning }
  const rows = status.rows.map((row) =>
    known.isOver(row) ? row : { ...row, state: 'stopped' as const },
  )
  return { ...status, rows, isRunning }
}

async function showStatus({ json }: { json: boolean }, folder: string): Promise<void> {
  const status = await statusOf(folder)
  const { title, isRunning, rows } = status
  const ending = isRunning ? 'the sweep is running' : 'the sweep is not running'
  answer(json, { title, isRunning, runs: rows }, () => `${known.sweepTable(status)}\n${ending}`)
}

async function showResults(
  args: o.ArgumentsOf<typeof resultsSpecs>,
  folder: string,
): Promise<void> {
  const { best = Number.POSITIVE_INFINITY, csv, json } = args
  if (csv && json) fail('--csv must be left out with --json, got both')
  const status = await statusOf(folder)
  const rows = known
    .bestFirst(status.rows.filter(({ result }) => result !== undefined))
    .slice(0, best)
  const shown = { ...status, rows }
  if (json) for (const row of rows) printJson(known.lineOf(row))
  else process.stdout.write(csv ? known.sweepCsv(shown) : `${known.sweepTable(shown)}\n`)
}

/** How long a sweep may take to end: runs write their checkpoints. */
const PATIENCE_MS = 60_000

async function stop(
  { redis, namespace }: o.ArgumentsOf<typeof stopSpecs>,
  folder: string,
): Promise<void> {
  const status = await known.readStatus(folder)
  const pid = status.pid ?? 0
  const where = await known.whereRunning(folder, status)
  // A process on this machine gives its folder up before it has ended.
  const isGoing = async (): Promise<boolean> =>
    where === 'here'
      ? pid > 0 && isAlive(pid)
      : (await known.whereRunning(folder, status)) !== undefined
  if (where !== undefined) {
    await known.askToStop(folder)
    for (const begun = Date.now(); await isGoing(); ) {
      if (Date.now() - begun > PATIENCE_MS)
        fail(`${folder}: the sweep (process ${pid}) has not ended in a minute`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    process.stdout.write('the sweep has stopped\n')
    return
  }
  if (redis === undefined)
    fail(
      `${folder}: the sweep is not running; where its jobs are left in Redis, give --redis its ` +
        'address',
    )
  const place = await RedisPlace.open(redis, { namespace })
  try {
    const { stopJobs } = await import('./remote.js')
    const left = status.rows.filter(({ result }) => result === undefined)
    const names = left.flatMap(({ tasks }) => tasks)
    await stopJobs(place, names)
    process.stdout.write(`the jobs of ${left.length} runs were stopped\n`)
  } finally {
    await place.close()
  }
}
