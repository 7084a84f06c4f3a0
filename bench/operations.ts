/**
 * How many additions and multiply-adds a training step needs, of convolutions, linear layers and
 * recurrent weights alone, and the time they would take at a peak: what figures are held against.
 *
 * M stands for the multiply-adds of a layer's dense product for one image and one step, places of
 * the padding included.
 */

import type { MethodTraits } from '../src/compile/methods.js'
import { sharesOf } from '../src/edge/synops.js'
import { fires } from '../src/network/kind.js'
import type { Graph, GraphNode } from '../src/network/trace.js'
import { sizeOf } from '../src/network/value.js'

export interface Operations {
  readonly additions: number
  /** Each is one multiplication and one addition. */
  readonly multiplyAdds: number
}

/** Operations of floating point. */
export const flop = ({ additions, multiplyAdds }: Operations): number =>
  additions + 2 * multiplyAdds

/** Milliseconds of so many operations at `gflops` GFLOP/s. */
export const limitMs = (operations: Operations, gflops: number): number =>
  flop(operations) / gflops / 1e6

/** Spikes per neuron and step by the name of the neuron layer. */
type Rates = Readonly<Record<string, number>>

/**
 * What a layer reads. `still`: the image, or what is computed of it alone, the same at each step.
 * `spikes`: a share of its numbers counts. `numbers`: all of them.
 */
type Source = 'still' | 'spikes' | 'numbers'

/** Kinds of layers that give what they read, and kinds that have states. */
const sameOf = /Pool[12]d$|^(add|concat|delay|scale|dropout|flatten|identity)$/
const remembers = /^(cell|equations|stabilizedLif|delay)$/

function sourcesOf(graph: Graph): Source[] {
  const sources: Source[] = []
  for (const { kind, layer, inputs } of graph.nodes) {
    const [first, ...others] = inputs.map((i) => sources[i])
    if (kind === 'input') sources.push('still')
    else if (fires(layer)) sources.push('spikes')
    else if (first === 'still' && remembers.test(kind)) sources.push('numbers')
    else if (sameOf.test(kind) && others.every((one) => one === first)) sources.push(first)
    else sources.push(first === 'still' && !sameOf.test(kind) ? 'still' : 'numbers')
  }
  return sources
}

/** M of a convolution or linear layer, or of a recurrent weight, else 0. */
function productOf({ layer, shape }: GraphNode): number {
  const outputs = sizeOf(shape)
  switch (layer?.kind) {
    case 'linear':
      return layer.inFeatures * layer.outFeatures
    case 'cell':
    case 'equations':
      if (!layer.recurrence) return 0
      return layer.recurrence.allToAll === false ? outputs : outputs ** 2
    case 'conv1d':
    case 'conv2d':
      return outputs * (layer.inChannels / layer.groups) * sizeOf([layer.kernelSize].flat())
    default:
      return 0
  }
}

interface Product {
  /** M. */
  readonly dense: number
  readonly source: Source
  /** Share of what it reads that counts, 0…1. */
  readonly density: number
}

function productsOf(graph: Graph, rates: Rates): Product[] {
  const [sources, shares] = [sourcesOf(graph), sharesOf(graph, rates)]
  return graph.nodes.flatMap((node) => {
    const { kind } = node
    // A recurrent weight reads the spikes of its own layer.
    const read = kind === 'cell' || kind === 'equations' ? node.index : node.inputs[0]
    const dense = productOf(node)
    const density = sources[read] === 'spikes' ? shares[read] : 1
    return dense > 0 ? [{ dense, source: sources[read], density }] : []
  })
}

/** A product with what its source gives at each of `steps`. */
function stepwise({ dense, source, density }: Product, steps: number): Operations {
  if (source === 'spikes') return { additions: steps * density * dense, multiplyAdds: 0 }
  return multiply((source === 'still' ? 1 : steps) * dense)
}

const multiply = (multiplyAdds: number): Operations => ({ additions: 0, multiplyAdds })

function gradientsOf(product: Product, traits: MethodTraits, steps: number): Operations[] {
  const { dense, source } = product
  const isStill = source === 'still'
  const { presynaptic, backward, rows } = traits
  const isOnce = backward === 'afterwards' && rows === 'one'
  return [
    presynaptic === 'steps'
      ? stepwise(product, steps)
      : multiply((presynaptic === 'mean' || isStill ? 1 : steps) * dense),
    // An image needs no gradient.
    multiply(isStill ? 0 : (isOnce ? 1 : steps) * dense),
  ]
}

const sumOf = (parts: readonly Operations[], images: number): Operations => ({
  additions: images * parts.reduce((all, { additions }) => all + additions, 0),
  multiplyAdds: images * parts.reduce((all, { multiplyAdds }) => all + multiplyAdds, 0),
})

/**
 * Operations of our training step. Forward: an addition for each spike and each weight that it meets
 * (behind pooling each spike of a window, never more than the dense product), for an image its
 * dense product once. Gradients of inputs: dense multiply-adds, once in rate mode, else at each
 * step. Gradients of weights: dense multiply-adds with time means (rate) and traces (ottt);
 * additions for each spike with spikes (bptt, sltt).
 */
export function ownOperations(
  graph: Graph,
  traits: MethodTraits,
  rates: Rates,
  steps: number,
  images: number,
): Operations {
  const parts = productsOf(graph, rates).flatMap((product) => [
    stepwise(product, steps),
    ...gradientsOf(product, traits, steps),
  ])
  return sumOf(parts, images)
}

/**
 * The ways of PyTorch code: the official one's two, and those of the authors of
 * OTTT, SLTT and OS.
 */
export type DenseMethod = 'rate' | 'bptt' | 'ottt' | 'sltt' | 'os'

/** Operations of a training step in PyTorch, where all products are dense. */
export function denseOperations(
  graph: Graph,
  method: DenseMethod,
  steps: number,
  images: number,
): Operations {
  const parts = productsOf(graph, {}).map(({ dense, source }) =>
    multiply(denseProducts(method, steps, source === 'still') * dense),
  )
  return sumOf(parts, images)
}

/**
 * Dense products for T steps, of a layer that reads spikes and of one that reads the image, which
 * needs no gradient: forward, both gradients. rate: T of the spikes, then the pass of rates with
 * its two gradients. ottt: T of spikes and T of traces, then two gradients at each step. bptt,
 * sltt, os: three at each step.
 */
function denseProducts(method: DenseMethod, T: number, isImage: boolean): number {
  if (method === 'rate') return T + (isImage ? 2 : 3)
  return (isImage ? 2 : method === 'ottt' ? 4 : 3) * T
}
