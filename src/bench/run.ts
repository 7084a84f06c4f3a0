/** Runs the sections of a selection; tables are handed out as soon as their group is measured. */
import { expect, SpikewasmError } from '../errors.js'
import { isRefused } from './figures.js'
import type { Group, Progress } from './group.js'
import { measureHandOver } from './hand-over.js'
import { describeMachine, machineLabel } from './machine.js'
import { type Budget, quick as quickBudget, thorough } from './measure.js'
import type { Selection } from './options.js'
import { ownGroup } from './own-process.js'
import { byteAdds, eventAdds, type LimitRate, memoryMoves, multiplyAdds } from './peak.js'

export { addReport } from './report.js'

import {
  addReport,
  digits,
  emptyReport,
  failureOf,
  type Report,
  type ResultTable,
} from './report.js'

/** Where tables go while more is measured. */
export interface Output {
  table(table: ResultTable): void
  readonly progress: Progress
}

/** What the columns of a section's tables mean. */
export function notesOf(section: string): readonly string[] {
  const time =
    'time: median call behind a warm-up. first: the first call; cold: the three behind it, ' +
    'while V8 optimises. of limit: the least work that the call needs, of the limit in turns ' +
    'with it.'
  const notes: Record<string, readonly string[]> = {
    kernels: [
      `${time} rate: of the usual work, GFLOP as dense, GSOP with 1e9 additions of a weight for ` +
        'a spike. Neurons with equal spikes share additions, and Winograd leaves products out: ' +
        'so a rate may be above the limit, of which only the work that is left takes a share.',
    ],
    steps: [
      'A step is trainStep at learning rate 0: reordering the batch, forward, backward, update. ' +
        'of limit: the least multiplications and additions of convolutions and linear layers, at ' +
        'the multiply-add loop times the threads. rate: spikes per neuron and step.',
    ],
    inference: ['predict of noise, with weights that have trained a little.'],
  }
  return notes[section] ?? [time]
}

/** How long a benchmark of a selection is measured. */
export const budgetOf = ({ quick }: Selection): Budget => (quick ? quickBudget : thorough)

/** Benchmarks in files of a user's own. @throws SpikewasmError when they do not load */
export const ownGroupOf = (
  paths: readonly string[],
  selection: Selection,
  signal?: AbortSignal,
): Promise<Group> =>
  ownGroup(paths, { budget: budgetOf(selection), signal }, machineLabel(), notesOf('own'))

/**
 * Names that contain a text, by group.
 * @throws SpikewasmError when there is none
 */
export function filterGroups(groups: readonly Group[], filter: string | undefined): Set<string> {
  const names = groups.flatMap((group) => group.names)
  const chosen = names.filter((name) => filter === undefined || name.includes(filter))
  expect(
    chosen.length > 0,
    () =>
      `bench.filter must be a part of the name of a benchmark, got ${JSON.stringify(filter)}, ` +
      `which is in none of ${names.length}; --list prints their names`,
  )
  return new Set(chosen)
}

/** What a process that Ctrl-C has ended says may come before the signal itself. */
const SIGNAL_MS = 50

/** Runs a group; if it fails as a whole, all of its names have failed. */
async function runGroup(
  group: Group,
  names: readonly string[],
  progress: Progress,
  signal: AbortSignal | undefined,
  isAlone: boolean,
): Promise<Report> {
  try {
    return await group.run(new Set(names), progress, signal)
  } catch (error) {
    // Nothing else could be lost.
    if (isAlone && error instanceof SpikewasmError) throw error
    await new Promise((done) => void setTimeout(done, SIGNAL_MS))
    const failed = signal?.aborted ? [] : names
    return {
      ...emptyReport(),
      failed: new Map(failed.map((name) => [name, failureOf(name, error)])),
    }
  }
}

/** Runs groups one after the other; those behind one that fails too. */
export async function runGroups(
  groups: readonly Group[],
  wanted: ReadonlySet<string>,
  output: Output,
  signal?: AbortSignal,
): Promise<Report> {
  const report = emptyReport()
  const chosen = groups.filter(({ names }) => names.some((name) => wanted.has(name)))
  for (const group of chosen) {
    if (signal?.aborted) break
    const names = group.names.filter((name) => wanted.has(name))
    const isAlone = chosen.length === 1
    const part = await runGroup(group, names, output.progress, signal, isAlone)
    output.progress('')
    for (const table of part.tables) output.table(table)
    addReport(report, part)
  }
  return report
}

/** The machine in words: lines for the head of a report. */
export function headOf(selection: Selection, wide: string): string[] {
  return [
    ...describeMachine(),
    ...(selection.quick ? ['Quick run: too short for figures to quote.'] : []),
    `Threads: up to ${selection.threads}. Wide vectors ${wide}.`,
  ]
}

/** Copies that are shown: in the nearest cache, in a larger one, and in memory. */
const COPIES = [16 * 2 ** 10, 2 ** 20, 64 * 2 ** 20]

const sizeText = (bytes: number): string =>
  bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`

/** What the machine gives at best, now: one thread, and two that hand a cache line over. */
export async function peakReport(selection: Selection): Promise<Report> {
  const label = machineLabel()
  const [looks, mostMs] = selection.quick ? [5, 100] : [50, 5000]
  const limits: [string, LimitRate][] = [
    ['multiply-add', multiplyAdds()],
    ['event-adds', eventAdds()],
    ['byte-adds', byteAdds()],
    ...COPIES.map((bytes): [string, LimitRate] => [`copy ${sizeText(bytes)}`, memoryMoves(bytes)]),
  ]
  const handOver = await measureHandOver()
  const report = emptyReport()
  for (const [, limit] of limits) {
    const end = performance.now() + mostMs
    for (let i = 0; i < looks && (i === 0 || performance.now() < end); i++) limit.look()
  }
  report.tables.push({
    title: "Limits: the machine's peak",
    notes: [
      ...(isRefused(handOver) ? [`hand-over: not measured, ${handOver.refused}.`] : []),
      'One thread, the best of many short looks. multiply-add: in registers. event-adds: weights ' +
        'from the nearest cache, as kernels on spikes add them; byte-adds: of one byte each.',
      'copy: bytes read and written together. hand-over: a cache line to another thread and back.',
      'Rows below are held against looks that were taken beside them.',
    ],
    head: ['limit', 'rate'],
    rows: [
      ...limits.map(([name, limit]) => [name, `${digits(limit.best)} ${limit.unit}`]),
      ['hand-over', isRefused(handOver) ? '–' : `${Math.round(handOver.value)} ns`],
    ],
  })
  if (!isRefused(handOver))
    report.smallerIsBetter.push({
      name: 'peak hand-over',
      unit: 'ns',
      value: handOver.value,
      extra: `2 threads\n${label}`,
    })
  for (const [name, limit] of limits)
    report.biggerIsBetter.push({
      name: `peak ${name}`,
      unit: limit.unit,
      value: limit.best,
      extra: `1 thread\n${label}`,
    })
  return report
}
