/** Networks from files, in a page: they may hold any kind of layer. */

import * as load from '../load.js'
import { useAllLayers } from './all-layers.js'
import { useJoins } from './containers.js'

export const loadModel: typeof load.loadModel = (...of) => {
  useAllLayers()
  useJoins()
  return load.loadModel(...of)
}

export const networkFromJSON: typeof load.networkFromJSON = (...of) => {
  useAllLayers()
  useJoins()
  return load.networkFromJSON(...of)
}
