/** Derivatives of nodes, by nodes. Where there is none, it is undefined: 0 costs nothing. */

import { type Graph, type Node, reachable } from './graph.js'

/** How a small change of an argument changes a node. */
type Change = (d: Node) => Node

/** h'(x) of spikes, by their distance x to the threshold. */
export type Surrogate = (x: Node) => Node

/** A node y with its arguments, and constants. */
interface Derived {
  readonly g: Graph
  readonly y: Node
  readonly args: readonly Node[]
  readonly one: Node
  readonly zero: Node
  readonly surrogate: Surrogate
}

const same: Change = (d) => d

/** Changes by what is taken where a condition holds, and by what is taken elsewhere. */
const halves = ({ g, zero }: Derived, condition: Node): readonly Change[] => [
  (d) => g.where(condition, d, zero),
  (d) => g.where(condition, zero, d),
]

/** Changes by each argument, of operations that have a derivative. */
const rules: Readonly<Record<string, (of: Derived) => readonly (Change | undefined)[]>> = {
  add: () => [same, same],
  sub: ({ g }) => [same, (d) => g.neg(d)],
  neg: ({ g }) => [(d) => g.neg(d)],
  mul: ({ g, args: [a, b] }) => [(d) => g.times(d, b), (d) => g.times(d, a)],
  div: ({ g, y, args: [, b] }) => [(d) => g.div(d, b), (d) => g.neg(g.div(g.times(d, y), b))],
  // At a tie the derivative is that of the first.
  min: (of) => halves(of, of.g.make('le', of.args)),
  max: (of) => halves(of, of.g.make('ge', of.args)),
  abs: ({ g, args: [a], zero }) => [(d) => g.where(g.make('ge', [a, zero]), d, g.neg(d))],
  sqrt: ({ g, y }) => [(d) => g.div(g.times(g.constant(0.5), d), y)],
  exp: ({ g, y }) => [(d) => g.times(d, y)],
  log: ({ g, args: [a] }) => [(d) => g.div(d, a)],
  tanh: ({ g, y, one }) => [(d) => g.times(d, g.sub(one, g.mul(y, y)))],
  sigmoid: ({ g, y, one }) => [(d) => g.times(d, g.mul(y, g.sub(one, y)))],
  spike({ g, args: [, x, passes], zero, surrogate }) {
    const by = (d: Node): Node => g.times(d, surrogate(x))
    return [undefined, passes ? (d) => g.where(passes, by(d), zero) : by]
  },
  hold: ({ g }) => [(d) => g.hold(d)],
  where(of) {
    const [condition, a, b, spike] = of.args
    const bySpike: Change = (d) => of.g.times(d, of.g.sub(a, b))
    return [undefined, ...halves(of, condition), spike && bySpike]
  },
}

/** Arguments of a node through which a derivative goes, and how. */
function changesOf(
  g: Graph,
  y: Node,
  surrogate: Surrogate,
): (readonly [argument: Node, change: Change])[] {
  const { args } = y
  const of = { g, y, args, one: g.constant(1), zero: g.constant(0), surrogate }
  const changes = Object.hasOwn(rules, y.op) ? rules[y.op](of) : []
  return changes.flatMap((change, i) => (change ? [[args[i], change] as const] : []))
}

/**
 * Forward mode: the derivative of each node by what `seeds` says (node → its own derivative), as
 * far as roots are made of it.
 */
export function tangents(
  g: Graph,
  surrogate: Surrogate,
  roots: readonly Node[],
  seeds: ReadonlyMap<Node, Node | undefined>,
): (node: Node) => Node | undefined {
  const known = new Map<Node, Node>()
  for (const node of reachable(roots)) {
    let sum = seeds.get(node)
    if (!seeds.has(node))
      for (const [argument, change] of changesOf(g, node, surrogate)) {
        const d = known.get(argument)
        if (d) sum = sum ? g.plus(sum, change(d)) : change(d)
      }
    if (sum) known.set(node, sum)
  }
  return (node) => known.get(node)
}

/**
 * Reverse mode: the derivative of Σ factor·root by each node; through nodes of `ends` it goes no
 * further.
 */
export function adjoints(
  g: Graph,
  surrogate: Surrogate,
  roots: readonly (readonly [root: Node, factor: Node])[],
  ends: ReadonlySet<Node>,
): (node: Node) => Node | undefined {
  const sums = new Map<Node, Node>()
  const give = (node: Node, d: Node): void => {
    const sum = sums.get(node)
    sums.set(node, sum ? g.plus(sum, d) : d)
  }
  for (const [root, factor] of roots) give(root, factor)
  for (const node of reachable(roots.map(([root]) => root)).reverse()) {
    const d = sums.get(node)
    if (!d || ends.has(node)) continue
    for (const [argument, change] of changesOf(g, node, surrogate))
      if (argument.op !== 'const') give(argument, change(d))
  }
  return (node) => sums.get(node)
}
