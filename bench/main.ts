/** npm run bench: the command in a process of its own. */
import { ownProcess } from '../src/cli/end-soon.js'
import { runBench } from './command.js'

ownProcess()
await runBench(process.argv.slice(2))
