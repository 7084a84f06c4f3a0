/** The memory of a planned op. */

import { fail } from '../errors.js'
import type { ControlBlock } from './builder.js'
import { arrays, type Views } from './tensor.js'

const PAGE = 65536
const MAX_BYTES = 2 ** 32

/** Memory of all plans: its arrays have the engine's order. */
const owned = new WeakSet<ArrayBufferLike>()

/** Whether an array's memory is that of a plan. */
export const isOwnMemory = (buffer: ArrayBufferLike): boolean => owned.has(buffer)

/** Memory of a plan; `control`: numbers that all runs read. */
export interface PlanMemory {
  readonly memory: WebAssembly.Memory
  readonly views: Views
  readonly control: ControlBlock
}

/** @throws SpikewasmError that names the op when there is not as much memory */
export function reserve(op: string, bytes: number, shared: boolean): PlanMemory {
  const memory = allocate(op, bytes, shared)
  owned.add(memory.buffer)
  const view = new DataView(memory.buffer)
  return {
    memory,
    views: ({ address }, type, count) =>
      new arrays[type](memory.buffer as ArrayBuffer, address, count),
    control: {
      word: (offset, value) => view.setUint32(offset, value >>> 0, true),
      float: (offset, value) => view.setFloat32(offset, value, true),
      address: (offset, tensor) => view.setUint32(offset, tensor.buffer.address, true),
    },
  }
}

function allocate(op: string, bytes: number, shared: boolean): WebAssembly.Memory {
  const mib = `${(bytes / 2 ** 20).toFixed(1)} MiB`
  if (!(bytes <= MAX_BYTES))
    fail(
      `${op} needs ${mib} of memory, more than the 4096 MiB that WebAssembly addresses; make ` +
        'shapes smaller',
    )
  const pages = Math.ceil(bytes / PAGE)
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch {
    fail(
      `${op} needs ${mib} of memory, more than this machine gives now; make shapes smaller. If ` +
        'there are thousands of plans (each reserves addresses), dispose of those that are done',
    )
  }
}
