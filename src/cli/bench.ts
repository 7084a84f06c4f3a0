/** `spikewasm bench`; the repository's `npm run bench` is the same with more sections. */

import type { Command } from 'commander'
import type { Group } from '../bench/group.js'
import { type Selection, sections, selectionOf } from '../bench/options.js'
import { addReport, emptyReport, type ResultTable, toText } from '../bench/report.js'
import { expect } from '../errors.js'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import * as v from '../runtime/vendor/valibot/index.js'
import { compare, isComparison, listCompared } from './bench-compare.js'
import { checkPaths, printer, progress, warn, writeResults } from './bench-results.js'
import { endSoon } from './end-soon.js'
import { FAILED } from './faults.js'
import { exitOnSignals, listenForInterrupt } from './interrupt.js'
import { model as modelSpecs, wide as wideSpecs } from './options.js'
import {
  type ArgumentsOf,
  addOptions,
  count,
  flag,
  flagOf,
  name,
  number,
  numbers,
  parsed,
  text,
  withoutPreset,
} from './spec.js'

/** Columns; undefined where output goes to a file or a pipe. */
const terminalWidth = (): number | undefined =>
  process.stdout.isTTY ? process.stdout.columns || undefined : undefined

/** What the repository adds to the command of the package. */
export interface MoreSections {
  /** Sections that may be named besides. */
  readonly sections: readonly string[]
  /** Sections that run when none is named. */
  byDefault(args: object): readonly string[]
  groups(args: object, selection: Selection): Group[]
}

/** Options of what is measured, and of where it goes. */
export const benchSpecs = (more: readonly string[] = []) => ({
  list: flag('print the names of the benchmarks, one a line, and end'),
  filter: text('<text>', 'only benchmarks whose name contains the text, as in "conv2d"'),
  only: name('<section>', 'only one section', [...sections, ...more]),
  quick: flag('seconds instead of minutes: few shapes, short runs'),
  threads: count('<n>', 'worker threads, at most', {
    usual: 'all processors, at most 4; kernels: 1',
    most: 256,
  }),
  shape: text(
    '<shapes>',
    'kernels of your own shapes, separated by commas: 64x32x32-128k3s2 is a convolution ' +
      '(channels x height x width - channels out, k kernel, s stride, p padding, g groups), ' +
      '64x32x32 a tensor, 512-10 a linear layer, m128n256k512 a product of matrices',
  ),
  density: numbers('<rates>', 'spikes per neuron and step, of kernels, separated by commas', {
    rule: 'rates of spikes above 0 and below 1, separated by commas, as in 0.05,0.1',
    fits: (rates) => rates.every((rate) => rate > 0 && rate < 1),
  }),
  ...withoutPreset(modelSpecs),
  timeSteps: count('<T>', 'time steps', { usual: '4, and others with --only steps', most: 255 }),
  batchSize: count('<n>', 'images of a call', {
    usual: 'kernels 4, inference 1, steps and memory by the network',
    most: 65_536,
  }),
  ...wideSpecs,
  json: parsed<string | true>(
    '[file]',
    'figures for continuous-benchmark actions: times and sizes in FILE, rates in ' +
      'FILE.bigger.json; without a file all of it as JSON on standard output',
    'a file',
    (text) => text,
    v.union([v.string(), v.literal(true)]),
  ),
  markdown: text('<file>', 'the tables in markdown'),
  against: text(
    '<dir>',
    'compare with the build in another checkout, or in a folder where the package is installed',
  ),
  saveBaseline: text('<file>', 'measure for later comparisons'),
  baseline: text('<file>', 'compare with what --save-baseline or a page has written; -: pasted'),
  threshold: number('<percent>', 'of comparisons: less than that counts as the same', {
    usual: '2',
  }),
  seconds: number('<n>', 'of comparisons: the time that one may take', {
    usual: '100, with --quick 45',
  }),
  history: text('<file>', 'append the figures of this run, one run a line'),
  html: text('<file>', 'a page with curves over the runs of --history, by Plotly'),
})

type BenchArguments = ArgumentsOf<ReturnType<typeof benchSpecs>>

/** @param more sections of the repository */
export function benchCommand(command: Command, more?: MoreSections): Command {
  return addOptions(command, benchSpecs(more?.sections))
    .argument('[files...]', 'files with benchmarks of your own; they are measured instead')
    .description(
      'Measure kernels, training steps, inference, start-up and memory on this machine, beside ' +
        'what it can do at most, and compare builds. Exit code 0: no slow-down was found, or it ' +
        'could not be decided; 1: a slow-down; 2: anything else.',
    )
    .action((files: string[], args: BenchArguments) => run(files, args, more))
}

/** Options that choose benchmarks of ours, or how these are run. */
const choosing = ['only', 'threads', 'shape', 'density', 'model', 'timeSteps', 'batchSize'] as const

/** @throws SpikewasmError for an option that would have no effect */
function checkCombination(files: readonly string[], args: BenchArguments): void {
  const idle = choosing.find((key) => args[key] !== undefined)
  expect(
    files.length === 0 || idle === undefined,
    () =>
      `${flagOf(idle ?? '')} must be left out with files of your own: it chooses among ` +
      'benchmarks of the package; --filter chooses among yours',
  )
  const { threshold, against, baseline } = args
  expect(
    threshold === undefined || against !== undefined || baseline !== undefined,
    () => '--threshold must come with --against or --baseline: it is what they compare by',
  )
}

async function run(
  files: readonly string[],
  args: BenchArguments,
  more: MoreSections | undefined,
): Promise<void> {
  checkCombination(files, args)
  const known = [...sections, ...(more?.sections ?? [])]
  const selection = selectionOf(args, [...sections, ...(more?.byDefault(args) ?? [])], known)
  await checkPaths(args)
  if (args.list) return list(files, args, selection, more)
  const wide = args.revectorize ? await switchOnWideVectors() : { on: false }
  if (isComparison(args)) return compare(files, args, selection)
  await measure(files, args, selection, more, describeWide(wide))
}

async function list(
  files: readonly string[],
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
): Promise<void> {
  const { filterGroups } = await import('../bench/run.js')
  // What loads a user's files ends with this process.
  exitOnSignals()
  const names =
    isComparison(args) && files.length === 0
      ? await listCompared(args, selection)
      : filterGroups(await groupsOf(files, args, selection, more), args.filter)
  process.stdout.write(`${[...names].join('\n')}\n`)
}

async function groupsOf(
  files: readonly string[],
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
  signal?: AbortSignal,
): Promise<Group[]> {
  if (files.length > 0) {
    const { ownGroupOf } = await import('../bench/run.js')
    return [await ownGroupOf(files, selection, signal)]
  }
  const sections = await import('../bench/sections.js')
  return [...sections.groupsOf(selection), ...(more?.groups(args, selection) ?? [])]
}

async function measure(
  files: readonly string[],
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
  wide: string,
): Promise<void> {
  const bench = await import('../bench/run.js')
  const interrupt = listenForInterrupt(() => progress('stopping: writing what there is'))
  const { signal } = interrupt
  exitOnSignals(['SIGTERM', 'SIGHUP'])
  const groups = await groupsOf(files, args, selection, more, signal).catch((error) => {
    if (!signal.aborted) throw error
  })
  if (!groups) return end(INTERRUPTED)
  const wanted = bench.filterGroups(groups, args.filter)
  const print = printer(args)
  const head = bench.headOf(selection, wide)
  print(`${head.join('\n')}\n`)
  const report = emptyReport()
  const table = (each: ResultTable): void => print(toText(each, terminalWidth()))
  if (groups.some(({ section }) => [...sections, 'own'].includes(section))) {
    const limits = await bench.peakReport(selection)
    for (const each of limits.tables) table(each)
    addReport(report, limits)
  }
  addReport(report, await bench.runGroups(groups, wanted, { table, progress }, signal))
  await writeResults(args, head, report, print)
  interrupt.release()
  for (const why of report.failed.values()) warn(why)
  end(signal.aborted ? INTERRUPTED : report.failed.size > 0 ? FAILED : 0)
}

const INTERRUPTED = 130
/** How long threads of a network that has failed may go on. */
const LINGER_MS = 2000

function end(code: number): void {
  process.exitCode = code
  endSoon(LINGER_MS)
}

const describeWide = ({ on, why }: { on: boolean; why?: string }): string =>
  on ? 'on' : why === undefined ? 'off' : `off: ${why}`
