/** Runs the command line of this process. */

import { runProgram } from './program.js'

// The process is ours, so its flags are too.
await runProgram(process.argv.slice(2))
