/** Hosts that run JavaScript from a file: Node (V8), Bun (JavaScriptCore), gjs (SpiderMonkey). */

import type { Host } from '../host.js'
import { findProgram, runHost, versionOf } from '../process.js'
import { writeScript } from '../script.js'

/** For Node and Bun. */
const nodeScript = `import { readFileSync } from 'node:fs'
const read = (path) => new Uint8Array(readFileSync(path))
const now = () => performance.now()
const resident = () => process.memoryUsage().rss
const print = (text) => console.log(text)`

const gjsScript = `import GLib from 'gi://GLib'
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

/**
 * @param script what its surroundings are there; see `writeScript`
 * @param args before the script's path
 */
const scripted = (
  name: string,
  install: string,
  script: string,
  args: readonly string[] = [],
): Host => ({
  name,
  install,
  find: async () => {
    const program = name === 'node' ? process.execPath : await findProgram(name)
    if (program === undefined) return undefined
    return {
      version: await versionOf(program),
      run: async (job) =>
        runHost(job, program, [...args, await writeScript(job, `${name}.mjs`, script)]),
    }
  },
})

export const node = scripted('node', 'it runs this program', nodeScript)
export const bun = scripted('bun', 'npm install --global bun', nodeScript)
export const gjs = scripted('gjs', 'apt-get install gjs', gjsScript, ['-m'])
