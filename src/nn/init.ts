/**
 * Where parameters start. Each element depends on (seed, parameter's name order, element) alone.
 */

import { Purpose, RandomStream } from '../data/random.js'
import type { Graph } from './trace.js'

/** The initial values of a parameter in PyTorch's order. `position`: its place in the network. */
export function initialValues(
  graph: Graph,
  parameter: { node: number; role: string; layout: { shape: readonly number[] } },
  seed: number,
  position: number,
): Float32Array {
  const { layer } = graph.nodes[parameter.node]
  const { shape } = parameter.layout
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
  if (!layer) return values
  if (parameter.role === 'norm.weight' || parameter.role === 'gain') return values.fill(1)
  // 1/τ = σ(w)
  if (parameter.role === 'w' && layer.kind === 'neuron')
    return values.fill(-Math.log(layer.tau - 1))
  if (layer.kind !== 'conv2d' && layer.kind !== 'linear') return values
  const stream = new RandomStream(Purpose.Init)
  if (layer.init !== 'default' && (parameter.role === 'weight' || layer.init.bias !== 'default')) {
    if (parameter.role === 'bias') return values
    for (let i = 0; i < values.length; i++) {
      stream.start(seed, position, i)
      values[i] =
        layer.init.normal *
        Math.sqrt(-2 * Math.log(1 - stream.uniform())) *
        Math.cos(2 * Math.PI * stream.uniform())
    }
    return values
  }
  // PyTorch's default for weights and biases of both kinds: uniform in ±1/√fanIn.
  const fanIn =
    layer.kind === 'conv2d'
      ? layer.inChannels * layer.kernelSize[0] * layer.kernelSize[1]
      : layer.inFeatures
  const bound = 1 / Math.sqrt(fanIn)
  for (let i = 0; i < values.length; i++) {
    stream.start(seed, position, i)
    values[i] = bound * (2 * stream.uniform() - 1)
  }
  return values
}
