/** State dicts as safetensors. */

import type { StateDict } from '../runtime/state.js'
import { expectNoCheckpoint } from './no-checkpoint.js'
import { floatTensors, parseFloats, serializeSafetensors } from './safetensors.js'

/** A file that PyTorch's safetensors reads as it is. */
export function serializeState(
  state: StateDict,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return serializeSafetensors(floatTensors(state), { format: 'pt', ...metadata })
}

/**
 * Reads a state dict from the bytes of a safetensors file; numbers of other types become float32.
 * @param name what error messages call the file, usually its path
 * @throws SpikewasmError when the file is damaged
 */
export function parseState(bytes: Uint8Array, name: string): StateDict {
  const { tensors, metadata } = parseFloats(bytes, name)
  expectNoCheckpoint(metadata, name)
  return tensors
}
