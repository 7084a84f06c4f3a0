// Builds what is stale, then runs every test/**/*.test.ts from build/, each file in a process of
// its own, two at a time. Those that look at times or need all processors run alone.
// Arguments select files whose path contains one of them. Ends with the line "N passed, N failed";
// a file that does not load, ends early or hangs counts as one failure. With --times the files
// follow by processor time, the costliest first: it tells what a test costs on a busy machine too.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const TIMEOUT_MS = 300_000

/** Paths below the folder, sorted. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .sort()
}

/** Runs one built file and resolves with its counts. */
function runFile(file) {
  return new Promise((resolve) => {
    const start = performance.now()
    const child = spawn(process.execPath, ['tools/test-file.mjs', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text) => {
      output += text
    })
    let hung = false
    const timer = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, TIMEOUT_MS)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const total = Number(output.match(/^ *Total: +(\d+)/m)?.[1] ?? 0)
      const passed = Number(output.match(/^ *Passed: +(\d+)/m)?.[1] ?? 0)
      let failed = total - passed
      let problem = ''
      if (failed === 0 && (code !== 0 || total === 0)) {
        failed = 1
        const why = hung
          ? `did not end within ${TIMEOUT_MS / 1000} s`
          : signal
            ? `ended by ${signal}`
            : total === 0
              ? 'ran no test'
              : `exit code ${code}`
        problem = `  FAIL  ${file}: ${why}\n`
      }
      const seconds = (performance.now() - start) / 1000
      const processor = Number(output.match(/^ *Processor: +([\d.]+) s/m)?.[1] ?? 0)
      resolve({ passed, failed, seconds, processor, output: output + problem })
    })
  })
}

const { status } = spawnSync(process.execPath, ['tools/build.mjs'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// Networks of the tests are small: left alone, most of their programs would run on one thread.
process.env.SPIKEWASM_ALL_THREADS = '1'
const args = process.argv.slice(2)
// Snapshots are written instead of compared.
if (args.includes('--update')) process.env.UPDATE_SNAPSHOTS = '1'
const times = args.includes('--times')
if (times) process.env.SPIKEWASM_TEST_TIMES = '1'
const wanted = args
  .filter((part) => part !== '--update' && part !== '--times')
  .map((part) => part.replaceAll('\\', '/'))
const sources = filesBelow('test').filter(
  (path) =>
    path.endsWith('.test.ts') &&
    (wanted.length === 0 || wanted.some((part) => path.includes(part))),
)
let [passed, failed] = [0, 0]
const costs = []

/** Runs files one after the other, until the list is empty. */
async function runAll(list) {
  for (let source = list.shift(); source; source = list.shift()) {
    const counts = await runFile(`build/${source.replace(/\.ts$/, '.js')}`)
    console.log(`\n${source}\n${counts.output}`)
    costs.push({ source, ...counts })
    passed += counts.passed
    failed += counts.failed
  }
}

// Where new files run alone, and those there that neither look at times nor need all processors.
const ALONE = /^test\/(bench|diagnose|runtime|train|web)\/|interrupt/
const BESIDE = [
  'bench: accuracy campaign figures history kernels operations own peers selection statistics',
  'bench: edge report trust turns weights',
  'diagnose: command measure page',
  'runtime: bounds junk memory move profile revectorize sharing threads views',
  'train: callbacks checkpoint data metrics model optimizer regression resume resume-start',
  'train: callback-state fingerprint schedule updates writer wrong-checkpoint',
  'web: mirror',
].flatMap((row) => {
  const [folder, names] = row.split(': ')
  return names.split(' ').map((name) => `test/${folder}/${name}.test.ts`)
})
const runsAlone = (path) => ALONE.test(path) && !BESIDE.includes(path)
const alone = sources.filter(runsAlone)
// The longest come first, so that both runners end at about one time. Times are rough: whole
// seconds, from `npm test -- --times`. A file that is not among them is short, or new.
const seconds = JSON.parse(readFileSync('tools/test-times.json', 'utf8'))
const others = sources
  .filter((path) => !runsAlone(path))
  .sort((a, b) => (seconds[b] ?? 1) - (seconds[a] ?? 1))
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, () => runAll(others)))
await runAll(alone)
if (times) {
  const row = (processor, seconds, name) =>
    console.log(`${processor.toFixed(1).padStart(7)} ${seconds.toFixed(1).padStart(7)}  ${name}`)
  console.log('processor  time  (s)')
  for (const { processor, seconds, source } of costs.sort((a, b) => b.processor - a.processor))
    row(processor, seconds, source)
  const sum = (key) => costs.reduce((total, cost) => total + cost[key], 0)
  row(sum('processor'), sum('seconds'), `sum of ${costs.length} files`)
}
if (passed + failed === 0) console.log(`no test matches ${JSON.stringify(wanted)}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)
