/** Networks from files, in a page: they may hold any kind of layer. */

import * as load from '../load.js'
import { useAllLayers } from './all-layers.js'

export const loadModel: typeof load.loadModel = (...of) => {
  useAllLayers()
  return load.loadModel(...of)
}

export const networkFromJSON: typeof load.networkFromJSON = (...of) => {
  useAllLayers()
  return load.networkFromJSON(...of)
}
