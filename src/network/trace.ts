/**
 * Calls a network once with symbolic values: checks every shape and returns the graph that the
 * planner compiles.
 */

import { describe, fail, quote } from '../base/errors.js'
import type * as joins from './joins.js'
import { kindOf, type Layer, labelOf } from './kind.js'
import { checkLayer } from './layer.js'
import {
  type Apply,
  type Composite,
  checkModule,
  LONGEST_NAME,
  MOST_MODULES,
  MOST_NODES,
  type Module,
  type Ops,
} from './module.js'
import {
  checkInputs,
  type InputShape,
  type InputShapes,
  imageShape,
  isShapes,
  isValue,
  type Shape,
  type Value,
} from './value.js'

export interface GraphNode {
  readonly index: number
  readonly kind: 'input' | 'add' | 'concat' | Layer['kind']
  /** Path of the module: `layer1.0.conv1`; of an input its name, empty where there is one. */
  readonly name: string
  readonly layer?: Layer
  readonly inputs: readonly number[]
  /** [C, H, W] */
  readonly shape: Shape
  readonly flat: boolean
  /** As of `Value`. */
  readonly series?: boolean
  /** The first node of the same layer, whose parameters and statistics it has. */
  readonly sharedWith?: number
}

/** The node by which the parameters and statistics of a node are known. */
export const ownerOf = ({ sharedWith, index }: GraphNode): number => sharedWith ?? index

/** The node that one reads first; itself where it reads none. */
export const sourceOf = (
  { nodes }: Pick<Graph, 'nodes'>,
  { inputs, index }: GraphNode,
): GraphNode => nodes[inputs[0] ?? index]

/** Nodes of one layer that share its parameters and statistics. */
export const placesOf = ({ nodes }: Pick<Graph, 'nodes'>, node: GraphNode): readonly GraphNode[] =>
  nodes.filter((other) => ownerOf(other) === ownerOf(node))

/** Nodes of the inputs, which come before all others. */
export const inputsOf = ({ nodes }: Pick<Graph, 'nodes'>): readonly GraphNode[] =>
  nodes.filter(({ kind }) => kind === 'input')

const isRecord = (x: unknown): boolean =>
  typeof x === 'object' && x !== null && Object.values(x).some(isValue)

/** An output besides the network's own. */
export interface Exit {
  readonly name: string
  /** Index of its node. */
  readonly node: number
}

export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly output: number
  /** Outputs of a network with several, without the last one, which is `output`. */
  readonly exits?: readonly Exit[]
  /** Name of `output` where there are several. */
  readonly outputName?: string
}

/** What forward functions may do beside calling children; chains need none of it. */
let known: typeof joins | undefined
let layerOps: joins.LayerOps | undefined

/** Functions that make blocks of any wiring bring along what their forward functions may do. */
export function registerJoins(made: typeof joins, ops = layerOps): void {
  known = made
  layerOps = ops
}

/** The nodes that one call of a network makes. */
class Tracing {
  readonly nodes: GraphNode[] = []
  /** What a network with several outputs returned. */
  exits: [string, Value][] = []
  /** The first node of each layer. */
  private readonly visited = new Map<Layer, number>()
  private modules = 0

  readonly push = (node: Omit<GraphNode, 'index'>): Value => {
    const { nodes } = this
    const { series = nodes[node.inputs[0]].series } = node
    if (nodes.length > MOST_NODES)
      fail(`the network must have at most ${MOST_NODES} layers, sums and joins, got more`)
    nodes.push({ ...node, series, index: nodes.length })
    return { shape: node.shape, flat: node.flat, series, node: nodes.length - 1 }
  }

  apply(module: Module, name: string): Apply {
    checkPlace(name, ++this.modules)
    if (module.kind === 'block') return this.applyBlock(module, name)
    checkLayer(name, module)
    return (...values: readonly Value[]) => this.applyLayer(module, name, values)
  }

  private applyBlock(block: Composite, name: string): Apply {
    const children: Record<string, Apply> = {}
    for (const [key, child] of Object.entries(block.children))
      children[key] = this.apply(child, name === '' ? key : `${name}.${key}`)
    const where = (name || 'network') + (block.label ?? '')
    const applied: joins.Applied = (layer, path, ...values) => this.applyLayer(layer, path, values)
    return (x) => {
      const ops = known?.opsOf({ where, name, children }, this.push, applied, layerOps)
      const result = block.forward(children, x, ops as Ops)
      const exits = name === '' && !isValue(result) ? known?.exitsOf(result) : undefined
      if (exits) {
        this.exits = exits
        return exits[exits.length - 1][1]
      }
      if (!isValue(result))
        fail(
          `${where}: the forward function must return what a child or an operation ` +
            `gave, got ${describe(result)}; is a return missing?`,
        )
      return result
    }
  }

  private applyLayer(layer: Layer, name: string, given: readonly Value[]): Value {
    const where = `${name || 'network'} (${labelOf({ kind: layer.kind, layer })})`
    const kind = kindOf(layer)
    const { inputs: count = 1 } = kind
    const values = Array.from({ length: count }, (_, i) => given[i])
    const wrong = values.find((value) => !isValue(value))
    if (!values.every(isValue))
      fail(
        `${where} must be called with the ${count === 1 ? 'value' : `${count} values`} that it ` +
          `takes in, got ${describe(wrong)}` +
          (isRecord(wrong) ? '; of several inputs a block takes one by its name' : ''),
      )
    const [x, ...others] = values
    const [shape, flat, series] = kind.output(layer, x, where, ...others)
    const inputs = values.map(({ node }) => node)
    const hasState = kind.statistics || kind.parameters?.(layer, x?.shape).length
    const first = this.visited.get(layer)
    const shared = hasState && first !== undefined ? { sharedWith: first } : {}
    if (first === undefined) this.visited.set(layer, this.nodes.length)
    return this.push({ kind: layer.kind, name, layer, inputs, shape, flat, series, ...shared })
  }
}

/**
 * @param input sizes of one sample: [features], [channels, length] or [channels, height, width];
 *   of several inputs by name
 * @throws SpikewasmError naming the layer, the shape it expects and the one that came.
 */
export function trace(network: Module, input: InputShape | InputShapes): Graph {
  checkModule('the network', network)
  const given = checkInputs('compile.input', input)
  const all = isShapes(given) ? given : { '': given }
  const tracing = new Tracing()
  const values = Object.entries(all).map(([name, asked]): [string, Value] => {
    const [shape, flat, series] = [imageShape(asked), asked.length === 1, asked.length === 2]
    return [name, tracing.push({ kind: 'input', name, inputs: [], shape, flat, series })]
  })
  const start = isShapes(given) ? Object.fromEntries(values) : values[0][1]
  const { node: output } = tracing.apply(network, '')(start as Value)
  const { nodes, exits } = tracing
  if (exits.length < 2) return { nodes, output }
  const others = exits.slice(0, -1).map(([name, { node }]) => ({ name, node }))
  return { nodes, output, exits: others, outputName: exits[exits.length - 1][0] }
}

/** @throws SpikewasmError for what is not called yet but lies too deep, or at too many places */
function checkPlace(name: string, modules: number): void {
  if (name.length > LONGEST_NAME)
    fail(
      `a layer's path must have at most ${LONGEST_NAME} characters, got ${quote(name)}; put ` +
        'fewer blocks into blocks, or give them shorter names',
    )
  if (modules > MOST_MODULES)
    fail(`the network must have at most ${MOST_MODULES} layers and blocks, got more`)
}

const readersIn = new WeakMap<readonly GraphNode[], readonly (readonly GraphNode[])[]>()

/** The nodes that read a node, each once, in their order. */
export function readersOf({ nodes }: Pick<Graph, 'nodes'>, index: number): readonly GraphNode[] {
  let readers = readersIn.get(nodes)
  if (!readers) {
    const found: GraphNode[][] = nodes.map(() => [])
    for (const node of nodes) for (const input of new Set(node.inputs)) found[input].push(node)
    readers = found
    readersIn.set(nodes, readers)
  }
  return readers[index]
}
