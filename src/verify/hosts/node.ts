/** Node: V8. */

import type { Host } from '../host.js'
import { runHost } from '../process.js'
import { nodeScript, writeScript } from '../script.js'

export const node: Host = {
  name: 'node',
  install: 'it runs this program',
  find: async () => ({
    version: process.versions.node,
    run: async (job) =>
      runHost(job, process.execPath, [await writeScript(job, 'node.mjs', nodeScript)]),
  }),
}
