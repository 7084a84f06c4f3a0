/** What a graph computes of time means alone. */

import type { Graph, GraphNode } from '../graph/trace.js'

const known = new WeakMap<Graph, ReadonlySet<number>>()

/** Is a node behind means over time alone, so that it is there once and not at each step? */
export function isOfMeans(graph: Graph, { index }: GraphNode): boolean {
  let means = known.get(graph)
  if (!means) {
    const found = new Set<number>()
    for (const { kind, index: at, inputs } of graph.nodes)
      if (kind === 'timeMean' || (inputs.length > 0 && inputs.every((i) => found.has(i))))
        found.add(at)
    means = found
    known.set(graph, means)
  }
  return means.has(index)
}
