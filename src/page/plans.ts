/** In a page this stands for `plan/layers/index.ts`: the plans of the kinds that it has. */

import type { GraphNode } from '../graph/trace.js'
import { identityKind } from '../nn/layers/identity.js'
import { identity } from '../plan/layers/identity.js'
import { input } from '../plan/layers/input.js'
import type { LayerPlan } from '../plan/layers/layer.js'
import { partsOf, registerLayer } from './parts.js'

let begun = false

/** What every network may hold. */
function begin(): void {
  begun = true
  registerLayer('input', { plan: input })
  registerLayer('identity', { kind: identityKind, plan: identity })
}

export const planOf = (node: GraphNode): LayerPlan<GraphNode['layer']> => {
  if (!begun) begin()
  return partsOf(node.kind).plan as LayerPlan<GraphNode['layer']>
}
