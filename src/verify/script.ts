/** Hosts that run JavaScript from a file. */

import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Job, JobNumbers } from './job.js'

const programUrl = new URL('./program.js', import.meta.url)

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
export async function writeScript(job: Job, name: string, host: string): Promise<string> {
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
