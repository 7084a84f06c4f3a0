/** Networks from files, in a page: they may hold any kind of layer. */

import { useAllLayers } from '../layers/all.js'
import * as load from '../load.js'
import { remake } from '../plan/checkpoints.js'
import { registerRemake } from './checkpoints.js'

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
