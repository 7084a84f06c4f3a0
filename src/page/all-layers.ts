/** All kinds of layers in a page, and what options may ask for, for networks from files. */

import type { GraphNode } from '../graph/trace.js'
import type { Layer } from '../nn/layers/index.js'
import { kindOf } from '../nn/layers/kinds.js'
import { remake } from '../plan/checkpoints.js'
import { planOf } from '../plan/layers/index.js'
import { registerAll, registerRemake } from './parts.js'

export function useAllLayers(): void {
  registerAll((kind) => ({
    kind: kindOf({ kind } as Layer),
    plan: planOf({ kind } as GraphNode),
  }))
  registerRemake(remake)
}
