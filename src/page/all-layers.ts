/** All kinds of layers in a page, for networks that come from files. */

import type { GraphNode } from '../graph/trace.js'
import type { Layer } from '../nn/layers/index.js'
import { kindOf } from '../nn/layers/kinds.js'
import { spiking } from '../nn/layers/spiking.js'
import { planOf } from '../plan/layers/index.js'
import { lowerLearntTau } from '../plan/learnt-tau.js'
import { registerAll, registerCells } from './parts.js'

export function useAllLayers(): void {
  registerAll((kind) => ({
    kind: kindOf({ kind } as Layer) as never,
    plan: planOf({ kind } as GraphNode) as never,
  }))
  registerCells({ spiking, lowerLearntTau })
}
