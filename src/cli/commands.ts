/** The commands of `spikewasm`: which one to run, and how errors end. */

import { Command, CommanderError } from 'commander'
import { SpikewasmError } from '../errors.js'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import { inFlags } from './mistakes.js'
import { packageVersion } from './version.js'

/** Each is read when it is asked for: all of them take longer than many a run. */
const commands: Readonly<Record<string, () => Promise<(command: Command) => Command>>> = {
  train: async () => (await import('./train.js')).trainCommand,
  eval: async () => (await import('./eval.js')).evalCommand,
  export: async () => (await import('./export.js')).exportCommand,
  info: async () => (await import('./info.js')).infoCommand,
  diagnose: async () => (await import('./diagnose.js')).diagnoseCommand,
  verify: async () => (await import('./verify.js')).verifyCommand,
}

const program = new Command('spikewasm')
  .description('Train spiking neural networks in Node with SIMD WebAssembly.')
  .version(packageVersion())
  .helpOption('-h, --help', 'show options and their defaults')
  // Errors are written in one place, below.
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .showHelpAfterError(false)
const asked = process.argv[2]
// Help is about all of them, and so is what is said to a name that is none.
for (const name of Object.hasOwn(commands, asked) ? [asked] : Object.keys(commands)) {
  const add = await commands[name]()
  add(program.command(name))
}

// Before a command has compiled anything. The process is ours, so its flags are too.
program.hook('preAction', async (_, command) => {
  if (command.opts<{ revectorize?: boolean }>().revectorize !== false) await switchOnWideVectors()
})

/** The reader of our output may close it early, as `head` does. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = complain(error)
}

/** Writes what went wrong to standard error. Returns the exit code. */
function complain(error: unknown): number {
  if (error instanceof CommanderError) {
    // --help and --version end here too.
    if (error.exitCode === 0 || error.code === 'commander.help') return error.exitCode
    const message = error.message
      .replace(/^error: /, '')
      .replace('\n', ' ')
      .replace(/\.$/, '')
    process.stderr.write(
      `spikewasm: ${message}; see spikewasm --help and spikewasm <command> --help\n`,
    )
    return 1
  }
  if (error instanceof SpikewasmError) {
    const command = program.commands.find((candidate) => candidate.name() === program.args[0])
    const flags = command?.options.map((option) => option.long ?? '') ?? []
    process.stderr.write(`spikewasm: ${inFlags(error.message, flags)}\n`)
    return 1
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.stderr.write(
    `spikewasm ${packageVersion()}: this is a fault of the program; please report it ` +
      'with the command you ran and the lines above\n',
  )
  return 1
}
