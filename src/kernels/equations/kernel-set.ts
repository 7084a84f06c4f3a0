/** Functions that are made for a plan, and the module of them. */

import type * as host from '../../base/host.js'
import { type Code, moduleOf, Wasm } from './code.js'
import { Graph, Level, type Node } from './graph.js'
import type { Lowerings } from './lower.js'
import { type Equations, isWritten } from './step.js'

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

// What can be seen of a neuron at each step: every name behind it, and what its spike compares.

type Values = ReadonlyMap<string, Node>

/**
 * All values behind a step, by name. `potential` and `threshold` are the sides of the comparison of
 * `spike = u >= theta`, also where a text has such names.
 */
export function seenOf(values: Values, parameters: readonly string[]): Values {
  const sides = ['potential', 'threshold'].flatMap((side): [string, Node][] => {
    const node = values.get(` ${side}`)
    return node ? [[side, node]] : []
  })
  const own = [...values].filter(
    ([name]) => isWritten(name) && name !== 'dt' && !parameters.includes(name),
  )
  return new Map([...sides, ...own, ...sides])
}

/** Names that can be recorded: the current, what lines assign, and both sides of the spike. */
export function recordable(equations: Equations, parameters: readonly string[]): string[] {
  const g = new Graph(equations.what)
  const given = ['x', ...parameters, ...equations.states]
  const names = new Map(given.map((name) => [name, g.leaf(name, Level.Neuron)] as const))
  equations.run(g, names)
  return [...seenOf(names, parameters).keys()]
}

// Functions that users' texts may call, from instructions on vectors.

export const lowerings: Lowerings = {
  /** ln x as in FreeBSD's logf: NaN below 0, −∞ of 0, ∞ of ∞; subnormals count as 0. */
  log(f, x) {
    const shifted = f.make(Wasm.i32x4Sub, x, f.ints(0x3f3504f3))
    const e = f.make(Wasm.f32x4ConvertI32x4S, f.make(Wasm.i32x4ShrS, shifted, f.int(23)))
    const m = f.make(Wasm.i32x4Add, f.and(shifted, f.ints(0x7fffff)), f.ints(0x3f3504f3))
    const r = f.sub(m, f.k(1))
    const s = f.div(r, f.add(r, f.k(2)))
    const z = f.mul(s, s)
    const half = f.mul(f.k(0.5), f.mul(r, r))
    const terms = [0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693]
    const rest = f.add(half, f.mul(z, f.poly(z, terms)))
    const low = f.add(f.mul(s, rest), f.mul(e, f.k(9.0580006145e-6)))
    const near = f.add(f.sub(low, half), r)
    const y = f.add(near, f.mul(e, f.k(0.69313812256)))
    const finite = f.choose(f.make(Wasm.f32x4Lt, x, f.k(Infinity)), y, x)
    const none = f.choose(f.make(Wasm.f32x4Ge, x, f.k(0)), f.k(-Infinity), f.k(NaN))
    return f.choose(f.make(Wasm.f32x4Ge, x, f.k(1.1754944e-38)), finite, none)
  },

  /** The polynomial of Cephes near 0, elsewhere 1 − 2/(e²ˣ + 1). */
  tanh(f, x) {
    const size = f.make(Wasm.f32x4Abs, x)
    const z = f.mul(x, x)
    const p = f.poly(
      z,
      [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
    )
    const near = f.add(f.mul(f.mul(p, z), x), x)
    const square = f.exp(f.add(size, size))
    const far = f.sub(f.k(1), f.div(f.k(2), f.add(square, f.k(1))))
    const sign = f.and(x, f.ints(0x80000000 | 0))
    const signed = f.make(Wasm.v128Or, far, sign)
    return f.choose(f.make(Wasm.f32x4Lt, size, f.k(0.625)), near, signed)
  },

  sigmoid(f, x) {
    const e = f.exp(f.make(Wasm.f32x4Neg, x))
    return f.div(f.k(1), f.add(f.k(1), e))
  },
}
