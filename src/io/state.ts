/** State dicts as safetensors. */

import type { StateDict } from '../runtime/state.js'
import { serializeSafetensors } from './safetensors.js'

/** A file that PyTorch's safetensors reads as it is. */
export function serializeState(
  state: StateDict,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const tensors = Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32' as const, shape, data },
    ]),
  )
  return serializeSafetensors(tensors, { format: 'pt', ...metadata })
}
