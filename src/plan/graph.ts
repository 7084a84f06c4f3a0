/** A graph, lowered: forward records, and a tape of what runs backward. */

import { readersOf } from '../graph/readers.js'
import type { Exit, Graph, GraphNode } from '../graph/trace.js'
import type { Context } from './context.js'
import { planOf } from './layer-plan.js'
import { lowerLoss } from './loss.js'
import { type Demand, Pass } from './pass.js'
import type { Parts } from './program.js'
import type { Expression } from './tensors.js'

/**
 * @param training whether a backward pass follows
 * @param callSteps steps of the call that the records make
 */
export function* lowerGraph(context: Context, training: boolean, callSteps: number): Parts<Pass> {
  const { graph } = context.options
  const wanted = (node: GraphNode): Demand =>
    Object.assign({}, ...readersOf(graph, node.index).map((reader) => planOf(reader).wants?.(pass)))
  context.lowered = true
  const pass = new Pass(context, training, callSteps, wanted)
  const exits = training ? (graph.exits ?? []) : []
  const needed = neededNodes(graph, exits)
  const values: Expression[] = []
  for (const node of graph.nodes) {
    if (!needed.has(node.index)) continue
    context.builder.inLayer(node.index, () => {
      const inputs = node.inputs.map((i) => values[i])
      values[node.index] = planOf(node).lower(pass, node, node.layer, ...inputs)
    })
    yield
  }
  const last = graph.nodes[graph.output]
  const others = exits.map(({ name, node }) => ({ name, value: values[node] }))
  context.builder.inLayer(last.index, () => lowerLoss(pass, last, values[last.index], others))
  return pass
}

/** What outputs depend on. Inputs come before their readers. */
function neededNodes(graph: Graph, exits: readonly Exit[]): Set<number> {
  const needed = new Set([graph.output, ...exits.map(({ node }) => node)])
  for (const { index, inputs } of graph.nodes.toReversed())
    if (needed.has(index)) for (const input of inputs) needed.add(input)
  return needed
}
