/** Whether a module is the engine's, and which one. */

import { fail } from '../errors.js'
import type * as host from '../host.js'
import { VERSION } from '../version.js'

export type EngineVariant = 'engine' | 'engine-threads' | 'engine-debug'

/** A file of the engine: also `engine`, with the names of all functions. */
export type EngineFile = EngineVariant | 'engine-named'

/** The custom section that says version and variant; tools/build-wasm.mjs adds it. */
const SECTION = 'spikewasm.engine'

/**
 * @param where the module was found
 * @throws SpikewasmError unless it is that variant of this version
 */
export function checkEngine(module: host.WasmModule, variant: EngineFile, where: string): void {
  const [section] = WebAssembly.Module.customSections(module, SECTION)
  const [version, found] = section ? new TextDecoder().decode(section).split(' ') : []
  if (version === VERSION && found === variant) return
  const got =
    version === undefined
      ? 'another module of WebAssembly'
      : version === VERSION
        ? `${found}.wasm`
        : `a module of version ${version}`
  fail(
    `${where} must be ${variant}.wasm of spikewasm ${VERSION}, got ${got}; take the file from ` +
      'node_modules/spikewasm/build/wasm, or give the folder that holds all of them, with / at ' +
      'its end',
  )
}
