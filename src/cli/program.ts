/** The commands of `spikewasm`: which one to run, and how errors end. */

import { Command, Help, type HelpConfiguration, Option } from 'commander'
import { VERSION } from '../base/version.js'
import { switchOnWideVectors } from '../engine/revectorize.js'
import { about } from './about.js'
import { ignoreHangup } from './interrupt.js'
import { complain, FAILED, guardOutput, plainWarnings } from './mistakes.js'
import { describeCommand, present, SpecOption } from './spec.js'
import { guardTerminal } from './terminal.js'

// What `--help` shows: a first page with the options that most people need, or all of them.

/** Flags that ask for help. */
const flags = ['-h', '--help']

/** Whether an argument asks which commands there are. */
export const asksForHelp = (arg: string): boolean => [...flags, 'help'].includes(arg)

/** Whether `--help all` or `help <command> all` stands among the arguments. */
const asksForAll = (args: readonly string[]): boolean =>
  args.some((arg, i) => flags.includes(arg) && args[i + 1] === 'all') ||
  (args[0] === 'help' && args[2] === 'all')

/** Characters of a text and of a default that the first page has whole. */
const MOST_TEXT = 72
const MOST_DEFAULT = 32

/** Options that a command may have without a first page. */
const FEW = 20

/** What an option is, up to where a long text goes into details, what it takes, and its default. */
function brief({ spec: { text, names, shown, preset, usual } }: SpecOption): string {
  const value = `${shown ?? preset ?? usual ?? ''}`
  const isTold = value !== 'false' && value !== '' && value.length <= MOST_DEFAULT
  const details = present([names?.join(', '), isTold && `default: ${value}`]).join('; ')
  const what = text.length > MOST_TEXT ? text.split(/[:;] /)[0] : text
  return details === '' ? what : `${what} (${details})`
}

/** How commander writes the help that a command line asks for. */
export const helpFor = (args: readonly string[]): HelpConfiguration => ({
  // Texts say what an option without its value is; commander would add what is read in its place.
  optionDescription: (option) =>
    Help.prototype.optionDescription(Object.create(option, { presetArg: { value: undefined } })),
  formatHelp(command, helper) {
    const { formatHelp } = Help.prototype
    const all = helper.visibleOptions(command)
    const first = all.filter((option) => !(option instanceof SpecOption && option.spec.rare))
    if (asksForAll(args) || all.length <= FEW || first.length === all.length)
      return formatHelp.call(helper, command, helper)
    const page: Help = Object.assign(Object.create(helper), {
      visibleOptions: () => first,
      optionDescription: (option) =>
        option instanceof SpecOption ? brief(option) : helper.optionDescription(option),
    } satisfies HelpConfiguration)
    const line = `spikewasm ${command.name()} --help all shows all ${all.length} options.`
    return `${formatHelp.call(page, command, page)}\n${line}\n`
  },
})

/** Each is read when it is asked for: all of them take longer than many a run. */
export const commands: Readonly<Record<string, () => Promise<(command: Command) => Command>>> = {
  train: async () => (await import('./commands/train.js')).trainCommand,
  eval: async () => (await import('./commands/eval.js')).evalCommand,
  predict: async () => (await import('./commands/predict.js')).predictCommand,
  export: async () => (await import('./commands/export.js')).exportCommand,
  info: async () => (await import('./commands/info.js')).infoCommand,
  report: async () => (await import('./commands/run-report.js')).reportCommand,
  diagnose: async () => (await import('./commands/diagnose.js')).diagnoseCommand,
  verify: async () => (await import('./commands/verify.js')).verifyCommand,
  show: async () => (await import('./commands/show.js')).showCommand,
  bench: async () => (await import('./commands/bench.js')).benchCommand,
  sweep: async () => (await import('./sweep/sweep.js')).sweepCommand,
  worker: async () => (await import('./commands/worker.js')).workerCommand,
}

/** A command as the list of all of them shows it. */
function listed(command: Command): void {
  describeCommand(command, about[command.name() as keyof typeof about])
  command.addOption(new Option('--options').hideHelp())
}

/** Work that goes on when nobody reads what it says. */
const longRunning = ['train', 'sweep', 'worker']

/**
 * Runs a command line. What goes wrong is written to standard error and becomes the process's exit
 * code; nothing is thrown.
 *
 * @param args without Node and the script
 * @param wideVectors whether V8's flags may be changed, where the command allows it
 */
export async function runProgram(
  args: readonly string[],
  { wideVectors = true } = {},
): Promise<void> {
  guardTerminal()
  const program = new Command('spikewasm')
    .description('Train spiking neural networks in Node with SIMD WebAssembly.')
    .version(VERSION)
    .helpOption('-h, --help', 'show options and their defaults')
    .configureHelp(helpFor(args))
    // Errors are written in one place, below.
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showHelpAfterError(false)
  const [asked = ''] = args
  // What is said to a name that is none needs no more than names.
  const asksAll = args.length === 0 || args.some(asksForHelp)
  const wanted = asked === 'help' ? args[1] : asked
  const isKnown = Object.hasOwn(commands, wanted)
  // What commands stand on.
  if (isKnown) await import('../model/node.js')
  for (const name of asked === wanted && isKnown ? [asked] : Object.keys(commands)) {
    const command = program.command(name)
    if (name === wanted) (await commands[name]())(command)
    else if (asksAll) listed(command)
  }

  // Before a command has compiled anything.
  program.hook('preAction', async (_, command) => {
    const { revectorize = true } = command.opts<{ revectorize?: boolean }>()
    if (wideVectors && revectorize) await switchOnWideVectors()
  })

  const command = program.commands.find((candidate) => candidate.name() === asked)

  ignoreHangup()
  plainWarnings(asked === 'train' ? ['SPIKEWASM_SILENT'] : [])
  const isLong = longRunning.includes(asked)
  guardOutput(command, asked === 'bench' ? 'bench' : isLong ? 'goesOn' : 'ends')

  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    // A slow-down is what 1 means in `bench`.
    process.exitCode = complain(error, command, asked === 'bench' ? FAILED : 1)
  }
}
