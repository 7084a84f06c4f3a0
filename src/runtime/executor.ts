/**
 * Runs programs: on this thread, or on a pool of workers that all run the same program over one
 * shared memory.
 */

import { instantiateEngine } from './load.js'

/** Arguments of the engine's `run` besides the worker's number. */
export interface RunArguments {
  readonly program: number
  /** How many take part. One stands for the calling thread: nobody is woken. */
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
  /**
   * Ends all threads.
   *
   * @param leavesThreads whether they may wait for the next model over the same memory
   */
  dispose(leavesThreads?: boolean): Promise<void>
}

/** Runs programs on this thread. */
export function localExecutor(module: WebAssembly.Module, memory: WebAssembly.Memory): Executor {
  const engine = instantiateEngine(module, memory)
  return {
    async run({ program, scratch }) {
      engine.run(program, 0, 1, scratch, 0, 0)
    },
    async dispose() {},
  }
}
