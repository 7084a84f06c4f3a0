/**
 * Peak memory of training, and how soon the first step is done: each configuration in a process of
 * its own, since what one leaves behind must not count for the next.
 */

import { fail } from '../base/errors.js'
import { Child, flagsOfNode } from '../engine/node/child.js'
import { patiently } from '../engine/threads/calls.js'
import { codeFile } from '../package-files.js'
import type { Selection } from './benchmark.js'
import { TIME_STEPS } from './cases/networks.js'
import type { FreshCalls, FreshJob } from './fresh-child.js'
import { batchOf, chooseModels, describeMethod, methods } from './networks.js'
import { type Column, type Entry, emptyReport, type Group, tableOf, time } from './report.js'

/** A process that takes longer hangs. */
const TIMEOUT_MS = 600_000

/** What a fresh process finds that trains a network. @throws SpikewasmError when it fails */
export async function measureFresh(job: FreshJob) {
  const child = new Child<FreshCalls>(codeFile('bench/fresh-child.js'), {
    execArgv: flagsOfNode(),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  try {
    const patience = { firstMs: TIMEOUT_MS, ms: TIMEOUT_MS }
    return await patiently(child, patience, () => child.call('start', job))
  } catch (error) {
    fail(
      `the process for "memory ${job.model} ${job.method}" failed: ${(error as Error).message} ` +
        `${child.lastWords(2)}; leave it out with --filter or --only`,
      error,
    )
  } finally {
    await child.end()
  }
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

/** One group for each network. */
export const memoryGroups = (selection: Selection, label: string): Group[] =>
  chooseModels(selection.model, selection.quick).map((model) => {
    const { quick, timeSteps, threads, batchSize = batchOf(model) } = selection
    const steps = timeSteps === undefined ? (quick ? [4] : TIME_STEPS) : [timeSteps]
    const choices = quick ? methods.filter(({ stepMode }) => stepMode === 'm') : methods
    const jobs = new Map(
      choices.map(describeMethod).flatMap((method) =>
        steps.map((T): [string, FreshJob] => {
          const name = `memory ${model} ${method} B${batchSize} T${T}`
          return [name, { model, method, timeSteps: T, threads, batchSize }]
        }),
      ),
    )
    return {
      section: 'memory',
      names: [...jobs.keys()],
      async run(wanted, progress, signal) {
        progress('memory of the package alone')
        const { rss: empty } = await measureFresh({ method: '', timeSteps: 0, threads: 1 })
        const report = emptyReport()
        const rows: Row[] = []
        for (const [name, job] of jobs) {
          if (!wanted.has(name) || signal?.aborted) continue
          progress(name)
          try {
            rows.push({ name, empty, ...(await measureFresh(job)) })
          } catch (error) {
            report.failed.set(name, `bench "${name}" failed: ${(error as Error).message}`)
          }
        }
        const end = threads > 1 ? ` threads ${threads}` : ''
        report.smallerIsBetter.push(...rows.map((row) => entryOf(row, end, label)))
        if (rows.length > 0) {
          const title = `memory: ${model}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
          report.tables.push(tableOf(title, [noteOf(empty)], columns, rows, lesser))
        }
        return report
      },
    }
  })

/** What a process found, and the bytes of one with the package alone. */
interface Row extends Awaited<ReturnType<typeof measureFresh>> {
  readonly name: string
  readonly empty: number
}

const entryOf = (row: Row, end: string, label: string): Entry => ({
  name: `${row.name}${end}`,
  unit: 'MiB',
  value: Math.round(row.rss / 2 ** 20),
  extra:
    `planned ${mib(row.planned)} MiB, a process without a model ${mib(row.empty)} MiB\nload, ` +
    `compile, first step: ${[row.load, row.compile, row.first].map(time).join(', ')}\n` +
    `${row.rates}\n${label}`,
})

const noteOf = (empty: number): string =>
  'Largest resident set of a fresh process that compiles and trains for 2 steps; one with ' +
  `the package alone takes ${mib(empty)} MiB. planned: what the plan asks of ` +
  'WebAssembly. load: importing the package; Node itself starts before.'

const columns: readonly Column<Row>[] = [
  ['benchmark', ({ name }) => name],
  ['peak MiB', ({ rss }) => mib(rss)],
  ['above empty', ({ rss, empty }) => mib(Math.max(0, rss - empty))],
  ['planned MiB', ({ planned }) => mib(planned)],
  ['load', ({ load }) => time(load)],
  ['compile', ({ compile }) => time(compile)],
  ['first step', ({ first }) => time(first)],
  ['density', ({ rates }) => rates],
]
const lesser = ['planned MiB', 'density', 'load']
