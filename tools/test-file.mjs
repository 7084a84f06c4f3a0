// Runs one built test file. Stack traces show lines of TypeScript, as with --enable-source-maps.
// That option would also make each of the many worker threads of the tests read source maps.
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

if (process.env.SPIKEWASM_TEST_TIMES)
  process.on('exit', () => console.log(`  Processor: ${processorSeconds().toFixed(2)} s`))
process.setSourceMapsEnabled(true)
// Tests import single files of the source; nothing else says that they run in Node.
await import('../build/src/node.js')
await import(pathToFileURL(resolve(process.argv[2])).href)
