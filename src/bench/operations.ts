/**
 * How many additions and multiply-adds a training step needs, of convolutions, linear layers and
 * recurrent weights alone, and the time they would take at a peak: what figures are held against.
 *
 * M stands for the multiply-adds of a layer's dense product for one image and one step, places of
 * the padding included.
 */

import { sharesOf } from '../edge/synops.js'
import type { Graph, GraphNode } from '../graph/trace.js'
import { fires } from '../nn/kind.js'
import type { MethodTraits } from '../plan/methods.js'

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

/**
 * What a layer reads. `still`: the image, or what is computed of it alone, the same at each step.
 * `spikes`: a share `density` of its numbers, 0…1, counts. `numbers`: all of them.
 */
interface Source {
  readonly kind: 'still' | 'spikes' | 'numbers'
  readonly density: number
}

/** @param rates spikes per neuron and step by the name of the neuron layer */
function sourcesOf(graph: Graph, rates: Readonly<Record<string, number>>): Source[] {
  const shares = sharesOf(graph, rates)
  const kinds: Source['kind'][] = []
  for (const { kind, layer, inputs } of graph.nodes) {
    const [first, ...others] = inputs.map((i) => kinds[i])
    if (kind === 'input') kinds.push('still')
    else if (fires(layer)) kinds.push('spikes')
    else if (first === 'still' && remembers.test(kind)) kinds.push('numbers')
    else if (sameOf.test(kind)) kinds.push(others.every((one) => one === first) ? first : 'numbers')
    else kinds.push(first === 'still' ? 'still' : 'numbers')
  }
  return kinds.map((kind, i) => ({ kind, density: kind === 'spikes' ? shares[i] : 1 }))
}

/** Kinds of layers that give what they read, and kinds that have states. */
const sameOf = /Pool[12]d$|^(add|concat|delay|scale|dropout|flatten|identity)$/
const remembers = /^(cell|equations|stabilizedLif|delay)$/

/** M of a convolution or linear layer, or of a recurrent weight, else 0. */
function productOf({ layer, shape }: GraphNode): number {
  const outputs = shape[0] * shape[1] * shape[2]
  switch (layer?.kind) {
    case 'linear':
      return layer.inFeatures * layer.outFeatures
    case 'cell':
    case 'equations':
      if (!layer.recurrence) return 0
      return layer.recurrence.allToAll === false ? outputs : outputs ** 2
    case 'conv1d':
    case 'conv2d': {
      const taps = [layer.kernelSize].flat().reduce((a, b) => a * b, 1)
      return outputs * (layer.inChannels / layer.groups) * taps
    }
    default:
      return 0
  }
}

function winogradOf({ layer }: GraphNode): number {
  return layer?.kind === 'conv2d' && layer.kernelSize.every((size) => size === 3) ? 0.25 : 1
}

interface Product {
  /** M. */
  readonly dense: number
  /** Share of it that Winograd's algorithm leaves of a gradient: a quarter for a kernel of 3×3. */
  readonly winograd: number
  readonly source: Source
}

function productsOf(graph: Graph, rates: Readonly<Record<string, number>>): Product[] {
  const sources = sourcesOf(graph, rates)
  return graph.nodes
    .map((node) => ({
      dense: productOf(node),
      winograd: winogradOf(node),
      // A recurrent weight reads the spikes of its own layer.
      source:
        sources[node.kind === 'cell' || node.kind === 'equations' ? node.index : node.inputs[0]],
    }))
    .filter(({ dense }) => dense > 0)
}

/** A product with what `source` gives at each of `steps`. */
function stepwise({ dense, source: { kind, density } }: Product, steps: number): Operations {
  if (kind === 'spikes') return { additions: steps * density * dense, multiplyAdds: 0 }
  return { additions: 0, multiplyAdds: (kind === 'still' ? 1 : steps) * dense }
}

const multiply = (multiplyAdds: number): Operations => ({ additions: 0, multiplyAdds })

function weightGradient(product: Product, traits: MethodTraits, steps: number): Operations {
  const { dense, source } = product
  switch (traits.presynaptic) {
    case 'mean':
      return multiply(dense)
    case 'trace':
      return multiply((source.kind === 'still' ? 1 : steps) * dense)
    case 'steps':
      return stepwise(product, steps)
  }
}

/** Nothing for an image, which needs no gradient. */
function inputGradient(product: Product, traits: MethodTraits, steps: number): Operations {
  if (product.source.kind === 'still') return multiply(0)
  return multiply(
    (traits.backward === 'afterwards' && traits.rows === 'one' ? 1 : steps) * product.dense,
  )
}

function sum(parts: readonly Operations[], images: number): Operations {
  return {
    additions: images * parts.reduce((all, { additions }) => all + additions, 0),
    multiplyAdds: images * parts.reduce((all, { multiplyAdds }) => all + multiplyAdds, 0),
  }
}

type StepOperations = (
  graph: Graph,
  traits: MethodTraits,
  rates: Readonly<Record<string, number>>,
  steps: number,
  images: number,
) => Operations

/** @param shareOf how much of a product its gradients need */
const trainingOf =
  (shareOf: (product: Product) => number): StepOperations =>
  (graph, traits, rates, steps, images) => {
    const parts = productsOf(graph, rates).flatMap((product) => {
      const gradients = { ...product, dense: product.dense * shareOf(product) }
      return [
        stepwise(product, steps),
        weightGradient(gradients, traits, steps),
        inputGradient(gradients, traits, steps),
      ]
    })
    return sum(parts, images)
  }

/**
 * Of one of our training steps. Forward: an addition for each spike and each weight that it meets
 * (behind pooling each spike of a window, never more than the dense product), for an image its
 * dense product once. Gradients of inputs: dense multiply-adds, once in rate mode, else at each
 * step. Gradients of weights: dense multiply-adds with time means (rate) and traces (ottt);
 * additions for each spike with spikes (bptt, sltt). `rates`: spikes per neuron and step by the
 * name of the neuron layer.
 */
export const ownOperations = trainingOf(() => 1)

/** The least that a step needs: gradients of 3×3 convolutions by Winograd's algorithm. */
export const fewestOperations = trainingOf(({ winograd }) => winograd)

/** Of `predict`: additions for each spike, an image's dense product once. */
export function forwardOperations(
  graph: Graph,
  rates: Readonly<Record<string, number>>,
  steps: number,
  images: number,
): Operations {
  return sum(
    productsOf(graph, rates).map((product) => stepwise(product, steps)),
    images,
  )
}

/**
 * The ways of PyTorch code: the official one's two, and those of the authors of
 * OTTT, SLTT and OS.
 */
export type DenseMethod = 'rate' | 'bptt' | 'ottt' | 'sltt' | 'os'

/**
 * Dense products for T steps, of a layer that reads spikes and of one that reads the image:
 * forward, both gradients. rate: T of the spikes, then the pass of rates with its two gradients.
 * ottt: T of spikes and T of traces, then two gradients at each step. bptt, sltt, os: three at
 * each step. An image needs no gradient.
 */
const denseProducts: Readonly<Record<DenseMethod, (T: number, isImage: boolean) => number>> = {
  rate: (T, isImage) => T + (isImage ? 2 : 3),
  bptt: (T, isImage) => (isImage ? 2 : 3) * T,
  ottt: (T, isImage) => (isImage ? 2 : 4) * T,
  sltt: (T, isImage) => (isImage ? 2 : 3) * T,
  os: (T, isImage) => (isImage ? 2 : 3) * T,
}

/** Of a training step in PyTorch, where all products are dense. */
export function denseOperations(
  graph: Graph,
  method: DenseMethod,
  steps: number,
  images: number,
): Operations {
  const parts = productsOf(graph, {}).map(({ dense, source }) =>
    multiply(denseProducts[method](steps, source.kind === 'still') * dense),
  )
  return sum(parts, images)
}
