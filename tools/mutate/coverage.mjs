// Which lines of src each test file runs, its child processes and threads included: by V8's own
// counts of blocks, and the source maps. A mutant needs no test that never runs its line. What runs
// in a browser is not seen. build/coverage.json keeps the answers; a test file runs again when it,
// or anything but tests, has changed.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodedMappings, TraceMap } from '@jridgewell/trace-mapping'
import { runGroup } from '../runner/group.mjs'
import { filesOf, hashOf } from '../sources.mjs'

const FILE = 'build/coverage.json'
const LONGEST_TEST_SECONDS = 300

const maps = new Map()
/** How long a built file is, and where it was made from which line: [offset, line from 1]. */
function mapOf(file) {
  if (maps.has(file)) return maps.get(file)
  const text = readFileSync(file, 'utf8')
  let length = 0
  const starts = text.split('\n').map((line) => {
    length += line.length + 1
    return length - line.length - 1
  })
  const mappings = decodedMappings(new TraceMap(readFileSync(`${file}.map`, 'utf8')))
  const points = mappings.flatMap((segments, at) =>
    segments.filter((s) => s.length > 1).map(([column, , line]) => [starts[at] + column, line + 1]),
  )
  maps.set(file, { length, points })
  return maps.get(file)
}

/** The lines that a script has run; of two ranges that hold a point the smaller one counts. */
export function linesRun(file, functions) {
  const { length, points } = mapOf(file)
  const ran = new Uint8Array(length)
  const size = ({ startOffset, endOffset }) => endOffset - startOffset
  const ranges = functions.flatMap(({ ranges }) => ranges).sort((a, b) => size(b) - size(a))
  for (const { startOffset, endOffset, count } of ranges)
    ran.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  return points.filter(([offset]) => ran[offset]).map(([, line]) => line)
}

/** What V8 has written; a process that was killed meanwhile leaves half of it. */
function resultOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).result
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

/** Lines by source, from the files that V8 has written into a folder. */
function linesOf(folder) {
  const root = pathToFileURL(`${process.cwd()}/build/src/`).href
  const lines = {}
  for (const { url, functions } of readdirSync(folder).flatMap((n) => resultOf(join(folder, n)))) {
    const built = `build/src/${url.slice(root.length)}`
    if (!url.startsWith(root) || !existsSync(`${built}.map`)) continue
    const source = built.slice(6).replace(/js$/, 'ts')
    lines[source] = new Set([...(lines[source] ?? []), ...linesRun(built, functions)])
  }
  for (const source in lines) lines[source] = [...lines[source]].sort((a, b) => a - b)
  return lines
}

/**
 * Runs built test files in one process, until the first failure.
 * @returns the file that failed; undefined: all passed
 */
export async function runTestFiles(paths, limit, { cwd = '.', env = {} } = {}) {
  const files = paths.map((source) => ({ source, built: `build/${source.replace(/ts$/, 'js')}` }))
  const all = { ...process.env, SPIKEWASM_ALL_THREADS: '1', ...env }
  const { runs } = await runGroup(files, { limit, cwd, failed: () => true, env: all })
  return runs.find(({ failed }) => failed > 0)?.source ?? paths[runs.length]
}

/** Runs a test file, and returns what it covers. */
async function cover(path) {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-coverage-'))
  const env = { NODE_V8_COVERAGE: folder }
  const start = performance.now()
  const failure = await runTestFiles([path], LONGEST_TEST_SECONDS, { env })
  const seconds = (performance.now() - start) / 1000
  const lines = linesOf(folder)
  rmSync(folder, { recursive: true, force: true })
  return { passed: !failure, seconds: Number(seconds.toFixed(1)), lines }
}

/**
 * What each test file covers: `{ passed, seconds, lines: { 'src/x.ts': [1, 2, …] } }` by its path.
 * Two run at a time. What has been found stands in the file at once, so that a run can go on.
 */
export async function coverage() {
  const tests = filesOf('test').filter((path) => path.endsWith('.test.ts'))
  const rest = ['src', 'assembly', 'test'].flatMap(filesOf).filter((path) => !tests.includes(path))
  const common = hashOf(rest)
  const before = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {}
  const keyOf = (path) => `${common} ${hashOf([path])}`
  const found = Object.fromEntries(
    tests.filter((path) => before[path]?.key === keyOf(path)).map((path) => [path, before[path]]),
  )
  const left = tests.filter((path) => !found[path])
  const all = left.length
  const lane = async () => {
    for (let path = left.shift(); path; path = left.shift()) {
      found[path] = { key: keyOf(path), ...(await cover(path)) }
      writeFileSync(FILE, JSON.stringify(found))
      console.log(`covered ${all - left.length} of ${all}: ${path}`)
    }
  }
  await Promise.all([lane(), lane()])
  return found
}
