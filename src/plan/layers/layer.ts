/** What the planner must know of a kind of layer. */

import type { Graph, GraphNode } from '../../graph/trace.js'
import type { Layer } from '../../nn/layers/index.js'
import type { ParameterSpec } from '../../nn/layers/kind.js'
import type { ParameterLayout } from '../layout.js'
import type { Demand, Pass } from '../pass.js'
import type { Expression } from '../tensors.js'

export interface LayerPlan<L> {
  /** How a parameter is stored; as a vector where it is not said. */
  layout?(parameter: ParameterSpec, graph: Graph, node: GraphNode): ParameterLayout | undefined
  /** Pixels in a row that its kernels read at once; one where this is absent. */
  pixels?(layer: L): number
  /** What it wants of the layers that it reads. */
  wants?(pass: Pass): Demand
  /**
   * Emits its forward records and puts its backward ones on the pass's tape; returns what the
   * layers behind it read.
   */
  lower(pass: Pass, node: GraphNode, layer: L, ...inputs: readonly Expression[]): Expression
}

/** The layer of a kind of node; the input and sums have none. */
export type LayerOf<K extends GraphNode['kind']> = Extract<Layer, { kind: K }>
