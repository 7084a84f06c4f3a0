/**
 * What runs programs: this thread, or a pool of workers that all run the same program over one
 * shared memory. The platform makes it.
 */

import { Control, Fault } from '../../../assembly/opcodes.js'
import type { Kernels } from '../../kernels/equations/kernel-set.js'
import type { Buffer } from '../../kernels/records/words.js'
import type { RecordTime } from '../run/record-times.js'

/** Arguments of the engine's `run` besides the worker's number. */
export interface RunArguments {
  readonly program: number
  /** How many take part. One stands for the calling thread: nobody is woken. */
  readonly workers: number
  readonly scratch: number
  readonly scratchBytes: number
  readonly spins: number
  readonly timeoutMs: number
  /** Functions that were made for the program's plan. */
  readonly kernels?: Kernels
}

/** `Control.Pause`: what workers do behind the first of two programs. */
export const Pause = { None: 0, Waits: 1, Ends: 2 } as const

/** What the host does between two programs. It rejects never; `false` ends the run. */
export type Between = () => Promise<boolean>

export interface Executor {
  /**
   * Runs a program to its end. Rejects when a kernel traps or a worker dies; the executor cannot be
   * used after that.
   */
  run(run: RunArguments): Promise<void>
  /**
   * Runs a program and then another: one message does, since workers wait in between. Absent where
   * two runs do as well.
   */
  runBoth?(run: RunArguments, next: number, between: Between): Promise<void>
  /**
   * Ends all threads.
   *
   * @param leavesThreads whether they may wait for the next model over the same memory
   */
  dispose(leavesThreads?: boolean): Promise<void>
  /** Settled when it can run; rejects when it never can. Absent where that shows at once. */
  readonly ready?: Promise<unknown>
  /** Times the records of a program one by one, where they cannot run on the calling thread. */
  time?(run: RunArguments): Promise<readonly RecordTime[]>
  /** Where programs run in a memory of their own. */
  readonly mirror?: Mirror
}

/** Keeps the host's memory, a mirror, and the one that programs run in the same. */
export interface Mirror {
  /** The host has written there; the next run sees it. */
  wrote(address: number, bytes: number): void
  /**
   * Waits until the mirror holds what programs have written: all, without the states of an
   * optimizer that only a snapshot holds, or these buffers.
   */
  refresh(what: 'all' | 'seen' | readonly Buffer[]): Promise<void>
}

/** A worker failed or is gone: those that wait for it leave their barriers within 0.1 s. */
export function poison(control: Int32Array): void {
  Atomics.compareExchange(control, Control.Poison / 4, Fault.None, Fault.Aborted)
  Atomics.notify(control, Control.Epoch / 4)
}

/** What is wrong with a run that left workers with these faults. */
export function problemOf(faults: readonly number[], timeoutMs: number): Error | undefined {
  if (faults.includes(Fault.TimedOut))
    return new Error(`a worker did not reach a barrier within ${timeoutMs / 1000} s`)
  if (faults.some((fault) => fault !== Fault.None)) return new Error('another worker failed')
  return undefined
}
