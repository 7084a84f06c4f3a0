/** npm run bench: the command in a process of its own. */
import { ownProcess } from '../src/cli/interrupt.js'
import { runBench } from './command.js'

ownProcess()
await runBench(process.argv.slice(2))
