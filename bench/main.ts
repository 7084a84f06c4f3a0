/** npm run bench: the command in a process of its own. */
import { runBench } from './command.js'

await runBench(process.argv.slice(2))
