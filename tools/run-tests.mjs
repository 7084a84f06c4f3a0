// Builds what is stale, then runs every test/**/*.test.ts from build/, two processes at a time. Most
// processes run several files. Files that look at times or need all processors run alone; those that
// mostly wait run beside the two.
// Arguments select files whose path contains one of them. Ends with the line "N passed, N failed";
// a file that does not load, ends early or hangs counts as one failure. With --times the files
// follow by processor time, the costliest first: it tells what a test costs on a busy machine too.
// --save-times keeps these times in tools/test-times.json, by which files are ordered. With --apart
// each file has a process of its own. With --long all cases run, also those that a change is not
// tested with each time (test/support/long.ts).
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const TIMEOUT_MS = 300_000

/** Paths below the folder, sorted. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .sort()
}

/** What stands in front of the output of a file. */
const MARK = /^file (build\/\S+)\n/m

/** Output by file, in the order in which they began; what comes before all of them is the first's. */
function byFile(output) {
  const [before, ...parts] = output.split(MARK)
  const outputs = new Map()
  for (let i = 0; i < parts.length; i += 2)
    outputs.set(parts[i], (i === 0 ? before : '') + parts[i + 1])
  return outputs
}

/**
 * Runs built files in one process and resolves with the counts of each. A file that hangs or ends
 * the process counts as failed; those behind it are run in another process.
 */
function runFiles(files) {
  return new Promise((resolve) => {
    let start = performance.now()
    const child = spawn(process.execPath, ['tools/test-file.mjs', ...files], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    const ends = new Map()
    let hung = false
    let timer
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        hung = true
        child.kill('SIGKILL')
      }, TIMEOUT_MS)
    }
    watch()
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text) => {
      const seen = byFile(output).size
      output += text
      const began = [...byFile(output).keys()]
      // Each file has the whole time.
      if (began.length > seen) watch()
      for (const file of began.slice(0, -1)) if (!ends.has(file)) ends.set(file, performance.now())
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const outputs = byFile(output)
      if (outputs.size === 0) outputs.set(files[0], output)
      const last = [...outputs.keys()].at(-1)
      ends.set(last, performance.now())
      const all = []
      for (const [file, text] of outputs) {
        const total = Number(text.match(/^ *Total: +(\d+)/m)?.[1] ?? 0)
        const passed = Number(text.match(/^ *Passed: +(\d+)/m)?.[1] ?? 0)
        let failed = total - passed
        const others = all.reduce((sum, of) => sum + of.failed, 0)
        let why = ''
        const skipped = Number(text.match(/^ *Skipped: +(\d+)/m)?.[1] ?? 0)
        if (total + skipped === 0) why = 'ran no test'
        // Who has ended the process, or keeps it alive, is the file that ran last, or one before.
        if (file === last && (hung || signal || (code !== 0 && failed + others === 0)))
          why = hung
            ? `did not end within ${TIMEOUT_MS / 1000} s`
            : signal
              ? `ended by ${signal}`
              : `exit code ${code}`
        if (why !== '' && failed === 0) failed = 1
        const company = files.length > 1 ? ` (in one process with ${files.join(', ')})` : ''
        const problem = why === '' ? '' : `  FAIL  ${file}: ${why}${company}\n`
        const end = ends.get(file)
        const processor = Number(text.match(/^ *Processor: +([\d.]+) s/m)?.[1] ?? 0)
        all.push({
          source: file.replace(/^build\/(.*)\.js$/, '$1.ts'),
          passed,
          failed,
          seconds: (end - start) / 1000,
          processor,
          output: text + problem,
        })
        start = end
      }
      resolve({ all, rest: files.slice(files.indexOf(last) + 1) })
    })
  })
}

const args = process.argv.slice(2)
const OPTIONS = ['--apart', '--long', '--save-times', '--times', '--update']
const unknown = args.find((arg) => arg.startsWith('--') && !OPTIONS.includes(arg))
if (unknown !== undefined) {
  console.log(`there is no option ${unknown}; there are ${OPTIONS.join(', ')}`)
  process.exit(1)
}

const { status } = spawnSync(process.execPath, ['tools/build.mjs'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// Networks of the tests are small: left alone, most of their programs would run on one thread.
process.env.SPIKEWASM_ALL_THREADS = '1'
// Snapshots are written instead of compared.
if (args.includes('--update')) process.env.UPDATE_SNAPSHOTS = '1'
if (args.includes('--long')) process.env.SPIKEWASM_TEST_LONG = '1'
const savesTimes = args.includes('--save-times')
const times = savesTimes || args.includes('--times')
if (times) process.env.SPIKEWASM_TEST_TIMES = '1'
const isApart = args.includes('--apart')
const wanted = args
  .filter((part) => !part.startsWith('--'))
  .map((part) => part.replaceAll('\\', '/'))
const sources = filesBelow('test').filter(
  (path) =>
    path.endsWith('.test.ts') &&
    (wanted.length === 0 || wanted.some((part) => path.includes(part))),
)
let [passed, failed] = [0, 0]
const costs = []

/** Runs groups of files one after the other, until the list is empty. */
async function runAll(list) {
  for (let group = list.shift(); group; group = list.shift()) {
    const { all, rest } = await runFiles(
      group.map((path) => `build/${path.replace(/\.ts$/, '.js')}`),
    )
    for (const counts of all) {
      console.log(`\n${counts.source}\n${counts.output}`)
      costs.push(counts)
      passed += counts.passed
      failed += counts.failed
    }
    if (rest.length > 0)
      list.unshift(rest.map((path) => path.replace(/^build\/(.*)\.js$/, '$1.ts')))
  }
}

/** Paths of test files, from rows of a folder and names. */
const paths = (rows) =>
  rows.flatMap((row) => {
    const [folder, names] = row.split(': ')
    return names.split(' ').map((name) => `test/${folder}/${name}.test.ts`)
  })

// Where new files run alone, and those there that neither look at times nor need all processors.
const ALONE = /^test\/(bench|diagnose|runtime|train|web)\//
const BESIDE = paths([
  'bench: accuracy campaign figures history kernels operations own peers selection statistics',
  'bench: baseline bench compare-faults edge report trust turns weights',
  'diagnose: command measure page',
  'runtime: bounds failure idle-threads junk memory move profile revectorize sharing threads views',
  'train: callbacks checkpoint data metrics model optimizer regression resume resume-start',
  'train: callback-state epoch-line everywhere fingerprint hooks operations schedule updates writer',
  'train: dashboard overlap report wrong-checkpoint',
  'web: bundlers bytes engines features mirror page pages size threads',
])
const runsAlone = (path) => ALONE.test(path) && !BESIDE.includes(path)
// They wait for locks that expire, processes that end, signals and files: a third process has time
// for them whatever the other two do.
const WAITING = paths([
  'cli: endings interrupt',
  'io: faults',
  'package: install',
  'scale: damaged redis rounds-redis sweep versions',
  'web: engines',
])

// Files of these folders share processes: to start one, to read all modules of the source and to
// compile the engine takes longer than most files, and code that is hot already runs faster. A file
// needs a process of its own where it counts what the process does (threads that start, memory,
// warnings), or changes it for good. `--apart` gives each file one.
const TOGETHER =
  /^test\/(assembly|cli|data|edge|events|golden|graph|io|load|models|network|nir|ops|plan|train)\//
const APART = paths([
  'cli: endings interrupt places source-maps',
  'data: pictures threads',
  'golden: revectorize',
  'plan: work',
  'train: callbacks checkpoint dashboard overlap regression report updates writer',
])
/** Of other folders. */
const ALSO = paths([
  'bench: accuracy baseline bench campaign figures history report selection statistics trust',
  'bench: turns',
  'diagnose: page',
  'pages: pages',
  'runtime: move profile threads views',
  'scale: codec cost halving jobs spec',
  'verify: apart hosts trial',
])
const shares = (path) =>
  !isApart && (ALSO.includes(path) || (TOGETHER.test(path) && !APART.includes(path)))
// Seconds of processor time, from `npm test -- --save-times`. A file that is not among them is new.
const TIMES = 'tools/test-times.json'
const seconds = JSON.parse(readFileSync(TIMES, 'utf8'))
const costOf = (group) => group.reduce((sum, path) => sum + (seconds[path] ?? 1), 0)
/** A process that takes longer is shared no further, so that both runners end at about one time. */
const GROUP_SECONDS = 20

/** Groups of files that share a process, the longest first. */
function groupsOf(list) {
  const groups = []
  let open
  for (const path of list) {
    if (!shares(path)) groups.push([path])
    else if (open && costOf(open) + costOf([path]) <= GROUP_SECONDS) open.push(path)
    else {
      open = [path]
      groups.push(open)
    }
  }
  return groups.sort((a, b) => costOf(b) - costOf(a))
}

const beside = sources.filter((path) => !runsAlone(path))
const others = groupsOf(beside.filter((path) => !WAITING.includes(path)))
const waiting = groupsOf(beside.filter((path) => WAITING.includes(path)))
const lanes = Array.from({ length: Math.min(2, availableParallelism()) }, () => others)
await Promise.all([...lanes, waiting].map(runAll))
await runAll(sources.filter(runsAlone).map((path) => [path]))
if (times) {
  const row = (processor, seconds, name) =>
    console.log(`${processor.toFixed(1).padStart(7)} ${seconds.toFixed(1).padStart(7)}  ${name}`)
  console.log('processor  time  (s)')
  for (const { processor, seconds, source } of costs.sort((a, b) => b.processor - a.processor))
    row(processor, seconds, source)
  const sum = (key) => costs.reduce((total, cost) => total + cost[key], 0)
  row(sum('processor'), sum('seconds'), `sum of ${costs.length} files`)
}
if (savesTimes) {
  for (const { source, processor } of costs) seconds[source] = Number(processor.toFixed(1))
  const rows = filesBelow('test')
    .filter((path) => path in seconds)
    .sort((a, b) => seconds[b] - seconds[a])
    .map((path) => [path, seconds[path]])
  writeFileSync(TIMES, `${JSON.stringify(Object.fromEntries(rows), undefined, 2)}\n`)
}
if (passed + failed === 0) console.log(`no test matches ${JSON.stringify(wanted)}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)
