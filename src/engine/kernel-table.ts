/** What an instance of the engine imports: its memory, and a table for functions of plans. */

import type * as host from '../base/host.js'
import type { Kernels } from '../kernels/equations/kernel-set.js'

/** Imports of an instance. */
export interface EngineImports {
  readonly env: { readonly memory: host.WasmMemory; readonly table: host.WasmTable }
  /** Puts a plan's kernels in place of those before. */
  take(kernels: Kernels | undefined): void
}

/** Imports of an instance over a memory, which may be shared with other instances. */
export function engineImports(memory: host.WasmMemory): EngineImports {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 })
  const env = { memory, table }
  let taken: number | undefined
  return {
    env,
    take(kernels) {
      if (!kernels || kernels.id === taken) return
      if (table.length < kernels.count) table.grow(kernels.count - table.length)
      new WebAssembly.Instance(kernels.module, { env })
      taken = kernels.id
    },
  }
}
