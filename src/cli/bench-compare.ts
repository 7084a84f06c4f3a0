/** The comparing options of `spikewasm bench`. */

import type { Selection } from '../bench/options.js'
import { emptyReport, toText } from '../bench/report.js'
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

/**
 * Names of what a comparison would measure.
 * @throws SpikewasmError when a filter fits none, or a section does not run in a loop
 */
export async function listCompared(
  { filter, only }: Arguments,
  selection: Selection,
): Promise<string[]> {
  const cases = await import('../bench/cases/index.js')
  expect(
    only === undefined || cases.looped.includes(only),
    () =>
      `bench.only must be one of ${cases.looped.join(', ')} in comparisons, got ` +
      JSON.stringify(only),
  )
  const { looped } = cases
  const sections = selection.sections.filter((section) => looped.includes(section))
  const names = cases.listCompared({ ...selection, sections }, filter).map(({ name }) => name)
  expect(
    names.length > 0,
    () =>
      'bench.filter must be a part of the name of a benchmark that can be compared, got ' +
      JSON.stringify(filter),
  )
  return names
}

/** Compares, prints, writes, and sets the exit code. */
export async function compare(args: Arguments, selection: Selection): Promise<void> {
  const { against, baseline, saveBaseline, threshold, seconds, filter } = args
  await listCompared(args, selection)
  const { runComparison } = await import('../bench/compare/command.js')
  const { describeMachine } = await import('../bench/run.js')
  // Child processes end with this one.
  exitOnSignals()
  const print = printer(args)
  const machine = describeMachine()
  print(`${machine.join('\n')}\n`)
  const compared = await runComparison(
    { against, baseline, saveBaseline },
    {
      selection,
      filter,
      progress,
      ...(threshold !== undefined && { threshold: threshold / 100 }),
      ...(seconds !== undefined && { seconds }),
    },
  )
  progress('')
  const { table, entries, notes, exitCode } = compared
  print([toText(table), ...notes].join('\n'))
  const report = { ...emptyReport(), tables: [table], smallerIsBetter: [...entries] }
  await writeResults(args, [...machine, ...notes], report, print)
  process.exitCode = exitCode
}
