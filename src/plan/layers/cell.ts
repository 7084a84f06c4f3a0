/** Cells: neurons with a state and constants of their own. */

import type { Cell } from '../../nn/layers/index.js'
import { cellLayout, lowerCell } from '../cell.js'
import type { LayerPlan } from './layer.js'

export const cell: LayerPlan<Cell> = {
  layout: (parameter, graph, node) => cellLayout(parameter, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, layer, x) => lowerCell(pass, node, layer, x),
}
