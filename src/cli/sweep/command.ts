/** `spikewasm sweep` and its `status`, `stop` and `results`. */

import type { Command } from 'commander'
import { fail } from '../../errors.js'
import { isAlive } from '../../io/folder/lock.js'
import { RedisPlace } from '../../scale/redis.js'
import { jsonOf } from '../options.js'
import { type ArgumentsOf, commandOf, count, flag } from '../spec.js'
import { answer, printJson } from '../terminal.js'
import { redisSpecs } from '../worker.js'
import * as known from './rows.js'
import { sweep, sweepSpecs } from './sweep.js'
import { sweepCsv, sweepTable } from './table.js'

const stopSpecs = redisSpecs('of a sweep whose process has ended: where its jobs are')

const resultsSpecs = {
  best: count('<n>', 'only the n best runs', { usual: 'all' }),
  csv: flag('comma-separated values', { preset: false }),
  ...jsonOf('JSON, one object a line'),
}

export function sweepCommand(command: Command): Command {
  // Options behind the name of a command below are that one's.
  command.parent?.enablePositionalOptions()
  command.enablePositionalOptions()
  commandOf(
    sweepSpecs,
    'Train many runs, which differ in some options, and compare them. Without --redis they run ' +
      'here, as many at a time as processors and memory allow; with it, on all machines where ' +
      '`spikewasm worker` runs. The same command again goes on where it was.',
    sweep,
    ['<file>', 'the sweep: {"base": {…}, "grid": {"lr": [0.05, 0.1], "seed": [1, 2]}}'],
  )(command)
  const folder = ['<folder>', 'folder of --out'] as const
  const below = {
    status: commandOf(jsonOf('as JSON'), 'How far a sweep is.', showStatus, folder),
    stop: commandOf(
      stopSpecs,
      'Stop a sweep: its runs keep their checkpoints, and the sweep can go on later.',
      stop,
      folder,
    ),
    results: commandOf(
      resultsSpecs,
      'What the runs of a sweep have given, the best first.',
      showResults,
      folder,
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
  answer(json, { title, isRunning, runs: rows }, () => `${sweepTable(status)}\n${ending}`)
}

async function showResults(args: ArgumentsOf<typeof resultsSpecs>, folder: string): Promise<void> {
  const { best = Number.POSITIVE_INFINITY, csv, json } = args
  if (csv && json) fail('--csv must be left out with --json, got both')
  const status = await statusOf(folder)
  const rows = known
    .bestFirst(status.rows.filter(({ result }) => result !== undefined))
    .slice(0, best)
  const shown = { ...status, rows }
  if (json) for (const row of rows) printJson(known.lineOf(row))
  else process.stdout.write(csv ? sweepCsv(shown) : `${sweepTable(shown)}\n`)
}

/** How long a sweep may take to end: runs write their checkpoints. */
const PATIENCE_MS = 60_000

async function stop(
  { redis, namespace }: ArgumentsOf<typeof stopSpecs>,
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
