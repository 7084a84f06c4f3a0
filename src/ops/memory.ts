/** The memory of a planned op. */

import { expect, SpikewasmError } from '../errors.js'
import type { Buffer } from '../plan/words.js'
import type { ControlBlock } from './builder.js'
import type { Values, ValueType, Views } from './tensor.js'

const PAGE = 65536
const MAX_BYTES = 2 ** 32

const arrays = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
} as const

/** Memory of all plans: its arrays have the engine's order. */
const owned = new WeakSet<ArrayBufferLike>()

/** Whether an array's memory is that of a plan. */
export const isOwnMemory = (buffer: ArrayBufferLike): boolean => owned.has(buffer)

export class PlanMemory {
  #control: ControlBlock | undefined
  #memory: WebAssembly.Memory | undefined

  /** @throws SpikewasmError that names the op when there is not as much memory */
  constructor(
    private readonly op: string,
    bytes: number,
    shared: boolean,
  ) {
    const memory = allocate(op, bytes, shared)
    this.#memory = memory
    owned.add(memory.buffer)
  }

  get memory(): WebAssembly.Memory {
    if (!this.#memory)
      throw new SpikewasmError(`${this.op}: the plan was disposed; plan the op again`)
    return this.#memory
  }

  /** Numbers that all runs read. */
  get control(): ControlBlock {
    this.#control ??= controlBlock(this.memory)
    return this.#control
  }

  put(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.memory.buffer).set(bytes, address)
  }

  readonly views: Views = (buffer: Buffer, type: ValueType, count: number): Values =>
    new arrays[type](this.memory.buffer as ArrayBuffer, buffer.address, count)

  forget(): void {
    this.#memory = undefined
    this.#control = undefined
  }
}

function allocate(op: string, bytes: number, shared: boolean): WebAssembly.Memory {
  const mib = `${(bytes / 2 ** 20).toFixed(1)} MiB`
  expect(
    bytes <= MAX_BYTES,
    () =>
      `${op} needs ${mib} of memory, more than the 4096 MiB that WebAssembly addresses; make ` +
      'shapes smaller',
  )
  const pages = Math.ceil(bytes / PAGE)
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch {
    throw new SpikewasmError(
      `${op} needs ${mib} of memory, more than this machine gives now; make shapes smaller. If ` +
        'there are thousands of plans (each reserves addresses), dispose of those that are done',
    )
  }
}

function controlBlock({ buffer }: WebAssembly.Memory): ControlBlock {
  const view = new DataView(buffer)
  return {
    word: (offset, value) => view.setUint32(offset, value >>> 0, true),
    float: (offset, value) => view.setFloat32(offset, value, true),
    address: (offset, tensor) => view.setUint32(offset, tensor.buffer.address, true),
  }
}
