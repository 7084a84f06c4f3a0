/** Nodes → nodes whose operations are instructions on vectors of four float32. */

import { Wasm } from './code.js'
import { type Graph, is, type Node } from './graph.js'

/** What is one instruction. */
const direct: Readonly<Record<string, Wasm>> = {
  add: Wasm.f32x4Add,
  sub: Wasm.f32x4Sub,
  mul: Wasm.f32x4Mul,
  div: Wasm.f32x4Div,
  neg: Wasm.f32x4Neg,
  abs: Wasm.f32x4Abs,
  sqrt: Wasm.f32x4Sqrt,
  floor: Wasm.f32x4Floor,
  round: Wasm.f32x4Nearest,
  ge: Wasm.f32x4Ge,
  gt: Wasm.f32x4Gt,
  le: Wasm.f32x4Le,
  lt: Wasm.f32x4Lt,
  eq: Wasm.f32x4Eq,
  ne: Wasm.f32x4Ne,
  and: Wasm.v128And,
  or: Wasm.v128Or,
  not: Wasm.v128Not,
}

/** Functions of float32 from products, sums and bits: the same on every host. */
export class Functions {
  constructor(readonly g: Graph) {}

  make(op: Wasm, ...args: Node[]): Node {
    return this.g.make(op, args)
  }

  private readonly of =
    (op: Wasm) =>
    (a: Node, b: Node): Node =>
      this.make(op, a, b)
  readonly add = this.of(Wasm.f32x4Add)
  readonly sub = this.of(Wasm.f32x4Sub)
  readonly mul = this.of(Wasm.f32x4Mul)
  readonly div = this.of(Wasm.f32x4Div)
  readonly and = this.of(Wasm.v128And)

  k(value: number): Node {
    return this.g.constant(value)
  }

  /** An integer: of a shift, or in each lane. */
  int(value: number): Node {
    return this.g.make('i32', [], { value })
  }

  ints(value: number): Node {
    return this.g.make('i32x4', [], { value })
  }

  choose(mask: Node, a: Node, b: Node): Node {
    return this.g.make(Wasm.v128Bitselect, [a, b, mask])
  }

  /** c₀·xⁿ + … + cₙ */
  poly(x: Node, [first, ...rest]: readonly number[]): Node {
    return rest.reduce((sum, c) => this.add(this.mul(sum, x), this.k(c)), this.k(first))
  }

  /**
   * eˣ = 2ⁿ·eʳ with a relative error of 2e-7 (the polynomial of Moshier's Cephes); ∞ above 88.72,
   * 0 below −87.3, and NaN of NaN.
   */
  exp(x: Node): Node {
    const above = this.make(Wasm.f32x4Pmax, x, this.k(-87.3))
    const bounded = this.make(Wasm.f32x4Pmin, above, this.k(88.7))
    const n = this.make(Wasm.f32x4Nearest, this.mul(bounded, this.k(Math.LOG2E)))
    const high = this.sub(bounded, this.mul(n, this.k(0.693359375)))
    const r = this.add(high, this.mul(n, this.k(2.1219444e-4)))
    const p = this.poly(
      r,
      [
        1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
        5.0000001201e-1,
      ],
    )
    const y = this.add(this.add(this.mul(p, this.mul(r, r)), r), this.k(1))
    const power = this.make(Wasm.i32x4Shl, this.make(Wasm.i32x4TruncSatF32x4S, n), this.int(23))
    const inside = this.make(Wasm.i32x4Add, y, power)
    const large = this.choose(this.make(Wasm.f32x4Gt, x, this.k(88.7)), this.k(Infinity), inside)
    const all = this.choose(this.make(Wasm.f32x4Lt, x, this.k(-87.3)), this.k(0), large)
    return this.choose(this.make(Wasm.f32x4Eq, x, x), all, x)
  }

  /** NaN passes, whichever argument it is; pmin gives the first argument where one is NaN. */
  least(name: 'min' | 'max', a: Node, b: Node): Node {
    const op = name === 'min' ? Wasm.f32x4Min : Wasm.f32x4Max
    // pmin and pmax stand two behind min and max.
    return this.make(b.op === 'const' && !Number.isNaN(b.value) ? op + 2 : op, a, b)
  }
}

/** By name: of the first argument, of the node itself, and what makes instructions of others. */
export type Lowerings = Readonly<
  Record<string, (f: Functions, x: Node, node: Node, lower: (node: Node) => Node) => Node>
>

/**
 * @param more functions beside exp
 * @returns what a node is in instructions
 */
export function lowering(g: Graph, more: Lowerings = {}): (node: Node) => Node {
  const known = new Map<Node, Node>()
  const functions = new Functions(g)
  /** The mask of a spike, which is 0 or 1. */
  const spikeOf = (node: Node): Node | undefined => {
    if (node.op === 'detach' || node.op === 'hold') return spikeOf(node.args[0])
    return node.op === 'spike' ? lower(node.args[0]) : undefined
  }
  function make(node: Node): Node {
    const { op, args } = node
    switch (op) {
      case 'detach':
      case 'current':
      case 'hold':
        return lower(args[0])
      case 'spike':
        return functions.and(lower(args[0]), g.constant(1))
      case 'mul': {
        const [a, b] = args.map(spikeOf)
        const spike = a ?? b
        if (spike) return functions.and(spike, lower(args[a ? 1 : 0]))
        break
      }
      case 'where': {
        const [mask, a, b] = args.slice(0, 3).map((arg) => lower(arg))
        if (is(b, 0)) return functions.and(mask, a)
        if (is(a, 0)) return g.make(Wasm.v128Andnot, [b, mask])
        return functions.choose(mask, a, b)
      }
      case 'min':
      case 'max':
        return functions.least(op, lower(args[0]), lower(args[1]))
      case 'exp':
        return functions.exp(lower(args[0]))
      default:
    }
    if (Object.hasOwn(more, op)) return more[op](functions, lower(args[0]), node, lower)
    return direct[op] ? g.make(direct[op], args.map(lower)) : node
  }
  function lower(node: Node): Node {
    const found = known.get(node) ?? make(node)
    known.set(node, found)
    return found
  }
  return lower
}
