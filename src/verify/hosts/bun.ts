/** Bun: JavaScriptCore. */

import type { Host } from '../host.js'
import { findProgram, runHost, versionOf } from '../process.js'
import { nodeScript, writeScript } from '../script.js'

export const bun: Host = {
  name: 'bun',
  install: 'npm install --global bun',
  find: async () => {
    const program = await findProgram('bun')
    if (program === undefined) return undefined
    return {
      version: await versionOf(program),
      run: async (job) => runHost(job, program, [await writeScript(job, 'bun.mjs', nodeScript)]),
    }
  },
}
