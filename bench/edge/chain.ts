/**
 * A network as other programs can compute it, layer by layer: normalisations are folded into the
 * weights before them, and neurons are reduced to their equation.
 */

import type { StateDict } from '../../src/engine/memory/state.js'
import type { Model } from '../../src/model/model.js'
import type { Pair } from '../../src/network/kind.js'
import type { Graph, GraphNode } from '../../src/network/trace.js'
import { sizeOf } from '../../src/network/value.js'

/** Numbers in the chain's array, from `at` on. */
export interface Numbers {
  readonly at: number
  readonly shape: readonly number[]
}

type Operation =
  /** weight [out, in, kernel height, kernel width] */
  | {
      readonly op: 'conv'
      readonly weight: Numbers
      readonly bias: Numbers
      readonly stride: Pair
      readonly padding: Pair
    }
  /** weight [out, in] */
  | { readonly op: 'linear'; readonly weight: Numbers; readonly bias: Numbers }
  /** u = keep · v + I; a spike where u ≥ threshold; v = u − threshold · spike; v starts at 0. */
  | { readonly op: 'neuron'; readonly keep: number; readonly threshold: number }
  | { readonly op: 'avgPool'; readonly kernel: Pair; readonly stride: Pair }
  | { readonly op: 'flatten' }
  | { readonly op: 'add' }

export type ChainLayer = Operation & {
  /** Places in the list of the layers that it reads; −1 is the input. */
  readonly inputs: readonly number[]
}

/** The last layer gives the output. */
export interface Chain {
  /** [C, H, W], shown at every step. */
  readonly input: readonly number[]
  /** The output is the mean over these steps. */
  readonly timeSteps: number
  readonly classes: number
  readonly layers: readonly ChainLayer[]
}

/** The chain's numbers, one array behind the other. */
class Store {
  readonly arrays: number[] = []

  put(shape: readonly number[], values: ArrayLike<number>): Numbers {
    const at = this.arrays.length
    for (let i = 0; i < values.length; i++) this.arrays.push(values[i])
    return { at, shape }
  }
}

/**
 * @returns the chain, and the array that its numbers are in
 * @throws Error for layers that it does not know
 */
export function chainOf(model: Model): { chain: Chain; numbers: Float32Array } {
  const { graph, input, timeSteps, classes } = model.session
  const state = model.stateDict()
  const store = new Store()
  const layers: ChainLayer[] = []
  /** Where the list has what a node gives. */
  const places = new Map<number, number>()
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((index) => places.get(index) as number)
    const isFolded = node.layer?.kind === 'batchNorm2d' || node.layer?.kind === 'identity'
    if (node.kind === 'input') places.set(node.index, -1)
    else if (isFolded) places.set(node.index, inputs[0])
    else {
      const norm = graph.nodes.find(
        ({ layer, inputs }) => layer?.kind === 'batchNorm2d' && inputs[0] === node.index,
      )
      places.set(node.index, layers.length)
      layers.push({ ...operationOf(graph, node, norm, state, store), inputs })
    }
  }
  return { chain: { input, timeSteps, classes, layers }, numbers: Float32Array.from(store.arrays) }
}

/** @param norm that reads the node: it must follow a weight, since it is folded into that */
function operationOf(
  graph: Graph,
  node: GraphNode,
  norm: GraphNode | undefined,
  state: StateDict,
  store: Store,
): Operation {
  const { layer, name } = node
  const [, height, width] = graph.nodes[node.inputs[0]].shape
  if (node.kind === 'add') return { op: 'add' }
  if (norm && layer?.kind !== 'conv2d' && layer?.kind !== 'linear')
    throw new Error(`${norm.name}: it cannot be folded into ${name}`)
  switch (layer?.kind) {
    case 'conv2d': {
      if (layer.groups !== 1 || layer.standardise) break
      const { stride, padding } = layer
      return { op: 'conv', ...weightsOf(node, norm, state, store), stride, padding }
    }
    case 'linear':
      if (layer.standardise) break
      return { op: 'linear', ...weightsOf(node, norm, state, store) }
    case 'cell': {
      const { tau, vThreshold } = layer
      if (layer.vReset !== null || layer.decayInput || layer.learn.length > 0) break
      if (typeof tau !== 'number' || typeof vThreshold !== 'number') break
      return { op: 'neuron', keep: 1 - 1 / tau, threshold: vThreshold }
    }
    case 'avgPool2d': {
      const { kernelSize, stride, padding } = layer
      if (padding.some((p) => p > 0)) break
      return { op: 'avgPool', kernel: kernelSize, stride }
    }
    case 'adaptiveAvgPool2d':
      if (node.shape[1] !== 1 || node.shape[2] !== 1) break
      return { op: 'avgPool', kernel: [height, width], stride: [height, width] }
    case 'flatten':
      return { op: 'flatten' }
    default:
  }
  throw new Error(`${name}: no other program can hold this ${layer?.kind ?? node.kind}`)
}

/** Weight and bias of a layer, with the normalisation behind it. */
function weightsOf(
  { name, layer }: GraphNode,
  next: GraphNode | undefined,
  state: StateDict,
  store: Store,
): { weight: Numbers; bias: Numbers } {
  const { shape, data } = state[`${name}.weight`]
  const outputs = shape[0]
  const weight = Float64Array.from(data)
  const bias = Float64Array.from(state[`${name}.bias`]?.data ?? new Float32Array(outputs))
  if (next?.layer?.kind === 'batchNorm2d') {
    const of = (what: string): Float32Array => state[`${next.name}.${what}`].data
    const [gain, shift, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(of)
    const each = sizeOf(shape) / outputs
    for (let n = 0; n < outputs; n++) {
      const scale = gain[n] / Math.sqrt(variance[n] + next.layer.eps)
      for (let i = n * each; i < (n + 1) * each; i++) weight[i] *= scale
      bias[n] = shift[n] + (bias[n] - mean[n]) * scale
    }
  }
  const stored = layer?.kind === 'linear' ? [outputs, sizeOf(shape) / outputs] : shape
  return { weight: store.put(stored, weight), bias: store.put([outputs], bias) }
}
