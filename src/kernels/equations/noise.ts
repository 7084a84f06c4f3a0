/**
 * Numbers that equations draw. Each follows from a key, the step, the neuron and the call alone, so
 * that any worker, pass or file may compute any of them, in any order.
 */

import { Wasm } from './code.js'
import { type Graph, Level, type Node } from './graph.js'
import type { Functions, Lowerings } from './lower.js'

/** What the numbers of a step follow from. */
export interface Noise {
  /** i32 of each neuron: number of the step; of the neuron in its image or batch. */
  readonly step: Node
  readonly neuron: Node
  /** What all neurons and steps have in common. */
  readonly key: Node
  /** Where the text calls rand or randn. */
  readonly calls: readonly number[]
}

/** Multipliers of the hash lowbias32 (Wellons 2018), and the golden ratio. */
const [HASH_1, HASH_2, GOLDEN] = [0x7feb352d, 0x846ca68b, 0x9e3779b9]

/** The same hash of a number that is known. */
export function hashOf(x: number): number {
  let h = x ^ (x >>> 16)
  h = Math.imul(h, HASH_1)
  h = Math.imul(h ^ (h >>> 15), HASH_2)
  return h ^ (h >>> 16)
}

/** A number that is drawn at a place of the text. */
export const draw = (
  g: Graph,
  name: 'rand' | 'randn',
  at: number,
  { step, neuron, key, calls }: Noise,
): Node => g.make(name, [step, neuron, key], { value: calls.indexOf(at) + 1, level: Level.Neuron })

const folded = (f: Functions, x: Node, by: number): Node =>
  f.make(Wasm.v128Xor, x, f.make(Wasm.i32x4ShrU, x, f.int(by)))

function hashed(f: Functions, x: Node): Node {
  const first = f.make(Wasm.i32x4Mul, folded(f, x, 16), f.ints(HASH_1 | 0))
  return folded(f, f.make(Wasm.i32x4Mul, folded(f, first, 15), f.ints(HASH_2 | 0)), 16)
}

/** 32 random bits: two rounds, each with a key of the step and the call. */
function bitsOf(f: Functions, { args: [step, neuron, key], value: call }: Node): Node {
  const golden = f.ints(GOLDEN | 0)
  const own = f.make(Wasm.v128Xor, key, f.ints(hashOf(Math.imul(call, GOLDEN))))
  const first = hashed(f, f.make(Wasm.i32x4Add, f.make(Wasm.i32x4Mul, step, golden), own))
  const second = hashed(f, f.make(Wasm.v128Xor, first, golden))
  return hashed(f, f.make(Wasm.i32x4Add, hashed(f, f.make(Wasm.v128Xor, neuron, first)), second))
}

/** erf⁻¹ as polynomials of w = −ln(1 − x²), near and far (Giles 2010). */
const near = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4, -1.25372503e-3,
  -4.17768164e-3, 0.246640727, 1.50140941,
]
const far = [
  -2.00214257e-4, 1.00950558e-4, 1.34934322e-3, -3.67342844e-3, 5.73950773e-3, -7.6224613e-3,
  9.43887047e-3, 1.00167406, 2.83297682,
]

const scaled = (f: Functions, x: Node): Node =>
  f.mul(f.make(Wasm.f32x4ConvertI32x4S, x), f.k(2 ** -24))

export const drawLowerings: Lowerings = {
  /** A multiple of 2⁻²⁴ in [0, 1). */
  rand: (f, _x, node) => scaled(f, f.make(Wasm.i32x4ShrU, bitsOf(f, node), f.int(8))),

  /** √2·erf⁻¹(x), x an odd multiple of 2⁻²⁴ in (−1, 1). */
  randn(f, _x, node, lower) {
    const { g } = f
    const half = f.make(Wasm.i32x4ShrS, bitsOf(f, node), f.int(8))
    const odd = f.make(Wasm.i32x4Add, f.make(Wasm.i32x4Add, half, half), f.ints(1))
    const x = scaled(f, odd)
    const one = g.constant(1)
    const w = g.neg(g.make('log', [g.mul(g.sub(one, x), g.add(one, x))]))
    const poly = (of: readonly number[], at: Node): Node =>
      of.slice(1).reduce((sum, c) => g.add(g.mul(sum, at), g.constant(c)), g.constant(of[0]))
    const p = g.where(
      g.make('lt', [w, g.constant(5)]),
      poly(near, g.sub(w, g.constant(2.5))),
      poly(far, g.sub(g.make('sqrt', [w]), g.constant(3))),
    )
    return lower(g.mul(g.mul(g.constant(Math.SQRT2), x), p))
  },
}
