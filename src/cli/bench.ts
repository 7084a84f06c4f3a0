/** `spikewasm bench`; the repository's `npm run bench` is the same with more sections. */

import type { Command } from 'commander'
import { type Selection, sections, selectionOf } from '../bench/options.js'
import { addReport, emptyReport, type Group, type ResultTable, toText } from '../bench/report.js'
import { fail } from '../errors.js'
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
  baseline: text('<file>', 'compare with what --save-baseline has written; -: from standard input'),
  threshold: number('<percent>', 'of comparisons: less than that counts as the same', {
    usual: '2',
  }),
  seconds: number('<n>', 'of comparisons: the time that one may take', {
    usual: '100, with --quick 45',
  }),
})

type BenchArguments = ArgumentsOf<ReturnType<typeof benchSpecs>>

/** @param more sections of the repository */
export function benchCommand(command: Command, more?: MoreSections): Command {
  return addOptions(command, benchSpecs(more?.sections))
    .allowExcessArguments()
    .description(
      'Measure kernels, training steps, inference and memory on this machine, beside what it can ' +
        'do at most, and compare builds. Exit code 0: no slow-down was found, or it could not be ' +
        'decided; 1: a slow-down; 2: anything else.',
    )
    .action((args: BenchArguments) => run(command.args, args, more))
}

async function run(
  [file]: string[],
  args: BenchArguments,
  more: MoreSections | undefined,
): Promise<void> {
  if (file !== undefined)
    fail(
      `bench must have options alone, got ${JSON.stringify(file)}; time functions of your own ` +
        'with tinybench (npm install tinybench)',
    )
  const { threshold, against, baseline } = args
  if (threshold !== undefined && against === undefined && baseline === undefined)
    fail('--threshold must come with --against or --baseline: it is what they compare by')
  const selection = selectionOf(args)
  await checkPaths(args)
  if (args.list) return list(args, selection, more)
  const wide = args.revectorize ? await switchOnWideVectors() : { on: false }
  if (isComparison(args)) return compare(args, selection)
  await measure(args, selection, more, describeWide(wide))
}

async function list(
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
): Promise<void> {
  const { filterGroups } = await import('../bench/run.js')
  const names = isComparison(args)
    ? await listCompared(args, selection)
    : filterGroups(await groupsOf(args, selection, more), args.filter)
  process.stdout.write(`${[...names].join('\n')}\n`)
}

async function groupsOf(
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
): Promise<Group[]> {
  const { groupsOf } = await import('../bench/run.js')
  return [...groupsOf(selection), ...(more?.groups(args, selection) ?? [])]
}

async function measure(
  args: BenchArguments,
  selection: Selection,
  more: MoreSections | undefined,
  wide: string,
): Promise<void> {
  const bench = await import('../bench/run.js')
  const interrupt = listenForInterrupt(() => progress('stopping: writing what there is'))
  const { signal } = interrupt
  exitOnSignals(['SIGTERM', 'SIGHUP'])
  const groups = await groupsOf(args, selection, more)
  const wanted = bench.filterGroups(groups, args.filter)
  const print = printer(args)
  const head = [
    ...bench.describeMachine(),
    ...(selection.quick ? ['Quick run: too short for figures to quote.'] : []),
    `Threads: up to ${selection.threads}. Wide vectors ${wide}.`,
  ]
  print(`${head.join('\n')}\n`)
  const report = emptyReport()
  const table = (each: ResultTable): void => print(toText(each, terminalWidth()))
  if (groups.some(({ section }) => sections.some((own) => own === section))) {
    const limits = bench.peakReport(selection)
    for (const each of limits.tables) table(each)
    addReport(report, limits)
  }
  addReport(report, await bench.runGroups(groups, wanted, { table, progress }, signal))
  await writeResults(args, head, report, print)
  interrupt.release()
  for (const why of report.failed.values()) warn(why)
  process.exitCode = signal.aborted ? INTERRUPTED : report.failed.size > 0 ? FAILED : 0
  endSoon(LINGER_MS)
}

const INTERRUPTED = 130
/** How long threads of a network that has failed may go on. */
const LINGER_MS = 2000

const describeWide = ({ on, why }: { on: boolean; why?: string }): string =>
  on ? 'on' : why === undefined ? 'off' : `off: ${why}`
