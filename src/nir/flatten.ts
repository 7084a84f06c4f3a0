/** One flat graph of a NIR file: graphs within graphs are put in place, recurrence is found. */

import { expect, listNames, quote, SpikewasmError } from '../errors.js'
import { isGraph, type NirGraph, type NirNode } from '../io/nir/graph.js'

/** A node that computes something. */
export interface FlatNode extends NirNode {
  /** Path in the file, `graph.node` within another graph. */
  readonly name: string
  /** Nodes whose outputs are added up and go in; recurrent ones not among them. */
  readonly from: readonly string[]
  /** How its own spikes of the step before come back, if they do. */
  readonly recurrent?: Recurrence
}

/** The way from a neuron's spikes back to its input. */
export interface Recurrence {
  /** The node with the weight; undefined where the edge goes straight back. */
  readonly weight?: NirNode & { readonly name: string }
}

export interface FlatGraph {
  readonly input: NirNode & { readonly name: string }
  readonly output: NirNode & { readonly name: string }
  /** What the output reads. */
  readonly outputFrom: readonly string[]
  /** In an order in which each comes behind what it reads. */
  readonly nodes: readonly FlatNode[]
}

interface Wiring {
  readonly nodes: Map<string, NirNode>
  readonly edges: (readonly [string, string])[]
}

/** Edges that pass through graphs within graphs may double with each of them. */
const MOST_EDGES = 100_000

/** Nodes whose spikes may come back to them. */
const spiking = ['LIF', 'IF', 'CubaLIF']
const weighted = ['Linear', 'Affine', 'Scale']

/**
 * @param file what messages call the file
 * @throws SpikewasmError that names the node, for wiring that no network has
 */
export function flatGraph(graph: NirGraph, file: string): FlatGraph {
  const wiring: Wiring = { nodes: new Map(), edges: [] }
  const { input, output } = expand(graph, '', wiring, file)
  const named = (name: string): NirNode & { name: string } => ({
    ...wiring.nodes.get(name)!,
    name,
  })
  const edges = withoutPassing(wiring, input, output, file)
  const into = new Map<string, string[]>()
  const outOf = new Map<string, string[]>()
  for (const [a, b] of edges) {
    listAt(into, b).push(a)
    listAt(outOf, a).push(b)
  }
  expect(
    !into.has(input),
    () => `${file}: nothing may lead into the Input ${quote(input)}; remove that edge`,
  )
  expect(
    !outOf.has(output),
    () => `${file}: nothing may read the Output ${quote(output)}; remove that edge`,
  )
  const loops = recurrences(wiring.nodes, into, outOf, file)
  const weights = new Set([...loops.values()].flatMap(({ weight }) => weight?.name ?? []))
  const order = sorted(wiring.nodes, into, outOf, loops, weights, [input, output])
  const all = [...wiring.nodes.keys()].filter((name) => !weights.has(name))
  const placed = new Set([...order, input, output])
  const left = all.filter((name) => !placed.has(name))
  expect(
    left.length === 0,
    () =>
      `${file}: edges must form no circle but from a neuron (${spiking.join(', ')}) through one ` +
      `${weighted.join(' or ')} back to it, got one at ${listNames(left)}; put what happens in ` +
      'between behind the neuron',
  )
  expectUsed(order, into, outOf, input, output, file)
  const fromOf = (name: string): string[] => {
    const weight = loops.get(name)?.weight?.name
    return (into.get(name) ?? []).filter((from) => from !== weight && from !== name)
  }
  return {
    input: named(input),
    output: named(output),
    outputFrom: fromOf(output),
    nodes: order.map((name) => ({
      ...named(name),
      from: fromOf(name),
      recurrent: loops.get(name),
    })),
  }
}

function listAt(map: Map<string, string[]>, key: string): string[] {
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}

/** Writes the nodes and edges of a graph, and of those in it, into one wiring. */
function expand(
  graph: NirGraph,
  prefix: string,
  wiring: Wiring,
  file: string,
): { input: string; output: string } {
  const where = prefix === '' ? file : `${file}: the graph ${quote(prefix.slice(0, -1))}`
  const ends = (type: string): string => {
    const found = [...graph.nodes].filter(([, node]) => node.type === type).map(([name]) => name)
    expect(
      found.length === 1,
      () =>
        `${where} must have one ${type}, got ${found.length === 0 ? 'none' : listNames(found)}; ` +
        `leave one, and join what the others stand for to it`,
    )
    return prefix + found[0]
  }
  const inside = new Map<string, { input: string; output: string }>()
  for (const [name, node] of graph.nodes) {
    const path = prefix + name
    if (isGraph(node)) {
      inside.set(name, expand(node, `${path}.`, wiring, file))
      continue
    }
    expect(
      !wiring.nodes.has(path),
      () => `${file}: two nodes have the path ${quote(path)}; rename one`,
    )
    wiring.nodes.set(path, node)
  }
  for (const [from, to] of graph.edges)
    wiring.edges.push([
      inside.get(from)?.output ?? prefix + from,
      inside.get(to)?.input ?? prefix + to,
    ])
  return { input: ends('Input'), output: ends('Output') }
}

/** Edges past the inputs and outputs of inner graphs, which hand on what they get. */
function withoutPassing(
  { nodes, edges }: Wiring,
  input: string,
  output: string,
  file: string,
): (readonly [string, string])[] {
  let all = edges
  for (const [name, { type }] of [...nodes]) {
    if ((type !== 'Input' && type !== 'Output') || name === input || name === output) continue
    const before = all.filter(([, to]) => to === name).map(([from]) => from)
    const behind = all.filter(([from]) => from === name).map(([, to]) => to)
    all = all.filter(([from, to]) => from !== name && to !== name)
    expect(
      all.length + before.length * behind.length <= MOST_EDGES,
      () =>
        `${file}: graphs within graphs must join at most ${MOST_EDGES} pairs of nodes, got more ` +
        `at ${quote(name)}; put a node between their inputs and outputs`,
    )
    for (const from of before) for (const to of behind) all.push([from, to])
    nodes.delete(name)
  }
  return all
}

/** Neurons whose spikes come back to them, straight or by one weight. */
function recurrences(
  nodes: ReadonlyMap<string, NirNode>,
  into: ReadonlyMap<string, readonly string[]>,
  outOf: ReadonlyMap<string, readonly string[]>,
  file: string,
): Map<string, Recurrence> {
  const found = new Map<string, Recurrence>()
  for (const [name, { type }] of nodes) {
    if (!spiking.includes(type)) continue
    const readers = outOf.get(name) ?? []
    const back = readers.filter(
      (reader) =>
        reader === name ||
        (weighted.includes(nodes.get(reader)!.type) &&
          (outOf.get(reader) ?? []).every((to) => to === name) &&
          (outOf.get(reader) ?? []).length === 1 &&
          (into.get(reader) ?? []).length === 1),
    )
    if (back.length === 0) continue
    if (back.length > 1)
      throw new SpikewasmError(
        `${file}: spikes of ${quote(name)} (${type}) must come back to it by one way, got ` +
          `${listNames(back)}; add up their weights`,
      )
    const [weight] = back
    found.set(name, weight === name ? {} : { weight: { ...nodes.get(weight)!, name: weight } })
  }
  return found
}

/** Nodes in an order in which each comes behind what it reads; those of circles are left out. */
function sorted(
  nodes: ReadonlyMap<string, NirNode>,
  into: ReadonlyMap<string, readonly string[]>,
  outOf: ReadonlyMap<string, readonly string[]>,
  loops: ReadonlyMap<string, Recurrence>,
  weights: ReadonlySet<string>,
  [input, output]: readonly [string, string],
): string[] {
  const waits = new Map<string, number>()
  for (const name of nodes.keys()) {
    const weight = loops.get(name)?.weight?.name
    const from = (into.get(name) ?? []).filter((other) => other !== name && other !== weight)
    waits.set(name, from.length)
  }
  const ready = [...waits]
    .filter(([name, n]) => n === 0 && !weights.has(name))
    .map(([name]) => name)
  const order: string[] = []
  // The list grows while it is walked through.
  for (const name of ready) {
    if (name !== input && name !== output) order.push(name)
    for (const to of outOf.get(name) ?? []) {
      if (to === name || weights.has(to)) continue
      const left = waits.get(to)! - 1
      waits.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  return order
}

/** @throws SpikewasmError unless each node gets something, and something comes of it */
function expectUsed(
  order: readonly string[],
  into: ReadonlyMap<string, readonly string[]>,
  outOf: ReadonlyMap<string, readonly string[]>,
  input: string,
  output: string,
  file: string,
): void {
  const lonely = order.filter((name) => (into.get(name) ?? []).every((from) => from === name))
  expect(
    lonely.length === 0,
    () => `${file}: ${listNames(lonely)} must get input, got no edge; join it to ${quote(input)}`,
  )
  const reaches = new Set([output])
  for (const name of [...order].reverse())
    if ((outOf.get(name) ?? []).some((to) => reaches.has(to))) reaches.add(name)
  const idle = order.filter((name) => !reaches.has(name))
  expect(
    idle.length === 0,
    () =>
      `${file}: ${listNames(idle)} must lead to the Output ${quote(output)}, got no way to it; ` +
      'remove it, or join it',
  )
  expect(
    (into.get(output) ?? []).length > 0,
    () => `${file}: the Output ${quote(output)} must read a node, got no edge to it`,
  )
}
