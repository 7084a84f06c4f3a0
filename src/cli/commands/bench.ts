/** `spikewasm bench`; the repository's `npm run bench` is the same with more sections. */

import { type Command, Option } from 'commander'
import { fail } from '../../base/errors.js'
import { type Selection, sections, selectionOf } from '../../bench/benchmark.js'
import { addReport, emptyReport, type Group, toText } from '../../bench/report.js'
import { checkPaths, printer, warn, writeResults } from '../../bench/results.js'
import { switchOnWideVectors } from '../../engine/revectorize.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { about } from '../about.js'
import { endSoon, exitOnSignals, listenForInterrupt } from '../interrupt.js'
import { FAILED } from '../mistakes.js'
import { modelByName, wide as wideSpecs } from '../options.js'
import * as o from '../spec.js'
import { overwrite as progress } from '../terminal.js'

/** What the repository adds to the command of the package. */
export interface MoreSections {
  /** Sections that may be named besides. */
  readonly sections: readonly string[]
  /** Sections that were, and what does their work now. */
  readonly gone: Readonly<Record<string, string>>
  groups(args: object, selection: Selection): Group[]
}

/** Sections and options that were, and what does their work now. */
const gone = {
  sections: {
    start: '--only memory, which tells how long loading, compiling and the first step took',
  },
  options: {
    '--history':
      '--json with a file, and a continuous-benchmark action, which keeps a history of it',
    '--html': '--markdown, or --json and a continuous-benchmark action, which draws a history',
  },
}

/** Options of what is measured, and of where it goes. */
export const benchSpecs = (more?: Pick<MoreSections, 'sections' | 'gone'>) => ({
  list: o.flag('print the names of the benchmarks, one a line, and end'),
  filter: o.text('<text>', 'only benchmarks whose name contains the text, as in "conv2d"'),
  only: o.name('<section>', 'only one section', [...sections, ...(more?.sections ?? [])], {
    gone: { ...gone.sections, ...more?.gone },
  }),
  quick: o.flag('seconds instead of minutes: few shapes, short runs'),
  threads: o.count('<n>', 'worker threads, at most', {
    usual: 'all processors, at most 4; kernels: 1',
    most: 256,
  }),
  shape: o.text(
    '<shapes>',
    'kernels of your own shapes, separated by commas: 64x32x32-128k3s2 is a convolution ' +
      '(channels x height x width - channels out, k kernel, s stride, p padding, g groups), ' +
      '64x32x32 a tensor, 512-10 a linear layer, m128n256k512 a product of matrices',
  ),
  density: o.numbers('<rates>', 'spikes per neuron and step, of kernels, separated by commas', {
    rule: 'rates of spikes above 0 and below 1, separated by commas, as in 0.05,0.1',
    fits: (rates) => rates.every((rate) => rate > 0 && rate < 1),
  }),
  ...o.withoutPreset(modelByName),
  timeSteps: o.count('<T>', 'time steps', { usual: '4, and others with --only steps', most: 255 }),
  batchSize: o.count('<n>', 'images of a call', {
    usual: 'kernels 4, inference 1, steps and memory by the network',
    most: 65_536,
  }),
  ...wideSpecs,
  json: o.parsed<string | true>(
    '[file]',
    'figures for continuous-benchmark actions: times and sizes in FILE, rates in ' +
      'FILE.bigger.json; without a file all of it as JSON on standard output',
    'a file',
    (text) => text,
    v.union([v.string(), v.literal(true)]),
  ),
  markdown: o.text('<file>', 'the tables in markdown'),
  against: o.text(
    '<dir>',
    'compare with the build in another checkout, or in a folder where the package is installed',
  ),
  saveBaseline: o.text('<file>', 'measure for later comparisons'),
  baseline: o.text(
    '<file>',
    'compare with what --save-baseline has written; -: from standard input',
  ),
  threshold: o.number('<percent>', 'of comparisons: less than that counts as the same', {
    usual: '2',
  }),
  seconds: o.number('<n>', 'of comparisons: the time that one may take', {
    usual: '100, with --quick 45',
  }),
})

type BenchArguments = o.ArgumentsOf<ReturnType<typeof benchSpecs>>

/** @param more sections of the repository */
export function benchCommand(command: Command, more?: MoreSections): Command {
  for (const [flag, use] of Object.entries(gone.options)) {
    const option = new Option(`${flag} [file]`).hideHelp().preset('')
    command.addOption(option.argParser(() => fail(`${flag} is gone; use ${use}`)))
  }
  return o
    .addOptions(command, benchSpecs(more))
    .allowExcessArguments()
    .description(about.bench.text)
    .action((args: BenchArguments) => run(command.args, args, more))
}

async function run([file]: string[], args: BenchArguments, more?: MoreSections): Promise<void> {
  if (file !== undefined)
    fail(
      `bench must have options alone, got ${JSON.stringify(file)}; time functions of your own ` +
        'with tinybench (npm install tinybench)',
    )
  const { threshold, seconds, against, baseline, saveBaseline, list, revectorize } = args
  const isBaseKnown = against !== undefined || baseline !== undefined
  const compares = isBaseKnown || saveBaseline !== undefined
  if (threshold !== undefined && !isBaseKnown)
    fail('--threshold must come with --against or --baseline: it is what they compare by')
  if (seconds !== undefined && !compares)
    fail(
      '--seconds must come with --against, --baseline or --save-baseline: it is the time that a ' +
        'comparison may take',
    )
  const selection = selectionOf(args)
  await checkPaths(args)
  const wide = revectorize && !list ? await switchOnWideVectors() : { on: false }
  const { filterGroups, groupsOf } = await import('../../bench/run.js')
  const own = compares ? [] : groupsOf(selection)
  const groups = compares ? own : [...own, ...(more?.groups(args, selection) ?? [])]
  const wanted = compares ? await comparedNames(args, selection) : filterGroups(groups, args.filter)
  if (list) process.stdout.write(`${[...wanted].join('\n')}\n`)
  else if (compares) await compare(args, selection)
  else await measure(args, selection, groups, wanted, wide)
}

/**
 * Names of what a comparison measures.
 * @throws SpikewasmError when a filter fits none, or a section does not run in a loop
 */
async function comparedNames(
  { filter, only }: BenchArguments,
  selection: Selection,
): Promise<ReadonlySet<string>> {
  const { looped, listCompared } = await import('../../bench/cases/index.js')
  if (only !== undefined && !looped.includes(only))
    fail(`--only must be one of ${looped.join(', ')} in comparisons, got ${JSON.stringify(only)}`)
  const own = selection.sections.filter((section) => looped.includes(section))
  const names = listCompared({ ...selection, sections: own }, filter).map(({ name }) => name)
  if (names.length === 0)
    fail(
      '--filter must be a part of the name of a benchmark that can be compared, got ' +
        JSON.stringify(filter),
    )
  return new Set(names)
}

/** Compares, prints, writes, and sets the exit code. */
async function compare(args: BenchArguments, selection: Selection): Promise<void> {
  const { threshold, seconds, filter } = args
  const { runComparison } = await import('../../bench/compare/command.js')
  const { describeMachine } = await import('../../bench/run.js')
  // Child processes end with this one.
  exitOnSignals()
  const print = printer(args)
  const machine = describeMachine()
  print(`${machine.join('\n')}\n`)
  const limits = o.defined({ threshold: threshold && threshold / 100, seconds })
  const compared = await runComparison(args, { selection, filter, progress, ...limits })
  progress('')
  const { table, entries, notes, exitCode } = compared
  print([toText(table), ...notes].join('\n'))
  const report = { ...emptyReport(), tables: [table], smallerIsBetter: [...entries] }
  await writeResults(args, [...machine, ...notes], report, print)
  process.exitCode = exitCode
}

async function measure(
  args: BenchArguments,
  selection: Selection,
  groups: readonly Group[],
  wanted: ReadonlySet<string>,
  { on, why }: { readonly on: boolean; readonly why?: string },
): Promise<void> {
  const bench = await import('../../bench/run.js')
  const interrupt = listenForInterrupt(() => progress('stopping: writing what there is'))
  const { signal } = interrupt
  exitOnSignals(['SIGTERM', 'SIGHUP'])
  const print = printer(args)
  const head = [
    ...bench.describeMachine(),
    ...(selection.quick ? ['Quick run: too short for figures to quote.'] : []),
    `Threads: up to ${selection.threads}. Wide vectors ${on ? 'on' : why ? `off: ${why}` : 'off'}.`,
  ]
  print(`${head.join('\n')}\n`)
  const report = emptyReport()
  const columns = (process.stdout.isTTY && process.stdout.columns) || undefined
  const table = (each: Parameters<typeof toText>[0]): void => print(toText(each, columns))
  if (groups.some(({ section }) => sections.some((own) => own === section))) {
    const limits = bench.peakReport(selection)
    limits.tables.forEach(table)
    addReport(report, limits)
  }
  addReport(report, await bench.runGroups(groups, wanted, { table, progress }, signal))
  await writeResults(args, head, report, print)
  interrupt.release()
  report.failed.forEach(warn)
  process.exitCode = signal.aborted ? INTERRUPTED : report.failed.size > 0 ? FAILED : 0
  endSoon(LINGER_MS)
}

const INTERRUPTED = 130
/** How long threads of a network that has failed may go on. */
const LINGER_MS = 2000
