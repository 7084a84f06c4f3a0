/** Neurons whose τ is learnt by eligibility: kernels of cells run them. */

import type { GraphNode } from '../graph/trace.js'
import type { Neuron } from '../nn/layers/index.js'
import { cellOfNeuron } from '../nn/layers/spiking.js'
import { lowerCell } from './cell.js'
import type { Pass } from './pass.js'
import type { Expression } from './tensors.js'

export const lowerLearntTau = (
  pass: Pass,
  node: GraphNode,
  layer: Neuron,
  x: Expression,
): Expression => lowerCell(pass, node, cellOfNeuron(layer), x)
