/** Functions that are made for a plan, and the module of them. */

import type * as host from '../host.js'
import { type Code, moduleOf } from './code.js'

/** Functions of a plan as a module, by their places in the engine's table. */
export interface Kernels {
  readonly id: number
  readonly module: host.WasmModule
  readonly count: number
}

/** A function, and what it needs. */
export interface Kernel {
  readonly func: Code
  /** Rows of State, forward. */
  readonly stateRows?: number
  /** Bytes of scratch, backward. */
  readonly scratch?: number
}

/** What is kept at most: of a few networks, one behind the other. */
const MOST_KERNELS = 512
const MOST_MODULES = 32
const known = new Map<string, Kernel>()
const made = new Map<string, Kernels>()
let count = 0

/** Keeps a value, and forgets the oldest of more than `most`. */
export function remember<V>(map: Map<string, V>, key: string, value: V, most: number): V {
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > most) map.delete(oldest)
  return value
}

/** Functions by what they follow from; each has its place in the engine's table. */
export class KernelSet {
  private readonly functions = new Map<string, Code>()
  /** What `compile` has made last. */
  compiled: Kernels | undefined

  /** What they follow from, by their places. */
  get keys(): readonly string[] {
    return [...this.functions.keys()]
  }

  /** A kernel, which is made where it is not there yet, and its place. */
  take(key: string, make: () => Kernel): Kernel & { readonly place: number } {
    const kernel = known.get(key) ?? remember(known, key, make(), MOST_KERNELS)
    this.functions.set(key, this.functions.get(key) ?? kernel.func)
    return { ...kernel, place: this.keys.indexOf(key) }
  }

  /** Their module for a memory, compiled at once. */
  module({ buffer }: Pick<host.WasmMemory, 'buffer'>): Kernels {
    const shared = !(buffer instanceof ArrayBuffer)
    const key = this.keyOf(shared)
    return made.get(key) ?? this.keep(key, new WebAssembly.Module(this.bytes(shared)))
  }

  /** The same for memories that are shared, or are not; this thread stays free meanwhile. */
  async compile(shared: boolean): Promise<Kernels> {
    const key = this.keyOf(shared)
    this.compiled = made.get(key) ?? this.keep(key, await WebAssembly.compile(this.bytes(shared)))
    return this.compiled
  }

  private keyOf(shared: boolean): string {
    return [shared, ...this.keys].join('\n')
  }

  /** @param shared whether the memory is */
  bytes(shared: boolean): Uint8Array<ArrayBuffer> {
    return moduleOf([...this.functions.values()], shared)
  }

  private keep(key: string, module: host.WasmModule): Kernels {
    const { size } = this.functions
    return remember(made, key, { id: ++count, module, count: size }, MOST_MODULES)
  }
}
