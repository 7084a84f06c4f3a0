/** In a page this stands for `containers.ts`. Forward functions of blocks may join values. */

import * as containers from '../containers.js'
import { concat } from '../plan/layers/concat.js'
import { registerLayer } from './parts.js'

export { compilable, residual, sequential } from '../containers.js'

export const block: typeof containers.block = (children, forward) => {
  registerLayer('concat', { plan: concat })
  return containers.block(children, forward)
}
