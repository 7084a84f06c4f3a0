/** In a page this stands for `containers.ts`. Blocks may have several outputs. */

import * as containers from '../containers.js'
import { registerExits } from './loss-parts.js'
import { selfDistillation } from './losses.js'

export { compilable, residual, sequential } from '../containers.js'

export const useExits = (): void => registerExits(selfDistillation)

export const block: typeof containers.block = (children, forward) => {
  useExits()
  return containers.block(children, forward)
}
