/**
 * One training in a process of its own: begins, or goes on, in a folder. It ends as the command
 * does: 0 when it is done, 1 with one line for an error, 128 and its number behind a signal.
 */
import type { Worker } from 'node:worker_threads'
import { listenForInterrupt } from '../../src/cli/interrupt.js'
import { checkpoint, SpikewasmError } from '../../src/index.js'
import { readManifest } from '../../src/io/folder/folder.js'
import { dataOf, fitOptionsOf, inputOf, networkOf, scenarioOf } from './scenario.js'

export interface ChildOptions {
  readonly seed: number
  readonly dir: string
  readonly threads: number
  /** Milliseconds that each step waits, so that there is time to be killed. */
  readonly pause: number
  /** The step of this process at which a worker dies. */
  readonly death?: number
}

const { seed, dir, threads, pause, death } = JSON.parse(process.argv[2]) as ChildOptions
const workers: Worker[] = []
process.on('worker', (worker) => void workers.push(worker))

async function train(): Promise<void> {
  const scenario = scenarioOf(seed)
  const interrupt = listenForInterrupt(() => {})
  const { every, monitor } = scenario
  const model = await networkOf(scenario).compile({
    input: inputOf,
    threads,
    ...scenario.compile,
  })
  let steps = 0
  const { aborted, epochs } = await model.fit(dataOf(scenario), {
    ...fitOptionsOf(scenario),
    signal: interrupt.signal,
    resume: (await readManifest(dir)) ? dir : undefined,
    callbacks: [checkpoint({ dir, every, monitor })],
    async onStep() {
      process.stdout.write('.')
      // While a step runs.
      if (++steps === death)
        setTimeout(() => {
          for (const worker of workers) void worker.terminate()
        }, pause)
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    },
  })
  const last = epochs.at(-1)
  const done = last?.epoch === scenario.epochs && !last.partial
  if (aborted && !done) process.exitCode = interrupt.exitCode
  await model.dispose()
}

try {
  await train()
} catch (error) {
  const known = error instanceof SpikewasmError || death !== undefined
  process.stderr.write(`${known ? (error as Error).message : (error as Error).stack}\n`)
  process.exitCode = known ? 1 : 70
}
