/**
 * Runs programs: on this thread, or on a pool of workers that all run the same program over one
 * shared memory.
 */

/** Arguments of the engine's `run` besides the worker's number. */
export interface RunArguments {
  readonly program: number
  readonly workers: number
  readonly scratch: number
  readonly scratchBytes: number
  readonly spins: number
  readonly timeoutMs: number
}

export interface EngineExports {
  run(
    program: number,
    worker: number,
    workers: number,
    scratch: number,
    spins: number,
    timeoutMs: number,
  ): number
}

export interface Executor {
  /**
   * Runs a program to its end. Rejects when a kernel traps or a worker dies; the executor cannot be
   * used after that.
   */
  run(run: RunArguments): Promise<void>
  /** Ends all threads. */
  dispose(): Promise<void>
}

/** Runs programs on this thread. */
export function localExecutor(module: WebAssembly.Module, memory: WebAssembly.Memory): Executor {
  const exports = new WebAssembly.Instance(module, { env: { memory } })
    .exports as unknown as EngineExports
  return {
    async run({ program, scratch }) {
      exports.run(program, 0, 1, scratch, 0, 0)
    },
    async dispose() {},
  }
}
