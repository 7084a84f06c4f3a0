/** Runs the command line of this process. */

import '../node.js'
import { ownProcess } from './end-soon.js'
import { runProgram } from './program.js'

// The process is ours, so its flags and its end are too.
ownProcess()
void runProgram(process.argv.slice(2))
