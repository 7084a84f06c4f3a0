// Runs built test files, one behind the other, in this process. In front of each file comes a line
// with its name, so that the runner knows whose the output is; behind it uvu's counts.
// Stack traces show lines of TypeScript.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Seconds of processor time of this process and, where Linux tells them, of its ended children. */
function processorSeconds() {
  const { user, system } = process.cpuUsage()
  let children = 0
  try {
    // Behind the name in parentheses: field 16 and 17 of proc(5), in hundredths of a second.
    const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').pop().split(' ')
    children = (Number(fields[13]) + Number(fields[14])) / 100
  } catch {}
  return (user + system) / 1e6 + children
}

let told = 0
/** Says what the processor has done since the last time. */
function tellTime() {
  if (!process.env.SPIKEWASM_TEST_TIMES) return
  const now = processorSeconds()
  console.log(`  Processor: ${(now - told).toFixed(2)} s`)
  told = now
}

// What a file leaves behind counts as its own: threads that end, a start of the process.
process.on('exit', tellTime)
const { typescriptLines } = await import('../build/src/cli/typescript-lines.js')
Error.prepareStackTrace = (error, calls) =>
  typescriptLines([String(error), ...calls.map((call) => `    at ${call}`)].join('\n'))
// uvu would run what it has found so far by itself, whichever file that is from.
globalThis.UVU_DEFER = 1
// Tests import single files of the source; nothing else says that they run in Node.
await import('../build/src/node.js')
const { exec } = await import('uvu')
// Tests compile models by the hundred, each small: a collection behind every few of them would take
// longer than they do. Those of memory see it as users do.
const { growth } = await import('../build/src/runtime/collect.js')
const ofUsers = { ...growth }
const ofTests = { youngBytes: 2 ** 24, allBytes: 2 ** 27 }

let code = 0
const files = process.argv.slice(2)
for (const [i, file] of files.entries()) {
  if (i > 0) tellTime()
  console.log(`\nfile ${file}`)
  Object.assign(growth, file.includes('/runtime/') ? ofUsers : ofTests)
  globalThis.UVU_QUEUE.splice(0, Number.POSITIVE_INFINITY, [null])
  try {
    await import(pathToFileURL(resolve(file)).href)
    await exec()
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
  // What it has left to happen, a rejection for example, happens now.
  for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done))
  code ||= process.exitCode
}
process.exitCode = code
