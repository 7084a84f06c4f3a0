/** What a session holds: the memory of its plan, and who runs programs over it. */

import { Control } from '../../assembly/opcodes.js'
import type { Plan } from '../plan/plan.js'
import { type AllocateSettings, allocate } from './allocate.js'
import { type Executor, localExecutor } from './executor.js'
import { expectPackageFile } from './load.js'
import { fits, giveBack, type Owner } from './memories.js'
import { type Move, moveAcross, moveWithin } from './move.js'

export interface Holding {
  readonly memory: WebAssembly.Memory
  readonly executor: Executor
  /** How many threads it has; 1 stands for the calling one. */
  readonly workers: number
}

/** A memory that a plan has room in, and what is already there. */
export interface Room {
  readonly memory: WebAssembly.Memory
  /** Whether it is that of the holding before. */
  readonly own: boolean
}

/**
 * Room for a plan: in the memory that is held, where that is or can be made large enough, else in
 * another one. Numbers in the held one stay until `hold`.
 *
 * @throws SpikewasmError when there is not as much memory
 */
export async function roomFor(
  plan: Plan,
  settings: AllocateSettings,
  held?: Holding,
): Promise<Room> {
  if (held && plan.memory.total <= 2 ** 32 && fits(held.memory, plan.memory.total))
    return { memory: held.memory, own: true }
  return { memory: await allocate(plan, settings), own: false }
}

/**
 * Writes a plan into its room, which is zero otherwise, and gets threads for it.
 *
 * @param held the holding before, and what stays of its numbers
 */
export function hold(
  plan: Plan,
  { memory, own }: Room,
  module: WebAssembly.Module,
  pool: { readonly make: PoolMaker | undefined; readonly workers: number },
  held?: Holding,
  moves: readonly Move[] = [],
): { readonly holding: Holding; readonly ended: Promise<void> } {
  const { make, workers } = pool
  const keeps = own && held?.workers === workers ? held : undefined
  // Before the memory is cleared: a pool that ends leaves a word in it.
  const ended = keeps ? Promise.resolve() : end(held, own)
  if (own) moveWithin(memory.buffer, moves, plan.memory.total)
  else if (held) moveAcross(held.memory.buffer, memory.buffer, moves)
  new Uint8Array(memory.buffer).set(plan.encoded.bytes, plan.encodedAt)
  const executor =
    keeps?.executor ?? (make ? make(module, memory, workers) : localExecutor(module, memory))
  return { holding: { memory, executor, workers }, ended }
}

export type PoolMaker = (
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  workers: number,
) => Executor

/** @throws SpikewasmError when the file that threads start from is missing */
export async function poolMaker(): Promise<PoolMaker> {
  const { poolExecutor, workerFile } = await import('./pool.js')
  await expectPackageFile(workerFile)
  return poolExecutor
}

/**
 * Ends the threads, then gives the memory back.
 *
 * @param keepsMemory leaves it to whoever holds it next
 * @param owner who may still read it
 */
export async function end(
  held: Holding | undefined,
  keepsMemory = false,
  owner?: Owner,
): Promise<void> {
  if (!held) return
  await held.executor.dispose()
  if (!keepsMemory) giveBack(held.memory, owner)
}

/** What lives on between runs: all that can be read of a model. */
const lasting = ({ buffers }: Plan): { readonly address: number; readonly bytes: number }[] => [
  { address: 0, bytes: Control.Bytes },
  ...buffers.filter(({ persistent, purpose }) => persistent && purpose !== 'input'),
]

export const lastingBytes = (plan: Plan): number =>
  lasting(plan).reduce((sum, { bytes }) => sum + bytes, 0)

/** A copy of that, at the same addresses. */
export function readable(plan: Plan, { buffer }: { readonly buffer: ArrayBufferLike }) {
  const parts = lasting(plan)
  const copy = new ArrayBuffer(parts.reduce((most, b) => Math.max(most, b.address + b.bytes), 0))
  for (const { address, bytes } of parts)
    new Uint8Array(copy, address, bytes).set(new Uint8Array(buffer, address, bytes))
  return { buffer: copy }
}
