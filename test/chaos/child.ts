/**
 * One training in a process of its own: begins, or goes on, in a folder. It ends as the command
 * does: 0 when it is done, 1 with one line for an error, 128 and its number behind a signal.
 */
import '../../src/model/node.js'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { listenForInterrupt } from '../../src/cli/interrupt.js'
import { checkpoint, type Model, SpikewasmError } from '../../src/index.js'
import {
  batchOf,
  callbacksOf,
  dataOf,
  fitOptionsOf,
  inputOf,
  networkOf,
  optimizerOf,
  type Scenario,
  scenarioOf,
} from './scenario.js'

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

let steps = 0
async function afterStep(): Promise<void> {
  process.stdout.write('.')
  // While a step runs.
  if (++steps === death)
    setTimeout(() => {
      for (const worker of workers) void worker.terminate()
    }, pause)
  if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
}

async function train(): Promise<void> {
  const scenario = scenarioOf(seed)
  const interrupt = listenForInterrupt(() => {})
  const { frames, compile } = scenario
  const input = inputOf(scenario)
  const model = await networkOf(scenario).compile({ input, threads, frames, ...compile })
  const isDone = await (frames ? loop : fit)(model, scenario, interrupt.signal)
  if (!isDone) process.exitCode = interrupt.exitCode
  await model.dispose()
}

/** @returns whether it has come to its end */
async function fit(model: Model, scenario: Scenario, signal: AbortSignal): Promise<boolean> {
  const { every, monitor } = scenario
  const { aborted, epochs, stopped } = await model.fit(dataOf(scenario), {
    ...fitOptionsOf(scenario),
    signal,
    resume: dir,
    callbacks: [...callbacksOf(scenario, `${dir}.csv`), checkpoint({ dir, every, monitor })],
    onStep: afterStep,
  })
  const last = epochs.at(-1)
  return !aborted || stopped !== undefined || (last?.epoch === scenario.epochs && !last.partial)
}

/** Frames are for loops of one's own, with checkpoints of one's own: named by their step. */
async function loop(model: Model, scenario: Scenario, signal: AbortSignal): Promise<boolean> {
  const { clipNorm, epochs } = scenario
  await mkdir(dir, { recursive: true })
  const every = scenario.every === 'epoch' ? 5 : scenario.every
  const saved = (await readdir(dir)).map((name) => /^(\d+)\.safetensors$/.exec(name)?.[1])
  const first = Math.max(0, ...saved.filter((step) => step !== undefined).map(Number))
  if (first > 0) await model.loadCheckpoint(join(dir, `${first}.safetensors`))
  else model.optimizer = optimizerOf(scenario)
  const end = 8 * epochs
  const fileOf = (step: number): string => join(dir, `${step}.safetensors`)
  let before = first
  for (let step = first; step < end && !signal.aborted; step++) {
    await model.trainStep(...batchOf(scenario, step), { clipNorm })
    if ((step + 1) % every === 0 || step + 1 === end) {
      await model.saveCheckpoint(fileOf(step + 1))
      await rm(fileOf(before), { force: true })
      before = step + 1
    }
    await afterStep()
  }
  return before === end
}

try {
  await train()
} catch (error) {
  const known = error instanceof SpikewasmError || death !== undefined
  process.stderr.write(`${known ? (error as Error).message : (error as Error).stack}\n`)
  process.exitCode = known ? 1 : 70
}
