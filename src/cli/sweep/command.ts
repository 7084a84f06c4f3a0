/** `spikewasm sweep` and its `status`, `stop` and `results`. */

import type { Command } from 'commander'
import { expect, SpikewasmError } from '../../errors.js'
import { RedisPlace } from '../../scale/redis.js'
import { jsonOf } from '../options.js'
import { printJson } from '../report.js'
import { type ArgumentsOf, addOptions, count, flag, type Specs } from '../spec.js'
import { redisSpecs } from '../worker.js'
import { askToStop, isAlive, readStatus, whereRunning } from './folder.js'
import { bestFirst, isOver, lineOf, type SweepStatus } from './rows.js'
import { type SweepArguments, sweep, sweepSpecs } from './sweep.js'
import { sweepCsv, sweepTable } from './table.js'

export function sweepCommand(command: Command): Command {
  // Options behind the name of a command below are that one's.
  command.parent?.enablePositionalOptions()
  addOptions(command, sweepSpecs)
    .enablePositionalOptions()
    .description(
      'Train many runs, which differ in some options, and compare them. Without --redis they run ' +
        'here, as many at a time as processors and memory allow; with it, on all machines where ' +
        '`spikewasm worker` runs. The same command again goes on where it was.',
    )
    .argument('<file>', 'the sweep: {"base": {…}, "grid": {"lr": [0.05, 0.1], "seed": [1, 2]}}')
    .action((file: string, args: SweepArguments) => sweep(file, args))

  const about = (name: string, description: string, specs: Specs): Command =>
    addOptions(command.command(name), specs)
      .description(description)
      .argument('<folder>', 'folder of --out')
  about('status', 'How far a sweep is.', jsonOf('as JSON')).action(
    async (folder: string, _: unknown, own: Command) => showStatus(folder, own.opts()),
  )
  about(
    'stop',
    'Stop a sweep: its runs keep their checkpoints, and the sweep can go on later.',
    stopSpecs,
  ).action(async (folder: string, _: unknown, own: Command) => stop(folder, own.opts()))
  about('results', 'What the runs of a sweep have given, the best first.', resultsSpecs).action(
    async (folder: string, _: unknown, own: Command) => showResults(folder, own.opts()),
  )
  return command
}

/** As it is now: of a sweep whose process was killed, nothing runs. */
async function statusOf(folder: string): Promise<SweepStatus & { readonly isRunning: boolean }> {
  const status = await readStatus(folder)
  const isRunning = (await whereRunning(folder, status)) !== undefined
  if (isRunning) return { ...status, isRunning }
  const rows = status.rows.map((row) => (isOver(row) ? row : { ...row, state: 'stopped' as const }))
  return { ...status, rows, isRunning }
}

async function showStatus(folder: string, { json }: { readonly json?: boolean }): Promise<void> {
  const status = await statusOf(folder)
  if (json) {
    const { title, isRunning, rows } = status
    printJson({ title, isRunning, runs: rows })
    return
  }
  const ending = status.isRunning ? 'the sweep is running' : 'the sweep is not running'
  process.stdout.write(`${sweepTable(status)}\n${ending}\n`)
}

const resultsSpecs = {
  best: count('<n>', 'only the n best runs', { usual: 'all' }),
  csv: flag('comma-separated values', { preset: false }),
  ...jsonOf('JSON, one object a line'),
}

async function showResults(folder: string, args: ArgumentsOf<typeof resultsSpecs>): Promise<void> {
  const { best = Number.POSITIVE_INFINITY, csv, json } = args
  expect(!csv || !json, () => '--csv must be left out with --json, got both')
  const status = await statusOf(folder)
  const rows = bestFirst(status.rows.filter(({ result }) => result !== undefined)).slice(0, best)
  const shown = { ...status, rows }
  if (json) for (const row of rows) printJson(lineOf(row))
  else process.stdout.write(csv ? sweepCsv(shown) : `${sweepTable(shown)}\n`)
}

/** How long a sweep may take to end: runs write their checkpoints. */
const PATIENCE_MS = 60_000

const stopSpecs = redisSpecs('of a sweep whose process has ended: where its jobs are')

async function stop(
  folder: string,
  { redis, namespace }: ArgumentsOf<typeof stopSpecs>,
): Promise<void> {
  const status = await readStatus(folder)
  const { pid } = status
  const where = await whereRunning(folder, status)
  // Of a process on this machine the folder is given up before it has ended.
  const isGoing = async (): Promise<boolean> =>
    where === 'here' ? isAlive(pid) : (await whereRunning(folder, status)) !== undefined
  if (where !== undefined) {
    await askToStop(folder)
    for (const begun = Date.now(); await isGoing(); ) {
      if (Date.now() - begun > PATIENCE_MS)
        throw new SpikewasmError(`${folder}: the sweep (process ${pid}) has not ended in a minute`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    process.stdout.write('the sweep has stopped\n')
    return
  }
  if (redis === undefined)
    throw new SpikewasmError(
      `${folder}: the sweep is not running; where its jobs are left in Redis, give --redis its ` +
        'address',
    )
  const place = await RedisPlace.open(redis, { namespace })
  try {
    const { stopJobs } = await import('./remote.js')
    const left = status.rows.filter(({ result }) => result === undefined)
    await stopJobs(
      place,
      left.flatMap(({ tasks }) => tasks),
    )
    process.stdout.write(`the jobs of ${left.length} runs were stopped\n`)
  } finally {
    await place.close()
  }
}
