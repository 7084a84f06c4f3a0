/** The commands of `spikewasm`: which one to run, and how errors end. */

import { Command } from 'commander'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import { benchCommand } from './bench.js'
import { complain } from './complain.js'
import { diagnoseCommand } from './diagnose.js'
import { evalCommand } from './eval.js'
import { exportCommand } from './export.js'
import { infoCommand } from './info.js'
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
benchCommand(program.command('bench'))

// Before a command has compiled anything. The process is ours, so its flags are too.
program.hook('preAction', async (_, command) => {
  if (command.opts<{ revectorize?: boolean }>().revectorize !== false) await switchOnWideVectors()
})

/** The reader of our output may close it early, as `head` does. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const [, , name] = process.argv
const command = program.commands.find((candidate) => candidate.name() === name)

try {
  await program.parseAsync()
} catch (error) {
  // A slow-down is what 1 means in `bench`.
  process.exitCode = complain(error, command, name === 'bench' ? 2 : 1)
}
