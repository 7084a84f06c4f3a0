/** All kinds of layers: a new one is a line here. */

import type { GraphNode } from '../../graph/trace.js'
import { conv2d, linear } from './conv.js'
import { dropout } from './dropout.js'
import type { LayerOf, LayerPlan } from './layer.js'
import { maxPool2d } from './max-pool.js'
import { neuron } from './neuron.js'
import { batchNorm2d } from './norm.js'
import { adaptiveAvgPool2d, add, avgPool2d, input, same, scale } from './sum.js'

const layers: { readonly [K in GraphNode['kind']]: LayerPlan<LayerOf<K>> } = {
  input,
  add,
  conv2d,
  linear,
  batchNorm2d,
  neuron,
  avgPool2d,
  adaptiveAvgPool2d,
  maxPool2d,
  dropout,
  scale,
  flatten: same,
  identity: same,
}

/** The plan of a node's layer, which is to be called with that layer. */
export const planOf = (node: GraphNode): LayerPlan<GraphNode['layer']> =>
  layers[node.kind] as LayerPlan<GraphNode['layer']>
