/** Files of weights, told from exported networks. */

import { fail } from '../errors.js'

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
