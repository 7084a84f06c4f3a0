/**
 * npm run bench: `spikewasm bench` with the sections that need the repository: exported networks,
 * other libraries and the paper's own code.
 */
import '../src/model/node.js'
import { Command } from 'commander'
import type { Group } from '../src/bench/report.js'
import { benchCommand } from '../src/cli/commands/bench.js'
import { complain, FAILED, guardOutput } from '../src/cli/mistakes.js'
import { addOptions } from '../src/cli/spec.js'
import {
  type DeveloperArguments,
  type DeveloperSection,
  developerOptions,
  developerSections,
  developerSpecs,
} from './options.js'
import { Section } from './section.js'

/** Each is loaded when it is wanted. */
const benches: Readonly<
  Record<DeveloperSection, () => Promise<(section: Section) => Promise<void>>>
> = {
  edge: async () => (await import('./edge.js')).benchEdge,
  single: async () => (await import('./single.js')).benchSingle,
  official: async () => (await import('./official.js')).benchOfficial,
  agreement: async () => (await import('./agreement.js')).compareCodes,
}

/** Sections that were, and what does their work now. */
const gone: Readonly<Record<string, string>> = {
  accuracy: 'spikewasm train and bench/peers/official.py train, as docs/speed.md shows',
  outside: '--only steps, on one thread and more; model.profile() tells the kernels of a step',
  online: '--only official and --only agreement, with --ottt DIR or --sltt DIR',
  curves:
    '--only official with --model, --time-steps, --batch-size and --threads; ours: --only steps',
}

/** The sections that are wanted, a group each: they have no benchmarks with names of their own. */
function groups(args: object): Group[] {
  const options = developerOptions(args as DeveloperArguments)
  return developerSections
    .filter((section) => options.sections.includes(section))
    .map((section) => ({
      section,
      names: [section],
      async run(_, progress) {
        const bench = await benches[section]()
        const measured = new Section(options, progress)
        await bench(measured)
        return measured.report
      },
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
  benchCommand(command, { sections: developerSections, gone, groups })
  addOptions(command, developerSpecs)
  guardOutput(command, 'bench')
  try {
    await command.parseAsync(args, { from: 'user' })
  } catch (error) {
    process.exitCode = complain(error, command, FAILED)
  }
}
