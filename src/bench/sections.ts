/** The package's own benchmarks, by section. A file of a user's own needs none of them. */
import { thisBuild } from './build.js'
import { listBenchmarks } from './cases/index.js'
import type { Group } from './group.js'
import { machineLabel } from './machine.js'
import { memoryGroups } from './memory.js'
import type { Selection } from './options.js'
import { budgetOf, notesOf } from './run.js'
import { startGroups } from './start.js'
import { benchmarkGroups } from './table.js'

/** The groups of a selection's own sections, in order. */
export function groupsOf(selection: Selection): Group[] {
  const label = machineLabel()
  const budget = budgetOf(selection)
  const benchmarks = listBenchmarks(selection)
  const loops = ['kernels', 'steps', 'inference'].flatMap((section) =>
    benchmarkGroups(
      benchmarks.filter((benchmark) => benchmark.section === section),
      thisBuild,
      budget,
      label,
      notesOf(section),
    ),
  )
  const wants = (section: string): boolean => selection.sections.includes(section)
  return [
    ...loops,
    ...(wants('start') ? startGroups(selection, label) : []),
    ...(wants('memory') ? memoryGroups(selection, label) : []),
  ]
}
