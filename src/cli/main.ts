#!/usr/bin/env node
/** The command `spikewasm`. */

import { ownProcess } from './interrupt.js'
import { showTypescript } from './mistakes.js'
import { runProgram } from './program.js'

showTypescript()
// The process is ours, so its flags and its end are too.
ownProcess()
void runProgram(process.argv.slice(2))
