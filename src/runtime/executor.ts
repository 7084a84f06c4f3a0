/**
 * What runs programs: this thread, or a pool of workers that all run the same program over one
 * shared memory. The platform makes it.
 */

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
  /** Ends all threads. */
  dispose(): Promise<void>
}
