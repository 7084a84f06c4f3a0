/** Which nodes of a graph read which. */

import type { Graph, GraphNode } from './trace.js'

const known = new WeakMap<readonly GraphNode[], readonly (readonly GraphNode[])[]>()

/** The nodes that read a node, each once, in their order. */
export function readersOf({ nodes }: Pick<Graph, 'nodes'>, index: number): readonly GraphNode[] {
  let readers = known.get(nodes)
  if (!readers) {
    const found: GraphNode[][] = nodes.map(() => [])
    for (const node of nodes) for (const input of new Set(node.inputs)) found[input].push(node)
    readers = found
    known.set(nodes, readers)
  }
  return readers[index]
}
