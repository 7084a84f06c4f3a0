/**
 * Runs programs one after the other in one process, and then must end by itself: a start
 * of Node and of the engine for each would take longer than they do.
 *
 * Arguments: files. Each is imported in the folder that it lies in. For each a line of JSON says
 * what it wrote, and what it threw.
 */
import '../../src/model/node.js'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface Outcome {
  readonly file: string
  readonly stdout: string
  readonly stderr: string
}

const write = process.stdout.write.bind(process.stdout)
const written = { stdout: '', stderr: '' }
for (const name of ['stdout', 'stderr'] as const)
  process[name].write = (chunk: string | Uint8Array) => {
    written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    return true
  }

const [node, , ...files] = process.argv
for (const file of files) {
  process.argv = [node, file]
  Object.assign(written, { stdout: '', stderr: '' })
  process.chdir(dirname(file))
  try {
    await import(pathToFileURL(file).href)
  } catch (error) {
    written.stderr += error instanceof Error ? error.stack : String(error)
  }
  // Warnings come with the next tick.
  await new Promise((resolve) => setImmediate(resolve))
  write(`${JSON.stringify({ file, ...written } satisfies Outcome)}\n`)
}
// What comes later belongs to no program.
process.on('exit', () => {
  if (process.exitCode !== undefined || written.stderr !== '') write('{"file":"later"}\n')
})
