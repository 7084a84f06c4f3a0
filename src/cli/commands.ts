/** The commands of `spikewasm`: which one to run, and how errors end. */

import { Command, CommanderError } from 'commander'
import { SpikewasmError } from '../errors.js'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import { diagnoseCommand } from './diagnose.js'
import { evalCommand } from './eval.js'
import { exportCommand } from './export.js'
import { infoCommand } from './info.js'
import { inFlags } from './mistakes.js'
import { trainCommand } from './train.js'
import { verifyCommand } from './verify.js'
import { packageVersion } from './version.js'

const program = new Command('spikewasm')
  .description('Train spiking neural networks in Node with SIMD WebAssembly.')
  .version(packageVersion())
  .helpOption('-h, --help', 'show options and their defaults')
  // Errors are written in one place, below.
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .showHelpAfterError(false)
trainCommand(program.command('train'))
evalCommand(program.command('eval'))
exportCommand(program.command('export'))
infoCommand(program.command('info'))
diagnoseCommand(program.command('diagnose'))
verifyCommand(program.command('verify'))

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
