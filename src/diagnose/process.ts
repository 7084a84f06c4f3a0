/** A training step measured in a process of its own: what the system gives it, and its time. */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SpikewasmError } from '../errors.js'
import { graphToJson, type NetworkJson } from '../graph/json.js'
import { trace } from '../graph/trace.js'
import type { Module } from '../nn/module.js'
import type { InputShape } from '../nn/value.js'
import type { StateDict } from '../runtime/state.js'
import type { ProcessCost, Variant } from './diagnosis.js'

/** What a process is told; without it, it loads the package and nothing else. */
export interface ProcessJob {
  readonly network: NetworkJson
  readonly input: InputShape
  readonly method: Variant
  readonly timeSteps: number
  /** Whether samples are frames. */
  readonly frames: boolean
  readonly batchSize: number
  readonly threads: number
  readonly seed: number
  readonly state: StateDict
  /** A batch as the engine has it. */
  readonly images: Float32Array
  readonly labels: Int32Array
  /** How long steps are timed. */
  readonly milliseconds: number
}

/** What a process says. */
export type ProcessAnswer = ProcessCost | { readonly mistake: string }

/** A process that takes longer is ended. */
const PATIENCE_MS = 600_000

/** A network as another process can make it again. */
export const describeNetwork = (network: Module, input: InputShape): NetworkJson =>
  graphToJson(trace(network, input))

/**
 * Measures in a new process, which is then gone.
 *
 * @param job undefined: a process that only loads the package
 * @throws SpikewasmError when the process ends without an answer
 */
export function measureProcess(job: ProcessJob | undefined): Promise<ProcessCost> {
  const what = job ? `${job.method} with T ${job.timeSteps}` : 'the package alone'
  const path = fileURLToPath(new URL('process-child.js', import.meta.url))
  const child = fork(path, { serialization: 'advanced', execArgv: [], timeout: PATIENCE_MS })
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new SpikewasmError(`diagnose: the process that measures ${what} ${why}`))
    let answered = false
    child.once('message', (answer: ProcessAnswer) => {
      answered = true
      if ('mistake' in answer) fail(`failed: ${answer.mistake}`)
      else resolve(answer)
    })
    child.once('error', (error) => fail(`did not start: ${error.message}`))
    child.once('exit', (code, signal) => {
      if (!answered) fail(`ended with ${signal ?? `code ${code}`} before it had measured`)
    })
    child.send({ job })
  })
}
