/** Networks from files, in a page: they may hold any kind of layer. */

import { remake } from '../compile/checkpoints.js'
import { registerRemake } from '../compile/checkpoints.page.js'
import { useAllLayers } from '../nn/layers/all.js'
import * as load from './load.js'

/** What networks may hold, and options ask for. */
export function useAll(): void {
  useAllLayers()
  registerRemake(remake)
}

export const loadModel: typeof load.loadModel = (...of) => {
  useAll()
  return load.loadModel(...of)
}

export const networkFromJSON: typeof load.networkFromJSON = (...of) => {
  useAll()
  return load.networkFromJSON(...of)
}
