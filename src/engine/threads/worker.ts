/**
 * A worker of the pool: one instance of the engine over the shared memory, one call for each
 * program that it runs together with the others.
 */

import { workerData } from 'node:worker_threads'
import { Control, Fault } from '../../../assembly/opcodes.js'
import { instantiateEngine } from '../load.js'
import type { RunArguments } from './executor.js'

export interface WorkerSetup {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
}

/** What a worker starts with. */
export interface WorkerData {
  /** Undefined while no model uses the memory. */
  setup: WorkerSetup | undefined
}

export interface WorkerTask extends RunArguments {
  readonly worker: number
}

// Piscina hands its users' workerData on as the last element of its own.
const { setup } = (Array.isArray(workerData) ? workerData.at(-1) : workerData) as WorkerData
const engine = setup && instantiateEngine(setup.module, setup.memory)
const control = setup && new Int32Array(setup.memory.buffer)

/**
 * @returns the engine's `Fault`. A trap poisons the run, so that the others leave their barriers,
 *   and is thrown on.
 */
export default function runTask(task: WorkerTask): number {
  // It has started in place of one that died while no model was there.
  if (!engine || !control) throw new Error('the thread has no memory')
  try {
    engine.take(task.kernels)
    const { program, worker, workers, scratch, scratchBytes, spins, timeoutMs } = task
    return engine.run(program, worker, workers, scratch + worker * scratchBytes, spins, timeoutMs)
  } catch (error) {
    // The order matters: first the reason, then the wake-up of the workers that wait.
    Atomics.store(control, Control.Poison / 4, Fault.Trapped)
    Atomics.notify(control, Control.Epoch / 4)
    throw error
  }
}
