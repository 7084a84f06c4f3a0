/** Runs programs on the calling thread. */

import type { Executor } from './executor.js'
import { instantiateEngine } from './load.js'

export function localExecutor(module: WebAssembly.Module, memory: WebAssembly.Memory): Executor {
  const engine = instantiateEngine(module, memory)
  return {
    async run({ program, scratch, kernels }) {
      engine.take(kernels)
      engine.run(program, 0, 1, scratch, 0, 0)
    },
    async dispose() {},
  }
}
