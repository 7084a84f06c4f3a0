/** Parameters and running statistics of a graph: which there are, and where they lie. */

import { fail } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'
import { kindOf, labelOf } from '../network/kind.js'
import { type Graph, type GraphNode, ownerOf, sourceOf } from '../network/trace.js'
import { sizeOf } from '../network/value.js'
import type { Parameter, Statistic } from './context.js'
import { vectorLayout } from './layout.js'
import { planOf } from './pass.js'

/** The name of a parameter within the network; one that is a node has none within it. */
const nameOf = ({ name }: GraphNode, role: string): string => name + (name && role && '.') + role

/**
 * Weights first, in the order of the layers. `integers`: nodes whose weights, and the gains that go
 * into them, are not stored as floats.
 */
export function collectState(graph: Graph, integers: ReadonlySet<number> = new Set()) {
  const found: Omit<Parameter, 'offset'>[] = []
  const statistics: Statistic[] = []
  let statisticFloats = 0
  for (const node of graph.nodes) {
    const { layer, index, sharedWith } = node
    if (!layer) continue
    const { parameters, statistics: kept } = kindOf(layer)
    const { shape: x } = sourceOf(graph, node)
    for (const spec of parameters?.(layer, x) ?? []) {
      const layout =
        planOf(node).layout?.(spec, graph, node) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1)
      const { name: role, decays, initial } = spec
      const own = { name: nameOf(node, role), layout, decays, node: index, role, initial }
      if (sharedWith === undefined) found.push(own)
      else expectSameLayout(graph, own, found)
    }
    if (sharedWith !== undefined) continue
    for (const { name: role, shape, initial } of kept?.(layer, x) ?? []) {
      const layout = vectorLayout(shape, sizeOf(shape))
      const offset = statisticFloats * 4
      statistics.push({ name: nameOf(node, role), layout, offset, node: index, role, initial })
      statisticFloats += roundUp(layout.stored, 16)
    }
  }
  const isInteger = ({ node, role }: Pick<Parameter, 'node' | 'role'>): boolean =>
    integers.has(node) && role !== 'bias'
  let floats = 0
  let decayFloats = 0
  const parameters: Parameter[] = []
  for (const decays of [true, false]) {
    for (const parameter of found) {
      if (parameter.decays !== decays || isInteger(parameter)) continue
      parameters.push({ ...parameter, offset: floats * 4 })
      floats += roundUp(parameter.layout.stored, 16)
    }
    if (decays) decayFloats = floats
  }
  // In the order of the network, as PyTorch lists them.
  const places = new Map(found.map(({ name }, i) => [name, i]))
  const placeOf = ({ name }: Parameter): number => places.get(name) ?? 0
  parameters.sort((a, b) => placeOf(a) - placeOf(b))
  return {
    parameters,
    /** Those that are no floats in memory, of the nodes that were given. */
    others: found.filter(isInteger),
    statistics,
    parameterFloats: floats,
    /** Floats of the weights, which come first and may decay by themselves. */
    decayFloats,
    statisticFloats,
  }
}

/** @throws SpikewasmError where a layer's places differ in what they would store */
function expectSameLayout(
  { nodes }: Graph,
  { node, role, layout }: Omit<Parameter, 'offset'>,
  all: readonly Omit<Parameter, 'offset'>[],
): void {
  const here = nodes[node]
  const first = nodes[ownerOf(here)]
  const other = all.find((p) => p.node === first.index && p.role === role)?.layout
  if (JSON.stringify(layout) === JSON.stringify(other)) return
  const [a, b] = [first, here].map(({ inputs: [from] }) => nodes[from])
  fail(
    `${here.name} (${labelOf(here)}): ${first.name === here.name ? 'it is' : `${first.name} is`} ` +
      `called with [${a.shape.join(', ')}] too, and its ${role} cannot be the same for ` +
      `[${b.shape.join(', ')}]; call it with values of one shape [C, H, W], or make a layer of ` +
      'its own for each',
  )
}

/**
 * Names that parameters and statistics have at the further places of a layer, and those at its
 * first one, by which they are known.
 */
export function otherNames(graph: Graph): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const node of graph.nodes) {
    const { layer, name, sharedWith } = node
    if (!layer || sharedWith === undefined) continue
    const { parameters, statistics } = kindOf(layer)
    const first = graph.nodes[sharedWith]
    if (first.name === name) continue
    const { shape: x } = sourceOf(graph, node)
    const all = [...(parameters?.(layer, x) ?? []), ...(statistics?.(layer, x) ?? [])]
    for (const { name: role } of all) found.set(nameOf(node, role), nameOf(first, role))
  }
  return found
}

export type State = ReturnType<typeof collectState>
