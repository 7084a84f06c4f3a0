#!/usr/bin/env node
/** The command `spikewasm`. */

import '../node.js'
import { showTypescript } from './faults.js'
import { runProgram } from './program.js'

showTypescript()
// The process is ours, so its flags are too.
void runProgram(process.argv.slice(2))
