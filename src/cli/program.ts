/** The commands of `spikewasm`: which one to run, and how errors end. */

import { Command } from 'commander'
import { VERSION } from '../base/version.js'
import { switchOnWideVectors } from '../engine/revectorize.js'
import { asksForHelp, helpFor } from './help.js'
import { ignoreHangup } from './interrupt.js'
import { complain, FAILED, guardOutput, plainWarnings } from './mistakes.js'
import { guardTerminal } from './terminal.js'

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
  // Help is about all of them. What is said to a name that is none needs no more than names.
  const all = args.length === 0 || args.some(asksForHelp)
  const known = Object.hasOwn(commands, asked)
  for (const name of known ? [asked] : Object.keys(commands)) {
    const command = program.command(name)
    if (known || all) (await commands[name]())(command)
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
