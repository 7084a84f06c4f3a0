/** Runs the sections of a selection; tables are handed out as soon as their group is measured. */
import { availableParallelism, cpus, loadavg } from 'node:os'
import { fail, SpikewasmError } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import type { Selection } from './benchmark.js'
import { listBenchmarks } from './cases/index.js'
import { measureEach } from './loops.js'
import { memoryGroups } from './memory.js'
import { limits, memoryMoves } from './peak.js'
import {
  addReport,
  digits,
  emptyReport,
  type Group,
  type Progress,
  type Report,
  type ResultTable,
} from './report.js'

/** What the columns of a section's first table mean. */
const notes: Readonly<Record<string, string>> = {
  kernels:
    'time: median of rounds behind a warm-up. of limit: the least work that the call needs, of ' +
    'the limit beside it. rate: of the usual work, GFLOP as dense, GSOP with 1e9 additions of a ' +
    'weight for a spike. Neurons with equal spikes share additions, and Winograd leaves products ' +
    'out: so a rate may be above the limit, of which only the work that is left takes a share.',
  steps:
    'A step is trainStep at learning rate 0: reordering the batch, forward, backward, update. ' +
    'rate: spikes per neuron and step.',
  inference: 'predict of noise, with weights that have trained a little.',
}

/** Kernels that share a table: what their op begins with. */
const families: readonly (readonly [title: string, ops: RegExp])[] = [
  ['conv2d', /^conv2d /],
  ['gradients of conv2d', /^conv2d/],
  ['linear and matmul', /^(linear|matmul)/],
  ['neurons', /^(lif|trace |timeSum )/],
  ['other passes', /^/],
]

/** The groups of a selection's own sections, in order. */
export function groupsOf(selection: Selection): Group[] {
  const label = machineLabel()
  const parts = new Map<string, string[]>()
  for (const { name, section } of listBenchmarks(selection)) {
    const family = families.find(([, ops]) => ops.test(name))?.[0]
    const title = `${section}: ${section === 'kernels' ? family : name.split(' ', 1)[0]}`
    parts.set(title, [...(parts.get(title) ?? []), name])
  }
  const told = new Set<string>()
  const weights = {}
  return [
    ...[...parts].map(([title, names]): Group => {
      const section = title.split(':', 1)[0]
      return {
        section,
        names,
        run: (wanted, progress, signal) => {
          const chosen = names.filter((name) => wanted.has(name))
          const note = told.has(section) ? [] : [notes[section]]
          told.add(section)
          return measureEach(chosen, { selection, weights, title, label, note, progress, signal })
        },
      }
    }),
    ...(selection.sections.includes('memory') ? memoryGroups(selection, label) : []),
  ]
}

/**
 * Names that contain a text, by group.
 * @throws SpikewasmError when there is none
 */
export function filterGroups(groups: readonly Group[], filter: string | undefined): Set<string> {
  const names = groups.flatMap((group) => group.names)
  const chosen = names.filter((name) => filter === undefined || name.includes(filter))
  if (chosen.length === 0)
    fail(
      `bench.filter must be a part of the name of a benchmark, got ${JSON.stringify(filter)}, ` +
        `which is in none of ${names.length}; --list prints their names`,
    )
  return new Set(chosen)
}

/** Where tables go while more is measured. */
export interface Output {
  table(table: ResultTable): void
  readonly progress: Progress
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
    try {
      const part = await group.run(wanted, output.progress, signal)
      output.progress('')
      for (const table of part.tables) output.table(table)
      addReport(report, part)
    } catch (error) {
      // Nothing else could be lost.
      if (chosen.length === 1 && error instanceof SpikewasmError) throw error
      if (signal?.aborted) break
      for (const name of group.names.filter((one) => wanted.has(one)))
        report.failed.set(name, `bench "${name}" failed: ${(error as Error).message}`)
    }
  }
  return report
}

const processorsText = (count = availableParallelism()): string =>
  `${cpus()[0]?.model.trim() ?? process.arch}, ${count} ${count === 1 ? 'processor' : 'processors'}`

/** The machine in one line, for entries. */
export const machineLabel = (): string => `Node ${process.versions.node}, ${processorsText()}`

/** The same in lines for the head of a report: date, versions, processor, load. */
export function describeMachine(): string[] {
  const load = loadavg()[0]
  return [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, spikewasm ` +
      `${VERSION}, Node ${process.versions.node}, V8 ${process.versions.v8}`,
    `${process.platform} ${process.arch}, ${processorsText()}, ` +
      `load ${load.toFixed(2)} at the start`,
    ...(load > 0.5
      ? ['The machine was not idle: expect wider spreads and lower figures than it can reach.']
      : []),
  ]
}

/** What the machine gives one thread at best, now. */
export function peakReport({ quick }: Selection): Report {
  const copies = { '16 KiB': 2 ** 14, '1 MiB': 2 ** 20, '64 MiB': 2 ** 26 }
  const all = [
    ...Object.entries(limits).map(([name, limit]) => [name, limit()] as const),
    ...Object.entries(copies).map(([size, bytes]) => [`copy ${size}`, memoryMoves(bytes)] as const),
  ]
  const [looks, mostMs] = quick ? [5, 100] : [50, 5000]
  for (const [, limit] of all) {
    const end = performance.now() + mostMs
    for (let i = 0; i < looks && (i === 0 || performance.now() < end); i++) limit.look()
  }
  const extra = `1 thread\n${machineLabel()}`
  return {
    ...emptyReport(),
    tables: [
      {
        title: "Limits: the machine's peak",
        notes: [
          'One thread, the best of many short looks. multiply-add: in registers. event-adds: ' +
            'weights from the nearest cache, as kernels on spikes add them; byte-adds: of one ' +
            'byte each. copy: bytes read and written together.',
          'Rows below are held against looks that were taken beside them.',
        ],
        head: ['limit', 'rate'],
        rows: all.map(([name, { best, unit }]) => [name, `${digits(best)} ${unit}`]),
      },
    ],
    biggerIsBetter: all.map(([name, { best, unit }]) => {
      return { name: `peak ${name}`, unit, value: best, extra }
    }),
  }
}
