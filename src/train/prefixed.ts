/** Parts of a state dict, told apart by what their names begin with. */

import type { StateDict } from '../runtime/state.js'

/** With a prefix before each name. */
export const prefixed = (prefix: string, state: StateDict = {}): StateDict =>
  Object.fromEntries(Object.entries(state).map(([name, tensor]) => [prefix + name, tensor]))

/** What begins with a prefix, without it. */
export const partOf = (tensors: StateDict, prefix: string): StateDict =>
  Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  )
