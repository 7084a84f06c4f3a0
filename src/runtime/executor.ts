/**
 * Runs programs: on this thread, or on a pool of workers that all run the same program over one
 * shared memory.
 */

import { instantiateEngine } from './load.js'

/** Arguments of the engine's `run` besides the worker's number. */
export interface RunArguments {
  readonly program: number
  readonly workers: number
  readonly scratch: number
  readonly scratchBytes: number
  readonly spins: number
  readonly timeoutMs: number
}

export interface Executor {
  /**
   * Runs a program to its end. Rejects when a kernel traps or a worker dies; the executor cannot be
   * used after that.
   */
  run(run: RunArguments): Promise<void>
  /** The same on the calling thread alone; no worker is woken. */
  runAlone(run: RunArguments): Promise<void>
  /** Ends all threads. */
  dispose(): Promise<void>
}

/** Runs programs on this thread. */
export function localExecutor(module: WebAssembly.Module, memory: WebAssembly.Memory): Executor {
  const engine = instantiateEngine(module, memory)
  const run = async ({ program, scratch }: RunArguments): Promise<void> => {
    engine.run(program, 0, 1, scratch, 0, 0)
  }
  return { run, runAlone: run, async dispose() {} }
}
