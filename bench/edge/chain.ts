/**
 * A chain of layers as other programs can compute it: normalisations are folded into the weights
 * before them, and neurons are reduced to their equation.
 */
import type { GraphNode } from '../../src/graph/trace.js'
import type { Model } from '../../src/model.js'
import type { Pair } from '../../src/nn/layers/kind.js'
import type { StateDict } from '../../src/runtime/state.js'

/** Numbers in the chain's array, from `at` on. */
export interface Numbers {
  readonly at: number
  readonly shape: readonly number[]
}

export type ChainLayer =
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

export interface Chain {
  /** [C, H, W], shown at every step. */
  readonly input: readonly number[]
  /** The output is the mean over these steps. */
  readonly timeSteps: number
  readonly classes: number
  readonly layers: readonly ChainLayer[]
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

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
  const nodes = graph.nodes.filter(({ kind }) => kind !== 'input')
  for (const [i, node] of nodes.entries()) {
    if (node.inputs.length !== 1 || node.inputs[0] !== node.index - 1)
      throw new Error(`${node.name}: the network is no chain`)
    if (node.layer?.kind !== 'batchNorm2d') layers.push(layerOf(node, nodes[i + 1], state, store))
  }
  return {
    chain: { input, timeSteps, classes, layers },
    numbers: Float32Array.from(store.arrays),
  }
}

function layerOf(
  node: GraphNode,
  next: GraphNode | undefined,
  state: StateDict,
  store: Store,
): ChainLayer {
  const { layer, name } = node
  switch (layer?.kind) {
    case 'conv2d': {
      if (layer.groups !== 1 || layer.standardise) break
      const { stride, padding } = layer
      return { op: 'conv', ...weightsOf(node, next, state, store), stride, padding }
    }
    case 'linear':
      if (layer.standardise) break
      return { op: 'linear', ...weightsOf(node, next, state, store) }
    case 'neuron':
      if (layer.vReset !== null || layer.decayInput || layer.learnable) break
      return { op: 'neuron', keep: 1 - 1 / layer.tau, threshold: layer.vThreshold }
    case 'avgPool2d': {
      const { kernelSize, stride, padding } = layer
      if (padding.some((p) => p > 0)) break
      return { op: 'avgPool', kernel: kernelSize, stride }
    }
    case 'flatten':
      return { op: 'flatten' }
    default:
  }
  throw new Error(`${name}: a chain cannot hold this ${layer?.kind ?? node.kind}`)
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
