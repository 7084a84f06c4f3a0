/**
 * npm run bench: `spikewasm bench` with the sections that need the repository: exported networks,
 * other libraries and the paper's own code.
 */
import '../src/node.js'
import { Command } from 'commander'
import type { Group, Report } from '../src/bench/report.js'
import { machineLabel } from '../src/bench/run.js'
import { benchCommand } from '../src/cli/bench.js'
import { complain, FAILED, guardOutput } from '../src/cli/mistakes.js'
import { addOptions } from '../src/cli/spec.js'
import {
  type BenchOptions,
  type DeveloperArguments,
  type DeveloperSection,
  developerOptions,
  developerSections,
  developerSpecs,
} from './options.js'

type Progress = (text: string) => void

async function runSection(
  section: DeveloperSection,
  options: BenchOptions,
  progress: Progress,
): Promise<Report> {
  const label = machineLabel()
  switch (section) {
    case 'outside':
      return (await import('./outside.js')).benchOutside(options, label, progress)
    case 'edge':
      return (await import('./edge.js')).benchEdge(options, label, progress)
    case 'single':
      return (await import('./single.js')).benchSingle(options, label, progress)
    case 'official':
      return (await import('./official.js')).benchOfficial(options, label, progress)
    case 'online':
      return (await import('./online.js')).benchOnline(options, label, progress)
    case 'curves':
      return (await import('./curves.js')).benchCurves(options, label, progress)
    case 'accuracy':
      return (await import('./accuracy.js')).benchAccuracy(options, label, progress)
    case 'agreement':
      return (await import('./agreement.js')).compareOfficial(options, label, progress)
    default:
      section satisfies never
      throw new Error('unknown section')
  }
}

/** The sections that are wanted, a group each: they have no benchmarks with names of their own. */
function groups(args: object): Group[] {
  const options = developerOptions(args as DeveloperArguments)
  return developerSections
    .filter((section) => options.sections.includes(section))
    .map((section) => ({
      section,
      names: [section],
      run: (_, progress) => runSection(section, options, progress),
    }))
}

/**
 * Runs a command line. What goes wrong is written to standard error and becomes the process's exit
 * code; nothing is thrown.
 *
 * @param args without Node and the script
 */
export async function runBench(args: readonly string[]): Promise<void> {
  const command = new Command('npm run bench --')
    .helpOption('-h, --help', 'show options and their defaults')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  benchCommand(command, {
    sections: developerSections,
    groups,
  })
  addOptions(command, developerSpecs)
  guardOutput(command, 'bench')
  try {
    await command.parseAsync(args, { from: 'user' })
  } catch (error) {
    process.exitCode = complain(error, command, FAILED)
  }
}
