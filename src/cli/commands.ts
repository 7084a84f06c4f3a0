/** Runs the command line of this process. */

import '../node.js'
import { runProgram } from './program.js'

// The process is ours, so its flags are too.
void runProgram(process.argv.slice(2))
