/** All kinds of layers: a new one is a line here. */

import type { GraphNode } from '../../graph/trace.js'
import { adaptiveAvgPool1d } from './adaptive-avg-pool1d.js'
import { adaptiveAvgPool2d } from './adaptive-avg-pool2d.js'
import { add } from './add.js'
import { avgPool1d } from './avg-pool1d.js'
import { avgPool2d } from './avg-pool2d.js'
import { batchNorm2d } from './batch-norm.js'
import { batchNorm1d } from './batch-norm1d.js'
import { concat } from './concat.js'
import { conv1d } from './conv1d.js'
import { conv2d } from './conv2d.js'
import { delay } from './delay.js'
import { dropout } from './dropout.js'
import { flatten } from './flatten.js'
import { groupNorm } from './group-norm.js'
import { identity } from './identity.js'
import { input } from './input.js'
import type { LayerOf, LayerPlan } from './layer.js'
import { layerNorm } from './layer-norm.js'
import { linear } from './linear.js'
import { maxPool1d } from './max-pool1d.js'
import { maxPool2d } from './max-pool2d.js'
import { neurons } from './neurons.js'
import { relu } from './relu.js'
import { scale } from './scale.js'
import { stabilizedLif } from './stabilized-lif.js'
import { sumPool1d } from './sum-pool1d.js'
import { sumPool2d } from './sum-pool2d.js'
import { timeMean } from './time-mean.js'

const layers: { readonly [K in GraphNode['kind']]: LayerPlan<LayerOf<K>> } = {
  input,
  add,
  conv2d,
  linear,
  batchNorm2d,
  equations: neurons,
  cell: neurons,
  avgPool2d,
  adaptiveAvgPool2d,
  maxPool2d,
  dropout,
  scale,
  flatten,
  identity,
  relu,
  stabilizedLif,
  timeMean,
  adaptiveAvgPool1d,
  avgPool1d,
  batchNorm1d,
  concat,
  conv1d,
  delay,
  groupNorm,
  layerNorm,
  maxPool1d,
  sumPool1d,
  sumPool2d,
}

/** The plan of a node's layer, which is to be called with that layer. */
export const planOf = (node: GraphNode): LayerPlan<GraphNode['layer']> =>
  layers[node.kind] as LayerPlan<GraphNode['layer']>
