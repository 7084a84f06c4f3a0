/**
 * Reads one hostile file in a process of its own, and prints what that took as JSON. Arguments: the
 * reader and the path.
 */
import '../../src/model/node.js'
import { readFileSync } from 'node:fs'
import { readFileClear } from '../../src/files/files.js'
import { readers } from './hostile-files.js'

/** What the process has taken so far at most, in MiB; Linux alone tells. */
const peak = (): number =>
  Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024

const [reader, path] = process.argv.slice(2)
// What is loaded is not the file's.
await readers[reader](new Uint8Array(0)).catch(() => undefined)
const before = peak()
const began = performance.now()
let [size, message] = [0, '']
try {
  const bytes = await readFileClear(path, 'it')
  size = bytes.length / 2 ** 20
  await readers[reader](bytes)
} catch (error) {
  message = String(error)
}
const ms = performance.now() - began
process.stdout.write(JSON.stringify({ size, megabytes: peak() - before, ms, message }))
