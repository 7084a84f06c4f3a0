/** What the planner must know of a kind of layer, and of the nodes that are none. */

import type { Graph, GraphNode } from '../graph/trace.js'
import {
  defineKind,
  type KnownKind,
  kindOf,
  type Layer,
  type LayerKind,
  type ParameterSpec,
} from '../nn/kind.js'
import type { ParameterLayout } from './layout.js'
import { type Demand, type Pass, term } from './pass.js'
import type { Expression } from './tensors.js'

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

/** Makes a kind of layer known: what it is, and how it runs. */
export const defineLayer = <L extends Layer>(
  name: L['kind'],
  layer: LayerKind<L> & LayerPlan<L>,
): KnownKind<L> => defineKind(name, layer)

/** The input of the network. */
const input: LayerPlan<unknown> = {
  lower(pass, { shape }) {
    const steps = pass.options.frames ? pass.callSteps : 1
    const tensor = { kind: 'float', name: 'input', shape, stored: shape[0], steps } as const
    return { shape, terms: [term({ ...tensor, input: true, gradient: [] })] }
  },
}

/** What joins values: only networks that do so bring it along. */
const joints = new Map<string, LayerPlan<unknown>>()

export function registerJoint(kind: 'add' | 'concat', plan: LayerPlan<unknown>): void {
  joints.set(kind, plan)
}

/** The plan of a node, which is to be called with its layer. */
export function planOf({ kind, layer }: GraphNode): LayerPlan<GraphNode['layer']> {
  const plan = layer ? kindOf(layer) : kind === 'input' ? input : joints.get(kind)
  return plan as unknown as LayerPlan<GraphNode['layer']>
}
