/** One flat graph of a NIR file: graphs within graphs are put in place, recurrence is found. */

import { fail, listNames, quote } from '../../base/errors.js'
import { isGraph, type NirGraph, type NirNode } from '../../files/nir/graph.js'

export type Named = NirNode & { readonly name: string }

/** A node that computes something. Its name is its path: `graph.node` within another graph. */
export interface FlatNode extends Named {
  /** Nodes whose outputs are added up and go in; recurrent ones not among them. */
  readonly from: readonly string[]
  /** How its own spikes of the step before come back, if they do. */
  readonly recurrent?: Recurrence
}

/** The node with the weight; undefined where the edge goes straight back. */
type Recurrence = { readonly weight?: Named }

/** Edges that pass through graphs within graphs may double with each of them. */
const MOST_EDGES = 100_000

/** Nodes whose spikes may come back to them. */
const spiking = ['LIF', 'IF', 'CubaLIF']
const weighted = ['Linear', 'Affine', 'Scale']

/**
 * @param file what messages call the file
 * @throws SpikewasmError that names the node, for wiring that no network has
 */
export const flatGraph = (graph: NirGraph, file: string) => new Wiring(graph, file).flattened()

/** Nodes by their paths, and the edges between them. */
class Wiring {
  private readonly nodes = new Map<string, NirNode>()
  private edges: (readonly [string, string])[] = []
  private readonly ends: Ends
  /** What each node reads, and what reads it. */
  private readonly into: Reading
  private readonly outOf: Reading
  /** Neurons whose spikes come back to them, straight or by one weight. */
  private readonly loops: ReadonlyMap<string, Recurrence>

  constructor(
    graph: NirGraph,
    private readonly file: string,
  ) {
    this.ends = this.expand(graph, '')
    this.passInnerEnds()
    this.into = readingOf(this.edges.map(([from, to]) => [to, from]))
    this.outOf = readingOf(this.edges)
    const { inputs, output } = this.ends
    const led = inputs.find((input) => this.into(input).length > 0)
    if (led !== undefined)
      this.refuse(`nothing may lead into the Input ${quote(led)}; remove that edge`)
    if (this.outOf(output).length > 0)
      this.refuse(`nothing may read the Output ${quote(output)}; remove that edge`)
    this.loops = this.recurrences()
  }

  flattened() {
    const { inputs, output } = this.ends
    const order = this.sorted()
    this.expectUsed(order)
    return {
      inputs: inputs.map((input) => this.named(input)),
      output: { ...this.named(output), from: this.from(output) },
      /** In an order in which each comes behind what it reads. */
      nodes: order.map((name): FlatNode => {
        const recurrent = this.loops.get(name)
        return { ...this.named(name), from: this.from(name), recurrent }
      }),
    }
  }

  /** The Inputs and the Output of the whole graph. */
  private outer(): ReadonlySet<string> {
    return new Set([...this.ends.inputs, this.ends.output])
  }

  private refuse(why: string): never {
    fail(`${this.file}: ${why}`)
  }

  private named(name: string): Named {
    return { ...this.nodes.get(name)!, name }
  }

  /** What a node reads, but for its own spikes. */
  private from(name: string): string[] {
    const weight = this.loops.get(name)?.weight?.name
    return this.into(name).filter((from) => from !== weight && from !== name)
  }

  /** Takes in the nodes and edges of a graph, and of those in it. */
  private expand(graph: NirGraph, prefix: string): Ends {
    const inside = new Map<string, Ends>()
    for (const [name, node] of graph.nodes) {
      const path = prefix + name
      if (isGraph(node)) {
        inside.set(name, this.expand(node, `${path}.`))
        continue
      }
      if (this.nodes.has(path)) this.refuse(`two nodes have the path ${quote(path)}; rename one`)
      this.nodes.set(path, node)
    }
    for (const [from, to] of graph.edges) {
      const output = inside.get(from)?.output ?? prefix + from
      this.edges.push([output, inside.get(to)?.inputs[0] ?? prefix + to])
    }
    const ends = (type: string, isMany = false): string[] => {
      const found = [...graph.nodes].filter(([, node]) => node.type === type).map(([name]) => name)
      if (found.length === 1 || (isMany && found.length > 0))
        return found.map((name) => prefix + name)
      const where =
        prefix === '' ? this.file : `${this.file}: the graph ${quote(prefix.slice(0, -1))}`
      fail(
        `${where} must have one ${type}, got ${found.length === 0 ? 'none' : listNames(found)}; ` +
          `leave one, and join what the others stand for to it`,
      )
    }
    return { inputs: ends('Input', prefix === ''), output: ends('Output')[0] }
  }

  /** Leads edges past the inputs and outputs of inner graphs, which hand on what they get. */
  private passInnerEnds(): void {
    const outer = this.outer()
    for (const [name, { type }] of [...this.nodes]) {
      if ((type !== 'Input' && type !== 'Output') || outer.has(name)) continue
      const before = this.edges.filter(([, to]) => to === name).map(([from]) => from)
      const behind = this.edges.filter(([from]) => from === name).map(([, to]) => to)
      this.edges = this.edges.filter(([from, to]) => from !== name && to !== name)
      if (this.edges.length + before.length * behind.length > MOST_EDGES)
        this.refuse(
          `graphs within graphs must join at most ${MOST_EDGES} pairs of nodes, got more at ` +
            `${quote(name)}; put a node between their inputs and outputs`,
        )
      for (const from of before) for (const to of behind) this.edges.push([from, to])
      this.nodes.delete(name)
    }
  }

  private recurrences(): Map<string, Recurrence> {
    const { into, outOf } = this
    const found = new Map<string, Recurrence>()
    for (const [name, { type }] of this.nodes) {
      if (!spiking.includes(type)) continue
      const back = outOf(name).filter((reader) => {
        if (reader === name) return true
        const [to, ...more] = outOf(reader)
        const alone = to === name && more.length === 0 && into(reader).length === 1
        return alone && weighted.includes(this.nodes.get(reader)!.type)
      })
      if (back.length > 1)
        this.refuse(
          `spikes of ${quote(name)} (${type}) must come back to it by one way, got ` +
            `${listNames(back)}; add up their weights`,
        )
      const [weight] = back
      if (weight) found.set(name, weight === name ? {} : { weight: this.named(weight) })
    }
    return found
  }

  /**
   * Nodes in an order in which each comes behind what it reads.
   * @throws SpikewasmError for a circle
   */
  private sorted(): string[] {
    const outer = this.outer()
    const weights = new Set([...this.loops.values()].flatMap(({ weight }) => weight?.name ?? []))
    const waits = new Map<string, number>()
    for (const name of this.nodes.keys()) waits.set(name, this.from(name).length)
    const ready = [...waits.keys()].filter((name) => waits.get(name) === 0 && !weights.has(name))
    // The list grows while it is walked through.
    for (const name of ready)
      for (const to of this.outOf(name)) {
        if (to === name || weights.has(to)) continue
        const left = waits.get(to)! - 1
        waits.set(to, left)
        if (left === 0) ready.push(to)
      }
    const placed = new Set([...ready, ...outer])
    const left = [...waits.keys()].filter((name) => !weights.has(name) && !placed.has(name))
    if (left.length > 0)
      this.refuse(
        `edges must form no circle but from a neuron (${spiking.join(', ')}) through one ` +
          `${weighted.join(' or ')} back to it, got one at ${listNames(left)}; put what happens ` +
          'in between behind the neuron',
      )
    return ready.filter((name) => !outer.has(name))
  }

  /** @throws SpikewasmError unless each node gets something, and something comes of it */
  private expectUsed(order: readonly string[]): void {
    const { inputs, output } = this.ends
    const lonely = order.filter((name) => this.into(name).every((from) => from === name))
    if (lonely.length > 0)
      this.refuse(
        `${listNames(lonely)} must get input, got no edge; join it to ${quote(inputs[0])}`,
      )
    const reaches = new Set([output])
    const all = [...inputs, ...order]
    for (const name of [...all].reverse())
      if (this.outOf(name).some((to) => reaches.has(to))) reaches.add(name)
    const idle = all.filter((name) => !reaches.has(name))
    if (idle.length > 0)
      this.refuse(
        `${listNames(idle)} must lead to the Output ${quote(output)}, got no way to it; remove ` +
          'it, or join it',
      )
    if (this.into(output).length === 0)
      this.refuse(`the Output ${quote(output)} must read a node, got no edge to it`)
  }
}

type Ends = { readonly inputs: readonly string[]; readonly output: string }

/** Nodes at the other ends of a node's edges. */
type Reading = (name: string) => readonly string[]

function readingOf(edges: readonly (readonly [string, string])[]): Reading {
  const lists = new Map<string, string[]>()
  for (const [name, other] of edges) {
    const list = lists.get(name) ?? []
    list.push(other)
    lists.set(name, list)
  }
  return (name) => lists.get(name) ?? []
}
