// Runs built test files, one behind the other, in this process. Its argument is JSON: the files,
// and which tests are wanted. Tells the runner (group.mjs) what happens by lines of JSON, which are
// written at once: a hung kernel lets nothing else of this process run.
// Stack traces show lines of TypeScript.
import { readFileSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { loadWatched, watchSuite } from './suites.mjs'

const EVENTS = 3

function tell(event) {
  try {
    writeSync(EVENTS, `${JSON.stringify(event)}\n`)
  } catch {
    // The runner is gone: nobody else would end what the tests have started.
    process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL')
  }
}

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
  const now = processorSeconds()
  tell({ kind: 'processor', seconds: now - told })
  told = now
}

// Most of what tests run ends soon: to optimise it costs more than it saves. V8 waits seven times as
// long as by itself here, in Node 20: a later one has a cheap optimiser in front of that.
if (Number.parseInt(process.versions.v8, 10) < 12) setFlagsFromString('--interrupt-budget=1000000')

const { files, grep } = JSON.parse(process.argv[2])
const wanted = new RegExp(grep)
// What a file leaves behind counts as its own: threads that end, a start of the process.
process.on('exit', tellTime)
const { typescriptLines } = await import('../../build/src/cli/mistakes.js')
Error.prepareStackTrace = (error, calls) =>
  typescriptLines([String(error), ...calls.map((call) => `    at ${call}`)].join('\n'))
// uvu would run what it has found so far by itself, whichever file that is from.
globalThis.UVU_DEFER = 1
// Tests import single files of the source; nothing else says that they run in Node.
await import('../../build/src/model/node.js')
const { exec } = await import('uvu')
// Tests compile models by the hundred, each small: a collection behind every few of them would take
// longer than they do. Those of memory see it as users do.
const { growth } = await import('../../build/src/engine/memory/collect.js')
const ofUsers = { ...growth }
const ofTests = { youngBytes: 2 ** 24, allBytes: 2 ** 27 }

/** What tests tell the runner, through test/support/runner.ts. */
globalThis.SPIKEWASM_TELL = (event) => {
  if (event.name === undefined || wanted.test(event.name)) tell(event)
}

for (const [i, { source, built }] of files.entries()) {
  if (i > 0) tellTime()
  console.log(`\n${source}`)
  tell({ kind: 'file', source })
  Object.assign(growth, source.includes('/runtime/') ? ofUsers : ofTests)
  globalThis.UVU_QUEUE.splice(0, Number.POSITIVE_INFINITY, [null])
  try {
    const load = () => import(pathToFileURL(resolve(built)).href)
    await loadWatched(load, (suite) => watchSuite(suite, wanted, tell))
    await exec()
  } catch (error) {
    console.error(error)
    tell({ kind: 'broken', why: String(error) })
  }
  // What it has left to happen, a rejection for example, happens now.
  for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done))
}
// What failed is told: another code says that something went wrong behind the tests.
process.exitCode = 0
tell({ kind: 'done' })
