/**
 * Synaptic operations: additions of a weight because a neuron before it fired.
 *
 * A bound from shapes, before anything runs: an export states it. What samples really cause, with
 * zero weights and the places that padding has not, is counted while they run
 * (`src/train/operations.ts`).
 */

import { own } from '../base/objects.js'
import { fires, kindOf, type Layer } from '../network/kind.js'
import type { Graph, GraphNode } from '../network/trace.js'
import { type Shape, sizeOf } from '../network/value.js'

/**
 * Synaptic operations of one inference.
 *
 * A convolution or linear layer counts, for each of its outputs and steps, the inputs that spike. A
 * layer whose inputs are numbers counts its products: once if they are the same at every step. Zero
 * padding at the edges counts as input.
 *
 * @param frames whether inputs differ from step to step
 * @param rates spikes per neuron and step by layer name; absent: every neuron fires at every step.
 *   Behind a pooling the number is an upper bound, since a window may hold several spikes
 */
export function synapticOperations(
  graph: Graph,
  frames: boolean,
  timeSteps: number,
  rates?: Readonly<Record<string, number>>,
): number {
  let sum = 0
  const still = stillNodes(graph)
  const shares = rates && sharesOf(graph, rates)
  for (const { layer, shape, inputs } of graph.nodes) {
    if (layer === undefined || inputs.length === 0) continue
    const products = productsOf(layer, graph.nodes[inputs[0]].shape, shape)
    const steps = !frames && still[inputs[0]] ? 1 : timeSteps
    const share = shares === undefined ? 1 : shares[inputs[0]]
    sum += products * steps * share
  }
  return sum
}

/** Products with the weights of a layer at one step; a transposed one has some for each input. */
function productsOf(layer: Layer, from: Shape, to: Shape): number {
  const each = 'kernelCount' in layer ? layer.kernelCount : 1
  if (layer.kind === 'linear' || 'kernelCount' in layer) return sizeOf(from) * sizeOf(to) * each
  if (!('groups' in layer && 'kernelSize' in layer)) return 0
  const taps = sizeOf([layer.kernelSize].flat()) / layer.groups
  return layer.kind.startsWith('convT') ? sizeOf(from) * to[0] * taps : sizeOf(to) * from[0] * taps
}

/** Whether each node's values are the same at every step: no neuron or delay is before it. */
function stillNodes({ nodes }: Graph): boolean[] {
  const still: boolean[] = []
  for (const { layer, inputs } of nodes) {
    const waits = layer?.kind === 'delay' || layer?.kind === 'dcls1d'
    const hasNeurons = layer !== undefined && kindOf(layer).model !== undefined
    still.push(!waits && !hasNeurons && inputs.every((input) => still[input]))
  }
  return still
}

/** Share of each node's values that are not zero, 0 … 1, at most. */
export function sharesOf(graph: Graph, rates: Readonly<Record<string, number>>): number[] {
  const shares: number[] = []
  for (const node of graph.nodes) {
    const read = node.inputs.map((input) => shares[input])
    shares.push(fires(node.layer) ? (own(rates, node.name) ?? 1) : shareOf(graph, node, read))
  }
  return shares
}

/** Layers that make no value of zeros. */
const passing = ['flatten', 'delay', 'dropout', 'identity', 'scale']

/** @param shares of the nodes that it reads */
function shareOf({ nodes }: Graph, node: GraphNode, shares: readonly number[]): number {
  const { kind, inputs } = node
  if (kind === 'add') return Math.min(1, addedUp(shares))
  if (kind === 'concat') {
    const counts = shares.map((share, i) => share * sizeOf(nodes[inputs[i]].shape))
    return addedUp(counts) / sizeOf(node.shape)
  }
  if (passing.includes(kind)) return shares[0]
  if (/Pool[12]d$/.test(kind)) return Math.min(1, shares[0] * windowOf(node, nodes[inputs[0]]))
  // Numbers: none of them can be counted on to be zero.
  return 1
}

const addedUp = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Values of a window of a pooling. */
function windowOf({ layer, shape }: GraphNode, before: GraphNode): number {
  if (layer && 'kernelSize' in layer) return sizeOf([layer.kernelSize].flat())
  // Windows that are not equal may be larger by one.
  const longest = (n: number, windows: number): number =>
    Math.ceil(n / windows) + (n % windows === 0 ? 0 : 1)
  return longest(before.shape[1], shape[1]) * longest(before.shape[2], shape[2])
}
