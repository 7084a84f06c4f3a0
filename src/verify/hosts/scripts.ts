/** Hosts that run JavaScript from a file: Node (V8), Bun (JavaScriptCore), gjs (SpiderMonkey). */

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from '../host.js'
import type { Job, JobNumbers } from '../job.js'
import { findProgram, runHost, versionOf } from '../process.js'

const programUrl = new URL('../program.js', import.meta.url)

/** Text of the measurement, for hosts that get it by HTTP. */
export function programText(): string {
  return readFileSync(fileURLToPath(programUrl), 'utf8')
}

/** What a job has in numbers, without paths. */
export function numbersOf(job: Job): JobNumbers {
  const { folder, net, input, expected, ...numbers } = job
  return numbers
}

/**
 * Writes a script that measures and prints, and returns its path.
 *
 * @param host lines of JavaScript that define `read(path)` → Uint8Array, `now()`, `resident()` and
 *   `print(text)`
 */
async function writeScript(job: Job, name: string, host: string): Promise<string> {
  const path = join(job.folder, name)
  const text = `${host}
import { measure } from ${JSON.stringify(programUrl.href)}
const wasm = read(${JSON.stringify(job.net)})
const input = read(${JSON.stringify(job.input)})
const expected = new Uint32Array(read(${JSON.stringify(job.expected)}).buffer)
const job = ${JSON.stringify(numbersOf(job))}
print(JSON.stringify(measure(wasm, input, expected, job, { now, resident })))
`
  await writeFile(path, text)
  return path
}

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
