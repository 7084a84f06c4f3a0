/** WasmEdge with its compiler ahead of time. */

import { join } from 'node:path'
import type { Host } from '../host.js'
import { runProgram } from '../process.js'
import { findWasmEdge, wasmedge } from './wasmedge.js'

export const wasmedgeAot: Host = {
  name: 'wasmedge-aot',
  install: wasmedge.install,
  find: () =>
    findWasmEdge(async (job, program) => {
      const compiled = join(job.folder, 'net.so')
      await runProgram(program, ['compile', job.net, compiled], { seconds: 900 })
      return compiled
    }),
}
