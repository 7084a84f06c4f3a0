/** The comparing options of `spikewasm bench`. */

import { describeMachine } from '../bench/machine.js'
import type { Selection } from '../bench/options.js'
import { addReport, emptyReport, toText } from '../bench/report.js'
import { expect } from '../errors.js'
import { printer, progress, type ResultPaths, writeResults } from './bench-results.js'
import { exitOnSignals } from './interrupt.js'

/** Options that compare. */
export interface ComparisonArguments {
  readonly against?: string
  readonly baseline?: string
  readonly saveBaseline?: string
  /** Percent. */
  readonly threshold?: number
  /** Budget. */
  readonly seconds?: number
}

interface Arguments extends ComparisonArguments, ResultPaths {
  readonly filter?: string
  readonly only?: string
}

/** What runs in a loop in one process, so that two builds can take turns. */
const comparable = ['kernels', 'steps', 'inference']

/** @throws SpikewasmError for `--seconds` without anything to compare */
export function isComparison(args: ComparisonArguments): boolean {
  const { against, baseline, saveBaseline, seconds } = args
  const given = [against, baseline, saveBaseline].some((path) => path !== undefined)
  expect(
    given || seconds === undefined,
    () =>
      'bench.seconds must come with --against, --baseline or --save-baseline: it is the time ' +
      'that a comparison may take',
  )
  return given
}

/** @throws SpikewasmError for a section that does not run in a loop */
function checkSection(only: string | undefined): void {
  expect(
    only === undefined || comparable.includes(only),
    () =>
      `bench.only must be one of ${comparable.join(', ')} in comparisons, got ` +
      JSON.stringify(only),
  )
}

/** Names of what a comparison would measure. @throws SpikewasmError when a filter fits none */
export async function listCompared(
  { filter, only }: Arguments,
  selection: Selection,
): Promise<string[]> {
  checkSection(only)
  const { listBenchmarks } = await import('../bench/compare/cases.js')
  const names = listBenchmarks(selection, filter).map(({ name }) => name)
  expect(
    names.length > 0,
    () =>
      'bench.filter must be a part of the name of a benchmark that can be compared, got ' +
      JSON.stringify(filter),
  )
  return names
}

/** Compares, prints, writes, and sets the exit code. */
export async function compare(
  files: readonly string[],
  args: Arguments,
  selection: Selection,
): Promise<void> {
  const { against, baseline, saveBaseline, threshold, seconds, filter, only } = args
  checkSection(only)
  const { runComparison } = await import('../bench/compare/command.js')
  // Child processes end with this one.
  exitOnSignals()
  const print = printer(args)
  const machine = describeMachine()
  print(`${machine.join('\n')}\n`)
  const compared = await runComparison(
    { against, baseline, saveBaseline },
    {
      selection,
      own: files,
      filter,
      progress,
      ...(threshold !== undefined && { threshold: threshold / 100 }),
      ...(seconds !== undefined && { seconds }),
    },
  )
  progress('')
  const { table, entries, marks, notes, exitCode, origin } = compared
  print([toText(table), ...notes].join('\n'))
  const report = emptyReport()
  addReport(report, {
    ...emptyReport(),
    tables: [table],
    smallerIsBetter: [...entries],
    marks: new Map(marks),
  })
  await writeResults(args, [...machine, ...notes], report, print, origin)
  process.exitCode = exitCode
}
