/** `spikewasm bench`; the repository's `npm run bench` is the same with more sections. */

import { type Command, Option } from 'commander'
import type { Group } from '../bench/group.js'
import {
  checkResultPath,
  type Selection,
  type SelectionArguments,
  sections,
  selectionOf,
} from '../bench/options.js'
import { emptyReport, type Report, type ResultTable, toMarkdown, toText } from '../bench/report.js'
import { checkTargets, writeFilesAtomic } from '../io/files.js'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import { counting, named, numbers, shared } from './options.js'

interface BenchArguments extends SelectionArguments {
  readonly list?: boolean
  readonly filter?: string
  readonly json?: string | true
  readonly markdown?: string
  readonly revectorize: boolean
}

/** What the repository adds to the command of the package. */
export interface MoreSections {
  /** Sections that may be named besides. */
  readonly sections: readonly string[]
  /** Sections that run when none is named. */
  byDefault(args: object): readonly string[]
  groups(args: object, selection: Selection): Group[]
}

/** Options of what is measured, and of where it goes. */
export function benchOptions(command: Command, more: readonly string[] = []): Command {
  return command
    .argument('[files...]', 'files with benchmarks of your own; they are measured instead')
    .addOption(new Option('--list', 'print the names of the benchmarks, one a line, and end'))
    .addOption(
      new Option('--filter <text>', 'only benchmarks whose name contains the text, as in "conv2d"'),
    )
    .addOption(named('--only <section>', 'only one section', [...sections, ...more]))
    .addOption(new Option('--quick', 'seconds instead of minutes: few shapes, short runs'))
    .addOption(
      counting(
        '--threads <n>',
        'worker threads, at most (default: all processors, at most 4; kernels: 1)',
      ),
    )
    .addOption(
      new Option(
        '--shape <shapes>',
        'kernels of your own shapes, separated by commas: 64x32x32-128k3s2 is a convolution ' +
          '(channels x height x width - channels out, k kernel, s stride, p padding, g groups), ' +
          '64x32x32 a tensor, 512-10 a linear layer, m128n256k512 a product of matrices',
      ),
    )
    .addOption(
      numbers('--density <rates>', 'spikes per neuron and step, of kernels, separated by commas'),
    )
    .addOption(shared.model().default(undefined))
    .addOption(
      counting('--time-steps <T>', 'time steps (default: 4, and others with --only steps)'),
    )
    .addOption(
      counting(
        '--batch-size <n>',
        'images of a call (default: kernels 4, inference 1, steps and memory by the network)',
      ),
    )
    .addOption(shared.revectorize())
    .addOption(
      new Option(
        '--json [file]',
        'figures for continuous-benchmark actions: times and sizes in FILE, rates in ' +
          'FILE.bigger.json; without a file all of it as JSON on standard output',
      ),
    )
    .addOption(new Option('--markdown <file>', 'the tables in markdown'))
}

/** @param more sections of the repository */
export function benchCommand(command: Command, more?: MoreSections): Command {
  return benchOptions(command, more?.sections)
    .description(
      'Measure kernels, training steps, inference, start-up and memory on this machine, beside ' +
        'what it can do at most, and compare builds. Exit code 0: no slow-down was found, or it ' +
        'could not be decided; 1: a slow-down; 2: anything else.',
    )
    .action((files: string[], args: BenchArguments) => run(files, args, more))
}

async function run(
  files: readonly string[],
  args: BenchArguments,
  more: MoreSections | undefined,
): Promise<void> {
  const { list, filter, json, markdown } = args
  const known = [...sections, ...(more?.sections ?? [])]
  const selection = selectionOf(args, [...sections, ...(more?.byDefault(args) ?? [])], known)
  const results = typeof json === 'string' ? json : undefined
  checkResultPath('json', results)
  checkResultPath('markdown', markdown)
  const paths = [...(results === undefined ? [] : [results, biggerName(results)])]
  if (markdown !== undefined) paths.push(markdown)
  await checkTargets(paths)

  const bench = await import('../bench/run.js')
  const groups =
    files.length > 0
      ? bench.groupsOf({ ...selection, sections: ['own'] }, await bench.loadOwn(files))
      : [...bench.groupsOf(selection), ...(more?.groups(args, selection) ?? [])]
  const wanted = bench.filterGroups(groups, filter)
  if (list) {
    process.stdout.write(`${[...wanted].join('\n')}\n`)
    return
  }
  const printed = json !== true
  const print = (text: string): void => void (printed && process.stdout.write(`${text}\n`))
  const wide = args.revectorize ? await switchOnWideVectors() : { on: false }
  const head = await bench.headOf(selection, describeWide(wide))
  print(`${head.join('\n')}\n`)
  const report = emptyReport()
  const table = (each: ResultTable): void => print(toText(each))
  if (selection.sections.some((section) => (sections as readonly string[]).includes(section))) {
    const limits = bench.peakReport(selection)
    for (const each of limits.tables) table(each)
    bench.addReport(report, limits)
  }
  const measured = await bench.runGroups(groups, wanted, { table, progress })
  bench.addReport(report, measured)
  await write(report, head, results, markdown, print)
  if (json === true) process.stdout.write(`${JSON.stringify(jsonOf(report, head), null, 2)}\n`)
}

/** One line on standard error that says what is measured now. */
const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

const describeWide = ({ on, why }: { on: boolean; why?: string }): string =>
  on ? 'on' : why === undefined ? 'off' : `off: ${why}`

/** bench.json → bench.bigger.json */
const biggerName = (path: string): string => `${path.replace(/\.json$/i, '')}.bigger.json`

const pretty = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)

/** All of a report, for standard output. */
function jsonOf({ smallerIsBetter, biggerIsBetter }: Report, machine: readonly string[]): object {
  return { machine, smallerIsBetter, biggerIsBetter }
}

async function write(
  report: Report,
  head: readonly string[],
  json: string | undefined,
  markdown: string | undefined,
  print: (text: string) => void,
): Promise<void> {
  const files: { path: string; bytes: Uint8Array }[] = []
  if (json !== undefined)
    files.push(
      { path: json, bytes: pretty(report.smallerIsBetter) },
      { path: biggerName(json), bytes: pretty(report.biggerIsBetter) },
    )
  if (markdown !== undefined) {
    const tables = report.tables.map(toMarkdown).join('\n')
    const text = `${head.join('\\\n')}\n\n${tables}`
    files.push({ path: markdown, bytes: new TextEncoder().encode(text) })
  }
  if (files.length > 0) await writeFilesAtomic(files)
  for (const { path } of files) print(`wrote ${path}`)
}
