// Builds what is stale, then runs every test/**/*.test.ts from build/ (runner/schedule.mjs says
// how). Arguments select files whose path contains one of them. The last line is "N passed, N
// failed"; the line before it names what was skipped and why. A file that does not load, ends early
// or hangs has failed. docs/testing.md lists the options.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { flag, readOptions, refuse, text } from './options.mjs'
import { runGroup } from './runner/group.mjs'
import { endAllGroups } from './runner/processes.mjs'
import { failuresOf, skipsOf, timesOf } from './runner/report.mjs'
import { scheduleOf } from './runner/schedule.mjs'
import { filesOf } from './sources.mjs'

/** Seconds of processor time by file, from --save-times. */
const TIMES = 'tools/test-times.json'
/** A test may take this many seconds; with --long five times as many. */
const LIMIT = 120

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const given = readOptions(
  {
    apart: flag,
    bail: flag,
    fast: flag,
    grep: { ...text, default: '' },
    limit: text,
    long: flag,
    'no-build': flag,
    'save-times': flag,
    times: flag,
    update: flag,
    // For tests of the runner: files *.test.mjs, which run as they are.
    folder: { ...text, default: 'test' },
  },
  true,
)
const words = given.positionals.map((part) => part.replaceAll('\\', '/'))
const limit = Number(given.limit ?? (given.long ? 5 * LIMIT : LIMIT))
if (!(limit > 0)) refuse(`--limit must be seconds, got ${given.limit}`)
try {
  new RegExp(given.grep)
} catch (error) {
  refuse(error.message)
}
const options = { ...given, limit }

if (!options.noBuild) {
  const build = ['tools/build.mjs', ...(options.fast ? ['--fast'] : [])]
  const { status } = spawnSync(process.execPath, build, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// Networks of the tests are small: left alone, most of their programs would run on one thread.
process.env.SPIKEWASM_ALL_THREADS = '1'
// Snapshots are written instead of compared.
if (options.update) process.env.UPDATE_SNAPSHOTS = '1'
if (options.long) process.env.SPIKEWASM_TEST_LONG = '1'

const sources = filesOf(options.folder).filter(
  (path) =>
    /\.test\.(ts|mjs)$/.test(path) &&
    (words.length === 0 || words.some((word) => path.includes(word))),
)
const builtOf = (source) => source.replace(/^(.*)\.ts$/, 'build/$1.js')
const runs = []
let isStopped = false

/** With --bail: ends all behind the first failure. @returns whether all is over */
function stopAt(run) {
  if (!options.bail) return false
  if (!isStopped) runs.push(run)
  isStopped = true
  endAllGroups()
  return true
}

/** Runs groups of files one after the other, until the list is empty. */
async function runAll(list) {
  for (let group = list.shift(); group && !isStopped; group = list.shift()) {
    const files = group.map((source) => ({ source, built: builtOf(source) }))
    const ended = await runGroup(files, { ...options, failed: stopAt })
    if (isStopped) return
    console.log(ended.output)
    const bad = ended.runs.find(({ failed }) => failed > 0)
    if (bad) stopAt(bad)
    if (isStopped) return
    runs.push(...ended.runs)
    // What ended the process says nothing of the files behind it.
    const rest = group.slice(ended.runs.length)
    if (rest.length > 0) list.unshift(rest)
  }
}

const seconds = JSON.parse(readFileSync(TIMES, 'utf8'))
try {
  const { lanes, waiting, alone } = scheduleOf(sources, seconds, options.apart)
  const both = Array.from({ length: Math.min(2, availableParallelism()) }, () => lanes)
  await Promise.all([...both, waiting].map(runAll))
  await runAll(alone)
} catch (error) {
  refuse(error.message)
}

if (options.times || options.saveTimes) for (const row of timesOf(runs)) console.log(row)
if (options.saveTimes) {
  for (const { source, processor } of runs) seconds[source] = Number(processor.toFixed(1))
  const rows = filesOf('test')
    .filter((path) => path in seconds)
    .sort((a, b) => seconds[b] - seconds[a])
    .map((path) => [path, seconds[path]])
  writeFileSync(TIMES, `${JSON.stringify(Object.fromEntries(rows), undefined, 2)}\n`)
}
for (const row of failuresOf(runs, options.bail)) console.log(row)
const sum = (key) => runs.reduce((total, run) => total + run[key], 0)
const [passed, failed] = [sum('passed'), sum('failed')]
const isEmpty = passed + failed === 0 && !runs.some(({ skips }) => skips.length > 0)
if (isEmpty) console.log(`no test runs: ${JSON.stringify([...words, options.grep])}`)
process.exitCode = failed > 0 || isEmpty ? 1 : 0
console.log(skipsOf(runs))
console.log(`${passed} passed, ${failed} failed`)
