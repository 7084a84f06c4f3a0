/** In a page this stands for `containers.ts`. Forward functions of blocks may join values. */

import * as containers from '../containers.js'
import * as joins from '../graph/joins.js'
import { add } from '../plan/layers/add.js'
import { concat } from '../plan/layers/concat.js'
import { registerJoins } from './joins.js'
import { registerExits } from './loss-parts.js'
import { selfDistillation } from './losses.js'
import { registerLayer } from './parts.js'

export { compilable, sequential } from '../containers.js'

/** What forward functions may do. */
export function useJoins(): void {
  registerJoins(joins)
  registerLayer('add', { plan: add })
  registerLayer('concat', { plan: concat })
  registerExits(selfDistillation)
}

export const block: typeof containers.block = (children, forward) => {
  useJoins()
  return containers.block(children, forward)
}

export const residual: typeof containers.residual = (...of) => {
  registerJoins(joins)
  registerLayer('add', { plan: add })
  return containers.residual(...of)
}
