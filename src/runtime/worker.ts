/**
 * A worker of the pool: one instance of the engine over the shared memory, one call for each
 * program that it runs together with the others.
 */

import { workerData } from 'node:worker_threads'
import { Control, Fault } from '../../assembly/opcodes.js'
import type { RunArguments } from './executor.js'
import { instantiateEngine } from './load.js'

export interface WorkerSetup {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
}

export interface WorkerTask extends RunArguments {
  readonly worker: number
}

// Piscina hands its users' workerData on as the last element of its own.
const setup = (Array.isArray(workerData) ? workerData.at(-1) : workerData) as WorkerSetup
const engine = instantiateEngine(setup.module, setup.memory)
const control = new Int32Array(setup.memory.buffer)

/**
 * @returns the engine's `Fault`. A trap poisons the run, so that the others leave their barriers,
 *   and is thrown on.
 */
export default function runTask({
  program,
  worker,
  workers,
  scratch,
  scratchBytes,
  spins,
  timeoutMs,
}: WorkerTask): number {
  try {
    return engine.run(program, worker, workers, scratch + worker * scratchBytes, spins, timeoutMs)
  } catch (error) {
    // The order matters: first the reason, then the wake-up of the workers that wait.
    Atomics.store(control, Control.Poison / 4, Fault.Trapped)
    Atomics.notify(control, Control.Epoch / 4)
    throw error
  }
}
