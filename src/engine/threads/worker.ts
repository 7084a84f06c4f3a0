/**
 * A worker of the pool: one instance of the engine over the shared memory, one call for each
 * program that it runs together with the others.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { Control, Fault } from '../../../assembly/opcodes.js'
import { instantiateEngine } from '../load.js'
import { Pause, type RunArguments } from './executor.js'

/** What a worker starts with. */
export interface WorkerData {
  /** Undefined while no model uses the memory. */
  setup: { module: WebAssembly.Module; memory: WebAssembly.Memory } | undefined
}

export interface WorkerTask extends RunArguments {
  readonly worker: number
  /** A program that runs behind it, once the host says so. */
  readonly next?: number
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
    const { program, next, worker, workers, scratch, scratchBytes, spins, timeoutMs } = task
    const own = scratch + worker * scratchBytes
    const fault = engine.run(program, worker, workers, own, spins, timeoutMs)
    if (next === undefined || fault !== Fault.None) return fault
    const said = hostSays(control, workers)
    if (said !== Pause.None) return said === Pause.Ends ? Fault.None : Fault.Aborted
    return engine.run(next, worker, workers, own, spins, timeoutMs)
  } catch (error) {
    // The order matters: first the reason, then the wake-up of the workers that wait.
    Atomics.store(control, Control.Poison / 4, Fault.Trapped)
    Atomics.notify(control, Control.Epoch / 4)
    throw error
  }
}

/** Tells the host that all are here. @returns what it says to that; `Waits` where one has failed */
function hostSays(control: Int32Array, workers: number): number {
  const [pause, arrived, poison] = [Control.Pause / 4, Control.Arrived / 4, Control.Poison / 4]
  // A barrier's counter: nobody is at one.
  if (Atomics.add(control, arrived, 1) === workers - 1) {
    Atomics.store(control, arrived, 0)
    parentPort?.postMessage('paused')
  }
  // Short waits, as at a barrier.
  while (Atomics.load(control, pause) === Pause.Waits && Atomics.load(control, poison) === 0)
    Atomics.wait(control, pause, Pause.Waits, 100)
  return Atomics.load(control, pause)
}
