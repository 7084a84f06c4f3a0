/**
 * Memories of models that are done, for the next ones. A fresh memory for each model would add up:
 * V8 does not count them, so that it may not collect the old ones for long.
 *
 * Here they are held weakly: a collection frees them, and until then they are used again. What a
 * model gets is zero as far as it needs it, so that no number depends on which memory it got.
 */

import { breathe } from '../threads/breathe.js'
import { endThreads } from '../threads/idle-threads.js'
import { collect, collectNow } from './collect.js'

const PAGE = 65536
const MAX_PAGES = 65536
/** What a memory may be larger than needed, whatever is needed. */
const SPARE_BYTES = 2 ** 25

/** What may wait beside a new memory of another kind or size: bytes in all, and so many. */
const WAITING_BYTES = 2 ** 24
const WAITING_MEMORIES = 3

/** Copies for owners that are garbage themselves may add up to this. */
const COPIED_BYTES = 2 ** 22

/** Who may still read in a memory what a model left there. */
export interface Owner {
  /** Bytes of the copy that `detach` makes. */
  readonly lastingBytes: number
  /** Called before the memory is used again: reads from a copy from now on. */
  detach(): void
}

interface Idle {
  readonly memory: WeakRef<WebAssembly.Memory>
  readonly shared: boolean
  readonly owner: WeakRef<Owner> | undefined
}

let idle: Idle[] = []
/** Bytes of copies since the last collection. */
let copied = 0

/** Whether a memory is, or was made, as large as `bytes`. It keeps its content. */
export function fits(memory: WebAssembly.Memory, bytes: number): boolean {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE)
  if (missing <= 0) return true
  try {
    memory.grow(missing)
    return true
  } catch {
    return false
  }
}

/** Makes the memory what a fresh one would be, for a model that needs so much. */
function clear(memory: WebAssembly.Memory, bytes: number): void {
  const { buffer } = memory
  new Uint8Array(buffer, 0, Math.min(buffer.byteLength, Math.ceil(bytes / PAGE) * PAGE)).fill(0)
}

/** A memory that is lent. */
export interface Loan {
  readonly memory: WebAssembly.Memory
  /**
   * To be called before anything of the memory is read or written: it copies what a model that is
   * done still reads there. Absent where the memory is zero already.
   */
  readonly take?: () => void
}

/**
 * A memory of at least so many bytes, zero so far, or once it is taken.
 *
 * In a loop over `const model = await compile(…)` the model before can be reached until the next
 * one is there, though nobody reads it any more. To copy it would take the memory of another model.
 * So it is left where it is until the new model is used, and is mostly garbage then.
 *
 * @throws RangeError when there is none
 */
export async function borrow(bytes: number, shared: boolean): Promise<Loan> {
  const used = takeIdle(bytes, shared)
  if (used) {
    const { owner } = used.entry
    const { memory } = used
    // Most owners are gone, but for a collection.
    if (copied + (owner?.deref()?.lastingBytes ?? 0) > COPIED_BYTES) {
      await collect()
      copied = 0
    }
    const large = (owner?.deref()?.lastingBytes ?? 0) > COPIED_BYTES
    const take = (): void => {
      release(owner)
      clear(memory, bytes)
    }
    if (large) {
      // The reference has just given it out, so that it stays until this job ends.
      await breathe()
      return {
        memory,
        take() {
          collectNow()
          copied = 0
          take()
        },
      }
    }
    take()
    return { memory }
  }
  // None of them is of use: large ones would lie beside the new one. Small ones wait, with their
  // threads, for models like the one before.
  const waiting = live()
  const waitingBytes = waiting.reduce((sum, of) => sum + of.bytes, 0)
  if (waiting.length > WAITING_MEMORIES || waitingBytes > WAITING_BYTES) await drop()
  try {
    return { memory: create(bytes, shared) }
  } catch {
    // What nobody has given back may be garbage too.
    await drop()
    return { memory: create(bytes, shared) }
  }
}

/**
 * The same, taken at once.
 *
 * @throws RangeError when there is none
 */
export async function lend(bytes: number, shared: boolean): Promise<WebAssembly.Memory> {
  const { memory, take } = await borrow(bytes, shared)
  take?.()
  return memory
}

/**
 * For the next model, when no thread runs on it any more.
 *
 * @param owner who may still read it
 */
export function giveBack(memory: WebAssembly.Memory, owner?: Owner): void {
  const shared = isShared(memory)
  idle = live().map(({ entry }) => entry)
  idle.push({ memory: new WeakRef(memory), shared, owner: owner && new WeakRef(owner) })
}

type Live = ReturnType<typeof live>[number]

/** Those that have not been collected, the smallest first. */
function live() {
  return idle
    .flatMap((entry) => {
      const memory = entry.memory.deref()
      return memory ? [{ entry, memory, bytes: memory.buffer.byteLength }] : []
    })
    .sort((a, b) => a.bytes - b.bytes)
}

function takeIdle(bytes: number, shared: boolean): Live | undefined {
  const most = Math.max(2 * bytes, bytes + SPARE_BYTES)
  const all = live().filter(({ entry, bytes }) => entry.shared === shared && bytes <= most)
  const large = all.find((of) => of.bytes >= bytes)
  const found = large ?? all.findLast(({ memory }) => fits(memory, bytes))
  idle = idle.filter((entry) => entry !== found?.entry)
  return found
}

function release(owner: Idle['owner']): void {
  const reader = owner?.deref()
  if (!reader) return
  copied += reader.lastingBytes
  reader.detach()
}

async function drop(): Promise<void> {
  // Threads that wait hold their memories.
  await endThreads()
  // Owners that are gone need no copies.
  await collect()
  copied = 0
  if (!idle.some(({ owner }) => owner?.deref())) return
  for (const { owner } of idle) release(owner)
  idle = idle.map((entry) => ({ ...entry, owner: undefined }))
  await collect()
}

function create(bytes: number, shared: boolean): WebAssembly.Memory {
  const initial = Math.ceil(bytes / PAGE)
  // Any memory reserves addresses for all that it may become, however little that is.
  return new WebAssembly.Memory(
    shared ? { initial, maximum: MAX_PAGES, shared } : { initial, maximum: MAX_PAGES },
  )
}

const isShared = ({ buffer }: WebAssembly.Memory): boolean =>
  Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]'
