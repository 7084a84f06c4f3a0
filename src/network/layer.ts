/** Layers that nobody's function has made. */

import { describe, fail } from '../base/errors.js'
import { kindOf, type Layer } from './kind.js'

/**
 * Layers are plain data, and may be written by hand.
 * @throws SpikewasmError for one that lacks what its function would have given it
 */
export function checkLayer(name: string, layer: Layer): void {
  const { kind, ...fields } = layer
  let why: string | undefined
  try {
    for (const [key, value] of Object.entries(kindOf(layer).again(fields)))
      if (value !== undefined && !(key in layer)) why = `${kind}.${key} is missing`
  } catch (error) {
    why = (error as Error).message
  }
  if (why)
    fail(
      `${name || 'the network'} must be a layer or a block, got one of kind ${describe(kind)}, ` +
        `which is none: ${why}; make layers by their functions, as in lif()`,
    )
}
