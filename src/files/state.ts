/** State dicts as safetensors, told from other files. */

import { fail } from '../base/errors.js'
import type { StateDict } from '../engine/memory/state.js'
import { floatTensors, parseFloats, serializeSafetensors } from './safetensors.js'

/** A file that PyTorch's safetensors reads as it is. */
export const serializeState = (
  state: StateDict,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array => serializeSafetensors(floatTensors(state), { format: 'pt', ...metadata })

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

/** @throws SpikewasmError where the metadata of a file of weights says that it is a checkpoint */
export function expectNoCheckpoint(metadata: Readonly<Record<string, string>>, name: string): void {
  if (metadata['spikewasm.checkpoint'] !== undefined)
    fail(
      `${name}: must be a file of weights, got a checkpoint; the weights are in ` +
        'weights.safetensors of its folder, which commands take as --run FOLDER. ' +
        'model.loadCheckpoint and fit with resume go on from a checkpoint',
    )
}

/** What every module of WebAssembly begins with. */
const START = [0, 0x61, 0x73, 0x6d]

/** @throws SpikewasmError where the bytes are a module of WebAssembly */
export function expectNoModule(bytes: Uint8Array, name: string): Uint8Array {
  if (START.every((byte, i) => bytes[i] === byte))
    fail(
      `${name}: must be a file of weights, got a WebAssembly module; openNet opens an exported ` +
        'network, the commands eval, predict and info take it as --weights FILE.wasm, and verify ' +
        'compares it with the model that it came from',
    )
  return bytes
}
