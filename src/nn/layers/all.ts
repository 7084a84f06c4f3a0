/** All that a network may hold. */

import { useAll } from '../../network/kind.js'
import * as layers from './index.js'
import { useJoins } from './joins.js'
import { parameter } from './parameter.js'

/** For networks that no function has made: from files, or written by hand. */
export function useAllLayers(): void {
  useAll({ ...layers, parameter })
  useJoins()
}
