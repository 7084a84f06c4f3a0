/** gjs: SpiderMonkey. */

import type { Host } from '../host.js'
import { findProgram, runHost, versionOf } from '../process.js'
import { writeScript } from '../script.js'

const script = `import GLib from 'gi://GLib'
const read = (path) => new Uint8Array(GLib.file_get_contents(path)[1])
const now = () => GLib.get_monotonic_time() / 1000
const resident = () => {
  try {
    const status = new TextDecoder().decode(read('/proc/self/status'))
    return 1024 * Number(/VmRSS:\\s*(\\d+)/.exec(status)[1])
  } catch {
    return null
  }
}`

export const gjs: Host = {
  name: 'gjs',
  install: 'apt-get install gjs',
  find: async () => {
    const program = await findProgram('gjs')
    if (program === undefined) return undefined
    return {
      version: await versionOf(program),
      run: async (job) => runHost(job, program, ['-m', await writeScript(job, 'gjs.mjs', script)]),
    }
  },
}
