/** What a page and its workers say to each other. */

import type { Kernels } from '../../kernels/equations/kernel-set.js'
import type { RecordTime } from '../run/record-times.js'
import type { RunArguments } from '../threads/executor.js'

/**
 * Words (32 bits) by which a page starts runs over shared memory. Workers sleep at a word of their
 * own, since a message would have to wait for their event loops.
 */
export const Go = {
  /** Workers that have yet to finish the run. */
  Pending: 0,
  /** What to do: `Kind`. */
  Kind: 1,
  /** Program, workers, scratch, its bytes, spins, milliseconds; then the kernels. */
  Arguments: 2,
  /** The id of the kernels that the run needs; 0: none. */
  Kernels: 8,
  /** From one worker's words to the next one's: a cache line. The first line is that of all. */
  Line: 16,
  /** In a worker's line: its runs so far, and the `Fault` of the last one. */
  Started: 0,
  Fault: 1,
} as const

export const Kind = { Run: 0, Time: 1, End: 2 } as const

/** The first message to a worker: the name of a lock, which is its own for as long as it lives. */
export type Lock = string

/** For a worker over the memory of the page. */
export interface SharedSetup {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  readonly go: Int32Array
  readonly worker: number
}

/** What a worker over shared memory says: that all have finished a run, or the times of one. */
export type SharedNews = 'done' | readonly RecordTime[]

/** Places in memory: addresses and numbers of bytes, in turns. */
export type Places = readonly number[]

/** For a worker with a memory of its own: so many bytes, zero. */
export interface OwnSetup {
  readonly module: WebAssembly.Module
  readonly bytes: number
  readonly shared: boolean
}

/** What such a worker is asked for; it does it in this order. */
export interface Request {
  /** Bytes for these places, one after the other. */
  readonly writes?: Places
  readonly bytes?: ArrayBuffer
  /** Functions for this run and those to come. */
  readonly kernels?: Kernels
  readonly run?: RunArguments
  /** Times the records of a program. */
  readonly time?: { readonly program: number; readonly scratch: number }
  /** Places whose bytes are wanted back. */
  readonly reads?: Places
}

export interface Answer {
  readonly fault?: number
  readonly times?: readonly RecordTime[]
  readonly bytes?: ArrayBuffer
}
