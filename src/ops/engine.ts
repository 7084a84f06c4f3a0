/** The engine's modules for ops: loaded at once in Node, beforehand in a page. */

import { fail } from '../errors.js'
import type * as host from '../host.js'
import { type EngineVariant, loadEngine, loadEngineSync } from '../runtime/load.js'
import { isNode } from '../runtime/processors.js'

const loaded = new Map<EngineVariant, host.WasmModule>()

/**
 * Loads the engine. A page has to wait for it before it plans its first op; in Node nobody has to
 * call it.
 */
export async function load(): Promise<void> {
  const variants = ['engine', ...(isNode() ? (['engine-threads'] as const) : [])] as const
  for (const variant of variants) loaded.set(variant, await loadEngine(variant))
}

/** @throws SpikewasmError in a page that has not waited for `load` */
export function engineModule(variant: EngineVariant): host.WasmModule {
  let module = loaded.get(variant)
  if (!module) {
    module = loadEngineSync(variant)
    if (!module)
      fail('the engine is not loaded yet; call `await ops.load()` once before the first plan')
    loaded.set(variant, module)
  }
  return module
}
