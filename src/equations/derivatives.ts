/** Derivatives of nodes, by nodes. Where there is none, it is undefined: 0 costs nothing. */

import { type Graph, type Node, reachable } from './graph.js'

/** How a small change of an argument changes a node. */
type Change = (d: Node) => Node

/** h'(x) of spikes, by their distance x to the threshold. */
export type Surrogate = (x: Node) => Node

const same: Change = (d) => d

/** Changes by what is taken where a condition holds, and by what is taken elsewhere. */
const halves = (g: Graph, condition: Node, zero = g.constant(0)): readonly Change[] => [
  (d) => g.where(condition, d, zero),
  (d) => g.where(condition, zero, d),
]

/** How a node y changes by each argument. */
type Rule = (g: Graph, y: Node, surrogate: Surrogate) => readonly (Change | undefined)[]

/** Operations that have a derivative. */
const rules: Readonly<Record<string, Rule>> = {
  add: () => [same, same],
  sub: (g) => [same, (d) => g.neg(d)],
  neg: (g) => [(d) => g.neg(d)],
  mul: (g, { args: [a, b] }) => [(d) => g.times(d, b), (d) => g.times(d, a)],
  div: (g, y) => [(d) => g.div(d, y.args[1]), (d) => g.neg(g.div(g.times(d, y), y.args[1]))],
  // At a tie the derivative is that of the first.
  min: (g, { args }) => halves(g, g.make('le', args)),
  max: (g, { args }) => halves(g, g.make('ge', args)),
  abs: (g, { args: [a] }) => [(d) => g.where(g.make('ge', [a, g.constant(0)]), d, g.neg(d))],
  sqrt: (g, y) => [(d) => g.div(g.times(g.constant(0.5), d), y)],
  exp: (g, y) => [(d) => g.times(d, y)],
  log: (g, { args: [a] }) => [(d) => g.div(d, a)],
  tanh: (g, y) => [(d) => g.times(d, g.sub(g.constant(1), g.mul(y, y)))],
  sigmoid: (g, y) => [(d) => g.times(d, g.mul(y, g.sub(g.constant(1), y)))],
  spike(g, { args: [, x, passes] }, surrogate) {
    const by: Change = (d) => g.times(d, surrogate(x))
    return [undefined, passes ? (d) => halves(g, passes)[0](by(d)) : by]
  },
  hold: (g) => [(d) => g.hold(d)],
  where: (g, { args: [condition, a, b, spike] }) => [
    undefined,
    ...halves(g, condition),
    spike && ((d) => g.times(d, g.sub(a, b))),
  ],
}

/** Arguments of a node through which a derivative goes, and how. */
const changesOf = (g: Graph, y: Node, surrogate: Surrogate) =>
  (rules[y.op]?.(g, y, surrogate) ?? []).flatMap((change, i) =>
    change ? [[y.args[i], change] as const] : [],
  )

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
