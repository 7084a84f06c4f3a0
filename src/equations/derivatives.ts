/** Derivatives of nodes, by nodes. Where there is none, it is undefined: 0 costs nothing. */

import { type Graph, type Node, reachable } from './graph.js'

/** How a small change of an argument changes a node. */
type Rule = readonly [argument: Node, change: (d: Node) => Node]

/** h'(x) of spikes, by their distance x to the threshold. */
export type Surrogate = (x: Node) => Node

/** Rules of operations that have a derivative: y, its arguments → a rule for each of them. */
function rulesOf(g: Graph, node: Node, surrogate: Surrogate): readonly Rule[] {
  const [a, b, c, spike] = node.args
  const one = g.constant(1)
  const zero = g.constant(0)
  const if_ = (condition: Node) => (d: Node) => g.where(condition, d, zero)
  const unless = (condition: Node) => (d: Node) => g.where(condition, zero, d)
  switch (node.op) {
    case 'add':
      return [
        [a, (d) => d],
        [b, (d) => d],
      ]
    case 'sub':
      return [
        [a, (d) => d],
        [b, (d) => g.neg(d)],
      ]
    case 'neg':
      return [[a, (d) => g.neg(d)]]
    case 'mul':
      return [
        [a, (d) => g.times(d, b)],
        [b, (d) => g.times(d, a)],
      ]
    case 'div':
      return [
        [a, (d) => g.div(d, b)],
        [b, (d) => g.neg(g.div(g.times(d, node), b))],
      ]
    // At a tie the derivative is that of the first.
    case 'min':
      return [
        [a, if_(g.make('le', [a, b]))],
        [b, unless(g.make('le', [a, b]))],
      ]
    case 'max':
      return [
        [a, if_(g.make('ge', [a, b]))],
        [b, unless(g.make('ge', [a, b]))],
      ]
    case 'abs':
      return [[a, (d) => g.where(g.make('ge', [a, zero]), d, g.neg(d))]]
    case 'sqrt':
      return [[a, (d) => g.div(g.times(g.constant(0.5), d), node)]]
    case 'exp':
      return [[a, (d) => g.times(d, node)]]
    case 'log':
      return [[a, (d) => g.div(d, a)]]
    case 'tanh':
      return [[a, (d) => g.times(d, g.sub(one, g.mul(node, node)))]]
    case 'sigmoid':
      return [[a, (d) => g.times(d, g.mul(node, g.sub(one, node)))]]
    case 'spike':
      return [[b, (d) => (c ? if_(c)(g.times(d, surrogate(b))) : g.times(d, surrogate(b)))]]
    case 'hold':
      return [[a, (d) => g.hold(d)]]
    case 'where':
      return [
        [b, if_(a)],
        [c, unless(a)],
        ...(spike ? [[spike, (d: Node) => g.times(d, g.sub(b, c))] as const] : []),
      ]
    default:
      return []
  }
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
      for (const [argument, change] of rulesOf(g, node, surrogate)) {
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
    for (const [argument, change] of rulesOf(g, node, surrogate))
      if (argument.op !== 'const') give(argument, change(d))
  }
  return (node) => sums.get(node)
}
